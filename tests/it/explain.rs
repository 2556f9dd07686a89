//! `policy explain`, `policy diff` and `policy fmt` as an operator runs them.

use std::path::Path;
use std::process::Command;

const POLICIES: &str = r#"@id("helpdesk.look")
permit (
    principal in Role::"helpdesk",
    action in Action::"read",
    resource
)
when { context.query has owner && context.query.owner == "team-a" };

@id("tool.ask")
permit (
    principal in Role::"tool",
    action == Action::"node:update",
    resource
);

@id("tool.extra")
permit (
    principal in Role::"tool",
    action == Action::"node:update:write",
    resource
)
when { context.write.field == "extra" };

@id("site.quiet")
forbid (
    principal,
    action,
    resource
)
when
{
    context has write &&
    context.write has value.string &&
    context.write.value.string == "loud"
};

@id("own")
permit (
    principal in Role::"owner",
    action == Action::"node:get",
    resource
)
when { resource has owner && resource.owner == principal.name };

@id("narrow.list")
@filter("owner = 'team-x'")
permit (
    principal in Role::"narrow",
    action == Action::"node:list",
    resource
);
"#;

fn run(directory: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_irongate")).current_dir(directory).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), text)
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("a")).unwrap();
    std::fs::write(directory.path().join("a/t.cedar"), POLICIES).unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("loud.json", r#"[{"op": "add", "path": "/extra/a", "value": "loud"}]"#);
    write("name.json", r#"[{"op": "add", "path": "/name", "value": "n"}]"#);
    write("good.json", r#"[{"op": "add", "path": "/extra/a", "value": "x"}]"#);
    write("bad.json", r#"[{"op": "add", "path": "/nonsense", "value": "x"}]"#);
    write("node.json", r#"{"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c001", "name": "n1", "owner": "alice"}"#);
    write(
        "request.txt",
        "GET /v1/nodes?owner=team-a HTTP/1.1\r\nHost: x\r\nOpenStack-API-Version: baremetal 1.80\r\n\r\n",
    );
    write(
        "audit.jsonl",
        r#"{"request_id": "req-1", "operation": "node:update", "resource": {"type": "Node", "id": "n1"}, "kind": "decision", "version": 1, "listener": "public", "microversion": "1.80", "principal": {"scheme": "basic", "name": "t", "roles": ["tool"]}, "writes": [{"op": "add", "path": "/extra/a"}, {"op": "add", "path": "/name"}], "decision": "deny", "revision": "r"}
{"request_id": "req-3", "operation": "node:list", "kind": "decision", "version": 1, "listener": "public", "microversion": "1.80", "principal": {"scheme": "basic", "name": "h", "roles": ["helpdesk"]}, "query": ["owner"], "query_values": {"owner": "team-a"}, "decision": "permit", "upstream_status": 200, "revision": "r"}
{"request_id": "req-4", "operation": "node:list", "kind": "decision", "version": 1, "listener": "public", "microversion": "1.80", "principal": {"scheme": "basic", "name": "h", "roles": ["helpdesk"]}, "query": ["owner"], "query_values": {"owner": "team-b"}, "decision": "deny", "stage": "authorize", "revision": "r"}
{"request_id": "req-5", "operation": "node:update", "kind": "decision", "version": 1, "listener": "public", "resource": {"type": "Node", "id": "n1"}, "microversion": "1.80", "principal": {"scheme": "basic", "name": "t", "roles": ["tool"]}, "writes": [{"op": "add", "path": "/extra/a", "value": {"kind": "string", "length": 4, "spelling": "word"}}], "decision": "permit", "upstream_status": 200, "revision": "r"}
{"request_id": "req-6", "operation": "node:list", "kind": "decision", "version": 1, "listener": "public", "microversion": "1.80", "principal": {"scheme": "basic", "name": "n", "roles": ["narrow"]}, "query": ["owner"], "decision": "deny", "stage": "authorize", "revision": "r"}
{"request_id": "req-7", "operation": "node:list", "kind": "decision", "version": 1, "listener": "public", "microversion": "1.80", "principal": {"scheme": "basic", "name": "n", "roles": ["narrow"]}, "decision": "permit", "upstream_status": 200, "revision": "r"}"#,
    );
    directory
}

#[track_caller]
fn check(arguments: &str, code: i32, expected: &[&str]) {
    let directory = directory();
    let arguments: Vec<&str> = "policy explain --policies a".split(' ').chain(arguments.split(' ')).collect();
    let (found, text) = run(directory.path(), &arguments);
    assert_eq!(found, code, "{arguments:?}\n{text}");
    for part in expected {
        assert!(text.contains(part), "{arguments:?}: no {part:?} in\n{text}");
    }
}

#[test]
fn explain_tells_what_fails_and_what_would_permit() {
    check(
        "--path /v1/nodes --role helpdesk",
        1,
        &[
            "node:list: deny (no_permit)",
            "permit helpdesk.look: does not apply  (a/t.cedar:1)",
            "fails at when: context.query has owner",
            "helpdesk.look permits it where this holds: context.query has owner",
        ],
    );
    check(
        "--path /v1/nodes --query owner=team-b --role helpdesk",
        1,
        &["fails at when: context.query.owner == \"team-a\""],
    );
    check("--path /v1/nodes --query owner=team-a --role helpdesk", 0, &["node:list: permit by helpdesk.look"]);
    check(
        "--path /v1/nodes?owner=team-a --role tool",
        1,
        &["fails at scope principal: principal in Role::\"helpdesk\"", "permits it to the role \"helpdesk\""],
    );
    check("--request request.txt --role helpdesk", 0, &["node:list: permit"]);
}

#[test]
fn explain_names_the_filter_that_is_not_met() {
    let filter = "fails at @filter(\"owner = 'team-x'\")";
    let rows = [
        ("--path /v1/nodes?owner=team-y --role narrow", "the query says something else"),
        (
            "--path /v1/nodes --microversion 1.1 --role narrow",
            "Ironic knows it since microversion 1.50, and this is 1.1",
        ),
        (
            "--path /v1/nodes?instance_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c001 --role narrow",
            "it does not hold beside instance_uuid",
        ),
    ];
    for (arguments, why) in rows {
        let (fails, advice) = (format!("{filter}: {why}"), "narrow.list permits it where this holds: @filter");
        let expected = ["node:list: deny (no_permit)", "permit narrow.list: does not apply", &fails, advice];
        check(arguments, 1, &expected);
    }
    check("--path /v1/nodes?owner=team-x --role narrow", 0, &["permit narrow.list: applies"]);
}

#[test]
fn explain_asks_about_each_write() {
    let patch = |file: &str| format!("--method PATCH --path /v1/nodes/n1 --role tool --body {file}");
    check(
        &patch("good.json"),
        0,
        &["node:update: permit by tool.ask", "node:update:write /extra/a: permit by tool.extra"],
    );
    check(
        &patch("name.json"),
        1,
        &["node:update:write /name: deny (no_permit)", "fails at when: context.write.field == \"extra\""],
    );
    check(
        &patch("loud.json"),
        1,
        &["deny (forbidden) by site.quiet", "site.quiet must not apply: it forbids this when {"],
    );
    check(&patch("bad.json"), 2, &["refused before any policy is asked"]);
    check("--method PATCH --path /v1/nodes/n1 --role other --body good.json", 1, &["its writes are not asked about"]);
}

#[test]
fn explain_takes_the_object_and_records() {
    let get = "--path /v1/nodes/n1 --role owner --name alice";
    check(
        get,
        1,
        &[
            "decision: unknown",
            "note: policies read the object",
            "node:get: unknown: it hangs on own",
            "fails at when: resource has owner",
        ],
    );
    check(&format!("{get} --resource node.json"), 0, &["node:get: permit by own"]);
    check("--path /v1/nodes/n1 --role owner --name bob --resource node.json", 1, &["resource.owner == principal.name"]);
    check(
        "--record audit.jsonl --request-id req-1",
        1,
        &[
            "decision: deny",
            "note: recorded: deny under revision r",
            "note: the record says: deny of /name (no_permit) by default-deny",
            "/extra/a: permit",
            "/name: deny (no_permit)",
        ],
    );
    // What a record holds decides, also against what would be read if it were absent.
    check(
        "--record audit.jsonl --request-id req-3",
        0,
        &["decision: permit", "note: the record says: permit by helpdesk.look", "node:list: permit by helpdesk.look"],
    );
    check(
        "--record audit.jsonl --request-id req-5",
        1,
        &["decision: unknown", "it hangs on context.write.value.string, read by site.quiet", "/extra/a: permit"],
    );
    check("--record audit.jsonl --request-id req-4", 1, &["decision: deny", "note: the record says: deny (no_permit)"]);
    // The owner that was asked for is not in the record, and the filter hangs on it.
    check(
        "--record audit.jsonl --request-id req-6",
        1,
        &["decision: unknown", "it hangs on context.query, read by narrow.list"],
    );
    check("--record audit.jsonl --request-id req-7", 0, &["decision: permit", "irongate adds owner=team-x"]);
    check("--record audit.jsonl --request-id req-2", 2, &["has no record of this request id"]);
    let (_, text) =
        run(directory().path(), &["policy", "explain", "--policies", "a", "--path", "/v1/nodes", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["decision"], "deny");
    assert_eq!(document["questions"][0]["policies"][0]["failed"]["part"], "principal");
}

#[test]
fn what_hangs_on_an_object_that_is_not_given_is_unknown() {
    let policies = r#"
        @id("all") permit (principal in Role::"careful", action, resource);
        @id("protected") forbid (principal in Role::"careful", action in Action::"node:delete", resource)
        when { resource has protected && resource.protected };
        @id("one") forbid (principal in Role::"careful", action in Action::"node:get", resource == Node::"n-y");
        @id("kept") forbid (principal in Role::"careful", action == Action::"node:update:write", resource)
        when { context.write.path == "/owner" && resource has lessee };
        @id("moved") forbid (principal in Role::"careful", action == Action::"port:create:write", resource)
        when { context.write has target.protected && context.write.target.protected };
        @id("mine") permit (principal in Role::"mine", action in Action::"node:get", resource)
        when { principal.name == "alice" && resource has owner && resource.owner == "alice" };
    "#;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("t.cedar", policies);
    write("node.json", r#"{"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c001", "name": "n-z", "owner": "alice"}"#);
    write("owner.json", r#"[{"op": "add", "path": "/owner", "value": "bob"}]"#);
    write("extra.json", r#"[{"op": "add", "path": "/extra/a", "value": "b"}]"#);
    write("port.json", r#"{"address": "52:54:00:00:00:01", "node_uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c001"}"#);
    let uuid = "/v1/nodes/1be26c0b-03f2-4d2e-ae87-c02d7f33c001";
    let rows = [
        ("--method DELETE --path /v1/nodes/x --role careful", 1, "node:delete: unknown: it hangs on protected"),
        ("--method DELETE --path /v1/nodes/x --role careful --resource node.json", 0, "node:delete: permit by all"),
        // Another name is another node; a UUID may be anybody's.
        ("--path /v1/nodes/n-z --role careful", 0, "node:get: permit by all"),
        ("--path /v1/nodes/n-y --role careful", 1, "node:get: deny (forbidden) by one"),
        (&format!("--path {uuid} --role careful"), 1, "node:get: unknown: it hangs on one"),
        (&format!("--path {uuid} --role careful --resource node.json"), 0, "node:get: permit by all"),
        ("--method PATCH --path /v1/nodes/x --role careful --body owner.json", 1, "/owner: unknown: it hangs on kept"),
        ("--method PATCH --path /v1/nodes/x --role careful --body extra.json", 0, "/extra/a: permit by all"),
        ("--method POST --path /v1/ports --role careful --body port.json", 1, "/node_uuid: unknown: it hangs on moved"),
        (
            "--method POST --path /v1/ports --role careful --body port.json --target node.json",
            0,
            "/node_uuid: permit by all",
        ),
        // Whatever the object is.
        ("--path /v1/nodes/x --role mine --name bob", 1, "node:get: deny (no_permit)"),
        ("--path /v1/nodes/x --role mine --name alice", 1, "decision: unknown"),
    ];
    for (arguments, code, expected) in rows {
        let arguments: Vec<&str> = "policy explain --policies t.cedar".split(' ').chain(arguments.split(' ')).collect();
        let (found, text) = run(directory.path(), &arguments);
        assert_eq!(found, code, "{arguments:?}\n{text}");
        assert!(text.contains(expected), "{arguments:?}: no {expected:?} in\n{text}");
    }
}

#[test]
fn diff_and_fmt_have_exit_codes() {
    let directory = directory();
    let path = directory.path();
    std::fs::create_dir(path.join("b")).unwrap();
    let changed = POLICIES.replace("action == Action::\"node:get\"", "action == Action::\"node:delete\"");
    std::fs::write(path.join("b/t.cedar"), changed).unwrap();
    assert_eq!(run(path, &["policy", "diff", "a", "a"]), (0, String::new()));
    let (code, text) = run(path, &["policy", "diff", "a", "b"]);
    assert_eq!(
        (code, text.as_str()),
        (1, "- owner node:get (depends -> deny)\n+ owner node:delete (deny -> depends)\n")
    );
    let (code, text) = run(path, &["policy", "diff", "a", "b", "--format", "json"]);
    let changes: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &changes[0]["kind"]), (1, &"lost".into()));
    assert_eq!(run(path, &["policy", "diff", "a", "nowhere"]).0, 2);

    std::fs::write(path.join("b/t.cedar"), "// why\npermit(principal in Role::\"a\",action,resource);").unwrap();
    assert_eq!(run(path, &["policy", "fmt", "--check", "b"]), (1, "b/t.cedar\n".to_owned()));
    // Directories below are searched.
    let (code, text) = run(path, &["policy", "fmt", "--check", "."]);
    assert!(code == 1 && text.contains("./b/t.cedar"), "{text}");
    assert_eq!(run(path, &["policy", "fmt", "b"]).0, 0);
    let text = std::fs::read_to_string(path.join("b/t.cedar")).unwrap();
    assert!(text.starts_with("// why\npermit ("), "{text}");
    assert_eq!(run(path, &["policy", "fmt", "--check", "b"]).0, 0);
}

#[test]
fn explain_takes_a_line_for_curl() {
    let directory = directory();
    let explain = |more: &[&str]| {
        let mut arguments = vec!["policy", "explain", "--policies", "a", "--role", "tool"];
        arguments.extend(more);
        run(directory.path(), &arguments)
    };
    let line = r#"curl -sS -X PATCH https://gate:6385/v1/nodes/n1 -H 'X-OpenStack-Ironic-API-Version: 1.80' -d '[{"op": "add", "path": "/extra/a", "value": "x"}]'"#;
    let (code, text) = explain(&["--curl", line]);
    assert!(code == 0 && text.contains("node:update:write /extra/a: permit by tool.extra"), "{text}");
    let (code, text) = explain(&["--curl", "curl -X DELETE gate/v1/nodes/n1"]);
    assert!(code == 1 && text.contains("node:delete: deny (no_permit)"), "{text}");
    // Without a header a request is one of 1.1, which has no names of nodes.
    assert!(text.contains("note: the request names no microversion: it is 1.1"), "{text}");
    let (code, text) = explain(&["--curl", "curl gate/v1/nodes?fields=uuid"]);
    assert!(code == 2 && text.contains("fields"), "{text}");
    let (code, text) = explain(&["--microversion", "1.8", "--curl", "curl gate/v1/nodes?fields=uuid"]);
    assert!(code == 1 && text.contains("node:list: deny") && !text.contains("names no microversion"), "{text}");
    // The shared header counts among those of other services, as at irongate.
    let shared = "curl -sSk -XDELETE -H'OpenStack-API-Version: compute 2.1, baremetal 1.80' -uadmin:x gate/v1/nodes/n1";
    let (code, text) = explain(&["--curl", shared]);
    assert!(code == 1 && text.contains("node:delete: deny") && !text.contains("names no microversion"), "{text}");
    let (code, text) =
        explain(&["--microversion", "1.80", "--curl", "curl -G gate/v1/nodes -d fields=uuid -d limit=1"]);
    assert!(code == 1 && text.contains("node:list: deny"), "{text}");
    let (code, text) = explain(&["--microversion", "1.80", "--curl", "curl -H 'Accept: text/html' gate/v1/nodes"]);
    assert!(code == 2 && text.contains("accept application/json"), "{text}");
    let (code, text) = explain(&["--curl", "curl --proxy x gate/v1"]);
    assert!(code == 2 && text.contains("--proxy is not understood here"), "{text}");
}

#[test]
fn explain_tells_of_the_new_place_and_of_what_is_added() {
    let directory = directory();
    let policies = r#"
@id("own") permit (principal in Role::"owner", action in Action::"node:update", resource)
when { resource has owner && resource.owner == "alice" };
@id("list") @filter("project = principal.project_id")
permit (principal in Role::"owner", action == Action::"node:list", resource);
"#;
    std::fs::write(directory.path().join("own.cedar"), policies).unwrap();
    std::fs::write(directory.path().join("give.json"), r#"[{"op": "add", "path": "/owner", "value": "bob"}]"#).unwrap();
    let base = ["policy", "explain", "--policies", "own.cedar", "--role", "owner"];
    let explain = |more: &[&str]| run(directory.path(), &[&base, more].concat());
    let give = ["--method", "PATCH", "--path", "/v1/nodes/n1", "--body", "give.json", "--resource", "node.json"];
    let (code, text) = explain(&give);
    assert!(code == 1 && text.contains("asked about twice"), "{text}");
    assert!(text.contains("/owner: permit by own") && text.contains("/owner: deny (no_permit)"), "{text}");
    // More properties than policies are shown.
    let many: Vec<String> = (0..257).map(|key| format!(r#""k{key}": 1"#)).collect();
    let many = format!(r#"[{{"op": "add", "path": "/properties", "value": {{{}}}}}]"#, many.join(", "));
    std::fs::write(directory.path().join("give.json"), many).unwrap();
    assert_eq!(explain(&give).0, 0);
    let reading =
        format!(r#"{policies} forbid (principal, action, resource is Node) when {{ resource.hasTag("frozen") }};"#);
    std::fs::write(directory.path().join("own.cedar"), reading).unwrap();
    let (code, text) = explain(&give);
    assert!(code == 2 && text.contains("more than 256 properties"), "{text}");
    std::fs::write(directory.path().join("own.cedar"), policies).unwrap();
    let (code, text) = explain(&["--path", "/v1/nodes", "--project", "p1"]);
    assert!(code == 0 && text.contains("irongate adds project=p1 to the query"), "{text}");
    assert_eq!(explain(&["--path", "/v1/nodes?project=p2", "--project", "p1"]).0, 1);
    assert_eq!(explain(&["--path", "/v1/nodes"]).0, 1);
}

#[test]
fn matrix_and_fmt_speak_json() {
    let directory = directory();
    let (code, text) = run(directory.path(), &["policy", "matrix", "a", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &document["operations"]["node:update"]["tool"]), (0, &"?".into()));
    let (code, text) = run(directory.path(), &["policy", "fmt", "--check", "a", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code != 0, document["files"].as_array().is_some_and(|files| !files.is_empty()));
    assert_eq!(document["written"], false);
}

#[test]
fn a_filter_stands_on_lists_only() {
    let directory = directory();
    for (policy, word) in [
        (
            r#"@filter("project = principal.project_id") permit (principal in Role::"a", action in Action::"read", resource);"#,
            "is none",
        ),
        (
            r#"@filter("node = 'x'") permit (principal in Role::"a", action == Action::"allocation:list", resource);"#,
            "is none",
        ),
        (r#"@filter("owner = 'x'") forbid (principal, action == Action::"node:list", resource);"#, "is for permits"),
        (r#"@filter("owner") permit (principal in Role::"a", action == Action::"node:list", resource);"#, "its value"),
    ] {
        std::fs::write(directory.path().join("f.cedar"), policy).unwrap();
        let (code, text) = run(directory.path(), &["policy", "validate", "f.cedar"]);
        assert!(code == 1 && text.contains("f.cedar:1:") && text.contains(word), "{text}");
    }
}

//! Policies that read the object that a request is about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use irongate::config::{self, ListenAddress};
use irongate::server::Server;

use crate::support::client::basic;
use crate::support::ironic::Arrived;
use crate::support::{Answer, FakeIronic, Irongate, PASSWORD, configuration, json, send};

/// irongate with these policies and more in `[policy]`; `more` is top-level configuration.
pub fn start(ironic: &FakeIronic, policies: &str, in_policy: &str, more: &str) -> Irongate {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), &ironic.endpoint(), more);
    std::fs::write(directory.path().join("t.cedar"), policies).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let at = text.find("[policy]").unwrap();
    let end = at + text[at..].find("[audit]").unwrap();
    let text = format!("{}[policy]\ndirectories = [\"t.cedar\"]\n{in_policy}\n{}", &text[..at], &text[end..]);
    std::fs::write(&file, text).unwrap();
    let config = config::load(&file).unwrap_or_else(|errors| panic!("{errors:?}"));
    let server = Server::start(&config, file).unwrap_or_else(|error| panic!("{error}"));
    let server = Arc::new(server);
    let ListenAddress::Tcp(address) = server.addresses[0] else { panic!("the listener is TCP") };
    Irongate { server, directory, address }
}

pub const MINE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c001";
pub const THEIRS: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c002";
const PORT: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c003";
const MY_GROUP: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c041";
const THEIR_GROUP: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c042";
const NOT_FOUND: &str = r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node IDENT could not be found.\", \"debuginfo\": null}"}"#;

/// A node of `operator` called `mine`, one of `admin` called `theirs`, a port of `mine`, a port group of each.
pub fn world(request: &Arrived) -> Vec<u8> {
    let mut parts = request.line.split(' ');
    let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
    let path = target.split('?').next().unwrap();
    let node = |uuid: &str, name: &str, owner: &str| {
        format!(
            r#"{{"uuid": "{uuid}", "name": "{name}", "owner": "{owner}", "lessee": null, "maintenance": false, "properties": {{"rack": "r1", "n": 4, "caps": {{}}}}}}"#
        )
    };
    if method == "DELETE" {
        return json("204 No Content", "");
    }
    match path.rsplit('/').next().unwrap() {
        "mine" | MINE => json("200 OK", &node(MINE, "mine", "operator")),
        "theirs" | THEIRS => json("200 OK", &node(THEIRS, "theirs", "admin")),
        PORT => json("200 OK", &format!(r#"{{"uuid": "{PORT}", "node_uuid": "{MINE}"}}"#)),
        MY_GROUP => json("200 OK", &format!(r#"{{"uuid": "{MY_GROUP}", "node_uuid": "{MINE}"}}"#)),
        THEIR_GROUP => json("200 OK", &format!(r#"{{"uuid": "{THEIR_GROUP}", "node_uuid": "{THEIRS}"}}"#)),
        "ports" | "allocations" => json("201 Created", "{}"),
        "power" | "provision" => json("202 Accepted", ""),
        "broken" => json("503 Service Unavailable", "{}"),
        "odd" => json("200 OK", &node(THEIRS, "theirs", "operator")),
        name => json("404 Not Found", &NOT_FOUND.replace("IDENT", name)),
    }
}

const OWNERS: &str = r#"
@id("own") permit (principal is Principal, action, resource is Node)
when { resource has owner && resource.owner == principal.name };
@id("own.ports") permit (principal is Principal, action, resource is Port)
when { resource has node && resource.node has owner && resource.node.owner == principal.name };
@id("own.new-port") permit (principal is Principal, action == Action::"port:create", resource);
@id("own.new-port.fields") permit (principal is Principal, action == Action::"port:create:write", resource)
when
{
    !["/node_uuid", "/node_ident"].contains(context.write.path) ||
    (context.write has target && context.write.target has owner && context.write.target.owner == principal.name)
};
"#;

pub fn lookups(ironic: &FakeIronic) -> usize {
    ironic.arrived().iter().filter(|request| request.line.contains("fields=")).count()
}

#[track_caller]
pub fn check(irongate: &Irongate, user: &str, request: &str, body: Option<&str>, status: u16) -> Answer {
    let (method, target) = request.split_once(' ').unwrap();
    let answer = irongate.ask(user, method, target, body);
    assert_eq!(answer.status, status, "{user} {request} {body:?}: {answer:?}");
    answer
}

#[test]
fn an_owner_reaches_its_own_by_any_name() {
    let ironic = FakeIronic::start(world);
    let irongate = start(&ironic, OWNERS, "", "");
    for own in ["mine", MINE] {
        check(&irongate, "operator", &format!("GET /v1/nodes/{own}"), None, 200);
        check(&irongate, "admin", &format!("GET /v1/nodes/{own}"), None, 403);
        check(
            &irongate,
            "operator",
            &format!("PUT /v1/nodes/{own}/states/power"),
            Some(r#"{"target": "power on"}"#),
            202,
        );
    }
    check(&irongate, "operator", "GET /v1/nodes/theirs", None, 403);
    // Whether a node exists is not told to who may not see it.
    check(&irongate, "operator", "GET /v1/nodes/nowhere", None, 403);
    let question = &ironic.arrived()[0];
    assert_eq!(question.line, "GET /v1/nodes/mine?fields=uuid,name,owner HTTP/1.1");
    assert_eq!(question.header("x-openstack-ironic-api-version"), Some("1.50"));
    assert_eq!(question.header("authorization"), None);
    assert_eq!(question.header("x-auth-token"), None);
}

#[test]
fn what_is_put_elsewhere_is_decided_at_both_places() {
    let ironic = FakeIronic::start(world);
    let irongate = start(&ironic, OWNERS, "", "");
    let to = |node: &str| format!(r#"[{{"op": "replace", "path": "/node_uuid", "value": "{node}"}}]"#);
    let port = format!("PATCH /v1/ports/{PORT}");
    check(&irongate, "operator", &port, Some(r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#), 200);
    check(&irongate, "operator", &port, Some(&to(MINE)), 200);
    let answer = check(&irongate, "operator", &port, Some(&to(THEIRS)), 403);
    assert!(answer.faultstring().contains("/node_uuid"), "{answer:?}");
    check(&irongate, "operator", &port, Some(&to("1be26c0b-03f2-4d2e-ae87-c02d7f33c009")), 403);
    check(&irongate, "admin", &port, Some(&to(THEIRS)), 403);
    let group = |group: &str| format!(r#"{{"op": "add", "path": "/portgroup_uuid", "value": {group}}}"#);
    let [mine, theirs] = [MY_GROUP, THEIR_GROUP].map(|uuid| group(&format!("\"{uuid}\"")));
    check(&irongate, "operator", &port, Some(&format!("[{mine}]")), 200);
    check(&irongate, "operator", &port, Some(&format!("[{}]", group("null"))), 200);
    let answer = check(&irongate, "operator", &port, Some(&format!("[{theirs}]")), 403);
    assert!(answer.faultstring().contains("/portgroup_uuid"), "{answer:?}");
    let and_back = format!(r#"[{theirs}, {{"op": "replace", "path": "/node_uuid", "value": "{MINE}"}}]"#);
    check(&irongate, "operator", &port, Some(&and_back), 403);
    let new = |node: &str| format!(r#"{{"address": "52:54:00:12:34:56", "node_uuid": "{node}"}}"#);
    check(&irongate, "operator", "POST /v1/ports", Some(&new(MINE)), 201);
    check(&irongate, "operator", "POST /v1/ports", Some(&new(THEIRS)), 403);
    for (node, status) in [(MINE, 201), ("mine", 201), (THEIRS, 403), ("theirs", 403), ("gone", 403)] {
        let body = format!(r#"{{"address": "52:54:00:12:34:56", "node_ident": "{node}"}}"#);
        let request = format!(
            "POST /v1/ports HTTP/1.1\r\nHost: irongate.test\r\nConnection: close\r\n{}\
             X-OpenStack-Ironic-API-Version: 1.94\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            basic("operator", PASSWORD),
            body.len()
        );
        let answer = send(irongate.address, request.as_bytes());
        assert_eq!(answer.status, status, "{node}: {answer:?}");
    }
    for (children, status) in [(MINE.to_owned(), 202), (THEIRS.to_owned(), 403), (format!("{MINE}\", \"{THEIRS}"), 403)]
    {
        let body = format!(
            r#"{{"target": "clean", "clean_steps": [{{"interface": "power", "step": "reset", "execute_on_child_nodes": true, "limit_child_node_execution": ["{children}"]}}]}}"#
        );
        check(&irongate, "operator", "PUT /v1/nodes/mine/states/provision", Some(&body), status);
    }
    let give = |field: &str, value: &str| format!(r#"[{{"op": "add", "path": "/{field}", "value": {value}}}]"#);
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&give("owner", "\"admin\"")), 403);
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&give("owner", "null")), 403);
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&give("owner", "\"operator\"")), 200);
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&give("lessee", "\"admin\"")), 200);
}

#[test]
fn a_lookup_that_fails_never_permits() {
    let ironic = FakeIronic::start(world);
    let forbid = r#"
        permit (principal is Principal, action, resource);
        forbid (principal, action, resource is Node) when { resource has maintenance && resource.maintenance };
    "#;
    for policies in [OWNERS, forbid] {
        let irongate = start(&ironic, policies, "", "");
        for name in ["broken", "odd"] {
            let answer = check(&irongate, "operator", &format!("GET /v1/nodes/{name}"), None, 503);
            assert_eq!(answer.code(), "resource_unavailable");
            assert_eq!(answer.header("retry-after").as_deref(), Some("5"));
        }
        assert_eq!(irongate.records(2)[0]["decision"], "deny");
    }
    // Who may do it to any node hears Ironic's own 404.
    let irongate = start(&ironic, forbid, "", "");
    let answer = check(&irongate, "operator", "GET /v1/nodes/nowhere", None, 404);
    assert_eq!(answer.faultstring(), "Node nowhere could not be found.");
}

#[test]
fn nothing_is_looked_up_that_no_policy_reads() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        @id("a") permit (principal in Role::"admin", action, resource);
        @id("o") permit (principal in Role::"operator", action in Action::"power", resource)
        when { resource has owner && resource.owner == principal.name };
        @id("i") permit (principal in Role::"operator", action == Action::"node:get", resource)
        when { resource.id like "m*" };
    "#;
    let irongate = start(&ironic, policies, "", "");
    check(&irongate, "admin", "GET /v1/nodes/mine", None, 200);
    check(&irongate, "admin", "PUT /v1/nodes/mine/states/power", Some(r#"{"target": "power on"}"#), 202);
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
    assert_eq!(lookups(&ironic), 0);
    check(&irongate, "operator", "PUT /v1/nodes/mine/states/power", Some(r#"{"target": "power on"}"#), 202);
    assert_eq!(lookups(&ironic), 1);
}

#[test]
fn what_is_known_is_remembered_until_a_write() {
    for (seconds, expected) in [(30, [1, 1, 2]), (0, [1, 2, 4])] {
        let ironic = FakeIronic::start(world);
        let irongate = start(&ironic, OWNERS, &format!("resource_cache_seconds = {seconds}"), "");
        check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
        assert_eq!(lookups(&ironic), expected[0], "{seconds}");
        check(&irongate, "operator", &format!("GET /v1/nodes/{MINE}"), None, 200);
        assert_eq!(lookups(&ironic), expected[1], "{seconds}");
        check(&irongate, "operator", "DELETE /v1/nodes/mine", None, 204);
        check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
        assert_eq!(lookups(&ironic), expected[2], "{seconds}");
    }
}

#[test]
fn a_change_of_owner_is_seen_at_once() {
    let writes = Arc::new(AtomicU16::new(0));
    let counted = Arc::clone(&writes);
    let ironic = FakeIronic::start(move |request| {
        if request.line.starts_with("PATCH") {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let owner = if counted.load(Ordering::SeqCst) == 0 { "operator" } else { "admin" };
        json("200 OK", &format!(r#"{{"uuid": "{MINE}", "name": "mine", "owner": "{owner}"}}"#))
    });
    let policies = format!("{OWNERS}\npermit (principal in Role::\"auditor\", action, resource);");
    let irongate = start(&ironic, &policies, "resource_cache_seconds = 60", "");
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
    let give = r#"[{"op": "replace", "path": "/owner", "value": "admin"}]"#;
    check(&irongate, "auditor", &format!("PATCH /v1/nodes/{MINE}"), Some(give), 200);
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 403);
    check(&irongate, "admin", "GET /v1/nodes/mine", None, 200);
}

#[test]
fn literals_meet_a_node_by_its_other_name() {
    let ironic = FakeIronic::start(world);
    for literal in ["theirs", THEIRS] {
        let policies = format!(
            "permit (principal is Principal, action, resource);\nforbid (principal, action, resource == Node::\"{literal}\");"
        );
        let irongate = start(&ironic, &policies, "", "");
        for (name, status) in [("theirs", 403), (THEIRS, 403), ("mine", 200), (MINE, 200)] {
            check(&irongate, "operator", &format!("GET /v1/nodes/{name}"), None, status);
        }
    }
}

#[test]
fn properties_are_tags() {
    let ironic = FakeIronic::start(world);
    for (condition, status) in [
        (r#"resource.hasTag("rack") && resource.getTag("rack") == "r1""#, 200),
        (r#"resource.hasTag("n") && resource.getTag("n") == "4""#, 200),
        (r#"resource.hasTag("caps")"#, 403),
        (r#"resource has lessee"#, 403),
        (r#"resource has maintenance && !resource.maintenance"#, 200),
    ] {
        let policies = format!("permit (principal is Principal, action, resource is Node) when {{ {condition} }};");
        let irongate = start(&ironic, &policies, "", "");
        check(&irongate, "operator", "GET /v1/nodes/mine", None, status);
    }
}

#[test]
fn in_dry_run_a_failed_lookup_denies_nobody() {
    let ironic = FakeIronic::start(world);
    let irongate = start(&ironic, OWNERS, "", "mode = \"shadow\"");
    let answer = irongate.ask("operator", "GET", "/v1/nodes/odd", None);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(irongate.records(1)[0]["would_be"]["reason"], "resource_unavailable");
}

#[test]
fn the_new_place_is_what_all_writes_make_of_it() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        permit (principal is Principal, action, resource is Node)
        when {
            (resource has owner && resource.owner == principal.name) ||
            (resource has lessee && resource.lessee == principal.name)
        };
    "#;
    let irongate = start(&ironic, policies, "", "");
    let write = |field: &str, value: &str| format!(r#"{{"op": "replace", "path": "/{field}", "value": "{value}"}}"#);
    let (lend, keep, give) = (write("lessee", "admin"), write("lessee", "operator"), write("owner", "admin"));
    for (writes, status) in [
        (vec![&lend], 200),
        (vec![&give], 403),
        (vec![&give, &keep], 200),
        (vec![&keep, &give], 200),
        (vec![&lend, &give], 403),
    ] {
        let body = writes.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(&format!("[{body}]")), status);
    }
}

#[test]
fn an_allocation_is_decided_by_the_nodes_that_it_names() {
    let ironic = FakeIronic::start(world);
    let policies = r#"
        permit (principal is Principal, action == Action::"allocation:create", resource);
        permit (principal is Principal, action == Action::"allocation:create:write", resource)
        when { !(context.write.path like "/candidate_nodes*") && context.write.field != "node" };
        permit (principal is Principal, action == Action::"allocation:create:write", resource)
        when { context.write has target.owner && context.write.target.owner == principal.name };
        permit (principal is Principal, action == Action::"allocation:create:write", resource)
        when { context.write.path == "/candidate_nodes" };
    "#;
    let irongate = start(&ironic, policies, "", "");
    for (body, status) in [
        (r#"{"resource_class": "x", "candidate_nodes": ["mine"]}"#, 201),
        (r#"{"resource_class": "x", "candidate_nodes": ["mine", "theirs"]}"#, 403),
        (r#"{"resource_class": "x", "candidate_nodes": ["nowhere"]}"#, 403),
        (r#"{"resource_class": "x", "node": "theirs"}"#, 403),
    ] {
        check(&irongate, "operator", "POST /v1/allocations", Some(body), status);
    }
}

#[test]
fn a_node_that_changed_its_name_is_met_by_its_uuid() {
    let renamed = Arc::new(AtomicU16::new(0));
    let now = Arc::clone(&renamed);
    let ironic = FakeIronic::start(move |request| {
        let target = request.line.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let node = |uuid: &str, name: &str, owner: &str| {
            json("200 OK", &format!(r#"{{"uuid": "{uuid}", "name": "{name}", "owner": "{owner}"}}"#))
        };
        // Somebody else, past irongate, gives the name of one node to another.
        match (path.rsplit('/').next().unwrap_or_default(), now.load(Ordering::SeqCst)) {
            ("mine", 0) => node(MINE, "mine", "operator"),
            ("mine", _) => node(THEIRS, "mine", "admin"),
            (MINE, 0) => node(MINE, "mine", "operator"),
            (MINE, _) => node(MINE, "old", "operator"),
            _ => json("404 Not Found", "{}"),
        }
    });
    let irongate = start(&ironic, OWNERS, "resource_cache_seconds = 60", "");
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
    renamed.store(1, Ordering::SeqCst);
    // What was remembered decides, and the request goes where it was remembered from.
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 200);
    assert!(ironic.arrived().pop().unwrap().line.starts_with(&format!("GET /v1/nodes/{MINE} ")));
    // A write through irongate forgets it, and then the name is the other node's.
    check(&irongate, "operator", &format!("DELETE /v1/nodes/{MINE}"), None, 200);
    check(&irongate, "operator", "GET /v1/nodes/mine", None, 403);
}

#[test]
fn a_port_whose_node_cannot_be_seen_is_not_decided_about() {
    let ironic = FakeIronic::start(|request| {
        if request.line.contains("/ports/") {
            json("200 OK", &format!(r#"{{"uuid": "{PORT}", "node_uuid": "{MINE}"}}"#))
        } else {
            json("404 Not Found", "{}")
        }
    });
    let forbid = r#"
        permit (principal is Principal, action, resource);
        forbid (principal, action, resource is Port) when { resource has node && resource.node has protected };
    "#;
    let irongate = start(&ironic, forbid, "", "");
    check(&irongate, "operator", &format!("GET /v1/ports/{PORT}"), None, 503);
}

#[test]
fn a_name_that_moves_on_during_a_request_is_not_decided_about() {
    let asked = Arc::new(AtomicU16::new(0));
    let counted = Arc::clone(&asked);
    let ironic = FakeIronic::start(move |request| {
        let name = if request.line.contains("fields=") { counted.fetch_add(1, Ordering::SeqCst) } else { 0 };
        let uuid = if name == 0 { MINE } else { THEIRS };
        json("200 OK", &format!(r#"{{"uuid": "{uuid}", "name": "mine", "owner": "operator"}}"#))
    });
    // Nothing is remembered, so the request and its writes are looked up for one after the other.
    let irongate = start(&ironic, OWNERS, "resource_cache_seconds = 0", "");
    let body = r#"[{"op": "add", "path": "/extra/a", "value": "b"}]"#;
    let answer = check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(body), 503);
    assert_eq!(answer.code(), "resource_unavailable");
    assert!(ironic.arrived().iter().all(|request| !request.line.starts_with("PATCH")));
    check(&irongate, "operator", "PATCH /v1/nodes/mine", Some(body), 200);
}

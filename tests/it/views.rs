//! Look-ups as whom the configuration says, and lists that a project sees its own of.

use crate::keystone::{Gate, LIMITED, USER, token};
use crate::support::ironic::Arrived;
use crate::support::{FakeIronic, PASSWORD, client, json};

const MINE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c001";

const OWNERS: &str = r#"
@id("own") permit (principal is Principal, action, resource is Node)
when { principal has project_id && resource has owner && resource.owner == principal.project_id };
@id("own.list") @filter("project = principal.project_id")
permit (principal is Principal, action in [Action::"node:list", Action::"node:list_detail"], resource);
@id("own.allocations") @filter("owner = principal.project_id")
permit (principal is Principal, action == Action::"allocation:list", resource);
@id("own.ports") permit (principal is Principal, action in [Action::"port:list", Action::"port:list_detail"], resource)
when { principal has project_id && context has node.owner && context.node.owner == principal.project_id };
@id("shard.ports") @filter("shard = 'a1'")
permit (principal is Principal, action == Action::"port:list", resource)
unless { context has node };
"#;

/// Shows a node to its owner's token only, as Ironic does.
fn world(request: &Arrived) -> Vec<u8> {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let name = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let of = |name: &str| request.header("x-auth-token") == Some(&token(name));
    let node = |uuid: &str, name: &str, owner: &str| {
        json("200 OK", &format!(r#"{{"uuid": "{uuid}", "name": "{name}", "owner": "{owner}"}}"#))
    };
    match name {
        "mine" | MINE if of(USER) => node(MINE, "mine", "p-alice"),
        "mine" | MINE if of("") || request.header("authorization").is_some() => node(MINE, "mine", "p-alice"),
        "nodes" | "detail" | "ports" | "allocations" | "v1" => json("200 OK", "{}"),
        _ if request.header("x-auth-token").is_none() => json("401 Unauthorized", "{}"),
        _ => json("404 Not Found", "{}"),
    }
}

fn gate(ironic: &FakeIronic, upstream: &str, in_policy: &str) -> Gate {
    let directory = tempfile::tempdir().unwrap().keep();
    let policies = directory.join("t.cedar");
    std::fs::write(&policies, OWNERS).unwrap();
    let gate = Gate::start_edited(ironic, upstream, |text| {
        let at = text.find("[policy]").unwrap();
        let end = at + text[at..].find("[audit]").unwrap();
        let policy = format!("[policy]\ndirectories = [\"{}\"]\n{in_policy}\n", policies.display());
        format!("{}{policy}{}", &text[..at], &text[end..])
    });
    std::fs::remove_dir_all(directory).unwrap();
    gate
}

fn as_user(name: &str) -> String {
    format!("X-Auth-Token: {}\r\n", token(name))
}

#[test]
fn a_look_up_carries_the_identity_of_the_upstream() {
    for (upstream, expected) in [
        ("identity = \"token\"", [Some(token(USER)), None]),
        (
            "identity = \"basic\"\ncredential_file = \"credential\"",
            [None, Some("Basic aXJvbmdhdGU6b3duLWNhbmFyeQ==".to_owned())],
        ),
    ] {
        let ironic = FakeIronic::start(world);
        let gate = gate(&ironic, upstream, "");
        let answer = gate.ask("/v1/nodes/mine", &as_user(USER));
        assert_eq!(answer.status, 200, "{upstream}: {answer:?}");
        let arrived = ironic.arrived();
        let question = arrived.iter().find(|request| request.line.contains("fields=")).unwrap();
        let found = ["x-auth-token", "authorization"].map(|name| question.header(name).map(str::to_owned));
        assert_eq!(found, expected, "{upstream}");
    }
}

#[test]
fn what_one_token_sees_decides_about_no_other() {
    let ironic = FakeIronic::start(world);
    let gate = gate(&ironic, "identity = \"token\"", "resource_cache_seconds = 60");
    for _ in 0..2 {
        assert_eq!(gate.ask("/v1/nodes/mine", &as_user(USER)).status, 200);
        assert_eq!(gate.ask(&format!("/v1/nodes/{MINE}"), &as_user(USER)).status, 200);
        // The node is not there for this one: it was asked for anew, and nothing permits.
        assert_eq!(gate.ask("/v1/nodes/mine", &as_user(LIMITED)).status, 403);
        assert_eq!(gate.ask(&format!("/v1/nodes/{MINE}"), &as_user(LIMITED)).status, 403);
    }
    let asked = |name: &str| {
        let arrived = ironic.arrived();
        let of = |request: &&Arrived| request.header("x-auth-token") == Some(&token(name));
        arrived.iter().filter(|request| request.line.contains("fields=")).filter(of).count()
    };
    assert_eq!(asked(USER), 1, "remembered");
    assert_eq!(asked(LIMITED), 4, "what is not there is not remembered");
    // Who has no token has no view at all.
    let basic = client::basic("admin", PASSWORD);
    let answer = gate.ask("/v1/nodes/mine", &basic);
    assert_eq!((answer.status, answer.code().as_str()), (503, "resource_unavailable"), "{answer:?}");
}

#[test]
fn the_request_goes_to_what_was_decided_about() {
    let ironic = FakeIronic::start(world);
    let gate = gate(&ironic, "identity = \"token\"", "");
    assert_eq!(gate.ask("/v1/nodes/Mine?fields=uuid", &as_user(USER)).status, 403, "Ironic knows no such name");
    assert_eq!(gate.ask("/v1/nodes/mine?fields=uuid", &as_user(USER)).status, 200);
    let last = ironic.arrived().pop().unwrap();
    assert_eq!(last.line, format!("GET /v1/nodes/{MINE}?fields=uuid HTTP/1.1"));
    assert_eq!(gate.ask("/v1/ports?node=mine", &as_user(USER)).status, 200);
    let last = ironic.arrived().pop().unwrap();
    assert_eq!(last.line, format!("GET /v1/ports?node={MINE} HTTP/1.1"));
}

/// What Ironic is asked for, or the status if it is not.
#[track_caller]
fn check(gate: &Gate, ironic: &FakeIronic, headers: &str, target: &str, expected: Result<&str, u16>) {
    let answer = gate.ask(target, headers);
    let last = ironic.arrived().pop().map(|request| request.line).unwrap_or_default();
    let found = if answer.status == 200 { Ok(last.split(' ').nth(1).unwrap_or_default()) } else { Err(answer.status) };
    assert_eq!(found, expected, "{target}: {answer:?}");
}

#[test]
fn a_project_lists_its_own() {
    let ironic = FakeIronic::start(world);
    let gate = gate(&ironic, "identity = \"token\"", "");
    let alice = as_user(USER);
    let rows = [
        ("/v1/nodes", Ok("/v1/nodes?project=p-alice")),
        ("/v1/nodes?limit=2", Ok("/v1/nodes?limit=2&project=p-alice")),
        ("/v1/nodes/detail", Ok("/v1/nodes/detail?project=p-alice")),
        ("/v1/nodes?project=p-alice", Ok("/v1/nodes?project=p-alice")),
        ("/v1/nodes?project=p-bob", Err(403)),
        ("/v1/nodes?project=", Err(403)),
        ("/v1/nodes?project=p-alice&project=p-bob", Err(400)),
        // Some releases show that node, whosever it is.
        ("/v1/nodes?instance_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c0aa", Err(403)),
        ("/v1/nodes/detail?project=p-alice&instance_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c0aa", Err(403)),
        ("/v1/allocations", Ok("/v1/allocations?owner=p-alice")),
        ("/v1/allocations?owner=p-bob", Err(403)),
        ("/v1/ports?node=mine", Ok("/v1/ports?node=1be26c0b-03f2-4d2e-ae87-c02d7f33c001")),
        ("/v1/ports/detail?node=mine", Ok("/v1/ports/detail?node=1be26c0b-03f2-4d2e-ae87-c02d7f33c001")),
        ("/v1/ports/detail", Err(403)),
        ("/v1/ports/detail?node=theirs", Err(403)),
        // Ironic filters by shard since 1.82 only.
        ("/v1/ports", Err(403)),
        ("/v1/ports?shard=a1", Err(406)),
        ("/v1/ports?address=52:54:00:12:34:56", Err(403)),
        ("/v1/portgroups", Err(403)),
    ];
    for (target, expected) in rows {
        check(&gate, &ironic, &alice, target, expected);
    }
    let basic = client::basic("admin", PASSWORD);
    check(&gate, &ironic, &basic, "/v1/nodes", Err(403));
    let log = std::fs::read_to_string(gate.directory.path().join("audit.jsonl")).unwrap();
    assert!(log.contains(r#""filter":"project""#), "{log}");
    assert!(!log.contains(&token(USER)));
}

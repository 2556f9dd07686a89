//! Dry-run decides and records, and changes no byte.

use crate::support::{FakeIronic, Irongate, json};

#[test]
fn a_denial_is_recorded_and_forwarded() {
    let answers = |request: &crate::support::ironic::Arrived| {
        if request.line.starts_with("DELETE") { json("204 No Content", "") } else { json("200 OK", "{\"nodes\": []}") }
    };
    let ironic = FakeIronic::start(answers);
    let shadow = Irongate::start(&ironic, "mode = \"shadow\"");
    let enforced = FakeIronic::start(answers);
    let enforcing = Irongate::start(&enforced, "");

    // The auditor may not delete.
    assert_eq!(enforcing.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);
    assert_eq!(shadow.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 204);
    let record = &shadow.records(1)[0];
    assert_eq!(record["mode"], "shadow");
    assert_eq!(record["would_be"]["decision"], "deny", "{record}");
    assert_eq!(record["would_be"]["reason"], "no_permit");
    assert_eq!(record["status"], 204);

    // What is permitted to the admin arrives byte for byte the same.
    let same = enforcing.ask("admin", "DELETE", "/v1/nodes/n", None);
    assert_eq!(same.status, 204);
    let (with, without) = (&ironic.arrived()[0], &enforced.arrived()[0]);
    assert_eq!(with.line, without.line);
    assert_eq!(with.body, without.body);

    // A write that is denied, too.
    let patch = r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#;
    assert_eq!(shadow.ask("auditor", "PATCH", "/v1/nodes/n", Some(patch)).status, 200);
    assert_eq!(shadow.records(2)[1]["would_be"]["decision"], "deny");
}

#[test]
fn authentication_and_framing_are_never_in_shadow() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "mode = \"shadow\"");
    assert_eq!(irongate.ask("nobody", "GET", "/v1/nodes", None).status, 401);
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes/../nodes", None).status, 400);
    assert_eq!(irongate.ask_with("admin", "GET", "/v1/nodes", "X_Roles: a\r\n", None).status, 400);
    assert!(ironic.arrived().is_empty());
}

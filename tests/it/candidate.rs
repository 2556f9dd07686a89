//! Candidates, shadow bindings, and how much of a denial is told.

use crate::attributes::start;
use crate::support::ironic::Arrived;
use crate::support::{FakeIronic, Irongate, json};

const ACTIVE: &str = r#"
@id("admin") permit (principal in Role::"admin", action, resource);
@id("auditor") permit (principal in Role::"auditor", action in Action::"read", resource);
@id("secret") @conceal forbid (principal in Role::"auditor", action, resource == Node::"secret");
@id("late") @reason("not here") forbid (principal in Role::"auditor", action, resource == Node::"late");
"#;

const CANDIDATE: &str = r#"
@id("new.admin") permit (principal in Role::"admin", action in [Action::"read", Action::"write"], resource);
@id("new.update") permit (principal in Role::"admin", action == Action::"node:update", resource);
@id("new.extra") forbid (principal, action in Action::"write", resource)
when { context.write.field == "extra" } unless { resource has owner };
@id("new.auditor") permit (principal in Role::"auditor", action, resource);
"#;

const ROWS: [(&str, &str, &str, Option<&str>); 6] = [
    ("admin", "GET", "/v1/nodes/n", None),
    ("admin", "DELETE", "/v1/nodes/n", None),
    ("admin", "PATCH", "/v1/nodes/n", Some(r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#)),
    ("auditor", "GET", "/v1/nodes/n", None),
    ("auditor", "DELETE", "/v1/nodes/n", None),
    ("operator", "GET", "/v1/nodes/n", None),
];

fn answers(request: &Arrived) -> Vec<u8> {
    let path = request.line.split(' ').nth(1).unwrap_or_default();
    let name = path.split('?').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    match name {
        "gone" => json(
            "404 Not Found",
            r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node gone could not be found.\", \"debuginfo\": null}"}"#,
        ),
        _ if request.line.starts_with("DELETE") => json("204 No Content", ""),
        _ => json("200 OK", &format!(r#"{{"uuid": "uuid-of-{name}", "name": "{name}"}}"#)),
    }
}

/// With what differs between any two requests removed.
fn plain(text: &str) -> String {
    let is_varying =
        |line: &&str| !line.to_lowercase().contains("request-id") && !line.to_lowercase().starts_with("date");
    text.lines().filter(is_varying).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_candidate_changes_no_byte_and_its_disagreements_are_recorded() {
    let (with, without) = (FakeIronic::start(answers), FakeIronic::start(answers));
    let alone = start(&without, ACTIVE, "", "");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("next.cedar");
    std::fs::write(&file, CANDIDATE).unwrap();
    let beside = start(&with, ACTIVE, &format!("candidates = [\"{}\"]", file.display()), "");
    for (user, method, target, body) in ROWS {
        let (one, other) = (alone.ask(user, method, target, body), beside.ask(user, method, target, body));
        assert_eq!(one.status, other.status, "{user} {method} {target}");
        assert_eq!(one.body, other.body, "{user} {method} {target}");
        assert_eq!(plain(&one.head), plain(&other.head), "{user} {method} {target}");
    }
    let of_callers = |ironic: &FakeIronic| {
        let arrived = ironic.arrived();
        let requests = arrived.into_iter().filter(|request| !request.line.contains("fields="));
        requests.map(|request| (request.line, request.body)).collect::<Vec<_>>()
    };
    assert_eq!(of_callers(&with), of_callers(&without));

    let records = beside.records(ROWS.len());
    let said = |index: usize| records[index]["candidates"][0].clone();
    assert!(said(0).is_null() && said(3).is_null() && said(5).is_null(), "{records:?}");
    assert_eq!(said(1)["decision"], "deny");
    assert_eq!(said(1)["reason"], "no_permit");
    assert_eq!(said(1)["active"][0], "admin");
    assert_eq!(said(2)["policies"][0], "new.extra");
    assert_eq!(said(4)["decision"], "permit");
    assert_eq!(said(4)["policies"][0], "new.auditor");
    let snapshot = beside.server.current.load();
    assert_eq!(snapshot.candidates[0].disagreements(), 3);
}

fn shadow_for_auditors(ironic: &FakeIronic) -> Irongate {
    let more = "[[binding]]\nname = \"trial\"\nrole = \"trial\"\nusers = [\"auditor\"]\nmode = \"shadow\"\n";
    // Tables of the top level may stand before the listener's.
    start(ironic, ACTIVE, "", more)
}

#[test]
fn a_binding_in_shadow_mode_waives_denials_of_its_principals_only() {
    let ironic = FakeIronic::start(answers);
    let irongate = shadow_for_auditors(&ironic);
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 204);
    assert_eq!(irongate.ask("operator", "DELETE", "/v1/nodes/n", None).status, 403);
    assert_eq!(irongate.ask("auditor", "GET", "/v1/nodes/../n", None).status, 400);
    let records = irongate.records(3);
    assert_eq!((&records[0]["mode"], &records[0]["would_be"]["decision"]), (&"shadow".into(), &"deny".into()));
    assert_eq!((&records[1]["mode"], &records[1]["decision"]), (&"enforce".into(), &"deny".into()));
}

#[test]
fn a_concealed_denial_is_ironics_own_404() {
    concealed_as_missing("");
}

#[test]
fn a_concealed_denial_is_ironics_own_404_at_a_pinned_microversion() {
    concealed_as_missing("[microversion]\npin = \"1.80\"\n");
}

fn concealed_as_missing(more: &str) {
    let ironic = FakeIronic::start(answers);
    let irongate = start(&ironic, ACTIVE, "", more);
    let concealed = irongate.ask("auditor", "GET", "/v1/nodes/secret", None);
    let missing = irongate.ask("auditor", "GET", "/v1/nodes/gone", None);
    assert_eq!((concealed.status, missing.status), (404, 404), "{concealed:?} {missing:?}");
    assert_eq!(concealed.body.replace("secret", "gone"), missing.body);
    let head = plain(&concealed.head).replace(
        &format!("content-length: {}", concealed.body.len()),
        &format!("content-length: {}", missing.body.len()),
    );
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_lowercase).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&head), sorted(&plain(&missing.head)));
    let record = &irongate.records(1)[0];
    assert_eq!((&record["decision"], &record["policies"][0]), (&"deny".into(), &"secret".into()));
}

#[test]
fn callers_are_told_as_much_as_is_configured() {
    let ironic = FakeIronic::start(answers);
    for (detail, expected, rule) in [
        ("full", "node:get is denied by late: not here", Some("late")),
        ("rule", "access is denied by late", Some("late")),
        ("none", "access is denied", None),
    ] {
        let irongate = start(&ironic, ACTIVE, &format!("explain_denials = \"{detail}\""), "");
        let answer = irongate.ask("auditor", "GET", "/v1/nodes/late", None);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.faultstring(), expected);
        assert_eq!(answer.json()["irongate"]["rule"].as_str(), rule);
        assert_eq!(irongate.records(1)[0]["policies"][0], "late");
    }
}

#[test]
fn a_shadow_policy_that_cannot_look_anything_up_changes_nothing() {
    let ironic = FakeIronic::start(|request| {
        if request.line.contains("fields=") { json("500 Internal Server Error", "{}") } else { answers(request) }
    });
    let policies = r#"
        @id("auditor") permit (principal in Role::"auditor", action in Action::"read", resource);
        @id("trial") @mode("shadow")
        forbid (principal, action, resource is Node) when { resource has retired && resource.retired };
    "#;
    let irongate = start(&ironic, policies, "", "");
    assert_eq!(irongate.ask("auditor", "GET", "/v1/nodes/n", None).status, 200);
    let last = ironic.arrived().pop().unwrap();
    assert!(last.line.starts_with("GET /v1/nodes/n "), "{last:?}");
}

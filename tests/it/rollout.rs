//! From a log to policies and back: learning, replay, and what is told of both.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::{FakeIronic, Irongate, json};

const NODE: &str = "1be26c0b-03f2-4d2e-ae87-c02d7f33c123";

/// irongate's command line.
fn irongate(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_irongate")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

fn answers(request: &crate::support::ironic::Arrived) -> Vec<u8> {
    if request.line.starts_with("DELETE") { json("204 No Content", "") } else { json("200 OK", "{\"nodes\": []}") }
}

/// What three callers do with an irongate in dry-run.
fn drive(gate: &Irongate) -> usize {
    let node = format!("/v1/nodes/{NODE}");
    let power = format!("{node}/states/power");
    let provision = format!("{node}/states/provision");
    let patch = r#"[{"op": "replace", "path": "/extra/rack", "value": "r17"},
                    {"op": "add", "path": "/driver_info/redfish_password", "value": "S3cret"},
                    {"op": "add", "path": "/instance_info/image_source", "value": "https://images.example/a.qcow2"}]"#;
    let steps =
        r#"{"target": "clean", "clean_steps": [{"interface": "deploy", "step": "erase_devices", "args": {"a": 1}}]}"#;
    let create = r#"{"driver": "redfish", "name": "x", "driver_info": {"redfish_address": "https://bmc.example"}}"#;
    let calls: [(&str, &str, &str, Option<&str>); 14] = [
        ("auditor", "GET", "/v1/nodes?fields=uuid,name&limit=5", None),
        ("auditor", "GET", "/v1/nodes?fields=uuid", None),
        ("auditor", "GET", &node, None),
        // The auditor may not: let through by the dry-run, so it is use.
        ("auditor", "PUT", &power, Some(r#"{"target": "power off"}"#)),
        ("operator", "PUT", &power, Some(r#"{"target": "power on"}"#)),
        ("operator", "PUT", &provision, Some(r#"{"target": "active", "configdrive": "aGVsbG8="}"#)),
        ("operator", "PUT", &provision, Some(steps)),
        ("operator", "PATCH", &node, Some(patch)),
        ("operator", "GET", "/v1/ports?node_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c123", None),
        ("admin", "POST", "/v1/nodes", Some(create)),
        ("admin", "DELETE", &node, None),
        ("admin", "PUT", &format!("{node}/traits/CUSTOM_A"), None),
        // No use: a body that is refused, and an unknown route.
        ("admin", "PUT", &power, Some(r#"{"target": "levitate"}"#)),
        ("admin", "GET", "/v1/unicorns", None),
    ];
    for (user, method, target, body) in &calls {
        gate.ask(user, method, target, *body);
    }
    gate.ask("nobody", "GET", "/v1/nodes", None);
    calls.len() + 1
}

#[test]
fn what_is_learned_permits_the_whole_log_and_nothing_else() {
    let ironic = FakeIronic::start(answers);
    let gate = Irongate::start(&ironic, "mode = \"shadow\"");
    let count = drive(&gate);
    gate.records(count);
    let log = gate.directory.path().join("audit.jsonl");
    let log = log.to_str().unwrap();
    let learned = gate.directory.path().join("learned");
    let directory = learned.to_str().unwrap();

    let (code, told) = irongate(&["policy", "learn", log, "-o", directory]);
    assert_eq!(code, 0, "{told}");
    let again = gate.directory.path().join("again");
    irongate(&["policy", "learn", log, "-o", again.to_str().unwrap()]);
    for user in ["admin", "auditor", "operator"] {
        for kind in ["cedar", "yaml"] {
            let name = format!("basic-{user}.{kind}");
            let text = std::fs::read_to_string(learned.join(&name)).unwrap();
            assert_eq!(text, std::fs::read_to_string(again.join(&name)).unwrap(), "{name} is not deterministic");
            assert!(!text.contains("S3cret") && !text.contains("r17"), "{text}");
        }
    }
    let (code, told) = irongate(&["policy", "validate", directory]);
    assert!(code == 0 && told.contains("0 warning(s)"), "{told}");
    let (code, told) = irongate(&["policy", "test", directory, "--coverage-min", "100"]);
    assert_eq!(code, 0, "{told}");
    let (code, told) = irongate(&["policy", "replay", log, "--policies", directory]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("12 decided as before, 0 new denials, 0 new permits, 0 incomplete"), "{told}");

    let auditor = std::fs::read_to_string(learned.join("basic-auditor.cedar")).unwrap();
    assert!(auditor.contains("\"power off\"") && !auditor.contains("\"power on\""), "{auditor}");
    assert!(auditor.contains("[\"fields\", \"limit\"].containsAll(context.query_names)"), "{auditor}");
    let admin = std::fs::read_to_string(learned.join("basic-admin.cedar")).unwrap();
    assert!(!admin.contains("set_power_state"), "a refused request is no use: {admin}");
    let operator = std::fs::read_to_string(learned.join("basic-operator.cedar")).unwrap();
    assert!(operator.contains("\"deploy.erase_devices\""), "{operator}");
    assert!(operator.contains("/driver_info/redfish_password"), "{operator}");
}

#[test]
fn a_replay_agrees_with_every_decision_that_was_made() {
    let ironic = FakeIronic::start(answers);
    let gate = Irongate::start(&ironic, "");
    let count = drive(&gate);
    let records = gate.records(count);
    let denied = records.iter().filter(|record| record["decision"] == "deny").count();
    assert!(denied > 0);
    let log = gate.directory.path().join("audit.jsonl");
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles");
    let arguments =
        ["policy", "replay", log.to_str().unwrap(), "--policies", roles.to_str().unwrap(), "--format", "json"];
    let (code, told) = irongate(&arguments);
    assert_eq!(code, 0, "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["new_denials"], &told["new_permits"]), (&0.into(), &0.into()), "{told}");
    assert_eq!(told["incomplete"], 0, "{told}");
    assert_eq!(told["records"], count);
}

#[test]
fn new_denials_and_new_permits_are_grouped_and_told() {
    let ironic = FakeIronic::start(answers);
    let gate = Irongate::start(&ironic, "");
    drive(&gate);
    drive(&gate);
    let log = gate.directory.path().join("audit.jsonl");
    gate.records(30);
    let policies = gate.directory.path().join("other.cedar");
    let text = "@id(\"other.power\") permit (principal is Principal, action in Action::\"node:set_power_state\", resource);
                @id(\"other.fields\") permit (principal in Role::\"operator\", action in Action::\"node:update\", resource)
                when { context.query_names.isEmpty() };
                @id(\"other.image\") forbid (principal, action == Action::\"node:update:write\", resource)
                when { context.write.path == \"/instance_info/image_source\" };";
    std::fs::write(&policies, text).unwrap();
    let arguments =
        ["policy", "replay", log.to_str().unwrap(), "--policies", policies.to_str().unwrap(), "--format", "json"];
    let (code, told) = irongate(&arguments);
    assert_eq!(code, 1, "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let changes: BTreeMap<String, u64> = told["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let text = |name: &str| group[name].as_str().unwrap().to_owned();
            assert!(text("request_id").starts_with("req-"));
            let key = format!(
                "{} {} {} {} {}",
                text("change"),
                text("caller"),
                text("operation"),
                text("rules"),
                text("path")
            );
            (key, group["count"].as_u64().unwrap())
        })
        .collect();
    let image = "new_denial basic:operator node:update other.image /instance_info/image_source";
    assert_eq!(changes.get(image), Some(&2), "{changes:?}");
    assert_eq!(changes.get("new_denial basic:auditor node:list default-deny "), Some(&4), "{changes:?}");
    // The auditor's call was denied before its body was read: what it would have written is not known.
    let missing = told["missing"].as_array().unwrap();
    assert!(
        missing.iter().any(|group| group["caller"] == "basic:auditor" && group["missing"] == "writes"),
        "{missing:?}"
    );
    let (code, told) = irongate(&["policy", "replay", log.to_str().unwrap(), "--policies", policies.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(told.contains("new denials: ") && told.contains("other.image"), "{told}");
}

#[test]
fn an_existing_role_is_compared_with_what_was_used() {
    let ironic = FakeIronic::start(answers);
    let gate = Irongate::start(&ironic, "mode = \"shadow\"");
    let count = drive(&gate);
    gate.records(count);
    let log = gate.directory.path().join("audit.jsonl");
    let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles/auditor.cedar");
    let (code, told) = irongate(&[
        "policy",
        "learn",
        log.to_str().unwrap(),
        "--caller",
        "auditor",
        "--compare",
        role.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(code, 0, "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let unused = told["compared"]["unused_operations"].as_array().unwrap();
    assert!(unused.contains(&"port:list".into()) && !unused.contains(&"node:list".into()), "{unused:?}");
    let missing = told["compared"]["missing"].to_string();
    assert!(missing.contains("node:set_power_state"), "{missing}");
    assert_eq!(told["callers"].as_array().unwrap().len(), 1);
}

#[test]
fn usage_errors_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    std::fs::write(&log, "not a record\n{\"kind\": \"other\"}\n").unwrap();
    let log = log.to_str().unwrap();
    let broken = directory.path().join("broken.cedar");
    std::fs::write(&broken, "permit (").unwrap();
    for arguments in [
        vec!["policy", "replay", log],
        vec!["policy", "replay", "/nonexistent", "--policies", "policies/roles"],
        vec!["policy", "replay", log, "--policies", broken.to_str().unwrap()],
        vec!["policy", "learn", "/nonexistent"],
        vec!["policy", "learn", log, "--since", "yesterday"],
    ] {
        assert_eq!(irongate(&arguments).0, 2, "{arguments:?}");
    }
    let (code, told) = irongate(&["policy", "replay", log, "--policies", "policies/roles"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("1 line(s) cannot be read as records") && told.contains("1 line(s) are of another kind"),
        "{told}"
    );
}

//! `docs/policy.md`: its examples load without a finding and decide as it says.

use super::super::*;
use super::{Ask, ask, list, repository_file, source, text};
use crate::call::WriteOp;
use crate::json::Json;

/// Each heading with the Cedar blocks below it.
fn examples() -> Vec<(String, String)> {
    let manual = std::fs::read_to_string(repository_file("docs/policy.md")).unwrap();
    let mut examples: Vec<(String, String)> = Vec::new();
    let mut heading = String::new();
    let mut block: Option<String> = None;
    for line in manual.lines() {
        match &mut block {
            None if line == "```cedar" => block = Some(String::new()),
            None => {
                if line.starts_with('#') {
                    heading = line.trim_start_matches(['#', ' ']).to_owned();
                }
            }
            Some(_) if line == "```" => examples.extend(block.take().map(|text| (heading.clone(), text))),
            Some(text) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    examples
}

/// Loads the example under the heading that starts so, and the shipped policies beside it if `shipped_too`.
#[track_caller]
fn example(start: &str, shipped_too: bool) -> PolicyEngine {
    let (_, text) = examples().into_iter().find(|(heading, _)| heading.starts_with(start)).unwrap();
    let mut sources = if shipped_too { shipped() } else { Vec::new() };
    // The guard policies have a say of their own about some of these.
    sources.retain(|source| source.name.starts_with("roles/"));
    sources.push(source("example.cedar", &text));
    PolicyEngine::load(&sources).unwrap_or_else(|findings| panic!("{}", list(&findings)))
}

#[track_caller]
fn check(engine: &PolicyEngine, rows: &[(Ask, &str)]) {
    for (ask, expected) in rows {
        assert_eq!(ask.decision(engine), *expected, "{ask:?}");
    }
}

#[test]
fn every_block_is_without_findings() {
    let examples = examples();
    assert!(examples.len() >= 7);
    for (heading, text) in examples {
        assert_eq!(list(&validate(&[source("example.cedar", &text)])), "", "{heading}");
    }
}

#[test]
fn the_manual_names_every_group_and_type() {
    let manual = std::fs::read_to_string(repository_file("docs/policy.md")).unwrap();
    for group in super::super::schema::GROUPS {
        assert!(manual.contains(&format!("| `{}` |", group.as_str())), "{group:?}");
    }
    for resource in super::super::schema::RESOURCE_TYPES {
        assert!(manual.contains(&format!("`{}`", resource.as_str())), "{resource:?}");
    }
}

#[test]
fn a_help_desk() {
    let desk = |operation| ask(&["helpdesk"], operation);
    check(
        &example("1. ", false),
        &[
            (desk("node:get"), "permit helpdesk.look"),
            (desk("node:set_power_state"), "permit helpdesk.switch"),
            (desk("node:set_power_state").add("/target", text("power on")), "permit helpdesk.switch"),
            (desk("node:set_provision_state"), "deny no_permit"),
            (desk("node:update"), "deny no_permit"),
        ],
    );
}

#[test]
fn an_inventory_tool() {
    let update = || ask(&["inventory"], "node:update");
    check(
        &example("2. ", false),
        &[
            (update(), "permit inventory.ask"),
            (update().add("/extra/rack", text("r1")), "permit inventory.fields"),
            (update().add("/extra", Json::Object(Vec::new())), "permit inventory.fields"),
            (update().write(WriteOp::Replace, "/description", text("x")), "permit inventory.fields"),
            (update().write(WriteOp::Remove, "/extra/rack", None), "deny no_permit"),
            (update().add("/driver_info/redfish_address", text("https://h.example")), "deny no_permit"),
            (update().add("/extras", text("x")), "deny no_permit"),
        ],
    );
}

#[test]
fn a_deployer() {
    let provision = || ask(&["deployer"], "node:set_provision_state");
    check(
        &example("3. ", false),
        &[
            (provision(), "permit deployer.ask"),
            (provision().add("/target", text("active")), "permit deployer.target"),
            (provision().add("/target", text("clean")), "deny no_permit"),
            (provision().add("/configdrive", text("H4sI")), "permit deployer.configdrive"),
            (provision().add("/configdrive/user_data", text("#!")), "permit deployer.configdrive"),
            (provision().add("/clean_steps/0/step", text("erase_devices")), "deny no_permit"),
        ],
    );
}

#[test]
fn images_from_one_place() {
    let image = |value| ask(&["operator"], "node:update").add("/instance_info/image_source", value);
    let forbidden = "deny forbidden site.image-host: images come from https://images.example/";
    check(
        &example("4. ", true),
        &[
            (image(text("https://images.example/a.qcow2")), "permit operator.work"),
            (image(text("https://IMAGES.example/a.qcow2")), "permit operator.work"),
            (image(text("http://images.example/a.qcow2")), forbidden),
            (image(text("https://images.example.evil.example/")), forbidden),
            (image(text("https://images.example\\@evil.example/")), forbidden),
            (image(text(" https://images.example/a")), forbidden),
            (image(text("file:///etc/shadow")), forbidden),
            (image(Json::Null), forbidden),
            (image(Json::String(format!("https://images.example/{}", "a".repeat(5000)).into())), forbidden),
            (ask(&["operator"], "node:create").add("/instance_info/image_source", text("file:///x")), forbidden),
            (ask(&["admin"], "node:update").add("/instance_info/image_source", text("file:///x")), forbidden),
            (
                ask(&["operator"], "node:update").write(WriteOp::Remove, "/instance_info/image_source", None),
                "permit operator.work",
            ),
            (ask(&["operator"], "node:update").add("/extra/x", text("file:///x")), "permit operator.work"),
        ],
    );
}

#[test]
fn a_pipeline() {
    let power = |source, hour: i64| Ask {
        source,
        now: 1_767_225_600 + hour * 3600,
        ..ask(&["pipeline"], "node:set_power_state").add("/target", text("power on"))
    };
    let list = || ask(&["pipeline"], "node:list").query("owner", "team-a");
    check(
        &example("5. ", false),
        &[
            (ask(&["pipeline"], "node:list").query("owner", "team-a"), "permit pipeline.list"),
            (ask(&["pipeline"], "node:list").query("owner", "team-b"), "deny no_permit"),
            (ask(&["pipeline"], "node:list"), "deny no_permit"),
            (list().query("limit", "10"), "permit pipeline.list"),
            (list().query("detail", "true"), "deny no_permit"),
            (list().query("fields", "uuid,driver_info"), "deny no_permit"),
            (list().query("instance_uuid", "1be26c0b-03f2-4d2e-ae87-c02d7f33c001"), "deny no_permit"),
            (ask(&["pipeline"], "node:list_detail").query("owner", "team-a"), "deny no_permit"),
            (power(Some("192.0.2.9"), 9), "permit pipeline.power"),
            (power(Some("::ffff:192.0.2.9"), 9), "permit pipeline.power"),
            (power(Some("198.51.100.1"), 9), "deny no_permit"),
            (power(Some("192.0.2.9"), 20), "deny no_permit"),
            (power(None, 9), "deny no_permit"),
        ],
    );
}

#[test]
fn what_is_not_written() {
    let create = || ask(&["admin"], "node:create").add("/driver", text("ipmi"));
    let protect = |op, value: Option<Json<'static>>| ask(&["admin"], "node:update").write(op, "/protected", value);
    let owner = super::AskWrite { path: "/owner", op: WriteOp::Add, value: Some(text("a")), step: None, secret: false };
    let (unowned, unprotected) = (
        "deny forbidden site.new-nodes-are-owned: a new node has an owner",
        "deny forbidden site.stays-protected: protection is not taken away",
    );
    check(
        &example("Writes", true),
        &[
            (create(), unowned),
            (Ask { others: vec![owner], ..create() }, "permit admin.everything"),
            // The request by itself says nothing of its fields.
            (ask(&["admin"], "node:create"), "permit admin.everything"),
            (protect(WriteOp::Add, Some(Json::Boolean(true))), "permit admin.everything"),
            (protect(WriteOp::Replace, Some(text("on"))), "permit admin.everything"),
            (protect(WriteOp::Replace, Some(Json::Boolean(false))), unprotected),
            (protect(WriteOp::Replace, Some(text("off"))), unprotected),
            (protect(WriteOp::Add, Some(Json::Null)), unprotected),
            (protect(WriteOp::Remove, None), unprotected),
        ],
    );
}

#[test]
fn trying_a_rule() {
    let engine = example("6. ", true);
    let change = |role| ask(&[role], "node:update").add("/driver_info/redfish_address", text("https://h.example"));
    for (role, would_deny) in [("operator", true), ("admin", false)] {
        let verdict = change(role).verdict(&engine);
        assert!(matches!(verdict.decision, Decision::Permit(_)));
        assert_eq!(matches!(verdict.would_be, Some(WouldBe::Deny(_))), would_deny, "{role}");
    }
}

//! Decisions about objects that were looked up.

use serde_json::json;

use super::super::*;
use super::{Ask, ask, load, text};

fn node() -> serde_json::Value {
    json!({
        "uuid": "U-1", "name": "Web-1", "owner": "p1", "lessee": null, "maintenance": false, "protected": true,
        "properties": {"rack": "r1", "cpus": 4, "kept": {"a": 1}},
    })
}

/// Whether a permit with this condition, or this scope, meets the request.
#[track_caller]
fn meets(resource: &str, condition: &str, ask: &Ask, expected: bool) {
    let policies = format!("@id(\"a\") permit(principal is Principal, action, {resource}) {condition};");
    let found = ask.decision(&load(&policies));
    assert_eq!(found, if expected { "permit a" } else { "deny no_permit" }, "{policies}\n{ask:?}");
}

#[test]
fn attributes_are_what_ironic_tells() {
    let known = ask(&["a"], "node:get").parameter("node", "web-1").node(node());
    for (condition, expected) in [
        ("resource has owner && resource.owner == principal.name", true),
        ("resource has lessee", false),
        ("resource has maintenance && !resource.maintenance", true),
        ("resource has protected && resource.protected", true),
        ("resource has name && resource.name == \"web-1\"", true),
        ("resource has uuid && resource.uuid == \"u-1\"", true),
        ("resource.hasTag(\"rack\") && resource.getTag(\"rack\") == \"r1\"", true),
        ("resource.hasTag(\"cpus\") && resource.getTag(\"cpus\") == \"4\"", true),
        ("resource.hasTag(\"kept\")", false),
        ("resource.id == \"web-1\"", true),
    ] {
        let condition = format!("when {{ {condition} }}");
        meets("resource is Node", &condition, &known, expected);
        meets("resource is Node", &condition, &ask(&["a"], "node:get").parameter("node", "u-9"), false);
    }
}

#[test]
fn a_literal_meets_the_node_by_either_name() {
    for name in ["Web-1", "u-1", "U-1"] {
        let asked = ask(&["a"], "node:get").parameter("node", name).node(node());
        for (literal, expected) in [("web-1", true), ("u-1", true), ("web-2", false)] {
            meets(&format!("resource == Node::\"{literal}\""), "", &asked, expected);
            meets("resource is Node", &format!("when {{ resource == Node::\"{literal}\" }}"), &asked, expected);
        }
    }
}

#[test]
fn a_writes_target_is_a_node() {
    let write = || ask(&["a"], "port:update").add("/node_uuid", text("u-1"));
    let condition = "when { context has write.target.owner && context.write.target.owner == principal.name }";
    meets("resource", condition, &write().target(node()), true);
    meets("resource", condition, &write(), false);
}

#[test]
fn answers_of_another_shape_are_no_objects() {
    for odd in [
        json!({}),
        json!({"uuid": 1}),
        json!({"uuid": "u", "owner": 1}),
        json!({"uuid": "u", "maintenance": "no"}),
        json!([]),
    ] {
        assert_eq!(ObjectFacts::node(&odd), None, "{odd}");
    }
    assert_eq!(ObjectFacts::of_node(&json!({"uuid": "u", "owner": true}), None), None);
}

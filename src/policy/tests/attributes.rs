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

/// The decision about the node, however the request calls it and whatever else the policies are.
#[track_caller]
fn decided(policies: &str, expected: &str) {
    let engine = load(policies);
    for name in ["web-1", "u-1"] {
        let asked = ask(&["a"], "node:get").parameter("node", name).node(node());
        assert_eq!(asked.decision(&engine), expected, "{name}\n{policies}");
    }
}

#[test]
fn each_policy_meets_the_node_by_the_name_that_it_uses() {
    let permit = "@id(\"all\") permit(principal in Role::\"a\", action in Action::\"read\", resource);";
    for (one, other) in [("web-1", "u-1"), ("u-1", "web-1")] {
        let forbid = format!("{permit} @id(\"no\") forbid(principal, action, resource == Node::\"{one}\");");
        for more in [
            format!(
                "@mode(\"off\") @id(\"b\") permit(principal in Role::\"b\", action, resource == Node::\"{other}\");"
            ),
            format!("@mode(\"shadow\") @id(\"b\") permit(principal, action, resource == Node::\"{other}\");"),
            format!("@mode(\"shadow\") @id(\"b\") forbid(principal, action, resource == Node::\"{other}\");"),
            format!("@id(\"b\") permit(principal in Role::\"b\", action, resource == Node::\"{other}\");"),
            format!("@id(\"b\") permit(principal, action in Action::\"power\", resource == Node::\"{other}\");"),
            format!("@id(\"b\") permit(principal in Role::\"a\", action, resource == Node::\"{other}\");"),
        ] {
            decided(&format!("{forbid} {more}"), "deny forbidden no");
        }
        let both = format!(
            "{forbid} @id(\"b\") forbid(principal, action, resource) when {{ resource == Node::\"{other}\" }};"
        );
        decided(&both, "deny forbidden b no");
        // "Not this node" is not met by its other name either.
        let others =
            format!("@id(\"c\") permit(principal, action, resource is Node) unless {{ resource == Node::\"{one}\" }};");
        decided(
            &format!("{others} @id(\"b\") permit(principal in Role::\"b\", action, resource == Node::\"{other}\");"),
            "deny no_permit",
        );
        let twice = format!(
            "{permit} @id(\"b\") forbid(principal, action, resource)
             when {{ resource == Node::\"{one}\" && resource == Node::\"{other}\" }};"
        );
        decided(&twice, "deny forbidden b");
    }
}

#[test]
fn a_writes_target_is_met_by_either_name() {
    let write = ask(&["a"], "port:update").add("/node_uuid", text("u-1")).target(node());
    let policies = "@id(\"all\") permit(principal in Role::\"a\", action, resource);
        @id(\"no\") forbid(principal, action, resource)
        when { context has write.target && context.write.target == Node::\"web-1\" };
        @id(\"b\") permit(principal, action, resource)
        when { context has write.target && context.write.target == Node::\"u-1\" };";
    assert_eq!(write.decision(&load(policies)), "deny forbidden no");
    let mut port = ask(&["a"], "port:get").parameter("port", "p-1");
    let of = Some(Arc::new(ObjectFacts::node(&node()).unwrap()));
    port.resource = ObjectFacts::of_node(&json!({"uuid": "p-1"}), of);
    let policies = "@id(\"all\") permit(principal in Role::\"a\", action, resource);
        @id(\"no\") forbid(principal, action, resource) when { resource has node && resource.node == Node::\"web-1\" };
        @id(\"b\") permit(principal, action, resource) when { resource has node && resource.node == Node::\"u-1\" };";
    assert_eq!(port.decision(&load(policies)), "deny forbidden no");
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

/// What has to be looked up of the resource for these callers, before the request and before its writes.
#[track_caller]
fn looked_up(policies: &str, roles: &[&'static str], expected: (bool, bool)) {
    let engine = load(policies);
    let operation = ask(roles, "node:update").operation;
    let principal = Principal::for_test("p1", roles);
    let needs = |writes| engine.needs(operation, &principal, writes).resource.is_some();
    assert_eq!((needs(false), needs(true)), expected, "{roles:?} {policies}");
}

#[test]
fn nothing_is_looked_up_for_whom_no_policy_permits() {
    let forbid = "forbid(principal, action, resource) when { resource is Node && resource has protected && resource.protected };";
    let permit = "permit(principal in Role::\"a\", action in Action::\"node:update\", resource);";
    let asking = "permit(principal in Role::\"a\", action == Action::\"node:update\", resource);";
    let writing = "permit(principal in Role::\"a\", action == Action::\"node:update:write\", resource);";
    let shadow = "@mode(\"shadow\") permit(principal, action, resource);";
    let only = |scope: &str| format!("permit(principal {scope}, action in Action::\"node:update\", resource);");
    let (own, other) = (only("== Principal::\"basic:p1\""), only("is Principal in Principal::\"basic:p2\""));
    let condition =
        format!("permit(principal, action, resource) when {{ principal == Principal::\"basic:p2\" }}; {forbid}");
    for (policies, roles, expected) in [
        (forbid.to_owned(), &["a"][..], (false, false)),
        (format!("{forbid} {permit}"), &["a"], (true, true)),
        (format!("{forbid} {permit}"), &["b"], (false, false)),
        (format!("{forbid} {permit}"), &[], (false, false)),
        (format!("{forbid} {asking}"), &["a"], (true, false)),
        (format!("{forbid} {writing}"), &["a"], (false, false)),
        (format!("{forbid} {asking} {writing}"), &["a"], (true, true)),
        (format!("{forbid} {shadow}"), &["a"], (false, false)),
        (format!("{forbid} {own}"), &["a"], (true, true)),
        (format!("{forbid} {other}"), &["a"], (false, false)),
        (format!("{forbid} {}", only("== Principal::\"keystone:p1\"")), &["a"], (false, false)),
        (format!("{forbid} {}", only("== Principal::\"anonymous\"")), &["a"], (false, false)),
        // A condition is not looked into.
        (condition, &["a"], (true, true)),
    ] {
        looked_up(&policies, roles, expected);
    }
}

#[test]
fn a_missing_object_is_concealed_as_a_hidden_one() {
    let policies = "@id(\"all\") permit(principal in Role::\"a\", action, resource);
        @id(\"own\") permit(principal in Role::\"b\", action, resource) when { resource has owner && resource.owner == \"p1\" };
        @id(\"hide\") @conceal forbid(principal, action, resource is Node)
        when { resource has owner } unless { resource.owner == \"p1\" };";
    let engine = load(policies);
    let hidden = json!({"uuid": "u-2", "name": "theirs", "owner": "p2"});
    let concealed = "deny forbidden hide (concealed)";
    for role in ["a", "b", "c"] {
        let asked = ask(&[role], "node:update").parameter("node", "theirs");
        assert_eq!(asked.decision(&engine), concealed, "{role}");
        assert_eq!(asked.clone().node(hidden.clone()).decision(&engine), concealed, "{role}");
        let asked = asked.add("/extra/a", text("x"));
        assert_eq!(asked.decision(&engine), concealed, "{role}");
        assert_eq!(asked.node(hidden.clone()).decision(&engine), concealed, "{role}");
    }
    assert_eq!(ask(&["a"], "node:update").node(node()).decision(&engine), "permit all");
    // What is not one object is not missing, nor is what has no attributes.
    assert_eq!(ask(&["a"], "node:create").decision(&engine), "permit all");
    assert_eq!(ask(&["a"], "chassis:get").decision(&engine), "permit all");
    // Nor is what the policy does not speak of.
    assert_eq!(ask(&["a"], "port:get").decision(&engine), "permit all");
    // A policy that hides all objects of a type alike has nothing to tell.
    let engine = load(
        "@id(\"all\") permit(principal, action, resource);
        @id(\"x\") @conceal forbid(principal in Role::\"b\", action, resource is Node);",
    );
    assert_eq!(ask(&["a"], "node:get").decision(&engine), "permit all");
    assert_eq!(ask(&["b"], "node:get").decision(&engine), "deny forbidden x (concealed)");
}

use super::*;
use crate::policy::PolicySource;

#[track_caller]
fn check(before: &str, after: &str, expected: &[&str]) {
    // No text is no file.
    let load = |text: &str| {
        let source = PolicySource { name: "t.cedar".to_owned(), text: text.to_owned() };
        PolicyEngine::load(if text.is_empty() { &[] } else { std::slice::from_ref(&source) }).unwrap()
    };
    let changes: Vec<String> = diff(&load(before), &load(after)).iter().map(ToString::to_string).collect();
    assert_eq!(changes, expected, "{before}\n{after}");
}

#[test]
fn gains_and_losses_are_found() {
    let get = "permit(principal in Role::\"a\", action == Action::\"node:get\", resource);";
    let ask = "permit(principal in Role::\"a\", action == Action::\"port:update\", resource);";
    let fields = |condition: &str| {
        format!(
            "{ask} permit(principal in Role::\"a\", action == Action::\"port:update:write\", resource) {condition};"
        )
    };
    check(get, get, &[]);
    check("", get, &["+ a node:get (deny -> permit)"]);
    check(get, "", &["- a node:get (permit -> deny)"]);
    let extra = fields("when { context.write.field == \"extra\" }");
    check(
        ask,
        &extra,
        &[
            "+ a port:update add,replace,remove /extra (deny -> permit)",
            "+ a port:update add,replace,remove /extra/* (deny -> permit)",
        ],
    );
    let below = fields("when { context.write.path like \"/extra/*\" && context.write.op != \"remove\" }");
    check(
        &extra,
        &below,
        &[
            "- a port:update add,replace,remove /extra (permit -> deny)",
            "- a port:update remove /extra/* (permit -> deny)",
            "- a port:update remove /extra/x (permit -> deny)",
        ],
    );
    // An id, a comment, an order or a second permit of the same changes nothing.
    check(get, &format!("// why\n@id(\"x\") {get}"), &[]);
    check(get, &format!("{get} {get}"), &[]);
    let shadow = format!("{get} @mode(\"shadow\") forbid(principal, action, resource);");
    check(get, &shadow, &[]);
}

#[test]
fn conditions_are_compared() {
    let on = |condition: &str| {
        format!("permit(principal in Role::\"a\", action == Action::\"node:get\", resource) {condition};")
    };
    let late = on("when { context.microversion > 50 }");
    check(&on(""), &late, &["- a node:get (permit -> depends)"]);
    check(&late, &on("when { context.microversion > 60 }"), &["~ a node:get (on other conditions)"]);
    check(&late, &on("when {context.microversion > 50}"), &[]);
    check(&late, &format!("{late} {late}"), &[]);
    let forbidden = format!(
        "{} forbid(principal, action == Action::\"node:get\", resource) when {{ context.scheme == \"jwt\" }};",
        on("")
    );
    check(&on(""), &forbidden, &["- a node:get (permit -> depends)"]);
}

#[test]
fn who_sees_secrets_is_compared() {
    let on = |condition: &str| {
        format!("permit(principal in Role::\"a\", action == Action::\"secrets:read\", resource) {condition};")
    };
    check("", &on(""), &["+ a secrets:read (deny -> permit)"]);
    check(&on(""), "", &["- a secrets:read (permit -> deny)"]);
    let one = on("when { context.field == \"/properties/x\" }");
    check("", &one, &["+ a secrets:read (deny -> depends)", "+ a secrets:read /properties/x (deny -> permit)"]);
    let two = on("when { [\"/properties/x\", \"/properties/y\"].contains(context.field) }");
    check(&one, &two, &["+ a secrets:read /properties/y (deny -> permit)"]);
    check(&two, &one, &["- a secrets:read /properties/y (permit -> deny)"]);
    check(
        &one,
        &on("when { context.field == \"/properties/x\" && context.microversion > 90 }"),
        &["- a secrets:read /properties/x (permit -> depends)"],
    );
    let late = on("when { context.microversion > 90 }");
    check(&late, &on("when { context.microversion > 80 }"), &["~ a secrets:read (on other conditions)"]);
    let forbid = "forbid(principal in Role::\"a\", action == Action::\"secrets:read\", resource);";
    check(&format!("{} {forbid}", on("")), &on(""), &["+ a secrets:read (deny -> permit)"]);
    let shadow = "permit(principal in Role::\"a\", action == Action::\"shadow:read\", resource);";
    check("", shadow, &["+ a shadow:read (deny -> permit)"]);
}

#[test]
fn what_is_hidden_is_compared() {
    let permit = "permit(principal in Role::\"a\", action in Action::\"node:get\", resource);";
    let forbid = "forbid(principal in Role::\"a\", action == Action::\"node:get\", resource) \
                  when { resource has owner };";
    let (told, hidden) = (format!("{permit} {forbid}"), format!("{permit} @conceal {forbid}"));
    check(&told, &hidden, &["~ a node:get (denials: told -> hidden)"]);
    check(&hidden, &told, &["~ a node:get (denials: hidden -> told)"]);
    check(&hidden, &hidden, &[]);
    let other = hidden.replace("resource has owner", "resource has lessee");
    check(&hidden, &other, &["~ a node:get (on other conditions)"]);
    let both = format!("{hidden} {}", forbid.replace("owner", "lessee"));
    check(
        &both,
        &both.replace("forbid", "@conceal forbid").replace("@conceal @conceal", "@conceal"),
        &["~ a node:get (other denials are hidden)"],
    );
}

#[test]
fn other_types_are_no_condition() {
    let permit = "permit(principal in Role::\"a\", action == Action::\"api:root\", resource);";
    let forbid = "forbid(principal, action, resource is Node) when { resource has owner };";
    check(permit, &format!("{permit} {forbid}"), &[]);
}

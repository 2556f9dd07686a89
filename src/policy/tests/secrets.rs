//! Who may see a secret.

use super::{ask, load};

#[track_caller]
fn check(policies: &str, roles: &[&'static str], field: &str, expected: bool) {
    let engine = load(policies);
    let found = ask(roles, "node:get").with(|request| engine.reads_secret(request, field));
    assert_eq!(found, expected, "{policies} {roles:?} {field}");
}

const CHAP: &str = "/properties/auth_password";
const BMC: &str = "/driver_info/redfish_password";

#[test]
fn only_a_permit_shows_a_secret() {
    let chap = "@id(\"chap\") permit(principal in Role::\"storage\", action == Action::\"secrets:read\", resource) \
                when { context.field == \"/properties/auth_password\" };";
    check("", &["storage"], CHAP, false);
    check(chap, &["storage"], CHAP, true);
    check(chap, &["storage"], BMC, false);
    check(chap, &["other"], CHAP, false);
    check(chap, &[], CHAP, false);
    let forbid = format!(
        "{chap}\n@id(\"f\") forbid(principal in Role::\"guest\", action == Action::\"secrets:read\", resource);"
    );
    check(&forbid, &["storage"], CHAP, true);
    check(&forbid, &["storage", "guest"], CHAP, false);
    let shadow = chap.replacen("permit", "@mode(\"shadow\") permit", 1);
    check(&shadow, &["storage"], CHAP, false);
}

#[test]
fn reading_is_not_reading_secrets() {
    let read = "@id(\"r\") permit(principal in Role::\"r\", action in Action::\"read\", resource);";
    check(read, &["r"], BMC, false);
    let everything = "@id(\"a\") permit(principal in Role::\"a\", action, resource);";
    check(everything, &["a"], BMC, true);
    // It is about no node: a rule for one node says nothing about secrets.
    let one = "@id(\"n\") permit(principal in Role::\"a\", action, resource == Node::\"n\");";
    check(one, &["a"], BMC, false);
    let late = "@id(\"l\") permit(principal in Role::\"a\", action, resource) when { context.microversion > 1 };";
    check(late, &["a"], BMC, true);
}

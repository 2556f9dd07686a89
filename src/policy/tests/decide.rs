//! Decisions, row by row.

use super::super::*;
use super::{Ask, AskWrite, ask, denied, load, text};
use crate::call::WriteOp;
use crate::json::Json;

#[track_caller]
fn check(policies: &str, ask: &Ask, expected: &str) {
    assert_eq!(ask.decision(&load(policies)), expected, "{policies}\n{ask:?}");
}

/// Whether a forbid with this condition meets the request; everything else is permitted.
#[track_caller]
fn meets(action: &str, condition: &str, ask: &Ask, expected: bool) {
    let policies = format!(
        "@id(\"all\") permit(principal is Principal, action, resource);\n@id(\"f\") forbid(principal, action in Action::{action:?}, resource) when {{ {condition} }};"
    );
    check(&policies, ask, if expected { "deny forbidden f" } else { "permit all" });
}

const A: &str = "@id(\"a\") permit(principal in Role::\"a\", action, resource);";

#[test]
fn deny_is_the_default() {
    check("", &ask(&["a"], "node:get"), "deny no_permit");
    check(A, &ask(&[], "node:get"), "deny no_permit");
    check(A, &ask(&["b"], "node:get"), "deny no_permit");
    check(A, &ask(&["b", "a"], "node:get"), "permit a");
    check(A, &ask(&["a"], "node:update").add("/extra/x", text("1")), "permit a");
}

#[test]
fn a_write_of_an_operation_without_writes_is_denied() {
    check(A, &ask(&["a"], "node:get").add("/extra/x", text("1")), "deny indeterminate");
}

#[test]
fn forbids_win_and_the_first_reason_is_given() {
    let policies = format!(
        "{A}\n@id(\"z\") @reason(\"last\") forbid(principal, action in Action::\"power\", resource);\n@id(\"f2\") @reason(\"first\") forbid(principal, action, resource) when {{ context.microversion > 100 }};\n@id(\"f1\") @conceal forbid(principal, action in Action::\"power\", resource);"
    );
    check(&policies, &ask(&["a"], "node:set_power_state"), "deny forbidden f1 f2 z: first (concealed)");
    check(&policies, &ask(&["a"], "node:get"), "deny forbidden f2: first");
}

#[test]
fn every_permit_that_matched_is_named() {
    let policies = format!("{A}\n@id(\"0\") permit(principal in Role::\"b\", action in Action::\"read\", resource);");
    check(&policies, &ask(&["a", "b"], "node:get"), "permit 0 a");
    check(&policies, &ask(&["a", "b"], "node:delete"), "permit a");
}

#[test]
fn what_cannot_be_evaluated_denies() {
    // Too large for 64 bits: an error at evaluation, which plain Cedar would pass over.
    let policies = format!(
        "{A}\n@id(\"f\") forbid(principal, action, resource) when {{ context.microversion * 9000000000000000000 == 1 }};"
    );
    check(&policies, &ask(&["a"], "node:get"), "deny indeterminate f");
    let policies = format!(
        "{A}\n@id(\"p\") @mode(\"enforce\") permit(principal in Role::\"a\", action, resource) when {{ context.microversion * 9000000000000000000 == 1 }};"
    );
    check(&policies, &ask(&["a"], "node:get"), "deny indeterminate p");
    check(&policies, &ask(&["b"], "node:get"), "deny no_permit");
}

#[test]
fn equal_and_in_differ_as_documented() {
    let request = ask(&["a"], "node:update");
    let write = ask(&["a"], "node:update").add("/extra/x", text("1"));
    let equal = "@id(\"p\") permit(principal in Role::\"a\", action == Action::\"node:update\", resource);";
    check(equal, &request, "permit p");
    check(equal, &write, "deny no_permit");
    for within in ["node:update", "configure"] {
        let policies = format!("@id(\"p\") permit(principal in Role::\"a\", action in Action::{within:?}, resource);");
        check(&policies, &request, "permit p");
        check(&policies, &write, "permit p");
    }
    let writes = "@id(\"p\") permit(principal in Role::\"a\", action in Action::\"write\", resource);";
    check(writes, &request, "deny no_permit");
    check(writes, &write, "permit p");
}

#[test]
fn identifiers_are_compared_in_lower_case() {
    let forbid = format!("{A}\n@id(\"f\") forbid(principal, action, resource == Node::\"web-1\");");
    for spelling in ["web-1", "WEB-1", "Web-1"] {
        check(&forbid, &ask(&["a"], "node:get").parameter("node", spelling), "deny forbidden f");
    }
    check(&forbid, &ask(&["a"], "node:get").parameter("node", "web-2"), "permit a");
    meets("node:get", "context.parameters.node == \"web-1\"", &ask(&[], "node:get").parameter("node", "WEB-1"), true);
    meets("node:get", "resource.id == \"web-1\"", &ask(&[], "node:get").parameter("node", "WEB-1"), true);
    let traits = ask(&[], "node:traits:add").parameter("trait", "CUSTOM_GOLD");
    meets("node:traits:add", "context.parameters[\"trait\"] == \"CUSTOM_GOLD\"", &traits, true);
}

#[test]
fn collections_and_the_api_have_ids() {
    for (operation, resource) in [
        ("node:list_detail", "Collection::\"nodes\""),
        ("node:create", "Collection::\"nodes\""),
        ("volume:connector:list", "Collection::\"connectors\""),
        ("volume:root", "Collection::\"volume\""),
        ("api:v1", "Api::\"ironic\""),
        ("ramdisk:lookup", "Api::\"ironic\""),
        ("node:volume:target:list", "Node::\"x-1\""),
    ] {
        check(
            &format!("@id(\"p\") permit(principal is Principal, action, resource == {resource});"),
            &ask(&[], operation),
            "permit p",
        );
    }
}

#[test]
fn principals_are_named_with_their_scheme() {
    check(
        "@id(\"p\") permit(principal == Principal::\"basic:p1\", action, resource);",
        &ask(&[], "node:get"),
        "permit p",
    );
    check(
        "@id(\"p\") permit(principal == Principal::\"jwt:p1\", action, resource);",
        &ask(&[], "node:get"),
        "deny no_permit",
    );
    meets("read", "principal.name == \"p1\" && principal.scheme == \"basic\"", &ask(&[], "node:get"), true);
    // A role that no policy names by its identifier is still in the set.
    meets("read", "principal.roles.contains(\"b\")", &ask(&["b"], "node:get"), true);
}

#[test]
fn circumstances_are_facts() {
    let mut request = ask(&[], "node:get");
    meets("read", "context has source", &request, false);
    for source in ["10.1.2.3", "::ffff:10.1.2.3"] {
        request.source = Some(source);
        meets("read", "context has source && context.source.isInRange(ip(\"10.0.0.0/8\"))", &request, true);
    }
    meets("read", "context.now < datetime(\"2026-01-01T00:00:01Z\")", &request, true);
    meets("read", "context.now < datetime(\"2026-01-01\")", &request, false);
    meets(
        "read",
        "context.listener == \"public\" && context.scheme == \"basic\" && context.microversion == 115",
        &request,
        true,
    );
}

#[test]
fn the_query_is_seen() {
    let list = ask(&[], "node:list").query("fields", "uuid,name").query("owner", "abc");
    meets("node:list", "context.query has fields && context.query.fields.contains(\"name\")", &list, true);
    meets(
        "node:list",
        "context.query has fields && [\"uuid\", \"name\"].containsAll(context.query.fields)",
        &list,
        true,
    );
    meets("node:list", "context.query has owner && context.query.owner == \"abc\"", &list, true);
    meets("node:list", "context.query has limit", &list, false);
    let ports = ask(&[], "port:list").query("node", "WEB-1");
    meets("port:list", "context.query has node && context.query.node == \"web-1\"", &ports, true);
    // Twice the same parameter is no fact.
    let twice = ask(&[], "node:list").query("owner", "a").query("owner", "b");
    let policies = "@id(\"p\") permit(principal is Principal, action, resource) when { !(context has query.owner) };";
    check(policies, &twice, "deny indeterminate");
}

#[test]
fn a_vendor_method_is_a_query_parameter() {
    let operation = "node:vendor_passthru:post";
    let condition = "context.query has method && context.query.method == \"send_raw\"";
    meets(operation, condition, &ask(&[], operation).query("method", "send_raw"), true);
    meets(operation, condition, &ask(&[], operation).query("method", "SEND_RAW"), true);
}

#[test]
fn writes_are_facts() {
    let update = "node:update:write";
    let write = |value| ask(&[], "node:update").write(WriteOp::Replace, "/driver_info/a~1b", value);
    let of = |condition: &str, value: Json<'static>, expected| meets(update, condition, &write(value), expected);
    of("context.write.path == \"/driver_info/a~1b\" && context.write.field == \"driver_info\"", text("x"), true);
    of("context.write.key == \"a/b\" && context.write.op == \"replace\" && !context.write.secret", text("x"), true);
    of("context has write.value.string && context.write.value.string == \"x\"", text("x"), true);
    of("context has write.value.boolean && context.write.value.boolean == false", Json::Boolean(false), true);
    of("context has write.value.boolean && context.write.value.boolean == false", text(" False"), true);
    of("context has write.value.boolean && context.write.value.boolean == false", Json::Integer(0), true);
    of("context has write.value.boolean", text("nothing"), false);
    of("context has write.value.integer && context.write.value.integer == 22", text("22"), true);
    of("context has write.value.kind && context.write.value.kind == \"null\"", Json::Null, true);
    of(
        "context has write.value.length && context.write.value.length == 2",
        Json::Array(vec![Json::Null, Json::Null]),
        true,
    );
    of("context has write.value.url && context.write.value.url.scheme == \"file\"", text("FILE:///etc/passwd"), true);
    of("context has write.value.url && !context.write.value.url.plain", text(" file:///etc/passwd"), true);
    of(
        "context has write.value.url.address && context.write.value.url.address.isInRange(ip(\"169.254.0.0/16\"))",
        text("http://169.254.169.254/"),
        true,
    );
    of(
        "context has write.value.url.port && context.write.value.url.port == 80",
        text("http://[2001:db8::1]:80/"),
        true,
    );
    of("context has write.step", text("x"), false);
    meets(update, "context has write.value", &ask(&[], "node:update").write(WriteOp::Remove, "/extra/x", None), false);
}

#[test]
fn steps_are_facts() {
    let mut request = ask(&[], "node:set_provision_state").add("/clean_steps/0/args/x", text("1"));
    if let Some(write) = &mut request.write {
        write.step = Some(("deploy", "erase_devices", Some("x")));
    }
    let condition = "context has write.step && context.write.step.id == \"deploy.erase_devices\" && context.write.step has argument && context.write.step.argument == \"x\"";
    meets("node:set_provision_state:write", condition, &request, true);
}

#[test]
fn secrets_show_kind_and_length_only() {
    let mut request = ask(&[], "node:update").add("/driver_info/ipmi_password", text("12345"));
    if let Some(write) = &mut request.write {
        write.secret = true;
    }
    let update = "node:update:write";
    meets(
        update,
        "context.write.secret && context has write.value.length && context.write.value.length == 5",
        &request,
        true,
    );
    for fact in ["string", "integer", "boolean", "url"] {
        meets(update, &format!("context has write.value.{fact}"), &request, false);
    }
}

#[test]
fn long_strings_show_their_length_and_scheme_only() {
    let long = Json::String(format!("http://images.example/{}", "a".repeat(5000)).into());
    let request = ask(&[], "node:update").add("/instance_info/image_source", long);
    let update = "node:update:write";
    meets(update, "context has write.value.length && context.write.value.length > 4096", &request, true);
    meets(update, "context has write.value.string", &request, false);
    meets(
        update,
        "context has write.value.url && context.write.value.url.scheme == \"http\" && !context.write.value.url.plain",
        &request,
        true,
    );
}

#[test]
fn shadow_policies_are_recorded_and_nothing_else() {
    let policies = format!(
        "{A}\n@id(\"s\") @mode(\"shadow\") @reason(\"soon\") forbid(principal, action in Action::\"power\", resource);\n@id(\"sp\") @mode(\"shadow\") permit(principal in Role::\"b\", action in Action::\"read\", resource);\n@id(\"off\") @mode(\"off\") forbid(principal, action, resource);"
    );
    let engine = load(&policies);
    let rows = [
        (ask(&["a"], "node:set_power_state"), "permit a", Some("deny forbidden s: soon")),
        (ask(&["a"], "node:get"), "permit a", None),
        (ask(&["b"], "node:get"), "deny no_permit", Some("permit sp")),
        (ask(&["b"], "node:set_power_state"), "deny no_permit", None),
    ];
    for (ask, decision, would_be) in rows {
        assert_eq!(ask.decision(&engine), decision, "{ask:?}");
        let found = ask.verdict(&engine).would_be.map(|would_be| match would_be {
            WouldBe::Permit(policies) => format!("permit {}", policies.join(" ")),
            WouldBe::Deny(denial) => denied(&denial),
        });
        assert_eq!(found.as_deref(), would_be, "{ask:?}");
    }
}

#[test]
fn a_broken_shadow_policy_denies_nobody() {
    let policies = format!(
        "{A}\n@id(\"s\") @mode(\"shadow\") forbid(principal, action, resource) when {{ context.microversion * 9000000000000000000 == 1 }};"
    );
    let engine = load(&policies);
    let verdict = ask(&["a"], "node:get").verdict(&engine);
    assert!(matches!(verdict.decision, Decision::Permit(_)));
    assert!(matches!(verdict.would_be, Some(WouldBe::Deny(denial)) if denial.reason == DenialReason::Indeterminate));
}

#[test]
fn the_dry_run_remembers_the_denial() {
    let Decision::Deny(denial) = ask(&[], "node:get").verdict(&load(A)).decision else { panic!("permitted") };
    let shadow = ShadowMode::from_configuration(PolicyMode::Shadow).unwrap();
    let permit = denial.clone().waive(shadow);
    assert_eq!(permit.waived(), Some(&denial));
    assert!(permit.policies().is_empty());
    assert_eq!(ShadowMode::from_configuration(PolicyMode::Enforce), None);
}

#[test]
fn a_request_with_too_many_places_is_denied_by_what_reads_them() {
    let policies = "@id(\"all\") permit(principal is Principal, action, resource);
        @id(\"re-point\") forbid(principal, action == Action::\"node:update:write\", resource)
            when { context.write.key like \"*_address\" && !(context.write.siblings.contains(\"/extra/0\")) };
        @id(\"length\") forbid(principal, action == Action::\"node:update:write\", resource)
            when { context.write has value && context.write.value.length > 9 };";
    let with = |others: usize, path: &'static str| {
        let other = |number: usize| AskWrite {
            path: Box::leak(format!("/extra/{number}x").into_boxed_str()),
            op: WriteOp::Add,
            value: Some(text("x")),
            step: None,
            secret: false,
        };
        Ask { others: (0..others).map(other).collect(), ..ask(&["a"], "node:update").add(path, text("x")) }
    };
    check(policies, &with(255, "/driver_info/redfish_address"), "deny forbidden re-point");
    check(policies, &with(256, "/driver_info/redfish_address"), "deny indeterminate");
    check(policies, &with(256, "/driver_info/redfish_username"), "permit all");
}

#[test]
fn siblings_are_looked_for_once() {
    let (cache, mut looked) = (crate::policy::RequestCache::default(), 0);
    for _ in 0..3 {
        let found = cache.siblings(|| {
            looked += 1;
            None
        });
        assert!(found.is_none());
    }
    assert_eq!(looked, 1);
}

#[test]
fn evidence_for_other_tests() {
    assert_eq!(Permit::for_test(&["a"]).policies(), [Arc::from("a")]);
    assert_eq!(denied(&Denial::for_test(DenialReason::Forbidden, &["f"], Some("why"))), "deny forbidden f: why");
}

/// Not a benchmark: `cargo test --release -- --ignored --nocapture timing` gives an idea.
#[test]
#[ignore = "prints times"]
fn timing() {
    let policies: String = (0..60)
        .map(|number| format!("@id(\"w{number}\") forbid(principal, action in Action::\"node:update:write\", resource) when {{ context.write.path == \"/extra/{number}\" }};\n"))
        .collect();
    let many: String = (0..10_000)
        .map(|number| format!("@id(\"m{number}\") permit(principal in Role::\"r{}\", action == Action::\"port:update:write\", resource) when {{ context.write.field == \"f{number}\" }};\n", number % 50))
        .collect();
    let start = std::time::Instant::now();
    let engine = load(&format!("{A}\n{policies}\n{many}"));
    println!("load of 10,061 policies: {:?}", start.elapsed());
    for (name, ask) in [
        ("constant", ask(&["a"], "node:get")),
        (
            "one write, 60 forbids",
            ask(&["a"], "node:update").add("/driver_info/redfish_address", text("https://h.example/")),
        ),
        ("one write, 10,000 permits of 50 roles", ask(&["r7"], "port:update").add("/extra/x", text("x"))),
    ] {
        ask.with(|request| {
            drop(engine.decide(request));
            let start = std::time::Instant::now();
            for _ in 0..1000 {
                drop(engine.decide(request));
            }
            println!("{name}: {:?}", start.elapsed() / 1000);
        });
    }
}

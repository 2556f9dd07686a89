//! Dry-run decides and records, and changes no byte.

use crate::support::ironic::Arrived;
use crate::support::{Answer, FakeIronic, Irongate, json};

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

/// A file of the configuration with more at its end.
fn with_end(end: &'static str) -> impl FnOnce(String) -> String {
    move |text| text + end
}

#[test]
fn a_scrub_rule_in_shadow_is_counted_and_masks_nothing() {
    let stored = r#"{"name": "n", "driver_info": {"redfish_password": "S", "site": {"pin": "1"}}, "extra": {"asset_tag": "x", "note": "ACME-12 token=T"}}"#;
    let ironic = FakeIronic::start(move |request| match request.line.contains("/detail") {
        true => json("200 OK", &format!(r#"{{"nodes": [{}]}}"#, vec![stored; 2_000].join(", "))),
        false => json("200 OK", stored),
    });
    let plain = Irongate::start(&ironic, "");
    let shadow = Irongate::start_edited(
        &ironic.endpoint(),
        with_end(
            "\n[scrub.shadow]\nwords = [\"asset_tag\"]\nfields = [\"/driver_info/site\"]\nshapes = [\"ACME-[0-9]+\"]\n",
        ),
    );
    let mut count = 0;
    for (target, values) in [("/v1/nodes/n", 3), ("/v1/nodes/detail", 6_000)] {
        let (one, other) = (plain.ask("admin", "GET", target, None), shadow.ask("admin", "GET", target, None));
        assert_eq!((one.status, &one.body), (200, &other.body), "{target}");
        assert!(one.body.contains("ACME-12 token=******"), "{target}");
        count += 1;
        let (one, other) = (plain.records(count).pop().unwrap(), shadow.records(count).pop().unwrap());
        assert_eq!(one["would_mask"], serde_json::Value::Null, "{one}");
        assert_eq!((&other["would_mask"], &other["masked"]), (&values.into(), &one["masked"]), "{other}");
    }
    // What irongate ships is not taken out of force by naming it: it is masked as before.
    let again = Irongate::start_edited(
        &ironic.endpoint(),
        with_end("\n[scrub.shadow]\nwords = [\"password\"]\nfields = [\"/driver_info/redfish_password\"]\n"),
    );
    assert!(again.ask("admin", "GET", "/v1/nodes/n", None).body.contains(r#""redfish_password": "******""#));
    assert_eq!(again.records(1)[0]["would_mask"], serde_json::Value::Null);
}

#[test]
fn a_check_in_shadow_is_recorded_and_takes_the_request() {
    let ironic = FakeIronic::plain();
    let enforcing = Irongate::start(&ironic, "");
    let shadow = Irongate::start_edited(
        &ironic.endpoint(),
        with_end("\n[validation]\nshadow = [\"mask_as_value\", \"same_path\", \"unknown_field\"]\n"),
    );
    let mut count = 0;
    for (method, target, body, check) in [
        (
            "PATCH",
            "/v1/nodes/n",
            r#"[{"op": "add", "path": "/driver_info/redfish_password", "value": "******"}]"#,
            "mask_as_value",
        ),
        (
            "PATCH",
            "/v1/nodes/n",
            r#"[{"op": "add", "path": "/extra/a", "value": 1}, {"op": "remove", "path": "/extra/a"}]"#,
            "same_path",
        ),
        ("POST", "/v1/nodes", r#"{"driver": "fake-hardware", "brand_new": {"x": 1}}"#, "unknown_field"),
    ] {
        let before = ironic.arrived().len();
        let refused = enforcing.ask("admin", method, target, Some(body));
        assert_eq!((refused.status, refused.code().as_str()), (400, check), "{refused:?}");
        assert_eq!(ironic.arrived().len(), before);
        assert_eq!(shadow.ask("admin", method, target, Some(body)).status, 200, "{check}");
        let arrived = ironic.arrived().pop().unwrap();
        let sent: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&arrived.body).unwrap(), sent, "{check}");
        count += 1;
        let record = shadow.records(count).pop().unwrap();
        assert_eq!(record["would_refuse"], check, "{record}");
        assert_eq!((&record["decision"], &record["status"]), (&"permit".into(), &200.into()), "{record}");
    }
    // A field that nobody knows is a write like any other, and another check is still in force.
    let paths: Vec<_> =
        shadow.records(3)[2]["writes"].as_array().unwrap().iter().map(|write| write["path"].clone()).collect();
    assert!(paths.contains(&"/brand_new/x".into()), "{paths:?}");
    let answer =
        shadow.ask("admin", "POST", "/v1/nodes", Some(r#"{"driver": "fake-hardware", "brand_new": 1, "name": 7}"#));
    assert_eq!((answer.status, answer.code().as_str()), (400, "wrong_kind"), "{answer:?}");
    let answer = shadow.ask("admin", "PATCH", "/v1/nodes/n", Some(r#"[{"op": "move", "path": "/extra/a"}]"#));
    assert_eq!(answer.status, 400, "{answer:?}");
}

/// In front of `ironic`, with these policies only and more at the top of the configuration.
fn with_policies(ironic: &FakeIronic, policies: &str, more: &str) -> (Irongate, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("site.cedar"), policies).unwrap();
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles");
    let change = |text: String| {
        format!("{more}\n{}", text.replace(&shipped.display().to_string(), &directory.path().display().to_string()))
    };
    (Irongate::changed(&ironic.endpoint(), "", change), directory)
}

#[test]
fn dry_run_ends_when_the_configuration_says() {
    for (until, status, mode) in [
        ("2020-01-01", 403, "enforce"),
        ("2020-01-01T00:00:00+01:00", 403, "enforce"),
        ("2999-01-01", 200, "shadow"),
        ("2999-01-01T00:00:00Z", 200, "shadow"),
    ] {
        let ironic = FakeIronic::plain();
        let irongate = Irongate::start(&ironic, &format!("mode = \"shadow\"\nshadow_until = \"{until}\""));
        let patch = Some(r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#);
        assert_eq!(irongate.ask("auditor", "PATCH", "/v1/nodes/n", patch).status, status, "{until}");
        assert_eq!(irongate.records(1)[0]["mode"], mode, "{until}");
        assert_eq!(ironic.arrived().len(), usize::from(status == 200), "{until}");
    }
    for (settings, word) in [
        ("mode = \"shadow\"\nshadow_until = \"tomorrow\"", "2026-12-31"),
        ("mode = \"shadow\"\nshadow_until = \"2026-12-31T08:00:00\"", "offset"),
        ("mode = \"enforce\"\nshadow_until = \"2999-01-01\"", "mode = \"shadow\""),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = crate::support::configuration(directory.path(), "unix:/x", settings);
        let Err(errors) = irongate::config::load(&file) else { panic!("{settings} was taken") };
        assert!(errors[0].message.contains(word) && errors[0].line == Some(3), "{settings}: {errors:?}");
    }
}

#[test]
fn who_may_see_it_is_told_the_rule() {
    const POLICIES: &str = r#"
@id("admin") permit (principal in Role::"admin", action in Action::"read", resource);
@id("operator") permit (principal in Role::"operator", action in Action::"read", resource);
@id("site.none") forbid (principal, action == Action::"node:delete", resource);
@id("seen") permit (principal in Role::"admin", action == Action::"shadow:read", resource);
@id("seen.dry") @mode("shadow") permit (principal in Role::"auditor", action == Action::"shadow:read", resource);
"#;
    let ironic = FakeIronic::plain();
    let (irongate, _policies) = with_policies(&ironic, POLICIES, "mode = \"shadow\"");
    let patch = Some(r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#);
    for (user, method, body, told) in [
        ("admin", "GET", None, None),
        ("admin", "PATCH", patch, Some("default-deny")),
        ("admin", "DELETE", None, Some("site.none")),
        ("operator", "PATCH", patch, None),
        ("auditor", "PATCH", patch, None),
    ] {
        let answer = irongate.ask(user, method, "/v1/nodes/n", body);
        assert_eq!(answer.status, 200, "{user} {method}");
        assert_eq!(answer.header("irongate-would-deny").as_deref(), told, "{user} {method}");
    }
}

#[test]
fn in_shadow_no_byte_differs_from_a_run_without_policies() {
    let answering = |request: &Arrived| match request.line.split(' ').next() {
        Some("DELETE") => json("204 No Content", ""),
        Some("PUT") => json(
            "409 Conflict",
            r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node n is locked by host h.\", \"debuginfo\": null}"}"#,
        ),
        _ => json(
            "200 OK",
            r#"{"name": "n",  "driver_info": {"ipmi_password": "S"}, "links": [{"href": "http://ironic/v1/nodes/n"}]}"#,
        ),
    };
    let (plain, shadowed) = (FakeIronic::start(answering), FakeIronic::start(answering));
    let everything = r#"@id("all") permit (principal, action, resource) unless { action == Action::"shadow:read" };"#;
    let nothing = r#"@id("none") forbid (principal, action, resource);"#;
    let (open, _policies) = with_policies(&plain, everything, "");
    let (shadow, _policies) = with_policies(&shadowed, nothing, "mode = \"shadow\"");
    let id = "X-OpenStack-Request-ID: req-8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01\r\n";
    let rows = [
        ("admin", "GET", "/v1/nodes?fields=name,uuid&limit=3", None),
        ("admin", "GET", "/v1/nodes/n", None),
        (
            "operator",
            "PATCH",
            "/v1/nodes/n",
            Some(r#"[ {"op":"add", "path":"/extra/\u0061", "value": [1.50, "\u00e9"]} ]"#),
        ),
        ("auditor", "PUT", "/v1/nodes/n/states/power", Some(r#"{"target": "power on"}"#)),
        ("auditor", "DELETE", "/v1/nodes/n", None),
        ("auditor", "POST", "/v1/nodes", Some(r#"{"driver": "fake-hardware", "name": "n"}"#)),
    ];
    for (user, method, target, body) in rows {
        let told = |irongate: &Irongate| {
            let Answer { status, head, body } = irongate.ask_with(user, method, target, id, body);
            (status, without(&head, &["x-openstack-request-id", "openstack-request-id", "date"], irongate), body)
        };
        assert_eq!(told(&open), told(&shadow), "{user} {method} {target}");
    }
    let arrived = |ironic: &FakeIronic| -> Vec<Arrived> {
        let mut arrived = ironic.arrived();
        for request in &mut arrived {
            // irongate's own id of the request is another each time.
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-openstack-request-id"));
        }
        arrived
    };
    assert_eq!(arrived(&plain), arrived(&shadowed));
    assert_eq!(arrived(&plain).len(), rows.len());
    for record in shadow.records(rows.len()) {
        assert_eq!(record["would_be"]["policies"][0], "none", "{record}");
    }
}

/// A head without the lines that are another each time.
fn without(head: &str, names: &[&str], irongate: &Irongate) -> Vec<String> {
    let own = irongate.address.to_string();
    head.lines()
        .filter(|line| !names.iter().any(|name| line.to_ascii_lowercase().starts_with(&format!("{name}:"))))
        .map(|line| line.replace(&own, "irongate"))
        .collect()
}

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::policy::Permit;
use crate::validate::{self, validate};

fn route(operation: &str, query: &[(&'static str, &'static str)]) -> Route<'static> {
    Route::for_test(catalog().operation(operation).expect(operation), 115).with_query(query)
}

fn places() -> Places {
    Places::new(&BTreeMap::from([("images".to_owned(), vec!["images.example".to_owned(), "192.0.2.0/24".to_owned()])]))
        .unwrap()
}

fn of(operation: &str, body: &str) -> (serde_json::Value, usize) {
    let call = validate(route(operation, &[]), Some(body.as_bytes()), &Permit::for_test(&["test"])).expect(body);
    let (lines, more) = writes(call.route().operation(), &validate::writes(&call), &places());
    (serde_json::to_value(lines).unwrap(), more)
}

#[track_caller]
fn check(operation: &str, body: &str, expected: serde_json::Value) {
    assert_eq!(of(operation, body), (expected, 0), "{body}");
}

fn patch(path: &str, value: serde_json::Value) -> String {
    json!([{"op": "add", "path": path, "value": value}]).to_string()
}

/// The value's line of a patch of a node.
#[track_caller]
fn value(path: &str, value: serde_json::Value, expected: serde_json::Value) {
    let (lines, _) = of("node:update", &patch(path, value.clone()));
    assert_eq!(lines[0]["value"], expected, "{path} {value}");
}

#[test]
fn words_of_the_program_are_told_and_no_other_text() {
    check(
        "node:set_provision_state",
        r#"{"target": "clean", "clean_steps": [{"interface": "deploy", "step": "erase", "args": {"passes": 3, "pw": "S3cret"}}]}"#,
        json!([
            {"op": "add", "path": "/target", "value": {"kind": "string", "length": 5, "string": "clean", "spelling": "word"}},
            {"op": "add", "path": "/clean_steps", "value": {"kind": "array", "length": 1}},
            {"op": "add", "path": "/clean_steps/0", "step": "deploy.erase", "value": {"kind": "object", "length": 3}},
            {"op": "add", "path": "/clean_steps/0/args", "step": "deploy.erase", "value": {"kind": "object", "length": 2}},
            {"op": "add", "path": "/clean_steps/0/args/passes", "step": "deploy.erase", "argument": "passes",
             "value": {"kind": "integer"}},
            {"op": "add", "path": "/clean_steps/0/args/pw", "step": "deploy.erase", "argument": "pw", "secret": true,
             "value": {"kind": "string"}},
        ]),
    );
    value("/driver", json!("redfish"), json!({"kind": "string", "length": 7, "string": "redfish", "spelling": "word"}));
    value("/driver", json!("S3cret"), json!({"kind": "string", "length": 6, "spelling": "word"}));
    value(
        "/boot_interface",
        json!("ipxe"),
        json!({"kind": "string", "length": 4, "string": "ipxe", "spelling": "word"}),
    );
    value("/extra/note", json!("ipxe"), json!({"kind": "string", "length": 4, "spelling": "word"}));
    value("/description", json!(""), json!({"kind": "string", "length": 0, "string": "", "spelling": "word"}));
    value("/description", json!("two words"), json!({"kind": "string", "length": 9, "spelling": "line"}));
}

#[test]
fn booleans_are_told_and_integers_only_where_the_catalogue_has_one() {
    value("/maintenance", json!(true), json!({"kind": "boolean", "boolean": true}));
    value(
        "/driver_info/redfish_verify_ca",
        json!("False"),
        json!({"kind": "string", "length": 5, "boolean": false, "spelling": "word"}),
    );
    value("/extra/pin", json!(4711), json!({"kind": "integer"}));
    check("node:inject_nmi", "{}", json!([]));
    let (lines, _) =
        of("port:create", r#"{"address": "52:54:00:12:34:56", "node_uuid": "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01"}"#);
    assert!(!lines.to_string().contains("52:54") && !lines.to_string().contains("8ed9fb71"), "{lines}");
    let (lines, _) = of(
        "runbook:create",
        r#"{"name": "CUSTOM_A", "steps": [{"interface": "bios", "step": "apply", "args": {}, "order": 7}]}"#,
    );
    assert!(lines.to_string().contains(r#""integer":7"#), "{lines}");
}

#[test]
fn secrets_tell_their_kind_only() {
    for path in ["/driver_info/redfish_password", "/instance_info/configdrive", "/extra/api_token"] {
        for secret in [json!("S3cret"), json!(4711), json!(true), json!("https://S3cret.example/"), json!("ipxe")] {
            let (lines, _) = of("node:update", &patch(path, secret));
            assert_eq!(lines[0]["secret"], true, "{lines}");
            assert_eq!(lines[0]["value"].as_object().unwrap().len(), 1, "{lines}");
        }
    }
}

/// What answers hide, records do not describe: by the same list of names, and by what stands beside a value.
#[test]
fn what_answers_mask_is_not_described() {
    let kind_only = |lines: &serde_json::Value, path: &str| {
        let line = lines.as_array().unwrap().iter().find(|line| line["path"] == *path).expect(path);
        assert_eq!(line["value"].as_object().unwrap().len(), 1, "{path}: {line}");
    };
    for path in [
        "/driver_info/bmc_pass",
        "/extra/bmc_pwd",
        "/extra/client_key",
        "/extra/kg_key",
        "/extra/userPass",
        "/extra/AUTH",
        "/driver_info/irmc_snmp_security",
        "/instance_info/user_data",
        "/driver_info/snmp-community",
        "/extra/bmc_pw/of/all",
    ] {
        let (lines, _) = of("node:update", &patch(path, json!("http://S3cret.example/")));
        kind_only(&lines, path);
        assert_eq!(lines[0]["secret"], true, "{lines}");
    }
    for path in ["/extra/bypass", "/driver_info/passthru", "/extra/author", "/extra/keyboard"] {
        value(path, json!("abc"), json!({"kind": "string", "length": 3, "spelling": "word"}));
    }

    let settings = json!([{"name": "AdminPassword", "value": "http://S3cret.example/"}, {"value": ["S3cret"], "key": "bmc.token"},
                          {"name": "BootMode", "value": "uefi"}]);
    for (base, (lines, _)) in [
        (
            "/clean_steps/0/args/settings",
            of(
                "node:set_provision_state",
                &json!({"target": "clean", "clean_steps": [
                    {"interface": "bios", "step": "apply_configuration", "args": {"settings": settings}}]})
                .to_string(),
            ),
        ),
        ("/extra/settings", of("node:update", &patch("/extra/settings", settings.clone()))),
    ] {
        kind_only(&lines, &format!("{base}/0/value"));
        kind_only(&lines, &format!("{base}/1/value/0"));
        assert!(!lines.to_string().to_lowercase().contains("s3cret"), "{lines}");
        let plain = lines.as_array().unwrap().iter().find(|line| line["path"] == format!("{base}/2/value")).unwrap();
        assert_eq!(plain["value"]["length"], 4, "{plain}");
    }

    let rule = |args: &serde_json::Value| {
        let rule = json!({"actions": [{"op": "set-attribute", "args": args}], "conditions": []});
        of("inspection_rule:create", &rule.to_string()).0
    };
    for (args, path) in [
        (json!({"path": "/driver_info/redfish_password", "value": "http://S3cret.example/"}), "value"),
        (json!(["/driver_info/redfish_password", "http://S3cret.example/"]), "1"),
    ] {
        let lines = rule(&args);
        kind_only(&lines, &format!("/actions/0/args/{path}"));
        assert!(!lines.to_string().contains("s3cret"), "{lines}");
    }
    let call = json!({"actions": [{"op": "api-call", "args": {"url": "http://h.example/", "headers": {"X-Any": "http://S3cret.example/"}}}],
                      "conditions": [{"op": "eq", "args": {"values": ["{node.driver_info[redfish_password]}", "http://S3cret.example/"]}}]});
    let (lines, _) = of("inspection_rule:create", &call.to_string());
    kind_only(&lines, "/actions/0/args/headers/X-Any");
    kind_only(&lines, "/conditions/0/args/values/1");
    assert!(lines.to_string().contains("h.example") && !lines.to_string().contains("s3cret"), "{lines}");
    let switch = json!([{"name": "bmc.token", "value": true}]);
    let (lines, _) = of("node:update", &patch("/extra/settings", switch));
    assert!(lines.to_string().contains(r#""boolean":true"#), "{lines}");
}

/// Who writes chooses what stands beside a value: it hides nothing from a policy.
#[test]
fn what_stands_beside_a_value_hides_nothing_from_policies() {
    let body =
        json!({"actions": [{"op": "set-attribute", "args": ["/driver_info/redfish_password", "x"]}], "conditions": []})
            .to_string();
    let call =
        validate(route("inspection_rule:create", &[]), Some(body.as_bytes()), &Permit::for_test(&["test"])).unwrap();
    let written = validate::writes(&call);
    assert!(written.iter().any(|write| write.withheld) && written.iter().all(|write| !write.secret), "{written:?}");
}

#[test]
fn a_url_tells_where_it_leads_and_not_who_logs_in_or_what_it_is() {
    value(
        "/instance_info/image_source",
        json!("https://user:S3cret@Images.Example:8443/S3cret?sig=S3cret"),
        json!({"kind": "string", "length": 57, "spelling": "line", "places": ["images"], "url":
               {"plain": true, "scheme": "https", "host": "images.example", "port": 8443, "userinfo": true}}),
    );
    value(
        "/driver_info/deploy_kernel",
        json!("http://3221225985/k"),
        json!({"kind": "string", "length": 19, "spelling": "word", "places": ["images"], "url":
               {"plain": true, "scheme": "http", "host": "192.0.2.1", "address": "192.0.2.1", "userinfo": false}}),
    );
    value(
        "/driver_info/deploy_kernel",
        json!("file:///S3cret"),
        json!({"kind": "string", "length": 14, "spelling": "word", "url":
               {"plain": true, "scheme": "file", "host": "", "userinfo": false}}),
    );
    // What stands before the colon is not the caller's to put into a record.
    value(
        "/extra/a",
        json!("hunter2s://S3cret:1/"),
        json!({"kind": "string", "length": 20, "spelling": "word", "url": {"plain": true, "userinfo": false}}),
    );
    value(
        "/extra/a",
        json!("http://S3cret\\@x/"),
        json!({"kind": "string", "length": 17, "spelling": "line", "url":
               {"plain": false, "scheme": "http", "host": "", "userinfo": true}}),
    );
    let (lines, _) = of("node:update", &patch("/extra/a", json!("http://S3cret@x.example/")));
    assert!(!lines.to_string().contains("S3cret"), "{lines}");
}

#[test]
fn records_are_bounded() {
    let many: Vec<_> =
        (0..250).map(|index| json!({"op": "add", "path": format!("/extra/k{index}"), "value": 1})).collect();
    let (lines, more) = of("node:update", &json!(many).to_string());
    assert_eq!((lines.as_array().unwrap().len(), more), (100, 150));

    let long = format!("/extra/{}", ["k"; 3].map(|key| key.repeat(250)).join("/"));
    let many: Vec<_> =
        (0..100).map(|index| json!({"op": "add", "path": format!("{long}{index}"), "value": 1})).collect();
    let (lines, more) = of("node:update", &json!(many).to_string());
    let count = lines.as_array().unwrap().len();
    assert!(count < 100 && count + more == 100, "{count} {more}");
    assert_eq!(lines[0]["cut"], true);
    assert!(lines[0]["path"].as_str().unwrap().len() <= crate::audit::free::FREE_BYTES_MAX);
}

#[test]
fn the_query_tells_words_booleans_and_numbers() {
    for (name, text, expected) in [
        ("fields", "uuid,driver_info", json!(["uuid", "driver_info"])),
        ("fields", "uuid,S3cret", json!(null)),
        ("provision_state", "clean wait", json!("clean wait")),
        ("provision_state", "S3cret", json!(null)),
        ("limit", "100", json!("100")),
        ("limit", "0100", json!(null)),
        ("limit", "99999999999", json!(null)),
        ("associated", "true", json!("true")),
        ("sort_dir", "asc", json!("asc")),
        ("sort_key", "provision_state", json!("provision_state")),
        ("sort_key", "S3cret", json!(null)),
        ("owner", "active", json!(null)),
        ("description_contains", "S3cret", json!(null)),
        ("instance_uuid", "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01", json!(null)),
    ] {
        let (names, values) = query(&route("node:list", &[(name, text)]));
        assert_eq!(names, [name]);
        let values = serde_json::to_value(values).unwrap();
        assert_eq!(values.get(name).cloned().unwrap_or_default(), expected, "{name}={text}");
    }
    let (_, values) = query(&route("node:vendor_passthru:post", &[("method", "send_raw")]));
    assert_eq!(serde_json::to_value(values).unwrap(), json!({"method": "send_raw"}));
}

#[test]
fn words_of_every_spelling_fit_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../docs/audit.schema.json")).unwrap();
    let mut patterns = Vec::new();
    let mut rest = vec![&schema];
    while let Some(place) = rest.pop() {
        patterns.extend(place.pointer("/properties/string/pattern").and_then(serde_json::Value::as_str));
        rest.extend(place.as_object().into_iter().flat_map(serde_json::Map::values));
    }
    let [pattern] = patterns[..] else { panic!("one pattern of words: {patterns:?}") };
    let pattern = regex::Regex::new(pattern).unwrap();
    for level in ["JBOD", "0", "1+0", "6+0"] {
        let body = json!({"logical_disks": [{"size_gb": "MAX", "raid_level": level}]}).to_string();
        let (lines, _) = of("node:set_raid_state", &body);
        let words: Vec<&str> = lines
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| line["path"].as_str().unwrap().ends_with("/raid_level"))
            .map(|line| line["value"]["string"].as_str().unwrap())
            .collect();
        assert_eq!(words, [level], "{lines}");
        assert!(pattern.is_match(level), "{level}");
    }
}

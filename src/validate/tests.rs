mod differential;
mod writes;

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderValue;

use super::*;
use crate::call::WriteOp;

const UUID: &str = "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01";

/// A call of which the request as a whole is permitted.
fn validated<'a>(route: Route<'a>, body: Option<&'a [u8]>) -> Result<Call<'a>, InvalidRequest> {
    validate(route, body, &Permit::for_test(&["test"]))
}

fn route(operation: &str, minor: u16) -> Route<'static> {
    Route::for_test(catalog().operation(operation).expect(operation), minor)
}

fn call<'a>(operation: &str, body: &'a str) -> Call<'a> {
    validated(route(operation, 115), Some(body.as_bytes())).expect(body)
}

fn refusal(operation: &str, minor: u16, body: &str) -> InvalidRequest {
    validated(route(operation, minor), Some(body.as_bytes())).expect_err(body)
}

#[test]
fn bodies() {
    let mut seen: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (number, row) in include_str!("tests/bodies.txt").lines().enumerate() {
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let [operation, minor, expected, body] = row.splitn(4, ' ').collect::<Vec<_>>().try_into().expect(row);
        let outcome = validated(route(operation, minor.parse().unwrap()), Some(body.as_bytes()));
        let code = match &outcome {
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        assert_eq!(code, expected, "row {}: {row}: {outcome:?}", number + 1);
        let (taken, refused) = seen.entry(operation).or_default();
        *(if outcome.is_ok() { taken } else { refused }) += 1;
    }
    for operation in catalog().operations() {
        let (taken, refused) = seen.get(operation.id.as_str()).copied().unwrap_or_default();
        match operation.body {
            BodyKind::None => assert_eq!((taken, refused), (0, 0), "{}", operation.id),
            BodyKind::Any => {}
            BodyKind::Object { .. } | BodyKind::Patch(_) => {
                assert!(taken >= 2 && refused >= 3, "{} has {taken} and {refused} rows", operation.id);
            }
        }
    }
}

#[test]
fn a_body_is_there_or_not() {
    let check = |operation: &str, body: Option<&str>, expected: &str| {
        let outcome = validated(route(operation, 115), body.map(str::as_bytes));
        assert_eq!(outcome.map_or_else(|error| error.code(), |_| "ok"), expected, "{operation} {body:?}");
    };
    check("node:get", None, "ok");
    check("node:get", Some(""), "ok");
    check("node:get", Some("{}"), "body_not_taken");
    check("node:get", Some(" "), "body_not_taken");
    check("node:delete", Some("{}"), "body_not_taken");
    check("node:vendor_passthru:get", Some("{}"), "ok");
    check("node:vendor_passthru:methods", Some("{}"), "body_not_taken");
    check("node:clear_maintenance", None, "ok");
    check("node:set_maintenance", None, "ok");
    check("node:set_maintenance", Some(" "), "json_empty");
    check("node:inject_nmi", None, "ok");
    check("node:traits:add", None, "ok");
    check("chassis:create", None, "ok");
    check("node:create", None, "body_missing");
    check("node:update", None, "body_missing");
    check("node:set_power_state", None, "body_missing");
    check("node:vendor_passthru:post", None, "ok");
    check("node:vendor_passthru:delete", None, "ok");
}

#[test]
fn statuses_are_those_that_ironic_gives() {
    let check = |operation: &str, minor: u16, body: &str, status: u16, message: &str| {
        let error = refusal(operation, minor, body);
        assert_eq!((error.status(), error.to_string().as_str()), (status, message), "{body}");
    };
    check("node:create", 49, r#"{"driver": "a", "owner": "S3cret"}"#, 406, "/owner: needs microversion 1.50 or newer");
    check(
        "node:update",
        49,
        r#"[{"op": "add", "path": "/owner", "value": "S3cret"}]"#,
        406,
        "/owner: needs microversion 1.50 or newer",
    );
    check("node:set_provision_state", 3, r#"{"target": "manage"}"#, 406, "/target: needs microversion 1.4 or newer");
    let rebuild = r#"{"target": "rebuild", "configdrive": "YQ=="}"#;
    check("node:set_provision_state", 34, rebuild, 400, "/configdrive: needs microversion 1.35 or newer");
    check("allocation:create", 57, r#"{"node": "n"}"#, 400, "/node: needs microversion 1.58 or newer");
    check("node:create", 115, r#"{"driver": 5}"#, 400, "/driver: expected a string");
    check(
        "node:create",
        115,
        r#"{"driver": "a", "name": 5}"#,
        400,
        "/name: expected a name of 1 to 255 letters, digits, \"-\", \".\", \"_\" or \"~\", or null",
    );
    check(
        "node:set_power_state",
        20,
        r#"{"target": "S3cret"}"#,
        400,
        "/target: expected one of power on, power off, rebooting",
    );
    check(
        "node:set_provision_state",
        115,
        r#"{"target": "clean", "clean_steps": [{"interface": "raid", "step": "s"}, {"interface": "raid"}]}"#,
        400,
        "/clean_steps/1/step: the field is missing",
    );
    check("node:create", 115, r#"{"driver": "a", "S3cret word": 1}"#, 400, "/?: there is no such field");
    check("node:create", 115, r#"{"driver": "a", "typo": 1}"#, 400, "/typo: there is no such field");
    check("node:create", 115, "[]", 400, "the body: expected an object");
    check(
        "node:update",
        115,
        r#"[{"op": "add", "path": "/extra/a", "value": "******"}]"#,
        400,
        "/0/value: the mask of a hidden value would be stored as the value; leave the field out or send the real value",
    );
    let path = format!("/extra{}", "/x".repeat(24));
    let deep = format!(r#"[{{"op": "add", "path": "{path}", "value": {{}}}}]"#);
    let told = format!("{path}: with its path, the value is nested more than 25 levels deep");
    check("node:update", 115, &deep, 400, &told);
    check(
        "deploy_template:update",
        115,
        r#"[{"op": "replace", "path": "/steps/0/step", "value": "x"}]"#,
        400,
        "/steps/0/step: only /steps/0 as a whole can be patched",
    );
    let huge = format!("\"{}\"", "a".repeat(1 << 20));
    check("node:create", 115, &huge, 413, "the body is larger than 1048576 bytes");
}

#[test]
fn many_operations_are_told_apart() {
    let patch = |count: usize, last: &str| {
        let operations: Vec<String> =
            (0..count).map(|index| format!(r#"{{"op":"add","path":"/extra/k{index}","value":0}}"#)).collect();
        format!(r#"[{},{{"op":"add","path":"{last}","value":0}}]"#, operations.join(","))
    };
    for count in [22, 23, 24, 25, 100, 998, 999] {
        validated(route("node:update", 115), Some(patch(count, "/extra/x").as_bytes())).expect("distinct");
        assert_eq!(refusal("node:update", 115, &patch(count, "/extra/k3")).code(), "same_path", "{count}");
    }
    assert_eq!(refusal("node:update", 115, &patch(1000, "/extra/x")).code(), "too_many_operations");
}

#[test]
fn long_keys_around_many_values_are_too_much() {
    let items = |count: usize| vec!["0"; count].join(",");
    let nested = |keys: usize, length: usize, count: usize| {
        let key = "k".repeat(length);
        format!("{}[{}]{}", format!("{{\"{key}\":").repeat(keys), items(count), "}".repeat(keys))
    };
    let create = |extra: &str| format!(r#"{{"driver": "ipmi", "extra": {extra}}}"#);
    let patch = |extra: &str| format!(r#"[{{"op": "add", "path": "/extra/p", "value": {extra}}}]"#);
    for (keys, length, count, fits) in [
        (1, 100, 19_000, true),
        (20, 8, 19_000, true),
        (20, 1000, 100, true),
        (1, 1000, 19_000, false),
        (20, 1000, 300, false),
    ] {
        let extra = nested(keys, length, count);
        for (operation, body) in [("node:create", create(&extra)), ("node:update", patch(&extra))] {
            if fits {
                let call = call(operation, &body);
                let bytes: usize = writes(&call).iter().map(|write| write.path.as_str().len()).sum();
                assert!(bytes <= PATHS_BYTES_MAX, "{keys} {length} {count}: {bytes}");
            } else {
                assert_eq!(refusal(operation, 115, &body).code(), "paths_too_long", "{keys} {length} {count}");
            }
        }
    }
}

#[test]
fn booleans_in_text_become_booleans() {
    let check = |operation: &str, body: &str, pointer: &[&str], expected: bool| {
        let call = call(operation, body);
        let mut value = call.body().unwrap();
        for key in pointer {
            value = match (value, key.parse::<usize>()) {
                (Json::Array(items), Ok(index)) => &items[index],
                _ => value.member(key).unwrap(),
            };
        }
        assert_eq!(value, &Json::Boolean(expected), "{body}");
    };
    check("node:create", r#"{"driver": "a", "automated_clean": " No "}"#, &["automated_clean"], false);
    check("node:create", r#"{"driver": "a", "maintenance": "1"}"#, &["maintenance"], true);
    check("node:update", r#"[{"op": "add", "path": "/automated_clean", "value": "f"}]"#, &["0", "value"], false);
    check("node:set_console_state", r#"{"enabled": 1}"#, &["enabled"], true);
    // Here Ironic reads no words: any text but the empty one is true.
    check("node:create", r#"{"driver": "a", "secure_boot": "true"}"#, &["secure_boot"], true);
    check("node:create", r#"{"driver": "a", "secure_boot": "false"}"#, &["secure_boot"], true);
    check("node:create", r#"{"driver": "a", "secure_boot": ""}"#, &["secure_boot"], false);
    check("node:create", r#"{"driver": "a", "secure_boot": false}"#, &["secure_boot"], false);
}

/// What a policy is shown and what is forwarded is what Ironic makes of a value.
#[test]
fn values_have_the_spelling_that_ironic_gives_them() {
    let check = |operation: &str, body: &str, expected: &str| {
        let call = call(operation, body);
        let text = json::canonical(call.body().unwrap(), &bytes::Bytes::new());
        let text: Vec<u8> = text.pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expected, "{operation}");
    };
    let same = |operation: &str, body: &str| check(operation, body, body);
    // A whole number is an integer, to Ironic, however it is written; a text is not.
    check(
        "volume:target:create",
        r#"{"boot_index":5.0,"node_uuid":"8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01","volume_id":"v","volume_type":"iscsi"}"#,
        r#"{"boot_index":5,"node_uuid":"8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01","volume_id":"v","volume_type":"iscsi"}"#,
    );
    check(
        "inspection_rule:update",
        r#"[{"op":"replace","path":"/priority","value":7e0}]"#,
        r#"[{"op":"replace","path":"/priority","value":7}]"#,
    );
    check(
        "node:create",
        r#"{"driver":"Fake","conductor_group":"SECURE"}"#,
        r#"{"driver":"Fake","conductor_group":"secure"}"#,
    );
    check(
        "node:update",
        r#"[{"op":"add","path":"/conductor_group","value":"Rack-A"},{"op":"add","path":"/extra/A","value":"B"}]"#,
        r#"[{"op":"add","path":"/conductor_group","value":"rack-a"},{"op":"add","path":"/extra/A","value":"B"}]"#,
    );
    same(
        "node:create",
        r#"{"driver":"a","owner":"Project","name":"N","resource_class":"GOLD","uuid":null,"conductor_group":null}"#,
    );
    check(
        "port:create",
        r#"{"address":"52:54:00:0B:00:A1","node_uuid":"8ED9FB71-8a3c-4f6f-9d5b-1f0f1d0c0a01","local_link_connection":{"switch_id":"0A:1B:2C:3D:4E:5F","port_id":"Eth1/1"}}"#,
        r#"{"address":"52:54:00:0b:00:a1","node_uuid":"8ED9FB71-8a3c-4f6f-9d5b-1f0f1d0c0a01","local_link_connection":{"switch_id":"0a:1b:2c:3d:4e:5f","port_id":"Eth1/1"}}"#,
    );
    check(
        "port:update",
        r#"[{"op":"replace","path":"/address","value":"52:54:00:0B:00:A1"},{"op":"add","path":"/local_link_connection/switch_id","value":"0000AABBCCDDEEFF"},{"op":"add","path":"/local_link_connection","value":{"switch_id":"0A:1B:2C:3D:4E:5F","port_id":"P"}}]"#,
        r#"[{"op":"replace","path":"/address","value":"52:54:00:0b:00:a1"},{"op":"add","path":"/local_link_connection/switch_id","value":"0000aabbccddeeff"},{"op":"add","path":"/local_link_connection","value":{"switch_id":"0a:1b:2c:3d:4e:5f","port_id":"P"}}]"#,
    );
    check(
        "portgroup:update",
        r#"[{"op":"replace","path":"/address","value":"52:54:00:0B:00:A1"}]"#,
        r#"[{"op":"replace","path":"/address","value":"52:54:00:0b:00:a1"}]"#,
    );
    // A text is split, a list is taken as it is.
    check(
        "node:vmedia:detach",
        r#"{"device_types":" CDROM,,floppy,cdrom "}"#,
        r#"{"device_types":["cdrom","floppy"]}"#,
    );
    check("node:vmedia:detach", r#"{"device_types":""}"#, r#"{"device_types":[]}"#);
    same("node:vmedia:detach", r#"{"device_types":["CDROM","cdrom"]}"#);
    same("node:vmedia:detach", r#"{"device_types":null}"#);
    check(
        "node:set_power_state",
        r#"{"target":"power on","timeout":" 090 "}"#,
        r#"{"target":"power on","timeout":90}"#,
    );
    check("node:set_power_state", r#"{"target":"power on","timeout":90.9}"#, r#"{"target":"power on","timeout":90}"#);
}

#[test]
fn the_value_of_a_remove_is_taken_out() {
    let call = call("node:update", r#"[{"op": "remove", "value": {"a": "******"}, "path": "/extra/a"}]"#);
    let Some(Json::Array(operations)) = call.body() else { panic!("an array") };
    assert_eq!(operations[0].member("value"), None);
    assert_eq!(operations[0].member("path"), Some(&Json::String(Cow::Borrowed("/extra/a"))));
}

#[test]
fn an_argument_is_given_once() {
    let with_query = |operation: &str, query: &[(&'static str, &'static str)], body: &'static str| {
        let route = route(operation, 115).with_query(query);
        validated(route, Some(body.as_bytes())).map_or_else(|error| error.code(), |_| "ok")
    };
    let check = |operation: &str, query: &[(&'static str, &'static str)], body: &'static str, expected: &str| {
        assert_eq!(with_query(operation, query, body), expected, "{operation} {body}");
    };
    let inspection = r#"{"inventory": {"interfaces": [{"mac_address": "52:54:00:12:34:56"}]}, "node_uuid": "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01"}"#;
    check("ramdisk:continue_inspection", &[("node_uuid", UUID)], inspection, "argument_twice");
    check(
        "ramdisk:continue_inspection",
        &[("node_uuid", UUID)],
        r#"{"inventory": {"interfaces": [{"mac_address": "m"}]}}"#,
        "ok",
    );
    check("ramdisk:continue_inspection", &[], inspection, "ok");
    check("node:vendor_passthru:post", &[("method", "a")], r#"{"method": "b"}"#, "argument_twice");
    check("node:vendor_passthru:post", &[("method", "a")], r#"{"b": {"method": "c"}}"#, "ok");
    check("node:vendor_passthru:get", &[("method", "a")], r#"{"method": "b"}"#, "argument_twice");
    check("node:vmedia:detach", &[("device_types", "cdrom")], r#"{"device_types": "disk"}"#, "argument_twice");
    check("node:vmedia:detach", &[("device_types", "cdrom")], r#"{"device_types": null}"#, "argument_twice");
    check("node:vmedia:detach", &[("device_types", "cdrom")], "{}", "ok");
}

#[test]
fn media_types() {
    let check = |operation: &str, values: &[&str], expected: &str| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        }
        let outcome = media_type(catalog().operation(operation).unwrap(), &headers);
        assert_eq!(outcome.as_ref().map_or_else(|error| error.code(), |()| "ok"), expected, "{operation} {values:?}");
        assert!(outcome.is_ok_and(|()| true) || expected.starts_with("media_type"));
    };
    check("node:create", &["application/json"], "ok");
    check("node:create", &["Application/JSON; charset=UTF-8"], "ok");
    check("node:create", &["application/json;charset=\"utf-8\""], "ok");
    check("node:create", &["application/json-patch+json"], "media_type");
    check("node:update", &["application/json-patch+json"], "ok");
    check("node:update", &["application/json"], "ok");
    check("node:create", &[], "media_type");
    check("node:create", &[""], "media_type");
    check("node:create", &["application/json", "application/json"], "media_type");
    check("node:create", &["application/json, text/plain"], "media_type");
    check("node:create", &["text/plain"], "media_type");
    check("node:create", &["application/javascript"], "media_type");
    check("node:create", &["application/x-www-form-urlencoded"], "media_type");
    check("node:create", &["application/jsonx"], "media_type");
    check("node:create", &["application/json; charset=utf-7"], "media_type_parameter");
    check("node:create", &["application/json; charset=utf-16"], "media_type_parameter");
    check("node:create", &["application/json; boundary=x"], "media_type_parameter");
    check("node:create", &["application/json; charset=utf-8; a=b"], "media_type_parameter");
    check("node:create", &["application/json;"], "media_type_parameter");
    // IPA sends its inspection data without a media type, and only those.
    check("ramdisk:continue_inspection", &[], "ok");
    check("ramdisk:continue_inspection", &["application/json"], "ok");
    check("ramdisk:continue_inspection", &["text/plain"], "media_type");
    check("ramdisk:heartbeat", &[], "media_type");
}

mod differential;

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderValue;

use super::*;
use crate::call::WriteOp;
use crate::microversion::Microversion;

const UUID: &str = "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01";

/// A call of which the request as a whole is permitted.
fn validated<'a>(route: Route<'a>, body: Option<&'a [u8]>) -> Result<Call<'a>, InvalidRequest> {
    validate(route, body, &Permit::for_test(&["test"]))
}

fn route(operation: &str, minor: u16) -> Route<'static> {
    let operation = catalog().operation(operation).expect(operation);
    Route {
        operation,
        alias: None,
        parameters: Vec::new(),
        query: Vec::new(),
        microversion: Microversion::for_test(minor),
    }
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
    // What Ironic stores as it comes stays as it came.
    let call = call("node:create", r#"{"driver": "a", "secure_boot": "true", "extra": {"a": "yes"}}"#);
    assert_eq!(call.body().unwrap().member("secure_boot"), Some(&Json::String(Cow::Borrowed("true"))));
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
        let mut route = route(operation, 115);
        route.query = query.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect();
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

/// A write in one line: op, path, value's kind (`-` for none), `interface.step(argument)` and `secret`.
fn line(write: &crate::call::Write<'_>) -> String {
    let mut line = format!("{} {} {}", write.op.as_str(), write.path, write.value.map_or("-", Json::kind));
    if let Some(step) = &write.step {
        line.push_str(&format!(" {}.{}", step.interface, step.step));
        if let Some(argument) = &step.argument {
            line.push_str(&format!("({argument})"));
        }
    }
    if write.secret {
        line.push_str(" secret");
    }
    line
}

#[test]
fn a_call_is_a_set_of_writes() {
    let check = |operation: &str, body: &str, expected: &[&str]| {
        let call = call(operation, body);
        let lines: Vec<String> = writes(&call).iter().map(line).collect();
        assert_eq!(lines, expected, "{operation} {body}");
    };
    check("node:set_power_state", r#"{"target": "power on"}"#, &["add /target string"]);
    check("node:set_maintenance", "{}", &[]);
    check("node:vendor_passthru:post", "{}", &[]);
    check(
        "node:create",
        r#"{"driver": "a", "driver_info": {"ipmi_password": "x", "ports": [1, {"b": null}], "deep": {"Secret": {"v": 1}}},
            "extra": {}, "properties": {"a/b~c": [], "x": 1.5}}"#,
        &[
            "add /driver string",
            "add /driver_info/ipmi_password string secret",
            "add /driver_info/ports/0 integer",
            "add /driver_info/ports/1/b null",
            "add /driver_info/deep/Secret/v integer secret",
            "add /extra object",
            "add /properties/a~1b~0c array",
            "add /properties/x number",
        ],
    );
    check(
        "node:update",
        r#"[{"op": "replace", "path": "/driver_info", "value": {"a": 1, "redfish_password": "x"}},
            {"op": "remove", "path": "/extra/a"}, {"op": "add", "path": "/extra/b", "value": []},
            {"op": "add", "path": "/driver_info/ipmi_password", "value": {"x": ["y"]}},
            {"op": "replace", "path": "/name", "value": "n"}]"#,
        &[
            "replace /driver_info object",
            "add /driver_info/a integer",
            "add /driver_info/redfish_password string secret",
            "remove /extra/a -",
            "add /extra/b array",
            "add /driver_info/ipmi_password object secret",
            "add /driver_info/ipmi_password/x/0 string secret",
            "replace /name string",
        ],
    );
    check("node:update", "[]", &[]);
    check(
        "node:set_provision_state",
        r#"{"target": "active", "configdrive": {"meta_data": {"public_keys": {"a": "b"}}, "user_data": "x"}}"#,
        &[
            "add /target string",
            "add /configdrive/meta_data/public_keys/a string secret",
            "add /configdrive/user_data string secret",
        ],
    );
    check(
        "node:set_provision_state",
        r#"{"target": "clean", "clean_steps": [
            {"interface": "raid", "step": "create", "args": {"disks": [1, 2], "admin_password": "x"}, "order": 1},
            {"interface": "deploy", "step": "erase", "args": {}}, {"interface": "bios", "step": "reset"}]}"#,
        &[
            "add /target string",
            "add /clean_steps/0 object raid.create",
            "add /clean_steps/0/args/disks/0 integer raid.create(disks)",
            "add /clean_steps/0/args/disks/1 integer raid.create(disks)",
            "add /clean_steps/0/args/admin_password string raid.create(admin_password) secret",
            "add /clean_steps/0/order integer raid.create",
            "add /clean_steps/1 object deploy.erase",
            "add /clean_steps/1/args object deploy.erase",
            "add /clean_steps/2 object bios.reset",
        ],
    );
    check(
        "deploy_template:create",
        r#"{"name": "CUSTOM_X", "steps": [{"interface": "bios", "step": "s", "args": {"a": 1}, "priority": 1}]}"#,
        &[
            "add /name string",
            "add /steps/0 object bios.s",
            "add /steps/0/args/a integer bios.s(a)",
            "add /steps/0/priority integer bios.s",
        ],
    );
    check(
        "deploy_template:update",
        r#"[{"op": "replace", "path": "/steps", "value": [{"interface": "bios", "step": "s", "args": {}, "priority": 1}]},
            {"op": "add", "path": "/steps/-", "value": {"interface": "raid", "step": "t", "args": {"b": 1}, "priority": 1}},
            {"op": "remove", "path": "/steps/0"}]"#,
        &[
            "replace /steps array",
            "add /steps/0 object bios.s",
            "add /steps/0/args object bios.s",
            "add /steps/0/priority integer bios.s",
            "add /steps/- object raid.t",
            "add /steps/-/args/b integer raid.t(b)",
            "add /steps/-/priority integer raid.t",
            "remove /steps/0 -",
        ],
    );
    check(
        "inspection_rule:create",
        r#"{"actions": [{"op": "api-call", "args": {"url": "https://192.0.2.1/", "headers": {"X-Auth-Token": "x"}}},
                        {"op": "log", "args": ["m"], "loop": [1]}],
            "conditions": [{"op": "!eq", "args": {"values": [1, 2]}, "multiple": "any"}]}"#,
        &[
            "add /actions/0 object inspection_rule.api-call",
            "add /actions/0/args/url string inspection_rule.api-call(url)",
            "add /actions/0/args/headers/X-Auth-Token string inspection_rule.api-call(headers) secret",
            "add /actions/1 object inspection_rule.log",
            "add /actions/1/args/0 string inspection_rule.log(0)",
            "add /actions/1/loop/0 integer inspection_rule.log",
            "add /conditions/0 object inspection_rule.!eq",
            "add /conditions/0/args/values/0 integer inspection_rule.!eq(values)",
            "add /conditions/0/args/values/1 integer inspection_rule.!eq(values)",
            "add /conditions/0/multiple string inspection_rule.!eq",
        ],
    );
    check(
        "node:traits:set",
        r#"{"traits": ["CUSTOM_A", "CUSTOM_B"]}"#,
        &["add /traits/0 string", "add /traits/1 string"],
    );
    check("node:traits:set", r#"{"traits": []}"#, &["add /traits array"]);
    check("node:vendor_passthru:post", r#"{"b": [{"a": 1}]}"#, &["add /b/0/a integer"]);
    check("node:vendor_passthru:post", "null", &["add  null"]);
    check(
        "ramdisk:continue_inspection",
        r#"{"inventory": {"interfaces": [{"mac_address": "52:54:00:12:34:56"}]}, "error": null}"#,
        &["add /inventory object", "add /error null"],
    );
    check(
        "ramdisk:heartbeat",
        r#"{"callback_url": "", "agent_token": "t"}"#,
        &["add /callback_url string", "add /agent_token string secret"],
    );
}

/// Every value of a body is in some write: nothing is forwarded that no policy was asked about.
#[test]
fn no_leaf_is_left_out() {
    fn leaves<'j>(value: &'j Json<'_>, out: &mut Vec<*const Json<'j>>) {
        if let Json::Array(items) = value {
            items.iter().for_each(|item| leaves(item, out));
        }
        if let Json::Object(members) = value {
            members.iter().for_each(|(_, member)| leaves(member, out));
        }
        if !matches!(value, Json::Array(items) if !items.is_empty())
            && !matches!(value, Json::Object(members) if !members.is_empty())
        {
            out.push(std::ptr::from_ref(value).cast());
        }
    }
    for row in include_str!("tests/bodies.txt").lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let [operation, minor, expected, body] = row.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        if expected != "ok" {
            continue;
        }
        let call = validated(route(operation, minor.parse().unwrap()), Some(body.as_bytes())).expect(row);
        let (mut all, mut written) = (Vec::new(), Vec::new());
        match (&call.route().operation().body, call.body().unwrap()) {
            (BodyKind::Patch(_), Json::Array(operations)) => {
                operations
                    .iter()
                    .filter_map(|operation| operation.member("value"))
                    .for_each(|value| leaves(value, &mut all));
            }
            (_, Json::Object(members)) if members.is_empty() => {}
            (_, body) => leaves(body, &mut all),
        }
        let writes = writes(&call);
        writes.iter().filter_map(|write| write.value).for_each(|value| leaves(value, &mut written));
        assert!(all.iter().all(|leaf| written.contains(leaf)), "{row}");
        assert!(writes.iter().all(|write| (write.op == WriteOp::Remove) == write.value.is_none()), "{row}");
    }
}

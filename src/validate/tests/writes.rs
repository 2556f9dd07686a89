//! The writes of a call.

use super::*;

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
            "add /driver_info object",
            "add /driver_info/ipmi_password string secret",
            "add /driver_info/ports array",
            "add /driver_info/ports/0 integer",
            "add /driver_info/ports/1 object",
            "add /driver_info/ports/1/b null",
            "add /driver_info/deep object",
            "add /driver_info/deep/Secret object secret",
            "add /driver_info/deep/Secret/v integer secret",
            "add /extra object",
            "add /properties object",
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
            "add /driver_info/ipmi_password/x array secret",
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
            "add /configdrive object secret",
            "add /configdrive/meta_data object secret",
            "add /configdrive/meta_data/public_keys object secret",
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
            "add /clean_steps array",
            "add /clean_steps/0 object raid.create",
            "add /clean_steps/0/args object raid.create",
            "add /clean_steps/0/args/disks array raid.create(disks)",
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
            "add /steps array",
            "add /steps/0 object bios.s",
            "add /steps/0/args object bios.s",
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
            "add /steps/-/args object raid.t",
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
            "add /actions array",
            "add /actions/0 object inspection_rule.api-call",
            "add /actions/0/args object inspection_rule.api-call",
            "add /actions/0/args/url string inspection_rule.api-call(url)",
            "add /actions/0/args/headers object inspection_rule.api-call(headers)",
            "add /actions/0/args/headers/X-Auth-Token string inspection_rule.api-call(headers) secret",
            "add /actions/1 object inspection_rule.log",
            "add /actions/1/args array inspection_rule.log",
            "add /actions/1/args/0 string inspection_rule.log(msg)",
            "add /actions/1/loop array inspection_rule.log",
            "add /actions/1/loop/0 integer inspection_rule.log",
            "add /conditions array",
            "add /conditions/0 object inspection_rule.!eq",
            "add /conditions/0/args object inspection_rule.!eq",
            "add /conditions/0/args/values array inspection_rule.!eq(values)",
            "add /conditions/0/args/values/0 integer inspection_rule.!eq(values)",
            "add /conditions/0/args/values/1 integer inspection_rule.!eq(values)",
            "add /conditions/0/multiple string inspection_rule.!eq",
        ],
    );
    // A rule does what its `op` says, whatever stands beside it.
    check(
        "inspection_rule:update",
        r#"[{"op": "add", "path": "/actions/-", "value": {"op": "api-call", "interface": "bios", "step": "x", "args": ["u", {}, {"http": "p"}]}},
            {"op": "replace", "path": "/conditions", "value": [{"step": "x", "interface": "bios", "op": "!is-empty", "args": ["v", "w"]}]}]"#,
        &[
            "add /actions/- object inspection_rule.api-call",
            "add /actions/-/interface string inspection_rule.api-call",
            "add /actions/-/step string inspection_rule.api-call",
            "add /actions/-/args array inspection_rule.api-call",
            "add /actions/-/args/0 string inspection_rule.api-call(url)",
            "add /actions/-/args/1 object inspection_rule.api-call(headers)",
            "add /actions/-/args/2 object inspection_rule.api-call(proxies)",
            "add /actions/-/args/2/http string inspection_rule.api-call(proxies)",
            "replace /conditions array",
            "add /conditions/0 object inspection_rule.!is-empty",
            "add /conditions/0/step string inspection_rule.!is-empty",
            "add /conditions/0/interface string inspection_rule.!is-empty",
            "add /conditions/0/args array inspection_rule.!is-empty",
            "add /conditions/0/args/0 string inspection_rule.!is-empty(value)",
            // Ironic overlooks what it has no name for.
            "add /conditions/0/args/1 string inspection_rule.!is-empty(1)",
        ],
    );
    check(
        "node:traits:set",
        r#"{"traits": ["CUSTOM_A", "CUSTOM_B"]}"#,
        &["add /traits array", "add /traits/0 string", "add /traits/1 string"],
    );
    check("node:traits:set", r#"{"traits": []}"#, &["add /traits array"]);
    check(
        "node:vendor_passthru:post",
        r#"{"b": [{"a": 1}]}"#,
        &["add /b array", "add /b/0 object", "add /b/0/a integer"],
    );
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

/// Every place of a body is a write of its own: nothing is forwarded that no policy was asked about.
#[test]
fn no_place_is_left_out() {
    /// What is in `value`, but for a step's name, which the step carries.
    fn below<'j>(value: &'j Json<'_>, deep: bool, out: &mut Vec<*const Json<'j>>) {
        let named = value.member("step").or(value.member("op")).is_some();
        let members: Vec<&Json<'_>> = match value {
            Json::Array(items) => items.iter().collect(),
            Json::Object(members) => members
                .iter()
                .filter(|(key, _)| !(named && ["interface", "step", "op"].contains(&key.as_ref())))
                .map(|(_, member)| member)
                .collect(),
            Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => Vec::new(),
        };
        for member in members {
            out.push(std::ptr::from_ref(member).cast());
            if deep {
                below(member, deep, out);
            }
        }
    }
    for row in include_str!("bodies.txt").lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let [operation, minor, expected, body] = row.splitn(4, ' ').collect::<Vec<_>>().try_into().unwrap();
        if expected != "ok" {
            continue;
        }
        let call = validated(route(operation, minor.parse().unwrap()), Some(body.as_bytes())).expect(row);
        let mut all = Vec::new();
        match (&call.route().operation().body, call.body().unwrap()) {
            (BodyKind::Patch(_), Json::Array(operations)) => {
                for value in operations.iter().filter_map(|operation| operation.member("value")) {
                    all.push(std::ptr::from_ref(value).cast());
                    below(value, true, &mut all);
                }
            }
            (_, Json::Null) => all.push(std::ptr::from_ref(call.body().unwrap()).cast()),
            (_, body) => below(body, !call.route().operation().groups.contains(&Group::Ramdisk), &mut all),
        }
        let writes = writes(&call);
        let mut written: Vec<*const Json<'_>> =
            writes.iter().filter_map(|write| write.value).map(|value| std::ptr::from_ref(value).cast()).collect();
        all.sort_unstable();
        written.sort_unstable();
        assert_eq!(all, written, "{row}");
        assert!(writes.iter().all(|write| (write.op == WriteOp::Remove) == write.value.is_none()), "{row}");
    }
}

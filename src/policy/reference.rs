//! Whether Ironic would put a secret into a text of an inspection rule: `{node.driver_info[redfish_password]}`.
//!
//! Ironic formats such texts, and the keys beside them, as Python does: `{name.attribute[key]!r:spec}`. In a loop it does so
//! twice. So a reference is harmless only if it is one of those listed here, and a text whose braces could make another one
//! of it is none of these.

use crate::call::Write;
use crate::json::Json;
use crate::scrub::KeyName;

/// What references begin with.
const ROOTS: [&str; 4] = ["node", "inventory", "plugin_data", "item"];
/// Attributes of nodes that hold a name, a state or a number.
const PLAIN: [&str; 32] = [
    "id",
    "uuid",
    "name",
    "owner",
    "lessee",
    "driver",
    "chassis_id",
    "resource_class",
    "conductor_group",
    "conductor_affinity",
    "shard",
    "parent_node",
    "instance_uuid",
    "allocation_id",
    "power_state",
    "target_power_state",
    "provision_state",
    "target_provision_state",
    "boot_mode",
    "secure_boot",
    "maintenance",
    "fault",
    "protected",
    "retired",
    "automated_clean",
    "console_enabled",
    "traits",
    "created_at",
    "updated_at",
    "provision_updated_at",
    "inspection_started_at",
    "inspection_finished_at",
];
/// Attributes that hold what callers wrote.
const FREE: [&str; 4] = ["description", "maintenance_reason", "protected_reason", "retired_reason"];
/// The same, by key.
const FREE_MAPS: [&str; 2] = ["extra", "properties"];
/// What the keys of `driver_info` end with that tell where a BMC is.
const ADDRESSES: [&str; 4] = ["_address", "_port", "_hostname", "_system_id"];

/// What formatting brings into a text, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Brings {
    /// Nothing, or nothing that is hidden.
    Harmless,
    /// What callers wrote: in a loop it is formatted again.
    FreeText,
    /// A secret, or nobody knows what.
    Secret,
}

/// One step from an object to what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accessor<'t> {
    Attribute(&'t str),
    Key(&'t str),
}

/// Whether Ironic, formatting the value of this write and the keys that lead to it, may bring a secret into it.
pub(in crate::policy) fn brings_secret(write: &Write<'_>) -> bool {
    let text = write.value.and_then(Json::as_str).unwrap_or_default();
    brings(write.path.as_str()) == Brings::Secret
        || brings(text) == Brings::Secret
        || write.value.is_some_and(loops_over_free_text)
}

/// Whether this is an action with a loop that formats a text twice which callers wrote.
fn loops_over_free_text(action: &Json<'_>) -> bool {
    let loops = match action.member("loop") {
        Some(Json::Array(items)) => !items.is_empty(),
        Some(Json::Object(members)) => !members.is_empty(),
        Some(_) | None => false,
    };
    loops && any_text(action, &|text| brings(text) != Brings::Harmless)
}

fn any_text(value: &Json<'_>, is: &impl Fn(&str) -> bool) -> bool {
    match value {
        Json::String(text) => is(text),
        Json::Array(items) => items.iter().any(|item| any_text(item, is)),
        Json::Object(members) => members.iter().any(|(key, member)| is(key) || any_text(member, is)),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) => false,
    }
}

fn brings(text: &str) -> Brings {
    let mut found = Brings::Harmless;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        // Python takes a text with a brace that nothing closes as it is; beside another such text it may be a reference.
        let Some((field, next)) = after.find(['{', '}']).and_then(|end| after.split_at_checked(end)) else {
            return Brings::Secret;
        };
        if next.starts_with('}') {
            found = found.max(reference(field));
        } else if ROOTS.iter().any(|root| text.contains(root)) {
            // Doubled or nested.
            return Brings::Secret;
        }
        rest = next;
    }
    found
}

/// What stands between braces.
fn reference(field: &str) -> Brings {
    let end = field.find(['.', '[', '!', ':']).unwrap_or(field.len());
    let Some((root, rest)) = field.split_at_checked(end) else { return Brings::Secret };
    if !ROOTS.contains(&root.trim()) {
        // Python knows no such name, and the text stays as it is.
        return Brings::Harmless;
    }
    let Some(accessors) = accessors(rest) else { return Brings::Secret };
    if root.trim() == "node" {
        return of_node(&accessors);
    }
    if accessors.iter().all(|accessor| is_harmless_key(*accessor)) { Brings::Harmless } else { Brings::Secret }
}

fn of_node(accessors: &[Accessor<'_>]) -> Brings {
    let Some((Accessor::Attribute(name) | Accessor::Key(name), keys)) = accessors.split_first() else {
        return Brings::Secret;
    };
    let is_interface = !name.starts_with('_') && name.ends_with("_interface");
    match keys {
        [] if PLAIN.contains(name) || is_interface => Brings::Harmless,
        [] if FREE.contains(name) => Brings::FreeText,
        [Accessor::Key(key)] if *name == "driver_info" && ADDRESSES.iter().any(|end| key.ends_with(end)) => {
            Brings::FreeText
        }
        [_, ..] if FREE_MAPS.contains(name) && keys.iter().all(|key| is_harmless_key(*key)) => Brings::FreeText,
        _ => Brings::Secret,
    }
}

/// Of what is no node. Attributes with an underscore in front lead to what is masked, and to the program's own variables.
fn is_harmless_key(accessor: Accessor<'_>) -> bool {
    match accessor {
        Accessor::Attribute(name) if name.starts_with('_') => false,
        Accessor::Attribute(key) | Accessor::Key(key) => !KeyName::of(key).is_secret(),
    }
}

/// `.a[b]`, and what may follow: `!r`, `:>8`.
fn accessors(mut text: &str) -> Option<Vec<Accessor<'_>>> {
    let mut found = Vec::new();
    loop {
        if let Some(after) = text.strip_prefix('.') {
            let end = after.find(['.', '[', '!', ':']).unwrap_or(after.len());
            let (name, rest) = after.split_at_checked(end)?;
            found.push(Accessor::Attribute(name));
            text = rest;
        } else if let Some(after) = text.strip_prefix('[') {
            let (key, rest) = after.split_once(']')?;
            found.push(Accessor::Key(key));
            text = rest;
        } else {
            return (text.is_empty() || text.starts_with(['!', ':'])).then_some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::WriteOp;
    use crate::json::{Limits, Pointer, parse};

    #[test]
    fn references_to_secrets_in_every_spelling() {
        for text in [
            "{node.driver_info[redfish_password]}",
            "x {node.driver_info[redfish_password]} y",
            "{node.driver_info}",
            "{node[driver_info]}",
            "{node[driver_info][ipmi_password]}",
            "{node.driver_info!r}",
            "{node.driver_info[x]!s:>80}",
            "{node.driver_info[redfish_address][x]}",
            "{node.driver_info[ipmi_address].__class__}",
            "{node.instance_info}",
            "{node.instance_info[configdrive]}",
            "{node.driver_internal_info[agent_secret_token]}",
            "{node._obj_driver_info}",
            "{node.as_dict}",
            "{node.__dict__}",
            "{node._x_interface}",
            "{node.uuid.__class__}",
            "{node.extra}",
            "{node.extra[api_key]}",
            "{node.extra.__class__}",
            "{node.properties[a].__class__.x}",
            "{node}",
            "{node!r}",
            "{node:}",
            "{ node.driver_info}",
            "{node.}",
            "{node[driver_info",
            "{node.extra[}]}",
            "{inventory._data}",
            "{inventory.copy.__self__}",
            "{inventory.bmc_password}",
            "{inventory[bmc_password]}",
            "{inventory.__class__.__init__.__globals__}",
            "{plugin_data[a][auth_token]}",
            "{item.__class__}",
            "{{node.driver_info}}",
            "{{{item[a]}}}",
            "{{node.{item[a]}}}",
            "{node.uuid:{node.driver_info}}",
            "{inventory[x]:{node}}",
            "{item[o]}node.driver_info{",
            "{",
            "{no",
        ] {
            assert_eq!(brings(text), Brings::Secret, "{text}");
        }
    }

    #[test]
    fn harmless_texts() {
        for text in [
            "",
            "a text",
            "node.driver_info[redfish_password]",
            "{inventory[bmc_address]}",
            "{inventory[cpu][count]}",
            "{inventory[interfaces][0][mac:address]!r}",
            "{plugin_data[auto_discovered]}",
            "{inventory}",
            "{inventory.memory}",
            "{item}",
            "{item[path]:>4}",
            "{node.uuid} is {node.provision_state}",
            "{node.deploy_interface}",
            "^[0-9]{3}$",
            "^[0-9]{1,3}$",
            r"^\d{{3}}$",
            "{}",
            r#"{"a": {"b": 1}}"#,
            "}",
        ] {
            assert_eq!(brings(text), Brings::Harmless, "{text}");
        }
        for text in ["{node.extra[rack]}", "{node.properties[a][b]}", "{node.driver_info[ipmi_address]}"] {
            assert_eq!(brings(text), Brings::FreeText, "{text}");
        }
    }

    const LIMITS: Limits = Limits { depth_max: 9, values_max: 99, key_bytes_max: 99, string_bytes_max: 999 };

    #[track_caller]
    fn check(path: &str, value: &str, expected: bool) {
        let value = parse(value.as_bytes(), &LIMITS).unwrap();
        let path = Pointer::parse(path).unwrap();
        let write = Write { op: WriteOp::Add, path, value: Some(&value), step: None, secret: true, withheld: false };
        assert_eq!(brings_secret(&write), expected, "{value:?}");
    }

    #[test]
    fn keys_and_loops_count() {
        check("/actions/0/args/value", r#""{node.driver_info}""#, true);
        check("/actions/0/args/value/{node.driver_info}", "1", true);
        check("/actions/0/args/value/{node.uuid}", "{}", false);
        check("/actions/0", r#"{"args": {"value": "{node.extra[t]}"}, "loop": [1]}"#, true);
        check("/actions/0", r#"{"args": {"value": {"{node.extra[t]}": 1}}, "loop": {"a": 1}}"#, true);
        check("/actions/0", r#"{"args": {"value": "{node.extra[t]}"}, "loop": []}"#, false);
        check("/actions/0", r#"{"args": {"value": "{node.extra[t]}"}}"#, false);
        check("/actions/0", r#"{"args": {"value": "{item[v]}"}, "loop": [{"v": "{inventory[x]}"}]}"#, false);
    }
}

//! Expressions that read objects, which only a look-up tells.

use serde_json::Value;

use super::facts::path;

/// Which objects of a question are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnknownObjects {
    /// What is known of the resource is its identifier in the request.
    pub resource: bool,
    /// The node that a write or a query names.
    pub target: bool,
}

/// Whether an expression reads one of the objects that are not known. With `named` it is known whether the resource is the object
/// that the policy names.
pub(in crate::policy) fn reads_objects(expression: &Value, unknown: UnknownObjects, named: bool) -> bool {
    let members = match expression {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return false,
        Value::Array(items) => return items.iter().any(|item| reads_objects(item, unknown, named)),
        Value::Object(members) => members,
    };
    members.iter().any(|(name, value)| match name.as_str() {
        "Value" => false,
        "Var" => value.as_str() == Some("resource") && unknown.resource && !named,
        "." | "has" => match path(value) {
            Some(path) => reads_path(&path, unknown),
            None => reads_objects(value, unknown, false),
        },
        "hasTag" | "getTag" => reads_objects(value, unknown, false),
        // The type of a resource follows from the operation.
        "is" if value.get("in").is_none() && value.pointer("/left/Var").is_some() => false,
        _ => reads_objects(value, unknown, named),
    })
}

fn reads_path(path: &str, unknown: UnknownObjects) -> bool {
    let is_below = |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let resource = path != "resource.id" && is_below("resource");
    let target = is_below("context.write.target") || is_below("context.node");
    (resource && unknown.resource) || (target && unknown.target)
}

//! The arguments of an inspection rule's actions and conditions.

use std::borrow::Cow;

use super::error::{At, InvalidRequest};
use crate::catalog::{Arguments, Field};
use crate::json::Json;

/// Whether the `args` of an object are those of its `op`; nothing where the catalogue has no table of them.
pub(super) fn check(members: &[(Cow<'_, str>, Json<'_>)], field: &Field, at: &At<'_>) -> Result<(), InvalidRequest> {
    if field.arguments.is_empty() {
        return Ok(());
    }
    let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let op = member("op").and_then(Json::as_str).unwrap_or_default();
    let Some(arguments) = of(field, op) else { return Ok(()) };
    let at = at.key("args");
    match member("args") {
        Some(Json::Object(given)) => {
            let known = |key: &str| arguments.names().any(|name| name == key);
            if let Some((key, _)) = given.iter().find(|(key, _)| !known(key)) {
                return Err(InvalidRequest::UnknownField { field: at.key(key).place() });
            }
            match arguments.required.iter().find(|name| !given.iter().any(|(key, _)| key == *name)) {
                Some(name) => Err(InvalidRequest::MissingField { field: at.key(name).place() }),
                None => Ok(()),
            }
        }
        Some(Json::Array(given)) if given.len() < arguments.required.len() => Err(InvalidRequest::OutOfBounds {
            field: at.place(),
            expected: format!("at least {} items: {}", arguments.required.len(), arguments.required.join(", ")).into(),
        }),
        _ => Ok(()),
    }
}

/// What the `args` of this `op` hold. A condition's `!` turns its verdict around and changes nothing about its arguments.
pub(super) fn of<'f>(field: &'f Field, op: &str) -> Option<&'f Arguments> {
    field.arguments.get(op.strip_prefix('!').unwrap_or(op))
}

//! What of a configuration is shown.

use std::path::Path;

use super::super::ConfigError;
use super::read;
use crate::telemetry;

/// What is in force, as TOML: the file, the variables that override it, and the defaults. Of secrets it has the files.
pub fn effective(file: &Path) -> Result<String, Vec<ConfigError>> {
    let (_, raw) = read(file)?;
    let shown = toml::Value::try_from(&raw).and_then(|value| toml::to_string(&caught("", value)));
    shown.map_err(|_| vec![ConfigError::new(file, None, "cannot be shown")])
}

/// With the mask in place of user information: somebody may have written a password into a URL. What `[scrub]` looks for
/// in texts is no URL, however it looks.
fn caught(name: &str, value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) => toml::Value::String(telemetry::setting(&text).unwrap_or(text)),
        toml::Value::Array(items) => toml::Value::Array(items.into_iter().map(|item| caught(name, item)).collect()),
        toml::Value::Table(table) if name != "scrub" => {
            toml::Value::Table(table.into_iter().map(|(key, value)| (key.clone(), caught(&key, value))).collect())
        }
        other @ (toml::Value::Table(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)) => other,
    }
}

/// What a key takes, without what was written there: a secret may stand where none belongs.
pub(super) fn without_value(message: &str) -> String {
    let quoted =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|start| message.starts_with(start));
    match message.rfind(", expected ").or_else(|| message.rfind(", there are no variants")) {
        Some(rest) if quoted => {
            let (found, expected) = message.split_at_checked(rest).unwrap_or_default();
            format!("{}{expected}", found.split(['"', '`']).next().unwrap_or_default().trim_end())
        }
        Some(_) | None => message.to_owned(),
    }
}

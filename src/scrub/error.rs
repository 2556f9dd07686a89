//! Errors of Ironic, rebuilt from their known parts.
//!
//! An error's text may quote what was sent or what is stored, so it is never passed on as it is. What is kept:
//! prose, names of fields, rules and states, identifiers, places. What is dropped: quoted values that are
//! none of these, values after phrases that announce one, and words that are no prose.

mod reason;
mod vocabulary;

use serde_json::Value;

use super::ScrubRules;
pub(in crate::scrub) use vocabulary::Vocabulary;

/// The largest error body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// The longest text that is given out, in bytes.
pub const FAULTSTRING_BYTES_MAX: usize = 2048;

/// What the caller may read of an error of Ironic (or of what stands in front of it), from its status, content type and
/// body: at most [`FAULTSTRING_BYTES_MAX`] bytes, never empty. A body of an unknown shape, HTML, or text becomes the
/// status's own reason.
pub fn rebuild(status: u16, content_type: Option<&str>, body: &[u8], rules: &ScrubRules) -> String {
    let json = content_type.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"));
    let found = if json && status != 401 && body.len() <= BODY_BYTES_MAX { known_shape(body) } else { None };
    let text = reason::filter(&found.unwrap_or_default(), rules);
    if text.chars().any(char::is_alphanumeric) { text } else { plain(status) }
}

/// The text by status alone.
fn plain(status: u16) -> String {
    if status == 401 {
        return "The request you have made requires authentication.".to_owned();
    }
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.unwrap_or("The request failed").to_owned()
}

/// The text of the shapes that are known:
///
/// 1. `{"error_message": "{\"faultcode\", \"faultstring\", …}"}` (controllers), or an object instead of the text
/// 2. `{"error_message": "{\"code\", \"title\", \"description\"}"}` (routing, versions)
/// 3. `{"faultcode", "faultstring"}` (limits)
/// 4. `{"error": {"code", "title", "message"}}` (authentication)
fn known_shape(body: &[u8]) -> Option<String> {
    let outer: Value = serde_json::from_slice(body).ok()?;
    let message = match outer.get("error_message") {
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(message @ Value::Object(_)) => message.clone(),
        Some(_) => return None,
        None => outer,
    };
    let text = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let text = text("faultstring").or_else(|| text("description")).or_else(|| text("title"));
    text.or_else(|| message.get("error")?.get("message")?.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests;

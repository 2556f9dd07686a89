//! Errors of Ironic, rebuilt from their known parts.
//!
//! An error's text may quote what was sent or what is stored, so it is never passed on as it is. What is kept: whose
//! fault it was, prose, names of fields, rules and states, identifiers, places. What is dropped: quoted values that are
//! none of these, values after phrases that announce one, and words that are no prose.

mod reason;
mod vocabulary;

use serde_json::Value;

use super::ScrubRules;
pub(super) use vocabulary::Vocabulary;

/// The largest error body that is read, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// The longest text that is given out, in bytes.
pub const FAULTSTRING_BYTES_MAX: usize = 2048;

/// Whose fault it was, in Ironic's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The request was wrong.
    Client,
    /// Ironic or what is behind it failed.
    Server,
}

/// An error as the caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorText {
    /// Whose fault it was.
    pub faultcode: FaultCode,
    /// What happened; at most [`FAULTSTRING_BYTES_MAX`] bytes, never empty.
    pub faultstring: String,
}

impl FaultCode {
    /// Ironic's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }

    const fn of(status: u16) -> Self {
        if status >= 500 { Self::Server } else { Self::Client }
    }
}

/// Rebuilds an error of Ironic (or of what stands in front of it) from its status, content type and body. A body of an
/// unknown shape, HTML, or text becomes the status's own reason.
pub fn rebuild(status: u16, content_type: Option<&str>, body: &[u8], rules: &ScrubRules) -> ErrorText {
    let json = content_type.is_none_or(|kind| kind.to_ascii_lowercase().contains("json"));
    let found = if json && status != 401 && body.len() <= BODY_BYTES_MAX { known_shape(body) } else { None };
    let (faultcode, text) = found.unwrap_or((None, String::new()));
    let faultstring = Some(reason::filter(&text, rules)).filter(|text| text.chars().any(char::is_alphanumeric));
    ErrorText {
        faultcode: faultcode.unwrap_or(FaultCode::of(status)),
        faultstring: faultstring.unwrap_or_else(|| plain(status)),
    }
}

/// The text by status alone.
fn plain(status: u16) -> String {
    if status == 401 {
        return "The request you have made requires authentication.".to_owned();
    }
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.unwrap_or("The request failed").to_owned()
}

/// The fault and the text of the shapes that are known:
///
/// 1. `{"error_message": "{\"faultcode\", \"faultstring\", …}"}` (controllers), or an object instead of the text
/// 2. `{"error_message": "{\"code\", \"title\", \"description\"}"}` (routing, versions)
/// 3. `{"faultcode", "faultstring"}` (limits)
/// 4. `{"error": {"code", "title", "message"}}` (authentication)
fn known_shape(body: &[u8]) -> Option<(Option<FaultCode>, String)> {
    let outer: Value = serde_json::from_slice(body).ok()?;
    let message = match outer.get("error_message") {
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(message @ Value::Object(_)) => message.clone(),
        Some(_) => return None,
        None => outer,
    };
    let text = |key: &str| message.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if let Some(faultstring) = text("faultstring") {
        let faultcode = match text("faultcode") {
            Some("Client") => Some(FaultCode::Client),
            Some("Server") => Some(FaultCode::Server),
            Some(_) | None => None,
        };
        return Some((faultcode, faultstring.to_owned()));
    }
    if let Some(description) = text("description").or_else(|| text("title")) {
        return Some((None, description.to_owned()));
    }
    let message = message.get("error")?.get("message")?.as_str()?;
    Some((None, message.to_owned()))
}

#[cfg(test)]
mod tests;

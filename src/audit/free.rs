//! Texts that a caller chose, as a record may hold them.

use serde::Serialize;

use crate::telemetry;

/// A longer text is cut. In bytes.
pub(super) const FREE_BYTES_MAX: usize = 512;

/// The name of an object, a key of a body, the host of a URL: nobody can tell what a caller put there. What is shaped as a
/// secret in it is masked; a long text is cut.
///
/// INVARIANT: of a record's texts, those of this type are all that a caller chose for this request. The others are words of
/// the program, identifiers that were parsed, and what credentials prove; no shape is looked for in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct FreeText(String);

impl FreeText {
    pub(super) fn of(text: &str) -> Self {
        Self::noting(text, &mut false)
    }

    /// The same, and notes in `changed` if it is not the whole text as it was.
    pub(super) fn noting(text: &str, changed: &mut bool) -> Self {
        // Masked before it is cut: half a secret has no shape.
        let masked = telemetry::free_text(text);
        *changed |= masked.is_some();
        let mut text = masked.unwrap_or_else(|| text.to_owned());
        let length = text.floor_char_boundary(FREE_BYTES_MAX);
        *changed |= length < text.len();
        text.truncate(length);
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut changed = false;
        assert_eq!(FreeText::noting(text, &mut changed).as_str(), expected, "{text}");
        assert_eq!(changed, text != expected, "{text}");
    }

    #[test]
    fn what_is_shaped_as_a_secret_is_masked() {
        let signed = "eyJhbGciOiJI.eyJzdWIi.c2ln";
        let fernet = format!("gAAAAA{}", "k".repeat(48));
        check(signed, "******");
        check(&fernet, "******");
        check("/extra/password=S3cret", "/extra/password=******");
        check("/extra/password=\nS3cret", "/extra/password=******");
        check("/extra/password=S3\u{7}cret\\x", "/extra/password=******");
        check("/extra/token: S3/b", "/extra/token: ******");
        check("/extra/https:~1~1u:S3cret@h/x", "/extra/https:~1~1u:S3cret@h/x");
        check("http://u:S3cret@h/", "http://******@h/");
        check("é Authorization: Basic Uzpz é", "é Authorization: Basic ****** é");
        check(r#"/extra/{"auth_token": "S3cret"}"#, r#"/extra/{"auth_token": "******"}"#);
    }

    #[test]
    fn other_texts_stay_and_long_ones_are_cut() {
        for text in
            ["", "/driver_info/redfish_password", "8ed9fb71-8a3c-4f6f-9d5b-1f0f1d0c0a01", "token-store", "a\"\\\n"]
        {
            check(text, text);
        }
        check(&"é".repeat(400), &"é".repeat(256));
        let late = format!("{}password=S3cret", "x".repeat(FREE_BYTES_MAX - 12));
        check(&late, &format!("{}password=***", "x".repeat(FREE_BYTES_MAX - 12)));
    }
}

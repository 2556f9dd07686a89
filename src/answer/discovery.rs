//! The version documents (`GET /`, `GET /v1`): a client that negotiates by them stays within what irongate understands
//! and what the configuration permits.

use serde_json::Value;

use crate::microversion::{Ceiling, minor};

/// The key of a version description's highest microversion.
const VERSION: &str = "version";
/// The key of its lowest.
const MIN_VERSION: &str = "min_version";

/// The document with every version description held within the ceiling; `None` if it is not JSON.
pub(super) fn adapt(document: &[u8], ceiling: Ceiling) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(document).ok()?;
    hold(&mut document, ceiling);
    serde_json::to_vec(&document).ok()
}

/// An object with both keys describes versions, wherever it stands. Of the two `version` of `/v1` itself is an object.
fn hold(value: &mut Value, ceiling: Ceiling) {
    match value {
        Value::Object(members) => {
            if members.contains_key(MIN_VERSION) {
                members.insert(MIN_VERSION.to_owned(), ceiling.lowest().to_string().into());
                if let Some(version) = members.get_mut(VERSION) {
                    let highest = ceiling.highest();
                    let known = version.as_str().and_then(minor).filter(|minor| *minor <= highest.minor());
                    if known.is_none() || ceiling.is_pinned() {
                        *version = highest.to_string().into();
                    }
                }
            }
            for member in members.values_mut() {
                hold(member, ceiling);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hold(item, ceiling)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ceiling: Ceiling, document: &str, expected: &str) {
        let adapted = adapt(document.as_bytes(), ceiling).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(adapted.as_deref().unwrap_or("none"), expected, "{document}");
    }

    #[test]
    fn versions_are_held_within_the_ceiling() {
        let document = r#"{"versions":[{"id":"v1","min_version":"1.1","version":"1.115"}]}"#;
        check(Ceiling::default(), document, document);
        check(
            Ceiling::new(Some(80), None),
            document,
            r#"{"versions":[{"id":"v1","min_version":"1.1","version":"1.80"}]}"#,
        );
        check(
            Ceiling::new(None, Some(61)),
            document,
            r#"{"versions":[{"id":"v1","min_version":"1.1","version":"1.61"}]}"#,
        );
        check(Ceiling::pinned(80), document, r#"{"versions":[{"id":"v1","min_version":"1.80","version":"1.80"}]}"#);
        check(
            Ceiling::default(),
            r#"{"id":"v1","version":{"min_version":"1.1","version":"1.300"}}"#,
            r#"{"id":"v1","version":{"min_version":"1.1","version":"1.115"}}"#,
        );
        check(
            Ceiling::default(),
            r#"{"min_version":5,"version":"newest"}"#,
            r#"{"min_version":"1.1","version":"1.115"}"#,
        );
        check(Ceiling::new(Some(80), None), r#"{"version":"1.115"}"#, r#"{"version":"1.115"}"#);
        check(Ceiling::default(), "{", "none");
    }
}

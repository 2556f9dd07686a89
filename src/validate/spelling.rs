//! The spelling that Ironic gives a value before it goes by it.

use std::borrow::Cow;

use crate::catalog::LIST_ITEMS_MAX;
use crate::json::Json;

/// A text that Ironic keeps in lower case: hardware addresses, identifiers of switches, conductor groups. All are ASCII, or
/// are refused: the Kelvin sign, for one, is a `k` in lower case.
pub(super) fn fold(value: &mut Json<'_>) {
    if let Json::String(text) = value
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        text.to_mut().make_ascii_lowercase();
    }
}

/// The list that Ironic makes of a text: items trimmed, in lower case, each once, empty ones left out. A list that came as one
/// it takes as it is. `None` for a text of more than [`LIST_ITEMS_MAX`].
pub(super) fn list<'j>(text: &str) -> Option<Json<'j>> {
    if memchr::memchr_iter(b',', text.as_bytes()).count() >= LIST_ITEMS_MAX {
        return None;
    }
    let mut items: Vec<Json<'j>> = Vec::new();
    for item in text.split(',') {
        let item = Json::String(Cow::Owned(item.trim().to_lowercase()));
        if item.as_str() != Some("") && !items.contains(&item) {
            items.push(item);
        }
    }
    Some(Json::Array(items))
}

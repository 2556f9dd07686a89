//! The mask of hidden values must not be written back: a read-modify-write of a scrubbed answer would store it.

use super::error::{At, InvalidRequest};
use crate::json::Json;
use crate::scrub::{MASK, is_hmac};

/// Refuses the mask and an HMAC of ours as a string, and the mask as a URL's password or whole userinfo, anywhere in `value`.
pub(super) fn refuse(value: &Json<'_>, at: &At<'_>) -> Result<(), InvalidRequest> {
    match value {
        Json::String(text) if is_masked(text) => Err(InvalidRequest::MaskAsValue { field: at.place() }),
        Json::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| refuse(item, &at.index(index))),
        Json::Object(members) => members.iter().try_for_each(|(key, member)| refuse(member, &at.key(key))),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => Ok(()),
    }
}

fn is_masked(text: &str) -> bool {
    if text.len() <= MASK.len() {
        return text == MASK;
    }
    if is_hmac(text) {
        return true;
    }
    if memchr::memchr(b'*', text.as_bytes()).is_none() {
        return false;
    }
    memchr::memmem::find_iter(text.as_bytes(), MASK.as_bytes()).any(|at| {
        let after = text.as_bytes().get(at + MASK.len());
        let before = at.checked_sub(1).and_then(|index| text.as_bytes().get(index));
        after == Some(&b'@') && matches!(before, Some(b':' | b'/'))
    })
}

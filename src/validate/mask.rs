//! The mask of hidden values must not be written back: a read-modify-write of a scrubbed answer would store it.

use super::error::{At, InvalidRequest};
use crate::json::Json;
use crate::scrub::holds_hidden;

/// Refuses a string with the mask or an HMAC of ours in it, anywhere in `value`, keys included: a scrubbed text keeps the
/// rest of its words.
pub(super) fn refuse(value: &Json<'_>, at: &At<'_>) -> Result<(), InvalidRequest> {
    match value {
        Json::String(text) if holds_hidden(text) => Err(InvalidRequest::MaskAsValue { field: at.place() }),
        Json::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| refuse(item, &at.index(index))),
        Json::Object(members) => members.iter().try_for_each(|(key, member)| {
            let at = at.key(key);
            if holds_hidden(key) { Err(InvalidRequest::MaskAsValue { field: at.place() }) } else { refuse(member, &at) }
        }),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) | Json::String(_) => Ok(()),
    }
}

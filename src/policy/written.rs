//! What policies see of a written value, as far as it may be kept: facts about the value, never its text.

use super::context::{STRING_BYTES_MAX, as_boolean, as_integer, spelling};
use super::places::Places;
use super::url::url_facts;
use crate::json::Json;

/// Schemes that Ironic fetches from or calls. Another one is not told: before a colon may stand anything.
const SCHEMES: [&str; 12] =
    ["http", "https", "file", "ftp", "glance", "nfs", "cifs", "smb", "oci", "swift", "rbd", "iscsi"];

/// The longest host name there is, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 253;

/// Facts about a value that is no secret. None of them repeats a text of the caller's but the host of a URL.
#[derive(Debug)]
pub(crate) struct ValueFacts<'p> {
    /// Bytes of a string, items of an array, members of an object; else 0.
    pub(crate) length: usize,
    /// What Ironic reads as a boolean.
    pub(crate) boolean: Option<bool>,
    /// An integer, or a string that spells one. Only to be kept where the catalogue says that it is one.
    pub(crate) integer: Option<i64>,
    /// Whether it is a string that policies see: up to 4096 bytes.
    pub(crate) shown: bool,
    /// `word`, `line`, `text`, of a string that policies see.
    pub(crate) spelling: Option<&'static str>,
    /// The names of the places that it is in.
    pub(crate) places: Vec<&'p str>,
    /// Where it leads, if it looks like a URL.
    pub(crate) url: Option<UrlOrigin>,
}

/// A URL without its path and without who logs in.
#[derive(Debug)]
pub(crate) struct UrlOrigin {
    /// Whether all readers agree about it.
    pub(crate) plain: bool,
    /// Lower case; `None` for one that is not known: then nothing else is told either.
    pub(crate) scheme: Option<&'static str>,
    /// Lower case, an address in its usual spelling; empty if there is none.
    pub(crate) host: Option<String>,
    /// The port that is written.
    pub(crate) port: Option<u16>,
    /// Whether there is a `user:password@`.
    pub(crate) userinfo: bool,
}

/// The facts about `value`, by the same rules by which policies are shown it.
pub(crate) fn value_facts<'p>(value: &Json<'_>, places: &'p Places) -> ValueFacts<'p> {
    let length = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.len(),
        Json::Object(members) => members.len(),
        Json::Null | Json::Boolean(_) | Json::Integer(_) | Json::Float(_) => 0,
    };
    let text = value.as_str();
    let shown = text.filter(|text| text.len() <= STRING_BYTES_MAX);
    let url = text.and_then(|text| url_facts(text, shown.is_some()));
    let places = shown.map(|text| places.of(text, url.as_ref())).unwrap_or_default();
    let url = url.map(|facts| {
        let scheme = SCHEMES.into_iter().find(|known| *known == facts.scheme);
        let told = scheme.is_some() && facts.host.len() <= HOST_BYTES_MAX;
        UrlOrigin {
            plain: facts.plain,
            scheme,
            host: told.then_some(facts.host),
            port: facts.port.filter(|_| told),
            userinfo: facts.userinfo,
        }
    });
    ValueFacts {
        length,
        boolean: as_boolean(value),
        integer: as_integer(value),
        shown: shown.is_some(),
        spelling: shown.map(spelling),
        places,
        url,
    }
}

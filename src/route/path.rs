//! A request's target → the segments of its path, if all are plain.

use http::Version;
use http::request::Parts;

use super::RouteError;
use crate::microversion::Microversion;

/// The longest path in bytes. Ironic's longest has two names of 255 characters.
const PATH_BYTES_MAX: usize = 2048;

/// What Ironic cuts off the end of a path.
const SUFFIX: &str = ".json";
/// The first microversion (`1.N`) at which Ironic does not.
const WHOLE_NAMES_SINCE: u16 = 91;

/// What a request is aimed at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `*`
    Server,
    /// A path. `/` has no segments and no slash at its end.
    Path {
        /// Its segments, none of them empty.
        segments: Vec<&'a str>,
        /// Whether a slash follows the last of them.
        slash: bool,
    },
}

/// Reads the path of a request.
pub(super) fn read(head: &Parts) -> Result<Target<'_>, RouteError> {
    // HTTP/2 carries scheme and authority in fields of their own, which end up in the URI.
    let own_fields = head.version >= Version::HTTP_2;
    if !own_fields && (head.uri.scheme().is_some() || head.uri.authority().is_some()) {
        return Err(RouteError::TargetForm);
    }
    // The URI of `CONNECT host:port` has an authority only, for which `path` is empty.
    let path = head.uri.path();
    if path == "*" {
        return Ok(Target::Server);
    }
    let Some(inside) = path.strip_prefix('/') else { return Err(RouteError::TargetForm) };
    if path.len() > PATH_BYTES_MAX {
        return Err(RouteError::TargetLength);
    }
    if inside.is_empty() {
        return Ok(Target::Path { segments: Vec::new(), slash: false });
    }
    let (inside, slash) = inside.strip_suffix('/').map_or((inside, false), |before| (before, true));
    Ok(Target::Path { segments: segments(inside)?, slash })
}

/// The segments of a path without its first slash, if they are plain.
pub(super) fn segments(inside: &str) -> Result<Vec<&str>, RouteError> {
    characters(inside)?;
    let segments: Vec<&str> = inside.split('/').collect();
    if segments.contains(&"") {
        return Err(RouteError::EmptySegment);
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Err(RouteError::DotSegment);
    }
    Ok(segments)
}

/// Refuses a suffix that Ironic would cut off before it reads the path. From [`WHOLE_NAMES_SINCE`] on it cuts off none, and the
/// names of objects may end in it.
pub(super) fn suffix(last: Option<&str>, microversion: Option<Microversion>) -> Result<(), RouteError> {
    let is_cut = microversion.is_none_or(|microversion| microversion.minor() < WHOLE_NAMES_SINCE);
    if is_cut && last.is_some_and(|text| text.ends_with(SUFFIX)) { Err(RouteError::PathSuffix) } else { Ok(()) }
}

/// Every byte is one of those that some path of Ironic's can have, or one of the few encodings that some can need.
fn characters(inside: &str) -> Result<(), RouteError> {
    let mut rest = inside.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match first {
            b'%' => after_encoding(after).ok_or(RouteError::PathEncoding)?,
            b';' => return Err(RouteError::PathSemicolon),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => after,
            // Of host names, indicators and device types; each segment's own kind decides.
            b'@' | b':' | b'[' | b']' | b',' => after,
            _ => return Err(RouteError::PathCharacter),
        };
    }
    Ok(())
}

/// Behind `%40`, `%3A`, `%5B` or `%5D`: what a client may encode in a host name or an indicator.
fn after_encoding(after: &[u8]) -> Option<&[u8]> {
    match after {
        [b'4', b'0', rest @ ..] => Some(rest),
        [b'3', b'a' | b'A', rest @ ..] => Some(rest),
        [b'5', b'b' | b'B' | b'd' | b'D', rest @ ..] => Some(rest),
        _ => None,
    }
}

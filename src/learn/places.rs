//! When a written place stands for itself, and when for any like it.
//!
//! - `/field` and `/field/key` stand for themselves.
//! - What is deeper stands for everything below `/field/key`: `/properties/capabilities/a/b` is `/properties/capabilities/*`.
//! - A list's index, a UUID or a MAC address stands for any: `/traits/0` is `/traits/*`.
//! - More than [`EXTRA_KEYS_MAX`] keys of `/extra`, whose keys mean nothing to Ironic, are `/extra/*`.
//! - More than [`KEYS_MAX`] keys of any other map are everything below it.

use std::borrow::Cow;

use crate::json::Pointer;

/// Different keys of `/extra` that are named one by one.
pub(super) const EXTRA_KEYS_MAX: usize = 8;
/// Different keys of any other map, `/driver_info` for example, that are named one by one.
pub(super) const KEYS_MAX: usize = 64;

/// Where something was written, as a policy will say it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Exactly there.
    At(String),
    /// Anywhere below.
    Below(String),
}

impl Place {
    /// The place of a write's path.
    pub(super) fn of(path: &str) -> Self {
        let Ok(pointer) = Pointer::parse(path) else { return Self::At(path.to_owned()) };
        let segments: Vec<Cow<'_, str>> = pointer.segments().collect();
        let variable = segments.iter().position(|segment| is_variable(segment));
        let kept = variable.unwrap_or(segments.len()).min(2);
        if kept == segments.len() {
            return Self::At(path.to_owned());
        }
        Self::Below(Pointer::from_segments(segments.iter().take(kept).map(AsRef::as_ref)).as_str().to_owned())
    }

    /// The map in which this is a key, if it is one by name.
    pub(super) fn map(&self) -> Option<&str> {
        match self {
            Self::At(path) => path.rsplit_once('/').map(|(map, _)| map),
            Self::Below(_) => None,
        }
    }

    /// As people read it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::At(path) if path.is_empty() => "(the body as a whole)".to_owned(),
            Self::At(path) => path.clone(),
            Self::Below(path) => format!("{path}/*"),
        }
    }
}

/// How many keys of this map are named.
pub(super) fn keys_max(map: &str) -> usize {
    if map == "/extra" { EXTRA_KEYS_MAX } else { KEYS_MAX }
}

/// Whether a segment identifies one of many things.
fn is_variable(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let hexadecimal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b':');
    let is_number = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let is_uuid = bytes.len() == 36 && bytes.iter().all(hexadecimal);
    let is_mac = bytes.len() == 17 && bytes.iter().all(hexadecimal);
    let is_plain_uuid = bytes.len() == 32 && bytes.iter().all(u8::is_ascii_hexdigit);
    segment == "-" || is_number || is_uuid || is_mac || is_plain_uuid
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_stands_for_itself_or_for_any() {
        for (path, expected) in [
            ("/target", "/target"),
            ("", "(the body as a whole)"),
            ("/driver_info/redfish_address", "/driver_info/redfish_address"),
            ("/properties/capabilities/a/b", "/properties/capabilities/*"),
            ("/traits/0", "/traits/*"),
            ("/traits/-", "/traits/*"),
            ("/clean_steps/3/args/x", "/clean_steps/*"),
            ("/extra/1be26c0b-03f2-4d2e-ae87-c02d7f33c123", "/extra/*"),
            ("/extra/52:54:00:00:00:01/x", "/extra/*"),
            ("/extra/a~1b", "/extra/a~1b"),
            ("/extra/deadbeef", "/extra/deadbeef"),
        ] {
            assert_eq!(Place::of(path).text(), expected, "{path}");
        }
    }
}

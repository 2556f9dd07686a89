//! JSON Pointer (RFC 6901), in the one spelling that this crate uses.

use std::borrow::Cow;
use std::fmt;

/// A place in a JSON document.
///
/// INVARIANT: empty, or `/` before each segment; `~` only in `~0` and `~1`. So equal places have equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pointer(String);

/// Why a text is not a pointer. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// Not empty, and no `/` at its start.
    #[error("a path starts with \"/\"")]
    NoSlash,
    /// A `~` that is neither `~0` nor `~1`.
    #[error("\"~\" in a path is written \"~0\", and \"/\" in a key \"~1\"")]
    Tilde,
    /// A control character.
    #[error("a path holds no control characters")]
    Control,
}

impl Pointer {
    /// The pointer to the whole document.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// The place below the document's root that these keys and indices lead to, each unescaped.
    pub fn from_segments<'s>(segments: impl IntoIterator<Item = &'s str>) -> Self {
        let mut pointer = Self::root();
        for segment in segments {
            pointer.push(segment);
        }
        pointer
    }

    /// Reads RFC 6901's text form. Control characters are refused although the RFC takes them: no field of Ironic's has one.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError::NoSlash);
        }
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'~' && !matches!(bytes.next(), Some(b'0' | b'1')) {
                return Err(PointerError::Tilde);
            }
        }
        if text.chars().any(char::is_control) {
            return Err(PointerError::Control);
        }
        Ok(Self(text.to_owned()))
    }

    /// Goes down to this key or index, given unescaped.
    pub fn push(&mut self, segment: &str) {
        self.0.reserve(segment.len() + 1);
        self.0.push('/');
        if !segment.contains(['~', '/']) {
            self.0.push_str(segment);
            return;
        }
        for character in segment.chars() {
            match character {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                other => self.0.push(other),
            }
        }
    }

    /// The place below this one at this key or index, given unescaped.
    pub fn child(&self, segment: &str) -> Self {
        let mut text = String::with_capacity(self.0.len() + segment.len() + 1);
        text.push_str(&self.0);
        let mut pointer = Self(text);
        pointer.push(segment);
        pointer
    }

    /// Goes back up to where [`Self::as_str`] was `length` bytes long.
    pub(crate) fn truncate(&mut self, length: usize) {
        if self.0.is_char_boundary(length) {
            self.0.truncate(length);
        }
    }

    /// The keys and indices on the way, unescaped.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        Self::segments_of(&self.0)
    }

    /// The same of a text that is known to be a pointer.
    pub(crate) fn segments_of(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
        text.split('/').skip(1).map(unescape)
    }

    /// The pointer's text; empty for the whole document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        // In this order: "~01" is the key "~1".
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_one_spelling() {
        let check = |text: &str, expected: Result<&[&str], PointerError>| {
            let parsed = Pointer::parse(text);
            match expected {
                Ok(segments) => {
                    let pointer = parsed.expect(text);
                    assert_eq!(pointer.segments().collect::<Vec<_>>(), segments, "{text}");
                    assert_eq!(Pointer::from_segments(segments.iter().copied()).as_str(), text);
                }
                Err(error) => assert_eq!(parsed, Err(error), "{text}"),
            }
        };
        check("", Ok(&[]));
        check("/", Ok(&[""]));
        check("/driver_info/ipmi_password", Ok(&["driver_info", "ipmi_password"]));
        check("/a~1b/~0/~01", Ok(&["a/b", "~", "~1"]));
        check("/é/0/-", Ok(&["é", "0", "-"]));
        check("a", Err(PointerError::NoSlash));
        check("#/a", Err(PointerError::NoSlash));
        check("/~", Err(PointerError::Tilde));
        check("/~2", Err(PointerError::Tilde));
        check("/~~0", Err(PointerError::Tilde));
        check("/a\n", Err(PointerError::Control));
        check("/a\u{7f}", Err(PointerError::Control));
    }
}

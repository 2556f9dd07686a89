//! JSON Pointer (RFC 6901), in the one spelling that this crate uses.

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(String);

impl Pointer {
    /// The pointer's text; empty for the whole document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

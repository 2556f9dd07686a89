//! Strict JSON: what irongate reads, it reads without doubt, and what it forwards it writes itself.
//!
//! Refused although many parsers take it: duplicate keys (compared after unescaping), NaN and infinities, lone
//! surrogates, integers beyond 64 bits, numbers that a double cannot hold, text after the value, a byte-order mark,
//! anything but UTF-8, and more depth, keys or text than the limits allow.

mod canonical;
mod parse;
mod pointer;

use std::borrow::Cow;

pub use canonical::{Canonical, canonical};
pub use parse::{JsonError, Limits, Position, parse};
pub use pointer::{Pointer, PointerError};

/// A JSON value that borrows from the text it was read from: a 64 MiB config drive is never copied.
///
/// Outside of unit tests its `Debug` gives the kind only: values are often secrets.
#[derive(Clone, PartialEq)]
#[cfg_attr(test, derive(Debug))]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number without fraction or exponent.
    Integer(i64),
    /// Any other number; always finite.
    Float(f64),
    /// A string; borrowed unless it held escapes.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object: its members in the order of the text, keys unique.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

#[cfg(not(test))]
impl std::fmt::Debug for Json<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.kind())
    }
}

impl<'a> Json<'a> {
    /// The member of an object with this key.
    pub fn member(&self, key: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Float(_) | Self::String(_) | Self::Array(_) => {
                None
            }
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Float(_) | Self::Array(_) | Self::Object(_) => {
                None
            }
        }
    }

    /// What kind of value it is, in JSON Schema's words: `null boolean integer number string array object`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Float(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

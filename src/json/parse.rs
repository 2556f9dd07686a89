//! Reading.

use super::Json;

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nested containers; Ironic's own bound is 25.
    pub depth_max: usize,
    /// Keys and array items in all.
    pub values_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
    /// Bytes of one string (the body's own bound for config drives).
    pub string_bytes_max: usize,
}

/// Why a text is not taken. Never holds text of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    Syntax {
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
    },
}

/// Reads one JSON text.
pub fn parse<'a>(_text: &'a [u8], _limits: &Limits) -> Result<Json<'a>, JsonError> {
    Err(JsonError::Syntax { line: 1, column: 1 })
}

//! Writing: one spelling per value.

use bytes::Bytes;

use super::Json;

/// A canonical text in pieces: long strings are slices of the body they came from, so that a large body exists once.
#[derive(Debug, Default)]
pub struct Canonical {
    /// The pieces, in order; none is empty.
    pub pieces: Vec<Bytes>,
    /// Their length in all, which is the new `Content-Length`.
    pub length: usize,
}

/// Writes `value`, which was parsed from `source`.
pub fn canonical(_value: &Json<'_>, _source: &Bytes) -> Canonical {
    Canonical::default()
}

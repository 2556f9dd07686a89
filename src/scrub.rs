//! Ironic's answer → what the caller may see.
//!
//! A [`Scrubber`] takes an answer's JSON in chunks of any size and gives out the same JSON with secrets masked and links
//! that point to irongate. It never builds a tree, and it refuses what is not well-formed.

use std::sync::Arc;

use crate::catalog::Operation;

/// What a masked value becomes.
pub const MASK: &str = "******";

/// What is a secret, compiled once per snapshot.
#[derive(Debug)]
pub struct ScrubRules {}

/// What the operator adds to the shipped secret map.
#[derive(Debug, Clone, Default)]
pub struct ScrubAdditions {
    /// Words: a key that contains one (without case) is masked.
    pub words: Vec<String>,
    /// Exact places, `/driver_info/my_field` as JSON Pointers with `*` for any one segment.
    pub fields: Vec<String>,
    /// Linear-time regular expressions: what they match in string values is masked.
    pub shapes: Vec<String>,
}

/// A mistake in [`ScrubAdditions`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScrubRuleError {}

/// Why an answer cannot be passed on. Never holds text of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScrubError {
    /// Not JSON, or more than the bounds allow.
    #[error("the answer is not well-formed JSON")]
    Malformed,
}

/// What was done to an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Values masked, wholly or in part.
    pub masked: u64,
}

impl ScrubRules {
    /// The shipped secret map with the operator's additions.
    pub fn new(_additions: &ScrubAdditions) -> Result<Self, ScrubRuleError> {
        Ok(Self {})
    }
}

/// One answer's scrubber.
#[derive(Debug)]
pub struct Scrubber {
    _rules: Arc<ScrubRules>,
}

impl Scrubber {
    /// For an answer of `operation`. `origin` is irongate's own scheme and authority as the caller sees it
    /// (`https://irongate.example:6385`), for links.
    pub fn new(rules: Arc<ScrubRules>, _operation: &'static Operation, _origin: Arc<str>) -> Self {
        Self { _rules: rules }
    }

    /// Takes the next chunk and appends to `out` what may be sent.
    pub fn push(&mut self, _chunk: &[u8], _out: &mut Vec<u8>) -> Result<(), ScrubError> {
        Ok(())
    }

    /// The answer is over: appends the rest.
    pub fn finish(self, _out: &mut Vec<u8>) -> Result<ScrubReport, ScrubError> {
        Ok(ScrubReport::default())
    }
}

//! Rules that are tried out: they are read after the others, in what the caller gets, and only counted.

use std::sync::Arc;

use crate::catalog::Operation;

use super::{ScrubRules, Scrubber};

/// Counts what the rules in shadow would mask in one answer.
pub struct ShadowCount {
    /// Gone once it cannot go on, which the enforced scrubber would have seen first.
    scrubber: Option<Scrubber>,
    /// What it gives out, which nobody gets.
    unused: Vec<u8>,
}

impl ShadowCount {
    /// For an answer of `operation`; `None` if no rule is in shadow.
    pub fn new(rules: &ScrubRules, operation: &Operation, origin: &Arc<str>) -> Option<Box<Self>> {
        let rules = Arc::clone(rules.shadow.as_ref()?);
        let scrubber = Scrubber::new(rules, operation, Arc::clone(origin));
        Some(Box::new(Self { scrubber: Some(scrubber), unused: Vec::new() }))
    }

    /// The next piece as the caller gets it.
    pub fn push(&mut self, piece: &[u8]) {
        self.unused.clear();
        if let Some(scrubber) = &mut self.scrubber
            && scrubber.push(piece, &mut self.unused).is_err()
        {
            self.scrubber = None;
        }
    }

    /// The answer is over: how many values would have been masked, wholly or in part, that were not.
    pub fn finish(&mut self) -> u64 {
        self.unused.clear();
        let report = self.scrubber.take().and_then(|scrubber| scrubber.finish(&mut self.unused).ok());
        report.map_or(0, |report| report.masked)
    }
}

impl std::fmt::Debug for ShadowCount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ShadowCount").finish_non_exhaustive()
    }
}

//! What each loaded rule decided.

use crate::rejection::DEFAULT_DENY;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::exposition::Samples;

/// A denial that the global dry-run set aside: no permit matched.
const WAIVED: &str = "waived";
/// Rules that are not among the loaded ones.
const OTHER: &str = "other";

/// What became of a rule's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Permit,
    Deny,
    WouldPermit,
    WouldDeny,
}

/// One worker's counts of one rule, on a cache line of their own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Cell {
    counts: [AtomicU64; 4],
}

type Cells = Arc<[Cell]>;

/// Counters by rule. The rules are those of the snapshot in force: their number is bounded by what the operator wrote.
#[derive(Debug)]
pub struct Rules {
    workers: usize,
    cells: ArcSwap<HashMap<Arc<str>, Cells>>,
}

impl Rules {
    pub(super) fn new(workers: usize) -> Self {
        let rules = Self { workers, cells: ArcSwap::default() };
        rules.load(std::iter::empty());
        rules
    }

    /// These rules are in force from now on. What is counted for those that stay is kept, the others are forgotten.
    pub fn load<'a>(&self, ids: impl Iterator<Item = &'a str>) {
        let before = self.cells.load();
        let fresh = || (0..self.workers).map(|_| Cell::default()).collect::<Cells>();
        let cells = ids
            .chain([DEFAULT_DENY, WAIVED, OTHER])
            .map(|id| (Arc::from(id), before.get(id).map_or_else(fresh, Arc::clone)))
            .collect();
        self.cells.store(Arc::new(cells));
    }

    /// Counts a decision by these rules; none means that nothing permitted it.
    pub(super) fn count(&self, worker: usize, verdict: Verdict, rules: &[Arc<str>]) {
        let cells = self.cells.load();
        let add = |rule: &str| {
            let cell = cells.get(rule).or_else(|| cells.get(OTHER)).and_then(|cells| cells.get(worker));
            if let Some(count) = cell.and_then(|cell| cell.counts.get(verdict as usize)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        match (rules, verdict) {
            ([], Verdict::Permit | Verdict::WouldPermit) => add(WAIVED),
            ([], Verdict::Deny | Verdict::WouldDeny) => add(DEFAULT_DENY),
            (rules, _) => rules.iter().for_each(|rule| add(rule)),
        }
    }

    fn each(&self, mut tell: impl FnMut(&str, [u64; 4])) {
        let cells = self.cells.load();
        let mut ids: Vec<_> = cells.iter().collect();
        ids.sort_by_key(|(id, _)| *id);
        for (id, cells) in ids {
            let mut sums = [0; 4];
            for cell in cells.iter() {
                for (sum, count) in sums.iter_mut().zip(&cell.counts) {
                    *sum += count.load(Ordering::Relaxed);
                }
            }
            tell(id, sums);
        }
    }

    /// `decision`, `rule`: what shadow would have made of requests.
    pub(super) fn disagreements(&self, samples: &mut Samples<'_>) {
        self.each(|rule, [_, _, would_permit, would_deny]| {
            for (decision, sum) in [("permit", would_permit), ("deny", would_deny)] {
                if sum > 0 {
                    samples.put(&[decision, rule], sum);
                }
            }
        });
    }

    /// `decision`, `mode`, `rule`: what was enforced, and what shadow would have made of it.
    pub(super) fn decisions(&self, samples: &mut Samples<'_>) {
        let names = [("permit", "enforce"), ("deny", "enforce"), ("permit", "shadow"), ("deny", "shadow")];
        self.each(|rule, sums| {
            for ((decision, mode), sum) in names.into_iter().zip(sums) {
                if sum > 0 {
                    samples.put(&[decision, mode, rule], sum);
                }
            }
        });
    }
}

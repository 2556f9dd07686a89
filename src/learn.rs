//! The least that a caller needs, from the records of what it did: `irongate policy learn`.
//!
//! What was let through is use; what was denied, or refused for other reasons, is not. The rules by which identifiers
//! become "any" are in `places`; `docs/rollout.md` tells them.

mod cases;
mod compare;
mod gather;
mod places;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::read::RecordLine;
use crate::authenticate::SchemeName;
use crate::history::{self, Aside, Fate, Skipped};

pub use cases::{Candidate, candidates, render};
pub use compare::{Compared, Comparison, Missing};
pub use gather::Use;
pub use write::cedar;

/// Callers that are told apart; a log with more has been flooded, and the rest is counted.
const CALLERS_MAX: usize = 4096;

/// Which records count.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// From this moment.
    pub since: Option<jiff::Timestamp>,
    /// Up to, and without, this moment.
    pub until: Option<jiff::Timestamp>,
    /// Of this caller alone: `scheme:name`, or the name.
    pub caller: Option<String>,
}

/// For whom a policy is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One caller.
    Caller {
        /// How it is authenticated.
        scheme: SchemeName,
        /// Its name within the scheme.
        name: String,
    },
    /// Whoever has this role.
    Role(String),
}

/// What callers did, gathered record by record.
#[derive(Debug, Default)]
pub struct Learner {
    window: Window,
    role: Option<String>,
    callers: BTreeMap<String, Use>,
    /// Records within the window.
    pub records: u64,
    /// Records of callers beyond the first few thousand.
    pub more: u64,
    /// Records that say nothing about rights.
    pub aside: BTreeMap<Aside, u64>,
    /// Lines that are no records.
    pub skipped: Skipped,
}

/// A caller with what was learned of it.
#[derive(Debug)]
pub struct Learned<'a> {
    /// `scheme:name`, `anonymous`, or `role:name`.
    pub caller: &'a str,
    /// The same as a file's name and as a part of policies' ids.
    pub slug: String,
    /// For whom the policy is.
    pub subject: Subject,
    /// What it did.
    pub used: &'a Use,
}

impl Window {
    /// Whether a record counts.
    pub fn has(&self, record: &RecordLine) -> bool {
        let of_caller = |wanted: &String| {
            record.caller() == *wanted || record.principal.as_ref().is_some_and(|principal| principal.name == *wanted)
        };
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && self.caller.as_ref().is_none_or(of_caller)
    }
}

impl Learner {
    /// With `role`, one policy is learned for whoever has that role, from all callers in the window.
    pub fn new(window: Window, role: Option<String>) -> Self {
        Self { window, role, ..Self::default() }
    }

    /// Takes one line of a log; `None` is one that was too long. The record comes back if it counts.
    pub fn line(&mut self, line: Option<&[u8]>) -> Option<RecordLine> {
        match line.map(RecordLine::parse) {
            Some(Ok(record)) => self.record(&record).then_some(record),
            Some(Err(error)) => {
                self.skipped.note(error);
                None
            }
            None => {
                self.skipped.malformed += 1;
                None
            }
        }
    }

    /// Takes one record; whether it is in the window.
    pub fn record(&mut self, record: &RecordLine) -> bool {
        if !self.window.has(record) {
            return false;
        }
        self.records += 1;
        let (fate, operation) = match history::fate(record) {
            Ok(found) => found,
            Err(aside) => {
                *self.aside.entry(aside).or_default() += 1;
                return true;
            }
        };
        let Some(principal) = &record.principal else { return true };
        let Some(scheme) = history::scheme(principal) else {
            *self.aside.entry(Aside::Unfamiliar).or_default() += 1;
            return true;
        };
        let caller = self.role.as_ref().map_or_else(|| record.caller(), |role| format!("role:{role}"));
        if !self.callers.contains_key(&caller) {
            if self.callers.len() >= CALLERS_MAX {
                self.more += 1;
                return true;
            }
            let subject = match &self.role {
                Some(role) => Subject::Role(role.clone()),
                None => Subject::Caller { scheme, name: principal.name.clone() },
            };
            self.callers.insert(caller.clone(), Use::new(subject, record));
        }
        if let Some(used) = self.callers.get_mut(&caller) {
            match fate {
                Fate::LetThrough => used.note(record, operation),
                Fate::Denied => used.denied += 1,
            }
        }
        true
    }

    /// What was learned, by caller; callers that were let through with nothing are left out.
    pub fn learned(&self) -> Vec<Learned<'_>> {
        let mut taken = BTreeSet::new();
        self.callers
            .iter()
            .filter(|(_, used)| !used.operations.is_empty())
            .map(|(caller, used)| Learned {
                caller,
                slug: slug(caller, &mut taken),
                subject: used.subject.clone(),
                used,
            })
            .collect()
    }

    /// All callers that were seen.
    pub fn callers(&self) -> &BTreeMap<String, Use> {
        &self.callers
    }
}

/// A caller's name as a file may be called and as an id may hold it; each is given once.
fn slug(caller: &str, taken: &mut BTreeSet<String>) -> String {
    const LENGTH_MAX: usize = 48;
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | '-') { character } else { '-' }
    };
    let stem: String = caller.chars().take(LENGTH_MAX).map(plain).collect();
    let mut slug = stem.clone();
    let mut number = 1;
    while !taken.insert(slug.to_ascii_lowercase()) {
        number += 1;
        slug = format!("{stem}-{number}");
    }
    slug
}

#[cfg(test)]
mod tests;

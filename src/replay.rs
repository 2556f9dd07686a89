//! Recorded requests decided again under other policies: `irongate policy replay`.
//!
//! Lines come one at a time and none is kept. Records that agree in all that the policies read about their operation are
//! decided once; how many such decisions are remembered is bounded, and so is what is told in the end.

mod key;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use crate::audit::read::RecordLine;
use crate::history::{self, Aside, Fate, Skipped};
use crate::policy::{PastDecision, PastEngine, PastRequest, PolicyFinding, PolicySource};
use crate::rejection::DEFAULT_DENY;

/// Decisions that are remembered.
const DECISIONS_MAX: usize = 65_536;
/// Groups of changes, and of requests that cannot be decided, that are told apart; more are counted together.
pub const GROUPS_MAX: usize = 10_000;

/// Policies, and what they would have changed so far.
#[derive(Debug)]
pub struct Replay {
    engine: PastEngine,
    decisions: HashMap<Box<[u8]>, Decided>,
    key: Vec<u8>,
    tally: Tally,
}

/// What a replay found.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Records that were read.
    pub records: u64,
    /// Requests that were decided again.
    pub decided: u64,
    /// Of these, decided as they were then.
    pub unchanged: u64,
    /// Let through then, denied now.
    pub new_denials: u64,
    /// Denied then, permitted now.
    pub new_permits: u64,
    /// Requests whose decision hangs on what their record does not hold.
    pub incomplete: u64,
    /// The changes, new denials first.
    #[serde(serialize_with = "changes")]
    pub changes: BTreeMap<ChangeKey, Seen>,
    /// The requests that could not be decided, by what is missing.
    #[serde(serialize_with = "missing")]
    pub missing: BTreeMap<MissingKey, Seen>,
    /// Requests of groups beyond [`GROUPS_MAX`].
    pub more: u64,
    /// Records that say nothing about rights.
    #[serde(skip)]
    pub aside: BTreeMap<Aside, u64>,
    /// Lines that are no records.
    #[serde(skip)]
    pub skipped: Skipped,
}

/// How a decision changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was let through.
    NewDenial,
    /// It was denied.
    NewPermit,
}

/// What changes are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ChangeKey {
    /// Which way.
    pub change: Change,
    /// `scheme:name`, or `anonymous`.
    pub caller: String,
    /// The operation.
    pub operation: String,
    /// The policies that decide now; `default-deny` where none permits.
    pub rules: String,
    /// The written place that is denied; empty: the request as a whole.
    pub path: String,
    /// The kind of denial; empty for a permit.
    pub reason: &'static str,
}

/// What undecided requests are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MissingKey {
    /// `scheme:name`, or `anonymous`.
    pub caller: String,
    /// The operation.
    pub operation: String,
    /// The policies that read what is missing.
    pub rules: String,
    /// What is missing, in the words of policies.
    pub missing: String,
}

/// How often and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Requests.
    pub count: u64,
    /// The earliest.
    pub first: jiff::Timestamp,
    /// The latest.
    pub last: jiff::Timestamp,
    /// The id of one of them.
    pub request_id: String,
}

/// A decision, in the words that are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// Permitted, by these.
    Permit {
        /// The policies' ids, joined.
        rules: Arc<str>,
    },
    /// Denied.
    Deny {
        /// The policies' ids, joined, or `default-deny`.
        rules: Arc<str>,
        /// The kind of denial.
        reason: &'static str,
        /// The denied write's path; empty: the request as a whole.
        path: Arc<str>,
    },
    /// Not known.
    Unknown {
        /// The policies' ids, joined.
        rules: Arc<str>,
        /// What is missing.
        missing: Arc<str>,
    },
}

impl Replay {
    /// Compiles the policies. With `shadow`, policies in mode `shadow` count as enforced.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(sources: &[PolicySource], shadow: bool) -> Result<Self, Vec<PolicyFinding>> {
        let engine = PastEngine::load(sources, shadow)?;
        Ok(Self { engine, decisions: HashMap::new(), key: Vec::new(), tally: Tally::default() })
    }

    /// Takes one line of a log; `None` is one that was too long.
    pub fn line(&mut self, line: Option<&[u8]>) {
        match line.map(RecordLine::parse) {
            Some(Ok(record)) => self.record(&record),
            Some(Err(error)) => self.tally.skipped.note(error),
            None => self.tally.skipped.malformed += 1,
        }
    }

    /// Takes one record.
    pub fn record(&mut self, record: &RecordLine) {
        self.tally.records += 1;
        let (fate, decided) = match self.decide(record) {
            Ok(decided) => decided,
            Err(aside) => {
                *self.tally.aside.entry(aside).or_default() += 1;
                return;
            }
        };
        self.tally.note(record, fate, decided);
    }

    /// What the policies say of the request, and what became of it then.
    ///
    /// # Errors
    /// Why the record says nothing about rights.
    pub fn decide(&mut self, record: &RecordLine) -> Result<(Fate, Decided), Aside> {
        let (fate, operation) = history::fate(record)?;
        self.key.clear();
        key::write(&mut self.key, record, fate, self.engine.reads(operation));
        if let Some(decided) = self.decisions.get(self.key.as_slice()) {
            return Ok((fate, decided.clone()));
        }
        let request = history::past(record, fate, operation)?;
        let decided = self.ask(&request);
        if self.decisions.len() >= DECISIONS_MAX {
            self.decisions.clear();
        }
        self.decisions.insert(self.key.as_slice().into(), decided.clone());
        Ok((fate, decided))
    }

    /// What the policies say of a request, asked without memory.
    pub fn ask(&mut self, request: &PastRequest) -> Decided {
        match self.engine.decide(request) {
            PastDecision::Permit(policies) => Decided::Permit { rules: joined(&policies, "") },
            PastDecision::Deny { reason, policies, write } => {
                let write = write.and_then(|index| request.writes.get(index));
                let path = write.map_or("", |write| if write.path.is_empty() { "(the body)" } else { &write.path });
                Decided::Deny { rules: joined(&policies, DEFAULT_DENY), reason: reason.as_str(), path: path.into() }
            }
            PastDecision::Unknown { policies, missing } => {
                Decided::Unknown { rules: joined(&policies, ""), missing: missing.join(", ").into() }
            }
        }
    }

    /// The ids of the policies that are asked.
    pub fn policies(&self) -> impl Iterator<Item = &Arc<str>> {
        self.engine.policies()
    }

    /// What was found so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Tally {
    /// Whether nothing would be decided otherwise.
    pub const fn is_unchanged(&self) -> bool {
        self.new_denials == 0 && self.new_permits == 0
    }

    fn note(&mut self, record: &RecordLine, fate: Fate, decided: Decided) {
        let (change, rules, path, reason) = match (fate, decided) {
            (_, Decided::Unknown { rules, missing }) => {
                self.incomplete += 1;
                let key = MissingKey {
                    caller: record.caller(),
                    operation: record.operation.clone().unwrap_or_default(),
                    rules: rules.to_string(),
                    missing: missing.to_string(),
                };
                self.more += u64::from(!count(&mut self.missing, key, record));
                return;
            }
            (Fate::LetThrough, Decided::Deny { rules, reason, path }) => (Change::NewDenial, rules, path, reason),
            (Fate::Denied, Decided::Permit { rules }) => (Change::NewPermit, rules, Arc::from(""), ""),
            (Fate::LetThrough, Decided::Permit { .. }) | (Fate::Denied, Decided::Deny { .. }) => {
                self.decided += 1;
                self.unchanged += 1;
                return;
            }
        };
        self.decided += 1;
        match change {
            Change::NewDenial => self.new_denials += 1,
            Change::NewPermit => self.new_permits += 1,
        }
        let key = ChangeKey {
            change,
            caller: record.caller(),
            operation: record.operation.clone().unwrap_or_default(),
            rules: rules.to_string(),
            path: path.to_string(),
            reason,
        };
        self.more += u64::from(!count(&mut self.changes, key, record));
    }
}

/// Counts a record in its group; `false` if there are too many groups for another.
pub(crate) fn count<K: Ord>(groups: &mut BTreeMap<K, Seen>, key: K, record: &RecordLine) -> bool {
    if let Some(seen) = groups.get_mut(&key) {
        seen.note(record.time);
        return true;
    }
    if groups.len() >= GROUPS_MAX {
        return false;
    }
    groups.insert(key, Seen::once(record));
    true
}

impl Seen {
    /// One request.
    pub fn once(record: &RecordLine) -> Self {
        Self { count: 1, first: record.time, last: record.time, request_id: record.request_id.clone() }
    }

    /// One more.
    pub fn note(&mut self, time: jiff::Timestamp) {
        self.count += 1;
        self.first = self.first.min(time);
        self.last = self.last.max(time);
    }
}

fn joined(policies: &[Arc<str>], none: &str) -> Arc<str> {
    if policies.is_empty() { none.into() } else { policies.join(", ").into() }
}

#[derive(Serialize)]
struct Group<'a, K> {
    #[serde(flatten)]
    key: &'a K,
    #[serde(flatten)]
    seen: &'a Seen,
}

fn groups<K: Serialize, S: serde::Serializer>(groups: &BTreeMap<K, Seen>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(groups.iter().map(|(key, seen)| Group { key, seen }))
}

fn changes<S: serde::Serializer>(map: &BTreeMap<ChangeKey, Seen>, serializer: S) -> Result<S::Ok, S::Error> {
    groups(map, serializer)
}

fn missing<S: serde::Serializer>(map: &BTreeMap<MissingKey, Seen>, serializer: S) -> Result<S::Ok, S::Error> {
    groups(map, serializer)
}

#[cfg(test)]
mod tests;

//! What one caller did.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use super::places::{Place, keys_max};
use crate::audit::read::{QueryValue, RecordLine, WriteLine};
use crate::catalog::Operation;
use crate::history;
use crate::replay::Seen;

/// Words of one place that are named one by one; a place with more takes any.
const WORDS_MAX: usize = 16;
/// Requests of one operation that are kept to make cases of.
const SAMPLES_MAX: usize = 6;
/// Shapes of requests, and steps' arguments, that are told apart.
const SHAPES_MAX: usize = 256;

/// What one caller did.
#[derive(Debug)]
pub struct Use {
    /// For whom a policy is written.
    pub subject: Subject,
    /// Its irongate roles.
    pub roles: BTreeSet<String>,
    /// What people call it, where that is not its name: a Keystone user's name and domain.
    pub known_as: Option<String>,
    /// Requests that were let through.
    pub calls: u64,
    /// Requests that a policy denied: they are no use.
    pub denied: u64,
    /// Of those let through, the ones that a policy in dry-run would have denied.
    pub would_deny: u64,
    /// By operation.
    pub(super) operations: BTreeMap<&'static str, OperationUse>,
}

/// What one caller did with one operation.
#[derive(Debug)]
pub(super) struct OperationUse {
    pub(super) operation: &'static Operation,
    pub(super) seen: Seen,
    /// Calls that Ironic answered with an error.
    pub(super) failed: u64,
    /// The query parameters.
    pub(super) query_names: BTreeSet<String>,
    pub(super) fields: FieldsUse,
    pub(super) places: BTreeMap<PlaceKey, PlaceUse>,
    /// Maps whose keys are not named any more.
    collapsed: BTreeSet<String>,
    pub(super) samples: Vec<RecordLine>,
    shapes: BTreeSet<Vec<String>>,
    /// Whether some record did not hold all its writes.
    pub(super) cut: bool,
}

/// How the query parameter `fields` was used.
#[derive(Debug, Default)]
pub(super) struct FieldsUse {
    /// Calls without it.
    pub(super) without: bool,
    /// Calls with a list that was not recorded.
    pub(super) unknown: bool,
    /// Every field that was asked for.
    pub(super) names: BTreeSet<String>,
}

/// A place, and the step that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlaceKey {
    pub(super) place: Place,
    pub(super) step: Option<String>,
}

#[derive(Debug)]
pub(super) struct PlaceUse {
    pub(super) ops: BTreeMap<String, u64>,
    pub(super) seen: Seen,
    /// The words that were written; `None` once something else was.
    pub(super) words: Option<BTreeSet<String>>,
    /// The arguments of the step that were written; `None` once there were too many.
    pub(super) arguments: Option<BTreeSet<String>>,
}

impl Use {
    pub(super) fn new(subject: Subject, record: &RecordLine) -> Self {
        let keystone = record.principal.as_ref().and_then(|principal| principal.keystone.as_ref());
        Self {
            subject,
            roles: BTreeSet::new(),
            known_as: keystone.map(|facts| format!("{}@{}", facts.user, facts.user_domain)),
            calls: 0,
            denied: 0,
            would_deny: 0,
            operations: BTreeMap::new(),
        }
    }

    /// Notes a request that was let through.
    pub(super) fn note(&mut self, record: &RecordLine, operation: &'static Operation) {
        self.calls += 1;
        self.would_deny += u64::from(record.would_be.as_ref().is_some_and(|would_be| would_be.decision == "deny"));
        if let Some(principal) = &record.principal {
            self.roles.extend(principal.roles.iter().take(SHAPES_MAX).cloned());
        }
        match self.operations.get_mut(operation.id.as_str()) {
            Some(used) => {
                used.seen.note(record.time);
                used.note(record);
            }
            None => {
                let mut used = OperationUse::new(record, operation);
                used.note(record);
                self.operations.insert(&operation.id, used);
            }
        }
    }

    /// The operations that were used, with how often.
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &Seen)> {
        self.operations.iter().map(|(id, used)| (*id, &used.seen))
    }

    /// The first and the last call.
    pub fn span(&self) -> Option<(jiff::Timestamp, jiff::Timestamp)> {
        let first = self.operations.values().map(|used| used.seen.first).min()?;
        let last = self.operations.values().map(|used| used.seen.last).max()?;
        Some((first, last))
    }
}

impl OperationUse {
    fn new(record: &RecordLine, operation: &'static Operation) -> Self {
        Self {
            operation,
            seen: Seen::once(record),
            failed: 0,
            query_names: BTreeSet::new(),
            fields: FieldsUse::default(),
            places: BTreeMap::new(),
            collapsed: BTreeSet::new(),
            samples: Vec::new(),
            shapes: BTreeSet::new(),
            cut: false,
        }
    }

    fn note(&mut self, record: &RecordLine) {
        self.failed += u64::from(record.upstream_status.is_some_and(|status| status >= 400));
        self.query_names.extend(record.query.iter().cloned());
        match (record.query.iter().any(|name| name == "fields"), record.query_values.get("fields")) {
            (false, _) => self.fields.without = true,
            (true, Some(QueryValue::List(names))) => self.fields.names.extend(names.iter().cloned()),
            (true, Some(QueryValue::Text(name))) => drop(self.fields.names.insert(name.clone())),
            (true, None) => self.fields.unknown = true,
        }
        self.cut |= record.writes_more > 0 || record.writes.iter().any(|write| write.cut);
        for write in record.writes.iter().filter(|write| !write.cut) {
            self.note_write(write, record);
        }
        if self.shapes.len() < SHAPES_MAX && self.shapes.insert(shape(record)) && self.samples.len() < SAMPLES_MAX {
            self.samples.push(record.clone());
        }
    }

    fn note_write(&mut self, write: &WriteLine, record: &RecordLine) {
        let mut place = Place::of(&write.path);
        if let Some(map) = place.map().filter(|map| self.collapsed.contains(*map)) {
            place = Place::Below(map.to_owned());
        }
        let key = PlaceKey { place, step: write.step.clone() };
        let map = key.place.map().map(str::to_owned);
        let is_new = !self.places.contains_key(&key);
        match self.places.get_mut(&key) {
            Some(used) => used.seen.note(record.time),
            None => drop(self.places.insert(key.clone(), PlaceUse::new(record))),
        }
        if let Some(used) = self.places.get_mut(&key) {
            used.note(write, matches!(key.place, Place::At(_)));
        }
        if let Some(map) = map.filter(|_| is_new) {
            let keys = self.places.keys().filter(|known| known.place.map() == Some(&map)).count();
            if keys > keys_max(&map) {
                self.collapse(map);
            }
        }
    }

    /// From now on the keys of this map are not named.
    fn collapse(&mut self, map: String) {
        let (within, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.places).into_iter().partition(|(key, _)| key.place.map() == Some(&map));
        self.places = others;
        for (key, used) in within {
            let key = PlaceKey { place: Place::Below(map.clone()), step: key.step };
            match self.places.get_mut(&key) {
                Some(all) => all.absorb(used),
                None => drop(self.places.insert(key, PlaceUse { words: None, ..used })),
            }
        }
        self.collapsed.insert(map);
    }
}

impl PlaceUse {
    fn new(record: &RecordLine) -> Self {
        let mut seen = Seen::once(record);
        seen.count = 1;
        Self { ops: BTreeMap::new(), seen, words: Some(BTreeSet::new()), arguments: Some(BTreeSet::new()) }
    }

    fn note(&mut self, write: &WriteLine, exact: bool) {
        *self.ops.entry(write.op.clone()).or_default() += 1;
        let word = write.value.as_ref().and_then(|value| value.string.as_ref()).filter(|_| exact && !write.secret);
        match (&mut self.words, word) {
            (Some(words), Some(word)) if words.len() < WORDS_MAX || words.contains(word) => {
                words.insert(word.clone());
            }
            _ => self.words = None,
        }
        if let (Some(arguments), Some(argument)) = (&mut self.arguments, &write.argument) {
            arguments.insert(argument.clone());
            if arguments.len() > SHAPES_MAX {
                self.arguments = None;
            }
        }
    }

    fn absorb(&mut self, other: Self) {
        for (op, count) in other.ops {
            *self.ops.entry(op).or_default() += count;
        }
        self.seen.count += other.seen.count;
        self.seen.first = self.seen.first.min(other.seen.first);
        self.seen.last = self.seen.last.max(other.seen.last);
        self.words = None;
        match (&mut self.arguments, other.arguments) {
            (Some(all), Some(more)) => all.extend(more),
            (arguments, _) => *arguments = None,
        }
    }
}

/// What makes two requests of an operation alike.
fn shape(record: &RecordLine) -> Vec<String> {
    let mut shape: Vec<String> = record.query.iter().map(|name| format!("?{name}")).collect();
    shape.extend(record.query_values.get("fields").map(history::text));
    shape.extend(record.writes.iter().map(|write| {
        let word = write.value.as_ref().and_then(|value| value.string.as_deref()).unwrap_or_default();
        let step = write.step.as_deref().unwrap_or_default();
        format!("{} {} {step} {word}", write.op, Place::of(&write.path).text())
    }));
    shape.sort();
    shape.dedup();
    shape
}

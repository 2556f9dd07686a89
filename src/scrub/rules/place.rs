//! Exact places: JSON Pointers with `*` for any one segment.
//!
//! Sets of places are bit sets: at depth *d* bit *p* says that the first *d* segments of pattern *p* match.

use super::treatment::SecretTreatment;

/// The most patterns of one set.
pub(in crate::scrub) const PLACES_MAX: usize = 64;

/// What happens at a place. Where several fit, the one of the lowest rank does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrub) struct Action {
    pub(in crate::scrub) rank: u8,
    pub(in crate::scrub) what: What,
}

/// What becomes of the value at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrub) enum What {
    /// It passes as it is, with all that is below but for places of a lower rank.
    Pass,
    /// It is a secret, and this becomes of it.
    Treat(SecretTreatment),
    /// It is a secret as any other.
    Secret,
}

impl Action {
    /// What nothing changes.
    pub(in crate::scrub) const PASS: Self = Self { rank: 0, what: What::Pass };
    /// What anything changes.
    pub(in crate::scrub) const SECRET: Self = Self { rank: u8::MAX, what: What::Secret };

    /// Of the entry for a role with this number; the first entry counts.
    pub(in crate::scrub) fn of_role(number: usize, treatment: SecretTreatment) -> Self {
        let what = if treatment == SecretTreatment::Keep { What::Pass } else { What::Treat(treatment) };
        Self { rank: u8::try_from(number + 1).unwrap_or(u8::MAX), what }
    }

    /// The one that counts.
    #[inline]
    pub(in crate::scrub) fn first(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(if other.rank < one.rank { other } else { one }),
            (one, other) => one.or(other),
        }
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    segments: Vec<Segment>,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Any,
    Key(String),
}

/// One step of the way to a value.
#[derive(Debug, Clone, Copy)]
pub(in crate::scrub) enum Step<'a> {
    Key(&'a [u8]),
    Index(u32),
}

/// Places below one root.
#[derive(Debug, Clone, Default)]
pub(in crate::scrub) struct Places {
    patterns: Vec<Pattern>,
    /// For each depth the keys that are looked for, as [`key_bit`]s.
    watched: Vec<u64>,
}

/// A key as one bit of a set: its length and its ends without case. Keys that are no more alike may have the same.
#[inline]
pub(in crate::scrub) const fn key_bit(key: &[u8]) -> u64 {
    match (key.first(), key.last()) {
        (Some(first), Some(last)) => {
            1 << (((*first | 0x20) as usize * 5 + (*last | 0x20) as usize * 11 + key.len()) % 64)
        }
        _ => 1,
    }
}

/// Why a text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scrub) enum PlaceError {
    /// It does not begin with a slash, or has an empty segment.
    NotAPointer,
    /// There is no room for another.
    TooMany,
}

impl Places {
    /// Adds a place.
    pub(in crate::scrub) fn add(&mut self, pointer: &str, action: Action) -> Result<(), PlaceError> {
        let rest = pointer.strip_prefix('/').ok_or(PlaceError::NotAPointer)?;
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            match segment {
                "" => return Err(PlaceError::NotAPointer),
                "*" => segments.push(Segment::Any),
                key => segments.push(Segment::Key(key.replace("~1", "/").replace("~0", "~"))),
            }
        }
        if self.patterns.len() >= PLACES_MAX {
            return Err(PlaceError::TooMany);
        }
        self.watched.resize(self.watched.len().max(segments.len()), 0);
        for (watched, segment) in self.watched.iter_mut().zip(&segments) {
            *watched |= match segment {
                Segment::Any => u64::MAX,
                Segment::Key(key) => key_bit(key.as_bytes()),
            };
        }
        self.patterns.push(Pattern { segments, action });
        Ok(())
    }

    /// The set at the root.
    pub(in crate::scrub) const fn begin(&self) -> u64 {
        match self.patterns.len() {
            0 => 0,
            count => u64::MAX >> (PLACES_MAX - count),
        }
    }

    /// The keys that are looked for at `depth` below the root, as [`key_bit`]s.
    pub(in crate::scrub) fn watched(&self, depth: usize) -> u64 {
        self.watched.get(depth).copied().unwrap_or(0)
    }

    /// One step down: from the set at `depth` below the root to the next set, and what happens at the value.
    pub(in crate::scrub) fn step(&self, set: u64, depth: usize, step: Step<'_>) -> (u64, Option<Action>) {
        let mut next = 0;
        let mut action = None;
        // Most keys are not even like one that is looked for.
        if let Step::Key(key) = step
            && self.watched(depth) & key_bit(key) == 0
        {
            return (0, None);
        }
        for (bit, pattern) in self.patterns.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0) {
            let matches = match (pattern.segments.get(depth), step) {
                (None, _) => false,
                (Some(Segment::Any), _) => true,
                // What passes is compared exactly, what is masked without case.
                (Some(Segment::Key(known)), Step::Key(key)) => {
                    known.as_bytes() == key
                        || (pattern.action.what != What::Pass && known.as_bytes().eq_ignore_ascii_case(key))
                }
                (Some(Segment::Key(known)), Step::Index(index)) => known.parse() == Ok(index),
            };
            if matches && pattern.segments.len() == depth + 1 {
                action = Action::first(action, Some(pattern.action));
            } else if matches {
                next |= 1 << bit;
            }
        }
        (next, action)
    }
}

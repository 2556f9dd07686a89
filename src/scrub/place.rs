//! Exact places: JSON Pointers with `*` for any one segment.
//!
//! Sets of places are bit sets: at depth *d* bit *p* says that the first *d* segments of pattern *p* match. A pattern
//! begins at the answer's root, or at the root of a resource (see [`Start`]).

/// The most patterns of one operation: those of the catalogue and of the operator together.
pub(super) const PLACES_MAX: usize = 128;

/// Where a pattern begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At the answer's root.
    Root,
    /// At the root of a resource inside the answer: an item of a list (`/nodes/0`, `/0`), or `/node` in a lookup.
    Resource,
}

/// What happens at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The value is a secret.
    Mask,
    /// The value passes as it is, with all that is below.
    Pass,
}

#[derive(Debug, Clone)]
struct Pattern {
    segments: Vec<Segment>,
    start: Start,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Any,
    Key(String),
}

/// One step of the way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a [u8]),
    Index(u32),
}

/// The places of one operation.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    patterns: Vec<Pattern>,
    /// For each depth the lengths of the keys that are looked for, as bits; the highest stands for all longer ones.
    lengths: Vec<u64>,
}

/// A key's length as a bit.
const fn length_bit(length: usize) -> u64 {
    1 << if length < 63 { length } else { 63 }
}

/// Why a text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceError {
    /// It does not begin with a slash, or has an empty segment.
    NotAPointer,
    /// There is no room for another.
    TooMany,
}

impl Places {
    /// Adds a place.
    pub(super) fn add(&mut self, pointer: &str, start: Start, action: Action) -> Result<(), PlaceError> {
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
        self.lengths.resize(self.lengths.len().max(segments.len()), 0);
        for (lengths, segment) in self.lengths.iter_mut().zip(&segments) {
            *lengths |= match segment {
                Segment::Any => u64::MAX,
                Segment::Key(key) => length_bit(key.len()),
            };
        }
        self.patterns.push(Pattern { segments, start, action });
        Ok(())
    }

    /// The set at a root.
    pub(super) fn begin(&self, start: Start) -> u128 {
        self.patterns
            .iter()
            .enumerate()
            .filter(|(_, pattern)| pattern.start == start)
            .fold(0, |set, (bit, _)| set | 1 << bit)
    }

    /// One step down: from the set at `depth` below the root to the next set, and what happens at the value.
    pub(super) fn step(&self, set: u128, depth: usize, step: Step<'_>) -> (u128, Option<Action>) {
        let mut next = 0;
        let mut action = None;
        // Most keys are not even as long as one that is looked for.
        if let Step::Key(key) = step
            && self.lengths.get(depth).is_none_or(|lengths| lengths & length_bit(key.len()) == 0)
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
                        || (pattern.action == Action::Mask && known.as_bytes().eq_ignore_ascii_case(key))
                }
                (Some(Segment::Key(known)), Step::Index(index)) => known.parse() == Ok(index),
            };
            if matches && pattern.segments.len() == depth + 1 {
                if action != Some(Action::Pass) {
                    action = Some(pattern.action);
                }
            } else if matches {
                next |= 1 << bit;
            }
        }
        (next, action)
    }
}

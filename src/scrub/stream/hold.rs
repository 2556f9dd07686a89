//! Values that come before the name that says what they are: `{"value": "x", "name": "AdminPassword"}`.
//!
//! Such a value and what follows it is held back until the object calls it a secret or ends; an object may have several
//! names. What is held is bounded: when the bound is reached before any name came, the value is taken for a secret.

use super::frame::Named;
use super::{Input, Scrubber};
use crate::scrub::names::key::KeyClass;
use crate::scrub::{HELD_BYTES_MAX, QUOTED_MASK};

/// What is held back, and the values in it that wait for their names.
#[derive(Default)]
pub(super) struct Holds {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
}

/// A value that waits for its name.
#[derive(Clone, Copy)]
struct Waiting {
    /// The depth of the object that it belongs to.
    depth: usize,
    waits: For,
    /// Where in the held bytes it begins, and ends if it is over.
    start: usize,
    end: Option<usize>,
}

/// What makes a value that waits a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// A name beside it.
    Name,
    /// A name beside it, or a reference.
    Reference,
    /// Arguments beside it.
    Arguments,
}

impl Holds {
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        self.bytes.capacity() + self.waiting.capacity() * size_of::<Waiting>()
    }

    /// Where output goes now.
    #[inline]
    pub(super) const fn sink<'o>(&'o mut self, out: &'o mut Vec<u8>) -> &'o mut Vec<u8> {
        if self.waiting.is_empty() { out } else { &mut self.bytes }
    }

    /// The object at `depth` has called its values secrets. Returns how many were masked.
    fn mask_named(&mut self, depth: usize, out: &mut Vec<u8>) -> u64 {
        let masked = self.mask_all(depth, |waits| waits != For::Arguments);
        let first = self.below(depth);
        let mut kept = first;
        for index in first..self.waiting.len() {
            if self.waiting.get(index).is_some_and(|held| held.waits == For::Arguments) {
                self.waiting.swap(kept, index);
                kept += 1;
            }
        }
        self.waiting.truncate(kept);
        self.release_all(out);
        masked
    }

    /// The object at `depth` ends: nothing in it waits any more.
    fn let_go(&mut self, depth: usize, out: &mut Vec<u8>) {
        self.waiting.truncate(self.below(depth));
        self.release_all(out);
    }

    fn release_all(&mut self, out: &mut Vec<u8>) {
        if self.waiting.is_empty() {
            self.release(out);
        }
    }

    /// How many wait in objects above `depth`. They are the first: what waits in an object goes with its end.
    fn below(&self, depth: usize) -> usize {
        self.waiting.iter().rposition(|held| held.depth < depth).map_or(0, |last| last + 1)
    }

    /// Masks what the arguments of the object at `depth` are repeated with.
    pub(super) fn mask_loops(&mut self, depth: usize) -> u64 {
        self.mask_all(depth, |waits| waits == For::Arguments)
    }

    /// Masks the value that was read last, if it waits.
    fn mask_last(&mut self, depth: usize) -> u64 {
        let last = self.waiting.len().checked_sub(1);
        last.map_or(0, |last| u64::from(self.mask(last, depth, |_| true)))
    }

    fn mask_all(&mut self, depth: usize, which: impl Fn(For) -> bool) -> u64 {
        (self.below(depth)..self.waiting.len()).map(|index| u64::from(self.mask(index, depth, &which))).sum()
    }

    fn mask(&mut self, index: usize, depth: usize, which: impl Fn(For) -> bool) -> bool {
        let Some(Waiting { start, end: Some(end), .. }) =
            self.waiting.get(index).copied().filter(|held| held.depth == depth && which(held.waits))
        else {
            return false;
        };
        if unmaskable(self.bytes.get(start..end).unwrap_or_default()) {
            return false;
        }
        self.bytes.splice(start..end, QUOTED_MASK.iter().copied());
        let moved = |at: usize| at - end + start + QUOTED_MASK.len();
        for held in self.waiting.iter_mut().skip(index) {
            held.start = if held.start < end { held.start } else { moved(held.start) };
            held.end = held.end.map(moved);
        }
        true
    }

    /// Gives out all that is held.
    pub(super) fn release(&mut self, out: &mut Vec<u8>) {
        self.waiting.clear();
        out.append(&mut self.bytes);
    }
}

/// A value that stays as it is although its name is a secret's.
fn unmaskable(value: &[u8]) -> bool {
    value == b"\"\"" || value == QUOTED_MASK
}

impl Scrubber {
    /// Holds the value that begins here.
    pub(super) fn hold(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let depth = self.frames.len();
        let class = self.member.class;
        let waits = if class.has(KeyClass::LOOP) {
            For::Arguments
        } else if class.has(KeyClass::COMPARED) {
            For::Reference
        } else {
            For::Name
        };
        if self.frames.last().is_some_and(|frame| frame.object) {
            self.flush(input, input.at, out);
            let start = self.holds.bytes.len();
            self.holds.waiting.push(Waiting { depth, waits, start, end: None });
        }
    }

    /// A value is over while others are on hold, or it is itself.
    pub(super) fn held_value_ended(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        self.bound(input, out);
        if self.holds_value() {
            self.flush(input, input.at, out);
            let end = self.holds.bytes.len();
            if let Some(last) = self.holds.waiting.last_mut() {
                last.end = Some(end);
            }
            if self.frames.last().is_some_and(|frame| frame.looped) {
                // What is below it says so.
                self.report.masked += self.holds.mask_loops(self.frames.len());
            }
        }
    }

    /// A value of the object at hand refers to a secret.
    pub(super) fn refers(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.refers = true;
        }
        self.report.masked += self.holds.mask_all(self.frames.len(), |waits| waits == For::Reference);
        self.secret_argument();
    }

    /// Whether the value of the member at hand is on hold, and not over.
    pub(super) fn holds_value(&self) -> bool {
        let depth = self.frames.len();
        self.holds.waiting.last().is_some_and(|last| last.end.is_none() && last.depth == depth)
    }

    /// The list that was just read, and is on hold, has named a secret after its first element: nobody knows which of them
    /// it is.
    pub(super) fn named_late(&mut self) {
        self.report.masked += self.holds.mask_last(self.frames.len());
    }

    /// Keeps what is held within its bound.
    #[inline]
    pub(super) fn bound(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        if self.crowded(input.at.saturating_sub(input.from)) && self.overflow(out) {
            // What is read but not given out belongs to the value that was just masked.
            input.from = input.at;
        }
    }

    /// Whether `more` bytes are too many to hold.
    pub(super) const fn crowded(&self, more: usize) -> bool {
        !self.holds.waiting.is_empty() && self.holds.bytes.len() + more > HELD_BYTES_MAX
    }

    /// Masks every value that waits and has no name at all, and gives out the rest. If one of them is still being read,
    /// what is left of it is dropped; that is what the answer says.
    pub(super) fn overflow(&mut self, out: &mut Vec<u8>) -> bool {
        let bytes = std::mem::take(&mut self.holds.bytes);
        let waiting = std::mem::take(&mut self.holds.waiting);
        let mut from = 0;
        for held in &waiting {
            let frame = held.depth.checked_sub(1).and_then(|index| self.frames.get(index));
            if held.waits != For::Arguments && frame.is_some_and(|frame| frame.named == Named::Plain) {
                continue;
            }
            out.extend_from_slice(bytes.get(from..held.start).unwrap_or_default());
            out.extend_from_slice(QUOTED_MASK);
            self.report.masked += 1;
            match held.end {
                Some(end) => from = end,
                None => {
                    self.dropping = Some(held.depth + 1);
                    return true;
                }
            }
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        false
    }

    /// The object at hand ends, and with it the wait of its values for a name: they are no secrets, but where a setting
    /// has lost its name.
    #[inline]
    pub(super) fn object_ends(&mut self, out: &mut Vec<u8>) {
        if self.holds.is_empty() {
            return;
        }
        let settings = self.plan.as_ref().is_some_and(|plan| plan.settings);
        let nameless = settings && self.frames.last().is_some_and(|frame| frame.object && frame.named == Named::Not);
        let depth = self.frames.len();
        if nameless {
            self.report.masked += self.holds.mask_all(depth, |waits| waits != For::Arguments);
        }
        self.holds.let_go(depth, out);
    }

    /// The object at hand has named its values.
    pub(super) fn named(&mut self, secret: bool, out: &mut Vec<u8>) {
        let depth = self.frames.len();
        if let Some(frame) = self.frames.last_mut()
            && (secret || frame.named == Named::Not)
        {
            frame.named = if secret { Named::Secret } else { Named::Plain };
        }
        if secret {
            self.report.masked += self.holds.mask_named(depth, out);
            self.secret_argument();
        }
    }
}

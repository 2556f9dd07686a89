//! Values that come before the name that says what they are: `{"value": "x", "name": "AdminPassword"}`.
//!
//! Such a value and what follows it is held back until the object calls it a secret or ends; an object may have several
//! names. What is held is bounded: when the bound is reached before any name came, the value is taken for a secret.

use super::frame::Named;
use super::key::KeyClass;
use super::stream::{Input, Scrubber};
use super::{HELD_BYTES_MAX, QUOTED_MASK};

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
    /// A reference beside it may make it a secret.
    compared: bool,
    /// Where in the held bytes it begins, and ends if it is over.
    start: usize,
    end: Option<usize>,
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

    /// The object at `depth` has named its values or ended. Returns how many were masked.
    #[inline]
    pub(super) fn resolve(&mut self, depth: usize, secret: bool, out: &mut Vec<u8>) -> u64 {
        if self.waiting.is_empty() { 0 } else { self.settle(depth, secret, out) }
    }

    fn settle(&mut self, depth: usize, secret: bool, out: &mut Vec<u8>) -> u64 {
        let mut masked = 0;
        while let Some(last) = self.waiting.pop_if(|last| last.depth >= depth) {
            if let Some(end) = last.end
                && secret
                && !unmaskable(self.bytes.get(last.start..end).unwrap_or_default())
            {
                self.bytes.splice(last.start..end, QUOTED_MASK.iter().copied());
                masked += 1;
            }
        }
        if self.waiting.is_empty() {
            self.release(out);
        }
        masked
    }

    /// Masks those values of the object at `depth` that a reference beside them makes secrets.
    fn mask_compared(&mut self, depth: usize) -> u64 {
        (0..self.waiting.len()).map(|index| u64::from(self.mask(index, depth, true))).sum()
    }

    /// Masks the value that was read last, if it waits.
    fn mask_last(&mut self, depth: usize) -> u64 {
        let last = self.waiting.len().checked_sub(1);
        last.map_or(0, |last| u64::from(self.mask(last, depth, false)))
    }

    fn mask(&mut self, index: usize, depth: usize, compared: bool) -> bool {
        let Some(Waiting { start, end: Some(end), .. }) =
            self.waiting.get(index).copied().filter(|held| held.depth == depth && (held.compared || !compared))
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
    /// Holds the value that begins here, unless its object has called it a secret already.
    pub(super) fn hold(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let depth = self.frames.len();
        if self.frames.last().is_some_and(|frame| frame.object && frame.named != Named::Secret) {
            self.flush(input, input.at, out);
            let start = self.holds.bytes.len();
            let compared = self.member.class.has(KeyClass::COMPARED);
            self.holds.waiting.push(Waiting { depth, compared, start, end: None });
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
        }
    }

    /// A value of the object at hand refers to a secret.
    pub(super) fn refers(&mut self) {
        if let Some(frame) = self.frames.last_mut() {
            frame.refers = true;
        }
        self.report.masked += self.holds.mask_compared(self.frames.len());
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
            if frame.is_some_and(|frame| frame.named == Named::Plain) {
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

    /// The object at hand has named its values.
    pub(super) fn named(&mut self, secret: bool, out: &mut Vec<u8>) {
        let depth = self.frames.len();
        if let Some(frame) = self.frames.last_mut()
            && (secret || frame.named == Named::Not)
        {
            frame.named = if secret { Named::Secret } else { Named::Plain };
        }
        if secret {
            self.report.masked += self.holds.resolve(depth, true, out);
        }
    }
}

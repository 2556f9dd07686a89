//! Lists repeat themselves: what one item wrote is expected again in the next.
//!
//! One item is recorded member by member: the key with its class, and the value if it passed. Where a later item is
//! written in the same bytes, its members pass by comparison, many at a time; where a value differs, the key at least
//! is known. Whether a member passes depends on its bytes alone, unless a place is watched that its key may be; the caller
//! names the lengths of such keys. So an echo is a guess about what comes, never about what is done with it: what is not
//! the same is read as if nothing were recorded.

use wide::i8x16;

use super::key::KeyClass;

/// How much of an item is recorded.
const TEXT_BYTES_MAX: usize = 16 * 1024;
const MEMBERS_MAX: usize = 512;
/// How many members are looked at for a key that is not the expected one.
const AHEAD: usize = 12;
/// How many keys of an item may be missed before it counts as another kind, and the next one is recorded.
const MISSES_MAX: usize = 12;
/// Bytes that are compared at once.
const BLOCK: usize = 32;

/// What an item wrote, and how far the item at hand has followed it.
#[derive(Default)]
pub(super) struct Echo {
    /// The members as written, one after the other, each from behind its key's first quote.
    text: Vec<u8>,
    members: Vec<Recorded>,
    /// The member that is expected next.
    next: usize,
    recording: bool,
    misses: usize,
}

/// A member as it was written.
#[derive(Clone, Copy)]
struct Recorded {
    start: u16,
    /// Where the value begins.
    value: u16,
    /// Behind the next key's first quote, or behind the brace that ends the object; where the value begins if it did not
    /// pass.
    end: u16,
    kind: Kind,
    class: KeyClass,
    /// The key's length, as [`super::place::length_bit`].
    length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It passed, and another member follows.
    Passes,
    /// It passed, and the object ends.
    PassesLast,
    /// Something is to be done with its value, or it was not looked at here.
    Other,
}

/// What comes, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// Members that pass, up to the first byte of the next key, or to the brace that `ends` the object.
    Members { bytes: usize, ends: bool },
    /// A key, the length of it, and how far away its value is.
    Key { length: u64, value: usize, class: KeyClass },
    /// Nothing is known.
    Lost,
}

impl Echo {
    /// An item of a list begins.
    pub(super) fn item_begins(&mut self) {
        if self.recording && !self.members.is_empty() {
            self.recording = false;
            // So that whole blocks can be compared up to the end; no member reaches there.
            self.text.resize(self.text.len() + BLOCK, 0);
        } else if self.members.is_empty() || self.misses > MISSES_MAX {
            self.text.clear();
            self.members.clear();
            self.recording = true;
        }
        self.next = 0;
        self.misses = 0;
    }

    /// What is known of `bytes`, which begin with a key behind its first quote. Keys of a length in `watched` do not pass.
    #[inline]
    pub(super) fn follow(&mut self, bytes: &[u8], watched: u64) -> Followed {
        match self.members.get(self.next) {
            Some(_) if self.misses > MISSES_MAX => Followed::Lost,
            Some(first) => match self.compare(*first, bytes, watched) {
                Followed::Lost if self.find(bytes) => match self.members.get(self.next) {
                    Some(found) => self.compare(*found, bytes, watched),
                    None => Followed::Lost,
                },
                followed => followed,
            },
            None => Followed::Lost,
        }
    }

    #[inline]
    fn compare(&mut self, first: Recorded, bytes: &[u8], watched: u64) -> Followed {
        let start = usize::from(first.start);
        let same = start + common(self.text.get(start..).unwrap_or_default(), bytes);
        let members = self.members.get(self.next..).unwrap_or_default();
        let passes =
            |member: &&Recorded| usize::from(member.end) <= same && member.kind != Kind::Other && member.length & watched == 0;
        let mut passed = 0;
        let mut ends = false;
        let mut end = start;
        for member in members.iter().take_while(passes) {
            passed += 1;
            end = usize::from(member.end);
            if member.kind == Kind::PassesLast {
                ends = true;
                break;
            }
        }
        if passed > 0 {
            self.next += passed;
            return Followed::Members { bytes: end - start - usize::from(ends), ends };
        }
        if usize::from(first.value) > same {
            return Followed::Lost;
        }
        self.next += 1;
        Followed::Key { length: first.length, value: usize::from(first.value) - start, class: first.class }
    }

    /// Looks a few members ahead for the key with which `bytes` begin.
    #[inline(never)]
    fn find(&mut self, bytes: &[u8]) -> bool {
        let ahead = self.members.iter().enumerate().skip(self.next + 1).take(AHEAD);
        let found = ahead.into_iter().find(|(_, member)| {
            let key = self.text.get(usize::from(member.start)..usize::from(member.value)).unwrap_or_default();
            key.first_chunk::<4>() == bytes.first_chunk() && bytes.starts_with(key)
        });
        match found {
            Some((next, _)) => self.next = next,
            None => self.misses += 1,
        }
        found.is_some()
    }

    /// Whether members are recorded now.
    #[inline]
    pub(super) const fn records(&self) -> bool {
        self.recording
    }

    /// Records a member: `written` up to where it ends, `value` from there on, and a key of `length`.
    pub(super) fn record(&mut self, written: &[u8], value: usize, length: u64, class: KeyClass, kind: Kind) {
        let start = self.text.len();
        let kept = if kind == Kind::Other { written.get(..value).unwrap_or_default() } else { written };
        if start + kept.len() > TEXT_BYTES_MAX || self.members.len() == MEMBERS_MAX {
            return;
        }
        let place = |at: usize| u16::try_from(start + at).unwrap_or(u16::MAX);
        let (value, end) = (place(value), place(kept.len()));
        self.members.push(Recorded { start: place(0), value, end, kind, class, length });
        self.text.extend_from_slice(kept);
        self.next = self.members.len();
    }

    #[cfg(test)]
    pub(super) fn bytes_kept(&self) -> usize {
        self.text.capacity() + self.members.capacity() * size_of::<Recorded>()
    }
}

/// How many bytes are the same at the beginning of both.
#[inline]
fn common(some: &[u8], others: &[u8]) -> usize {
    let (blocks, _) = some.as_chunks::<BLOCK>();
    let (other_blocks, _) = others.as_chunks::<BLOCK>();
    let mut same = 0;
    for (block, other) in blocks.iter().zip(other_blocks) {
        let equal = equal(block, other);
        if equal != u32::MAX {
            return same + equal.trailing_ones() as usize;
        }
        same += BLOCK;
    }
    same + some.iter().zip(others).skip(same).take_while(|(byte, other)| byte == other).count()
}

/// The bytes that are the same, as bits.
#[inline]
fn equal(block: &[u8; BLOCK], other: &[u8; BLOCK]) -> u32 {
    let half = |at: usize| {
        let part = |block: &[u8; BLOCK]| block.as_chunks::<16>().0.get(at).map(|part| i8x16::new(part.map(u8::cast_signed)));
        part(block).zip(part(other)).map_or(0, |(one, other)| one.simd_eq(other).to_bitmask())
    };
    half(0) | (half(1) << 16)
}

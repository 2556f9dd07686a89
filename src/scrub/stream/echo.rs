//! Lists repeat themselves: what one item wrote is expected again in the next.
//!
//! One item is recorded member by member: the key with its class, and the value if it passed. Where a later item is
//! written in the same bytes, its members pass by comparison, many at a time; where a value differs, the key at least
//! is known. Whether a member passes depends on its bytes alone, unless its key is one that is watched where it stands; the
//! caller says which those are. So an echo is a guess about what comes, never about what is done with it: what is not the
//! same is read as if nothing were recorded. No secret is kept, since it did not pass.

use wide::i8x16;

use crate::scrub::names::key::KeyClass;

/// How much of an item is recorded.
const TEXT_BYTES_MAX: usize = 16 * 1024;
const MEMBERS_MAX: usize = 512;
/// How much is compared for one key at most, so that the work is linear whatever comes.
const COMPARED_MAX: usize = 2048;
/// How many members are looked at for a key that is not the expected one.
const AHEAD: usize = 12;
/// How many keys of an item may be missed before it counts as another kind, and the next one is recorded.
const MISSES_MAX: usize = 12;
/// Bytes that are compared at once.
const BLOCK: usize = 32;

/// What an item wrote, and how far the item at hand has followed it.
#[derive(Default)]
pub(super) struct Echo {
    phase: Phase,
    /// The members as written, one after the other, each from behind its key's first quote.
    text: Vec<u8>,
    members: Vec<Recorded>,
    /// The member that is expected next.
    next: usize,
    misses: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    NoItem,
    /// The keys that are not known beforehand are learnt.
    First,
    Recording,
    Recorded,
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
    /// The key, as [`crate::scrub::rules::place::key_bit`].
    bit: u64,
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
#[derive(Default)]
pub(super) struct Followed {
    /// So many bytes are members that pass, up to the first byte of the next key, or to the brace that ends the object.
    pub(super) passed: usize,
    pub(super) ends: bool,
    /// The key that comes then.
    pub(super) key: Option<Expected>,
}

/// A key that was written in the same way.
pub(super) struct Expected {
    pub(super) bit: u64,
    pub(super) class: KeyClass,
    /// How far behind the key's first byte the value begins.
    pub(super) value: usize,
}

impl Followed {
    const fn is_lost(&self) -> bool {
        self.passed == 0 && self.key.is_none()
    }
}

impl Echo {
    /// An item of a list begins.
    pub(super) fn item_begins(&mut self) {
        self.phase = match self.phase {
            Phase::NoItem => Phase::First,
            Phase::Recording if !self.members.is_empty() => {
                // So that whole blocks can be compared up to the end; no member reaches there.
                self.text.resize(self.text.len() + BLOCK, 0);
                Phase::Recorded
            }
            Phase::Recorded if self.misses <= MISSES_MAX => Phase::Recorded,
            Phase::First | Phase::Recording | Phase::Recorded => {
                self.text.clear();
                self.members.clear();
                Phase::Recording
            }
        };
        self.next = 0;
        self.misses = 0;
    }

    /// What is known of `bytes`, which begin with a key behind its first quote. Keys in `watched` do not pass.
    #[inline]
    pub(super) fn follow(&mut self, bytes: &[u8], watched: u64) -> Followed {
        if self.next >= self.members.len() || self.misses > MISSES_MAX {
            return Followed::default();
        }
        let followed = self.compare(bytes, watched);
        if followed.is_lost() && self.find(bytes) { self.compare(bytes, watched) } else { followed }
    }

    #[inline]
    fn compare(&mut self, bytes: &[u8], watched: u64) -> Followed {
        let mut followed = Followed::default();
        let members = self.members.get(self.next..).unwrap_or_default();
        let Some(start) = members.first().map(|first| usize::from(first.start)) else { return followed };
        let end = self.text.len().min(start + COMPARED_MAX);
        let same = common(self.text.get(start..end).unwrap_or_default(), bytes);
        for member in members {
            let passes = usize::from(member.end) - start <= same && member.kind != Kind::Other;
            if passes && member.bit & watched == 0 {
                self.next += 1;
                followed.passed = usize::from(member.end) - start;
                if member.kind == Kind::PassesLast {
                    followed.passed -= 1;
                    followed.ends = true;
                    break;
                }
            } else {
                if usize::from(member.value) - start <= same {
                    self.next += 1;
                    let value = usize::from(member.value - member.start);
                    followed.key = Some(Expected { bit: member.bit, class: member.class, value });
                }
                break;
            }
        }
        followed
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
        matches!(self.phase, Phase::Recording)
    }

    /// Records a member, `written` up to where it ends, with its value at `key.value`.
    pub(super) fn record(&mut self, written: &[u8], key: &Expected, kind: Kind) {
        let start = self.text.len();
        let kept = if kind == Kind::Other { written.get(..key.value).unwrap_or_default() } else { written };
        if start + kept.len() > TEXT_BYTES_MAX || self.members.len() == MEMBERS_MAX {
            return;
        }
        let place = |at: usize| u16::try_from(start + at).unwrap_or(u16::MAX);
        let (value, end) = (place(key.value), place(kept.len()));
        self.members.push(Recorded { start: place(0), value, end, kind, class: key.class, bit: key.bit });
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
        let part =
            |block: &[u8; BLOCK]| block.as_chunks::<16>().0.get(at).map(|part| i8x16::new(part.map(u8::cast_signed)));
        part(block).zip(part(other)).map_or(0, |(one, other)| one.simd_eq(other).to_bitmask())
    };
    half(0) | (half(1) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrub::rules::place::key_bit;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_much_is_common_as_byte_by_byte(
            same in proptest::collection::vec(any::<u8>(), 0..120), some in proptest::collection::vec(0..3_u8, 0..60),
            others in proptest::collection::vec(0..3_u8, 0..60),
        ) {
            let (some, others) = ([same.clone(), some].concat(), [same, others].concat());
            let scalar = some.iter().zip(&others).take_while(|(byte, other)| byte == other).count();
            prop_assert_eq!(common(&some, &others), scalar);
        }
    }

    /// An item of three members, recorded: `"a": 1, "bc": "x", "d": [..` where the last does not pass.
    fn recorded() -> Echo {
        let mut echo = Echo::default();
        echo.item_begins();
        echo.item_begins();
        for (written, key, kind) in [
            ("a\": 1, \"", "a", Kind::Passes),
            ("bc\": \"x\", \"", "bc", Kind::Passes),
            ("d\": [\"y\"], \"", "d", Kind::Other),
            ("e\": null}", "e", Kind::PassesLast),
        ] {
            let expected = Expected { bit: key_bit(key.as_bytes()), class: KeyClass::default(), value: key.len() + 3 };
            echo.record(written.as_bytes(), &expected, kind);
        }
        echo.item_begins();
        echo
    }

    /// What is known of a text, at first: how much passes, whether the object ends, where the next value is.
    #[track_caller]
    fn check(text: &str, watched: &str, expected: (usize, bool, Option<usize>)) {
        let followed =
            recorded().follow(text.as_bytes(), if watched.is_empty() { 0 } else { key_bit(watched.as_bytes()) });
        assert_eq!((followed.passed, followed.ends, followed.key.map(|key| key.value)), expected, "{text}");
    }

    #[test]
    fn what_is_written_the_same_passes() {
        check("a\": 1, \"bc\": \"x\", \"d\": [\"y\"], \"e\": null}", "", (19, false, Some(4)));
        check("a\": 1, \"bc\": \"z\", \"", "", (8, false, Some(5)));
        check("a\": 12, \"bc\": \"x\"", "", (0, false, Some(4)));
        check("a\": 1", "", (0, false, Some(4)));
        check("a\" : 1, \"", "", (0, false, None));
        check("e\": null}, {", "", (8, true, None));
        check("e\": nul", "", (0, false, Some(4)));
        check("x\": 1, \"", "", (0, false, None));
        check("", "", (0, false, None));
    }

    #[test]
    fn what_is_watched_does_not_pass() {
        check("a\": 1, \"bc\": \"x\", \"", "bc", (8, false, Some(5)));
        check("a\": 1, \"bc\": \"x\", \"", "A", (0, false, Some(4)));
    }

    #[test]
    fn another_kind_of_item_is_recorded_anew() {
        let mut echo = recorded();
        for _ in 0..=MISSES_MAX {
            assert!(!echo.records() && echo.follow(b"other\": 1, ", 0).is_lost());
        }
        assert!(echo.follow(b"a\": 1, \"", 0).is_lost());
        echo.item_begins();
        assert!(echo.records());
    }

    #[test]
    fn no_more_is_recorded_than_there_is_room_for() {
        let mut echo = Echo::default();
        echo.item_begins();
        echo.item_begins();
        let written = format!("a\": \"{}\", \"", "x".repeat(1000));
        for _ in 0..2 * MEMBERS_MAX {
            let key = Expected { bit: 1, class: KeyClass::default(), value: 4 };
            echo.record(written.as_bytes(), &key, Kind::Passes);
        }
        assert!(echo.bytes_kept() <= 64 * 1024 && echo.text.len() <= TEXT_BYTES_MAX, "{}", echo.bytes_kept());
    }
}

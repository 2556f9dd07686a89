//! A table of keys that is read without copying or comparing byte by byte.

use super::key::KeyClass;

/// Keys and their classes, by open addressing.
#[derive(Default)]
pub(in crate::scrub) struct Table {
    slots: Vec<Slot>,
    mask: usize,
    /// Keys that are longer than their ends.
    long: Vec<Box<[u8]>>,
}

/// A key in parts: short ones are told apart by their ends and length alone. Small, so that all stay near.
#[derive(Clone, Copy)]
struct Slot {
    head: u64,
    tail: u64,
    /// [`FREE`] if the slot is free.
    length: u32,
    /// Which of the long keys it is.
    long: u16,
    class: KeyClass,
}

const FREE: u32 = u32::MAX;

/// The first and last bytes of a key and its length: all of it, up to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::scrub) struct Ends {
    head: u64,
    tail: u64,
    length: usize,
}

const ENDS_BYTES: usize = 16;

impl Table {
    pub(in crate::scrub) fn new<K: AsRef<[u8]>>(keys: impl ExactSizeIterator<Item = (K, KeyClass)>) -> Self {
        let size = (keys.len() * 4).next_power_of_two();
        let free = Slot { head: 0, tail: 0, length: FREE, long: 0, class: KeyClass::default() };
        let mut table = Self { slots: vec![free; size], mask: size - 1, long: Vec::new() };
        for (key, class) in keys {
            let key = key.as_ref();
            let ends = Ends::of(key);
            let (Ok(length), Ok(long)) = (u32::try_from(key.len()), u16::try_from(table.long.len())) else { continue };
            let mut at = ends.hash() & table.mask;
            while table.slots.get(at).is_some_and(|slot| slot.length != FREE) {
                at = (at + 1) & table.mask;
            }
            if let Some(slot) = table.slots.get_mut(at) {
                *slot = Slot { head: ends.head, tail: ends.tail, length, long, class };
                if key.len() > ENDS_BYTES {
                    table.long.push(key.into());
                }
            }
        }
        table
    }

    /// The class of a key with these ends.
    #[inline]
    pub(in crate::scrub) fn find(&self, key: &[u8], ends: Ends) -> Option<KeyClass> {
        self.place(key, ends).map(|(_, class)| class)
    }

    /// Where a key is, and its class.
    #[inline]
    pub(in crate::scrub) fn place(&self, key: &[u8], ends: Ends) -> Option<(usize, KeyClass)> {
        let mut at = ends.hash() & self.mask;
        loop {
            let slot = self.slots.get(at)?;
            if slot.head == ends.head && slot.tail == ends.tail && slot.length as usize == ends.length {
                if ends.length <= ENDS_BYTES || self.long.get(usize::from(slot.long)).is_some_and(|long| **long == *key)
                {
                    return Some((at, slot.class));
                }
            } else if slot.length == FREE {
                return None;
            }
            at = (at + 1) & self.mask;
        }
    }
}

/// Keys that were met in this answer and are not known beforehand, up to [`ENDS_BYTES`] bytes: lists repeat them.
#[derive(Default)]
pub(in crate::scrub) struct Learnt {
    slots: Vec<(Ends, KeyClass)>,
}

/// How many keys are learnt; a new one takes the place of an older one.
const LEARNT_MAX: usize = 64;

impl Learnt {
    #[inline]
    pub(in crate::scrub) fn find(&self, key: &[u8], ends: Ends) -> Option<KeyClass> {
        let (kept, class) = self.slots.get(ends.hash() % LEARNT_MAX)?;
        (*kept == ends && (1..=ENDS_BYTES).contains(&key.len())).then_some(*class)
    }

    pub(in crate::scrub) fn learn(&mut self, key: &[u8], class: KeyClass) {
        if (1..=ENDS_BYTES).contains(&key.len()) {
            self.slots.resize(LEARNT_MAX, (Ends::default(), KeyClass::default()));
            let ends = Ends::of(key);
            if let Some(slot) = self.slots.get_mut(ends.hash() % LEARNT_MAX) {
                *slot = (ends, class);
            }
        }
    }
}

impl Ends {
    #[inline]
    pub(in crate::scrub) fn of(key: &[u8]) -> Self {
        let length = key.len();
        if let (Some(head), Some(tail)) = (key.first_chunk(), key.last_chunk()) {
            return Self { head: u64::from_le_bytes(*head), tail: u64::from_le_bytes(*tail), length };
        }
        let head = key.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        Self { head, tail: head, length }
    }

    /// As [`Ends::of`], of what stands between two places of `bytes`; `None` if there is too little behind it to be quick.
    #[inline]
    pub(in crate::scrub) fn between(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end.checked_sub(start)?;
        let head = u64::from_le_bytes(*bytes.get(start..)?.first_chunk()?);
        if length >= 8 {
            let tail = u64::from_le_bytes(*bytes.get(..end)?.last_chunk()?);
            return Some(Self { head, tail, length });
        }
        let head = head & !(u64::MAX << (8 * length));
        Some(Self { head, tail: head, length })
    }

    #[inline]
    const fn hash(self) -> usize {
        let mixed = (self.head ^ self.tail.rotate_left(29) ^ self.length as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_within_a_text_are_those_of_the_key() {
        let text = b"abcdefghijklmnopqrstuvwxyz, and more";
        for length in 0..26 {
            let found = Ends::between(text, 1, 1 + length);
            assert!(found == Some(Ends::of(&text[1..1 + length])), "{length}");
        }
        assert!(Ends::between(text, 30, 31).is_none() && Ends::between(text, 3, 2).is_none());
    }

    #[test]
    fn finds_what_is_there_only() {
        let keys: Vec<String> = (0..40).flat_map(|length| ["a", "b"].map(|key| key.repeat(length))).collect();
        let mut kept: Vec<String> = keys.iter().filter(|key| !key.starts_with('b')).cloned().collect();
        kept.dedup();
        let table = Table::new(kept.iter().map(|key| (key, KeyClass::HREF)));
        for key in &keys {
            assert_eq!(table.find(key.as_bytes(), Ends::of(key.as_bytes())).is_some(), kept.contains(key), "{key}");
        }
        // The same ends, another middle.
        assert!(table.find(b"aaaaaaaaXaaaaaaaa", Ends::of(b"aaaaaaaaXaaaaaaaa")).is_none());
        assert!(Table::default().find(b"", Ends::of(b"")).is_none());
    }
}

//! A table of keys that is read without copying or comparing byte by byte.

use super::key::KeyClass;

/// Keys and their classes, by open addressing.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<Slot>,
    mask: usize,
}

/// A key in parts: short ones are told apart by their ends and length alone.
#[derive(Clone, Default)]
struct Slot {
    ends: Ends,
    /// The whole key if it is longer than its ends.
    long: Box<[u8]>,
    /// `None` if the slot is free.
    class: Option<KeyClass>,
}

/// The first and last bytes of a key and its length: all of it, up to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ends {
    head: u64,
    tail: u64,
    length: usize,
}

const ENDS_BYTES: usize = 16;

impl Table {
    pub(super) fn new<K: AsRef<[u8]>>(keys: impl ExactSizeIterator<Item = (K, KeyClass)>) -> Self {
        let size = (keys.len() * 4).next_power_of_two();
        let mut table = Self { slots: vec![Slot::default(); size], mask: size - 1 };
        for (key, class) in keys {
            let key = key.as_ref();
            let ends = Ends::of(key);
            let mut at = ends.hash() & table.mask;
            while table.slots.get(at).is_some_and(|slot| slot.class.is_some()) {
                at = (at + 1) & table.mask;
            }
            if let Some(slot) = table.slots.get_mut(at) {
                let long = if key.len() > ENDS_BYTES { key.into() } else { Box::default() };
                *slot = Slot { ends, long, class: Some(class) };
            }
        }
        table
    }

    /// The class of a key with these ends.
    #[inline]
    pub(super) fn find(&self, key: &[u8], ends: Ends) -> Option<KeyClass> {
        let mut at = ends.hash() & self.mask;
        loop {
            let slot = self.slots.get(at)?;
            slot.class?;
            if slot.ends == ends && (key.len() <= ENDS_BYTES || *slot.long == *key) {
                return slot.class;
            }
            at = (at + 1) & self.mask;
        }
    }
}

/// Keys that were met in this answer and are not known beforehand, up to [`ENDS_BYTES`] bytes: lists repeat them.
#[derive(Default)]
pub(super) struct Learnt {
    slots: Vec<(Ends, KeyClass)>,
}

/// How many keys are learnt; a new one takes the place of an older one.
const LEARNT_MAX: usize = 64;

impl Learnt {
    #[inline]
    pub(super) fn find(&self, key: &[u8], ends: Ends) -> Option<KeyClass> {
        let (kept, class) = self.slots.get(ends.hash() % LEARNT_MAX)?;
        (*kept == ends && (1..=ENDS_BYTES).contains(&key.len())).then_some(*class)
    }

    pub(super) fn learn(&mut self, key: &[u8], class: KeyClass) {
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
    pub(super) fn of(key: &[u8]) -> Self {
        let length = key.len();
        if let (Some(head), Some(tail)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
            return Self { head: u64::from_le_bytes(*head), tail: u64::from_le_bytes(*tail), length };
        }
        if let (Some(head), Some(tail)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            return Self { head: u32::from_le_bytes(*head).into(), tail: u32::from_le_bytes(*tail).into(), length };
        }
        let head = key.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        Self { head, tail: 0, length }
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

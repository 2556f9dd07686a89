//! Counters by words of this source.
//!
//! A word is `&'static str`: it stands in the program's text, so what a caller sends cannot become one. Places are taken
//! as words turn up and never given up; what finds no place is counted together.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted when every place is taken.
const BEYOND: &str = "other";

/// Counters by `N` words each.
#[derive(Debug)]
pub(super) struct Words<const N: usize> {
    places: Box<[Place<N>]>,
    beyond: AtomicU64,
}

#[derive(Debug)]
struct Place<const N: usize> {
    /// Set once. After that, reading it is one load.
    words: OnceLock<[&'static str; N]>,
    count: AtomicU64,
}

impl<const N: usize> Words<N> {
    /// For so many sets of words.
    pub(super) fn new(places: usize) -> Self {
        let place = |_| Place { words: OnceLock::new(), count: AtomicU64::new(0) };
        Self { places: (0..places).map(place).collect(), beyond: AtomicU64::new(0) }
    }

    /// Counts these words `times` times.
    pub(super) fn add(&self, words: [&'static str; N], times: u64) {
        let start = hash(&words) % self.places.len().max(1);
        let (later, sooner) = self.places.split_at(start.min(self.places.len()));
        for place in sooner.iter().chain(later) {
            if *place.words.get_or_init(|| words) == words {
                place.count.fetch_add(times, Ordering::Relaxed);
                return;
            }
        }
        self.beyond.fetch_add(times, Ordering::Relaxed);
    }

    /// Adds what was counted to `sums`.
    pub(super) fn sum(&self, sums: &mut BTreeMap<[&'static str; N], u64>) {
        for place in &self.places {
            if let Some(words) = place.words.get() {
                *sums.entry(*words).or_default() += place.count.load(Ordering::Relaxed);
            }
        }
        let beyond = self.beyond.load(Ordering::Relaxed);
        if beyond > 0 {
            *sums.entry([BEYOND; N]).or_default() += beyond;
        }
    }
}

/// FNV-1a; the words are few and not a caller's.
fn hash(words: &[&str]) -> usize {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    bytes.fold(0x811c_9dc5_usize, |hash, byte| (hash ^ usize::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Words;

    #[test]
    fn words_have_a_place_each_until_there_is_none() {
        let words = Words::new(2);
        for _ in 0..3 {
            words.add(["a", "b"], 1);
            words.add(["b", "a"], 2);
            words.add(["c", "c"], 5);
        }
        let mut sums = BTreeMap::new();
        words.sum(&mut sums);
        assert_eq!(sums.len(), 3, "{sums:?}");
        assert_eq!(sums.values().sum::<u64>(), 24);
        assert_eq!(sums[&["other", "other"]], 15, "{sums:?}");
    }
}

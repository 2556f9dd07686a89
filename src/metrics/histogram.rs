//! Durations in buckets, counted without a lock.
//!
//! `prometheus-client`'s own histogram takes a lock for each observation; this one adds to three numbers of its worker.

use std::sync::atomic::{AtomicU64, Ordering};

/// Upper bounds of the buckets in microseconds: from a cached answer to Ironic's longest synchronous call.
const BOUNDS: [u64; 15] = [
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    60_000_000,
    180_000_000,
];
/// The last bucket has no bound.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts durations.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    microseconds: AtomicU64,
}

/// What a histogram has counted, or several of them together.
#[derive(Debug, Default, Clone)]
pub(super) struct Counts {
    pub(super) buckets: [u64; BUCKETS],
    microseconds: u64,
}

impl Histogram {
    /// Counts one.
    pub(super) fn observe(&self, microseconds: u64) {
        let place = BOUNDS.partition_point(|bound| *bound < microseconds);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

impl Counts {
    /// Adds what this one has counted.
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
        self.microseconds += histogram.microseconds.load(Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum of 285 years is exact to the microsecond")]
    pub(super) fn seconds(&self) -> f64 {
        self.microseconds as f64 / 1e6
    }
}

/// The upper bounds in seconds, the last one infinite.
#[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
pub(super) fn bounds() -> impl Iterator<Item = f64> {
    BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY])
}

#[cfg(test)]
mod tests {
    use super::{Counts, Histogram, bounds};

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it() {
        for (microseconds, bound) in
            [(0, 0.0005), (500, 0.0005), (501, 0.001), (1_000_000, 1.0), (u64::MAX / 2, f64::INFINITY)]
        {
            let histogram = Histogram::default();
            histogram.observe(microseconds);
            let mut counts = Counts::default();
            counts.add(&histogram);
            let found = bounds().zip(counts.buckets).find_map(|(bound, count)| (count == 1).then_some(bound));
            assert_eq!((found, counts.count()), (Some(bound), 1), "{microseconds}");
        }
    }
}

//! What all workers know of Ironic's endpoints: how many requests each has to answer, whether it answers, and how long it
//! is left alone after it failed.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An endpoint is left alone no longer than this.
const EJECTION_MAX: Duration = Duration::from_secs(60);

/// When an endpoint is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so long the first time, twice as long each time after that, up to a minute.
    pub base: Duration,
}

/// One endpoint.
#[derive(Debug)]
pub struct EndpointHealth {
    name: String,
    ejection: Ejection,
    since: Instant,
    pending: AtomicUsize,
    /// In a row.
    failures: AtomicU32,
    /// In a row.
    ejections: AtomicU32,
    ejections_all: AtomicU64,
    /// Milliseconds after `since`; 0: never.
    ejected_until: AtomicU64,
    /// By the last probe.
    up: AtomicBool,
}

impl EndpointHealth {
    pub(super) fn new(name: String, ejection: Ejection) -> Self {
        Self {
            name,
            ejection,
            since: Instant::now(),
            pending: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejections_all: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            up: AtomicBool::new(false),
        }
    }

    /// As in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests that it has not answered to their end, of all workers.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Whether it answered its last probe.
    pub fn up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether it is left alone now.
    pub fn ejected(&self) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > self.now()
    }

    /// How often it was left alone since the start.
    pub fn ejections(&self) -> u64 {
        self.ejections_all.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// It has answered something, whatever it was.
    pub(crate) fn answered(&self) {
        // Writing costs the other workers a look; an endpoint that is well is not written to.
        if self.failures.load(Ordering::Relaxed) > 0 || self.ejections.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.ejections.store(0, Ordering::Relaxed);
            self.ejected_until.store(0, Ordering::Relaxed);
        }
    }

    /// It could not be reached, hung up, or did not answer in time.
    pub(crate) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < self.ejection.failures || self.ejected() {
            return;
        }
        let times = self.ejections.fetch_add(1, Ordering::Relaxed);
        self.ejections_all.fetch_add(1, Ordering::Relaxed);
        let alone = self.ejection.base.saturating_mul(1 << times.min(16)).min(EJECTION_MAX);
        let alone = u64::try_from(alone.as_millis()).unwrap_or(u64::MAX);
        self.ejected_until.store(self.now().saturating_add(alone), Ordering::Relaxed);
    }

    /// Notes a probe's result.
    pub fn probed(&self, answered: bool) {
        self.up.store(answered, Ordering::Relaxed);
        if answered {
            self.answered();
        } else {
            self.failed();
        }
    }

    /// Lower is better: first who is neither ejected nor down, then who has the least to do.
    fn reluctance(&self) -> (bool, bool, usize) {
        (self.ejected(), !self.up(), self.pending())
    }

    pub(super) fn begin(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The place of the endpoint to ask, without those in `tried`. Where all have failed, the one that was left alone is asked
/// all the same: refusing by oneself would help nobody. `turn` decides among equals.
pub(super) fn choose(endpoints: &[EndpointHealth], tried: u64, turn: usize) -> Option<usize> {
    if endpoints.len() == 1 {
        return (tried == 0).then_some(0);
    }
    let count = endpoints.len();
    (0..count)
        .map(|step| (turn + step) % count)
        .filter(|place| tried & bit(*place) == 0)
        .min_by_key(|place| endpoints.get(*place).map(EndpointHealth::reluctance))
}

/// The bit of an endpoint in a set of them.
pub(super) const fn bit(place: usize) -> u64 {
    if place < 64 { 1 << place } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Ejection, EndpointHealth, bit, choose};

    fn endpoints(count: usize) -> Vec<EndpointHealth> {
        let ejection = Ejection { failures: 3, base: Duration::from_secs(5) };
        let endpoints: Vec<_> = (0..count).map(|place| EndpointHealth::new(place.to_string(), ejection)).collect();
        endpoints.iter().for_each(|endpoint| endpoint.probed(true));
        endpoints
    }

    #[test]
    fn the_least_busy_of_the_well_is_chosen() {
        let three = endpoints(3);
        assert_eq!((choose(&three, 0, 0), choose(&three, 0, 1), choose(&three, 0, 5)), (Some(0), Some(1), Some(2)));
        three[0].begin();
        three[1].begin();
        assert_eq!(choose(&three, 0, 0), Some(2));
        three[2].failed();
        three[2].failed();
        assert_eq!(choose(&three, 0, 0), Some(2), "two failures are not three");
        three[2].failed();
        assert!(three[2].ejected());
        three[0].end();
        assert_eq!(choose(&three, 0, 0), Some(0));
        assert_eq!(choose(&three, bit(0), 0), Some(1));
        three[1].probed(false);
        assert_eq!(choose(&three, bit(0), 0), Some(1), "down is still better than ejected");
        assert_eq!(choose(&three, bit(0) | bit(1), 0), Some(2), "ejected is better than nobody");
        assert_eq!(choose(&three, bit(0) | bit(1) | bit(2), 0), None);
        three[2].probed(true);
        assert!(!three[2].ejected());
    }

    #[test]
    fn failing_again_takes_longer_and_an_answer_ends_it() {
        let one = EndpointHealth::new("a".to_owned(), Ejection { failures: 1, base: Duration::ZERO });
        for _ in 0..3 {
            one.failed();
        }
        assert_eq!(one.ejections(), 3);
        let slow = EndpointHealth::new("b".to_owned(), Ejection { failures: 1, base: Duration::from_secs(5) });
        slow.failed();
        slow.failed();
        assert_eq!(slow.ejections(), 1, "what still ran when it was ejected does not count");
        slow.answered();
        assert!(!slow.ejected());
    }
}

//! Token buckets: one for each principal and class that has a rate. They are this instance's own.

use std::hash::RandomState;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use quick_cache::sync::Cache;

use super::caller::{CALLERS_MAX, key};
use super::{LimitError, at};
use crate::authenticate::Principal;
use crate::catalog::Class;
use crate::config::{ClassLimits, ClassesLimits};

/// The rates of all classes.
#[derive(Debug)]
pub struct Rates {
    classes: [Option<Rate>; 4],
}

struct Rate {
    quota: Quota,
    // Names are hashed with keys of this process: nobody can choose a name that shares another's bucket.
    hasher: RandomState,
    buckets: Arc<Cache<u64, Arc<DefaultDirectRateLimiter>>>,
}

impl std::fmt::Debug for Rate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Rate").field("quota", &self.quota).finish_non_exhaustive()
    }
}

impl Rates {
    /// With full buckets.
    pub fn new(limits: &ClassesLimits) -> Self {
        Self { classes: Class::ALL.map(|class| Rate::new(limits.of(class))) }
    }

    /// Keeps the buckets of rates that did not change.
    pub(super) fn inherit(&mut self, before: &Self) {
        for (rate, before) in self.classes.iter_mut().zip(&before.classes) {
            if let (Some(rate), Some(before)) = (rate, before)
                && rate.quota == before.quota
            {
                rate.hasher = before.hasher.clone();
                rate.buckets = Arc::clone(&before.buckets);
            }
        }
    }

    /// Takes a token of the caller's. Who is nobody in particular is told apart by address.
    pub(super) fn check(&self, class: Class, principal: &Principal, source: Option<IpAddr>) -> Result<(), LimitError> {
        let Some(rate) = at(&self.classes, class) else { return Ok(()) };
        let key = key(&rate.hasher, principal, source);
        rate.take(key)
    }
}

impl Rate {
    fn new(limits: &ClassLimits) -> Option<Self> {
        let per_minute = NonZeroU32::new(limits.rate_per_minute?)?;
        let burst = limits.burst.and_then(NonZeroU32::new).unwrap_or(per_minute);
        let quota = Quota::with_period(Duration::from_secs(60) / per_minute.get())?.allow_burst(burst);
        Some(Self { quota, hasher: RandomState::new(), buckets: Arc::new(Cache::new(CALLERS_MAX)) })
    }

    fn take(&self, key: u64) -> Result<(), LimitError> {
        let bucket = self.buckets.get(&key).unwrap_or_else(|| {
            let made = || Ok::<_, std::convert::Infallible>(Arc::new(RateLimiter::direct(self.quota)));
            self.buckets.get_or_insert_with(&key, made).unwrap_or_else(|never| match never {})
        });
        bucket.check().map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            LimitError::Rate { seconds: wait.as_secs() + 1 }
        })
    }
}

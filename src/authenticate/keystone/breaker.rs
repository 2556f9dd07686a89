//! When Keystone does not answer, it is not asked for every token again.
//!
//! After some failures in a row there is a pause, in which nobody is sent; after it one call at a time is, until one gets an
//! answer. So those who would wait in vain are told at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::Clock;

/// Failures in a row before the pause.
const FAILURES_MAX: u32 = 3;
/// How long nobody is sent.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    paused_until: Option<Instant>,
    probing: bool,
}

/// Leave to make one call. Dropped without a word, the call counts as failed.
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    answered: bool,
}

impl Breaker {
    pub(super) fn new(clock: Clock) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// `None`: do not ask now.
    pub(super) fn pass(&self) -> Option<Pass<'_>> {
        let mut state = self.state();
        if state.failures >= FAILURES_MAX {
            if state.probing || state.paused_until.is_some_and(|until| self.clock.now() < until) {
                return None;
            }
            state.probing = true;
        }
        Some(Pass { breaker: self, answered: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// Keystone answered.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.breaker.state();
        state.probing = false;
        if self.answered {
            state.failures = 0;
            state.paused_until = None;
        } else {
            state.failures = state.failures.saturating_add(1);
            state.paused_until = self.breaker.clock.now().checked_add(PAUSE);
        }
    }
}

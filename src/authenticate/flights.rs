//! What several requests want to know at once is found out once.
//!
//! The first request that asks leads: it has the work done and lands the verdict; those that ask meanwhile follow and get the
//! same. A leader that goes away before the work is done takes nothing along: one of the followers leads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fingerprint::Fingerprint;

#[cfg(test)]
mod tests;

/// Work under way, by what it is about.
pub(super) struct Flights<V> {
    running: Mutex<HashMap<Fingerprint, watch::Receiver<Option<V>>>>,
    running_max: usize,
}

/// Work under way. Dropping it ends it: with the verdict that landed, or so that a follower leads.
pub(super) struct Flight<V> {
    flights: Arc<Flights<V>>,
    fingerprint: Fingerprint,
    landed: Option<V>,
    verdict: watch::Sender<Option<V>>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoVerdict {
    /// As much is under way as may be.
    Full,
    /// The one who did the work ended without one.
    Interrupted,
}

/// The part that one request has.
enum Part<V> {
    /// It is over.
    Late(V),
    Follow(watch::Receiver<Option<V>>),
    Lead(Flight<V>),
    Full,
}

impl<V: Clone> Flights<V> {
    /// At most `running_max` at a time.
    pub(super) fn new(running_max: usize) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), running_max })
    }

    /// The verdict about `fingerprint`, from one piece of work for all who ask at the same time.
    ///
    /// `lead` has the work done. Whoever does it remembers the verdict, where `remembered` finds it, before it lands it: so
    /// nobody misses both.
    pub(super) async fn share<Led: Future<Output = ()>>(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        remembered: impl Fn() -> Option<V>,
        lead: impl FnOnce(Flight<V>) -> Led,
    ) -> Result<V, NoVerdict> {
        loop {
            match self.join(fingerprint, &remembered) {
                Part::Late(verdict) => return Ok(verdict),
                Part::Full => return Err(NoVerdict::Full),
                Part::Lead(flight) => {
                    let mut receiver = flight.verdict.subscribe();
                    lead(flight).await;
                    return landed(&mut receiver).await.ok_or(NoVerdict::Interrupted);
                }
                Part::Follow(mut receiver) => {
                    // None: the leader went away. Somebody else leads.
                    if let Some(verdict) = landed(&mut receiver).await {
                        return Ok(verdict);
                    }
                }
            }
        }
    }

    fn join(self: &Arc<Self>, fingerprint: Fingerprint, remembered: impl Fn() -> Option<V>) -> Part<V> {
        let mut running = self.running();
        if let Some(receiver) = running.get(&fingerprint) {
            return Part::Follow(receiver.clone());
        }
        // A flight is removed after its verdict is remembered, so what was missed before is found here.
        if let Some(verdict) = remembered() {
            return Part::Late(verdict);
        }
        if running.len() >= self.running_max {
            return Part::Full;
        }
        let (verdict, receiver) = watch::channel(None);
        running.insert(fingerprint, receiver);
        Part::Lead(Flight { flights: Arc::clone(self), fingerprint, landed: None, verdict })
    }
}

impl<V> Flights<V> {
    fn running(&self) -> MutexGuard<'_, HashMap<Fingerprint, watch::Receiver<Option<V>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Flight<V> {
    /// Ends it with a verdict for all who wait.
    pub(super) fn land(mut self, verdict: V) {
        self.landed = Some(verdict);
    }
}

impl<V> Drop for Flight<V> {
    /// Removes the flight before anybody hears of its end, so that who comes later starts another.
    fn drop(&mut self) {
        self.flights.running().remove(&self.fingerprint);
        if let Some(verdict) = self.landed.take() {
            self.verdict.send_replace(Some(verdict));
        }
    }
}

/// Waits for a verdict; `None`: there will be none.
async fn landed<V: Clone>(receiver: &mut watch::Receiver<Option<V>>) -> Option<V> {
    receiver.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone())
}

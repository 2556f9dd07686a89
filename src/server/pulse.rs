//! What a connection is doing, and when it has done nothing for too long.
//!
//! hyper's own timer ends a slow head on HTTP/1.1. Everything else is seen from here: a connection on which nothing is
//! under way, an answer that nobody reads, streams that are begun only to be cancelled, and, when places get scarce,
//! connections that hold one for nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::gate::Seat;
use crate::config::Limits;

/// Between two looks at a connection.
const LOOK: Duration = Duration::from_secs(1);
/// How long a connection may be quiet when places are scarce.
const QUIET_WHEN_CROWDED: Duration = Duration::from_millis(500);

/// How long irongate waits for a first request when it is about to end.
const QUIET_WHEN_LEAVING: Duration = Duration::from_secs(2);

/// What one connection is doing. Its own worker writes it.
#[derive(Debug)]
pub struct Pulse {
    since: Instant,
    /// Milliseconds after `since` of the last thing that happened.
    moved: AtomicU64,
    /// Requests in the pipeline.
    working: AtomicUsize,
    /// Answers that are not handed over to their end.
    sending: AtomicUsize,
    /// Of these, such as wait for Ironic and not for their reader.
    waiting: AtomicUsize,
    spoken: AtomicBool,
    /// irongate is about to end.
    leaving: AtomicBool,
    cancelled: AtomicU32,
    resets_max: u32,
    header_timeout: Duration,
    idle_timeout: Duration,
    send_timeout: Duration,
    reset: Notify,
}

/// Why a connection is closed from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closing {
    /// Nothing was asked for too long.
    Idle,
    /// An answer was not read for too long.
    Unread,
    /// Places are scarce, and this one was used for nothing.
    Crowded,
    /// Too many requests were begun and cancelled.
    Resets,
}

impl Closing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Unread, Self::Crowded, Self::Resets];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::Crowded => "crowded",
            Self::Resets => "resets",
        }
    }
}

impl Pulse {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            moved: AtomicU64::new(0),
            working: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            spoken: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            cancelled: AtomicU32::new(0),
            resets_max: limits.resets_max,
            header_timeout: Duration::from_secs(limits.header_timeout_seconds),
            idle_timeout: Duration::from_secs(limits.idle_timeout_seconds),
            send_timeout: Duration::from_secs(limits.send_timeout_seconds),
            reset: Notify::new(),
        })
    }

    fn beat(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    fn quiet(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.moved.load(Ordering::Relaxed)))
    }

    /// A request has come.
    pub(super) fn work(self: &Arc<Self>) -> Working {
        self.beat();
        self.spoken.store(true, Ordering::Relaxed);
        self.working.fetch_add(1, Ordering::Relaxed);
        Working { pulse: Arc::clone(self), answered: false }
    }

    /// Notes that irongate is about to end.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether irongate is about to end: answers on HTTP/1.1 are the last of their connection.
    pub(super) fn leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Returns when the connection is to be closed.
    pub(super) async fn watch(&self, seat: &Seat) -> Closing {
        let looking = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Some(closing) = self.look(seat.crowded()) {
                    return closing;
                }
            }
        };
        tokio::select! {
            closing = looking => closing,
            () = self.reset.notified() => Closing::Resets,
        }
    }

    fn look(&self, crowded: bool) -> Option<Closing> {
        let quiet = self.quiet();
        let sending = self.sending.load(Ordering::Relaxed);
        if self.working.load(Ordering::Relaxed) > 0 {
            return None;
        }
        if sending > 0 {
            let unread = sending > self.waiting.load(Ordering::Relaxed);
            return (unread && quiet >= self.send_timeout).then_some(Closing::Unread);
        }
        let spoken = self.spoken.load(Ordering::Relaxed);
        let patience = if spoken { self.idle_timeout } else { self.header_timeout };
        if quiet >= patience {
            return Some(Closing::Idle);
        }
        // Nobody waits long for who has asked nothing yet.
        if !spoken && self.leaving() && quiet >= QUIET_WHEN_LEAVING {
            return Some(Closing::Idle);
        }
        (crowded && quiet >= QUIET_WHEN_CROWDED).then_some(Closing::Crowded)
    }
}

/// A request in the pipeline. Dropped before it is answered, it was cancelled.
#[derive(Debug)]
pub(super) struct Working {
    pulse: Arc<Pulse>,
    answered: bool,
}

impl Working {
    pub(super) const fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// Its answer is there; it is counted as sending already.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.pulse.working.fetch_sub(1, Ordering::Relaxed);
        self.pulse.beat();
        if !self.answered && self.pulse.cancelled.fetch_add(1, Ordering::Relaxed) >= self.pulse.resets_max {
            self.pulse.reset.notify_one();
        }
    }
}

/// An answer on its way out.
#[derive(Debug)]
pub struct Sending {
    pulse: Arc<Pulse>,
    waits: bool,
}

impl Sending {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        pulse.sending.fetch_add(1, Ordering::Relaxed);
        Self { pulse, waits: false }
    }

    /// Its reader took more: a piece was ready, or Ironic has to send one first.
    pub(crate) fn polled(&mut self, ready: bool) {
        self.pulse.beat();
        if self.waits == ready {
            self.waits = !ready;
            if ready {
                self.pulse.waiting.fetch_sub(1, Ordering::Relaxed);
            } else {
                self.pulse.waiting.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.waits {
            self.pulse.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        self.pulse.sending.fetch_sub(1, Ordering::Relaxed);
        self.pulse.beat();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Closing, Pulse, Sending};
    use crate::config::Limits;

    #[test]
    fn what_is_under_way_keeps_a_connection() {
        let quick =
            Limits { send_timeout_seconds: 0, idle_timeout_seconds: 0, header_timeout_seconds: 0, ..Limits::default() };
        let (pulse, slow) = (Pulse::new(&quick), Pulse::new(&Limits::default()));
        assert_eq!(pulse.look(false), Some(Closing::Idle), "nothing was ever asked");
        assert_eq!(slow.look(true), None, "a connection gets a moment in any case");
        let working = pulse.work();
        assert_eq!(pulse.look(true), None);
        let mut sending = Sending::new(Arc::clone(&pulse));
        working.answered();
        assert_eq!(pulse.look(true), Some(Closing::Unread), "nobody reads");
        sending.polled(false);
        assert_eq!(pulse.look(true), None, "Ironic has to send first");
        sending.polled(true);
        assert_eq!(pulse.look(true), Some(Closing::Unread));
        drop(sending);
        assert_eq!(pulse.look(false), Some(Closing::Idle));
        assert_eq!(pulse.cancelled.load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn cancelling_again_and_again_ends_the_connection() {
        let pulse = Pulse::new(&Limits { resets_max: 2, ..Limits::default() });
        drop((pulse.work(), pulse.work()));
        assert!(!notified(&pulse).await);
        drop(pulse.work());
        assert!(notified(&pulse).await);
    }

    async fn notified(pulse: &Pulse) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, pulse.reset.notified()).await.is_ok()
    }
}

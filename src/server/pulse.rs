//! What a connection is doing, and when it has done nothing for too long.
//!
//! hyper's own timer ends a slow head on HTTP/1.1. Everything else is seen from here: a connection on which nothing is
//! under way, an answer that nobody reads, streams that are begun only to be cancelled, and, when places get scarce,
//! connections that hold one for nothing.

mod sending;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::gate::{Gate, Seat};
use crate::config::Limits;

use sending::Answers;
pub use sending::Sending;

/// Between two looks at a connection.
const LOOK: Duration = Duration::from_secs(1);
/// After so many looks half of what was cancelled is forgotten.
const LOOKS_REMEMBERED: u32 = 60;
/// How long a connection may be quiet when places are scarce.
const QUIET_WHEN_CROWDED: Duration = Duration::from_millis(500);

/// So many answers that are not read are no hoard on any connection.
const UNREAD_MAX: usize = 8;

/// How long irongate waits for a first request when it is about to end.
const QUIET_WHEN_LEAVING: Duration = Duration::from_secs(2);

/// What one connection is doing. Its own worker writes it.
#[derive(Debug)]
pub struct Pulse {
    gate: Arc<Gate>,
    since: Instant,
    /// Milliseconds after `since` of the last thing that happened.
    moved: AtomicU64,
    /// Requests in the pipeline.
    working: AtomicUsize,
    /// On their way out.
    answers: Answers,
    spoken: AtomicBool,
    /// irongate is about to end.
    leaving: AtomicBool,
    cancelled: AtomicU32,
    resets_max: u32,
    header_timeout: Duration,
    idle_timeout: Duration,
    send_timeout: Duration,
    /// So many answers may be on their way on all connections before a hoard of them counts.
    answers_max: usize,
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
    /// Too many requests were begun and cancelled, or HTTP/2's own bounds on what a caller may make us do are reached.
    Resets,
    /// The head of a request did not come in time, or did not begin.
    HeaderTimeout,
    /// What came is not HTTP/2.
    Protocol,
}

impl Closing {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Unread, Self::Crowded, Self::Resets, Self::HeaderTimeout, Self::Protocol];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::Crowded => "crowded",
            Self::Resets => "resets",
            Self::HeaderTimeout => "header_timeout",
            Self::Protocol => "protocol",
        }
    }

    /// Whether connections end so every day.
    pub(super) const fn is_usual(self) -> bool {
        matches!(self, Self::Idle | Self::HeaderTimeout)
    }

    /// Why hyper closed a connection by itself; `None`: its caller went away, or what was wrong has a record.
    pub(super) fn of(error: &hyper::Error, http2: bool) -> Option<Self> {
        if error.is_timeout() {
            // On HTTP/2 it is a ping that was not answered.
            return Some(if http2 { Self::Idle } else { Self::HeaderTimeout });
        }
        let broken = error.source()?.downcast_ref::<h2::Error>()?;
        if !(broken.is_go_away() && broken.is_library()) {
            return None;
        }
        match broken.reason() {
            Some(h2::Reason::ENHANCE_YOUR_CALM) => Some(Self::Resets),
            Some(h2::Reason::NO_ERROR) | None => None,
            Some(_) => Some(Self::Protocol),
        }
    }
}

impl Pulse {
    pub(super) fn new(limits: &Limits, gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            gate,
            since: Instant::now(),
            moved: AtomicU64::new(0),
            working: AtomicUsize::new(0),
            answers: Answers::default(),
            spoken: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            cancelled: AtomicU32::new(0),
            resets_max: limits.resets_max,
            header_timeout: Duration::from_secs(limits.header_timeout_seconds),
            idle_timeout: Duration::from_secs(limits.idle_timeout_seconds),
            send_timeout: Duration::from_secs(limits.send_timeout_seconds),
            answers_max: limits.requests_max.saturating_mul(2),
            reset: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn beat(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    /// Whether this connection holds many answers that it does not read, while there are many in all. Its refusals go
    /// without a body then: that needs no reader.
    pub(crate) fn hoards(&self) -> bool {
        self.gate.answers() >= self.answers_max && self.answers.count() >= UNREAD_MAX
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
            let mut looks = 0;
            loop {
                tokio::time::sleep(LOOK).await;
                looks += 1;
                if looks == LOOKS_REMEMBERED {
                    looks = 0;
                    self.forget();
                }
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

    /// A proxy with many callers on one connection cancels a request now and then, for as long as the connection lasts.
    /// What is cancelled meanwhile may not be halved, which is no more than a little lenient.
    fn forget(&self) {
        self.cancelled.store(self.cancelled.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
    }

    fn look(&self, crowded: bool) -> Option<Closing> {
        let quiet = self.quiet();
        // Each answer for itself: what else moves on the connection says nothing of one that does not.
        let oldest = self.answers.oldest().map(|moved| Duration::from_millis(self.now().saturating_sub(moved)));
        if oldest.is_some_and(|oldest| oldest >= self.send_timeout) {
            return Some(Closing::Unread);
        }
        if self.working.load(Ordering::Relaxed) > 0 || self.answers.count() > 0 {
            return None;
        }
        let spoken = self.spoken.load(Ordering::Relaxed);
        if !spoken && quiet >= self.header_timeout {
            return Some(Closing::HeaderTimeout);
        }
        if spoken && quiet >= self.idle_timeout {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::descriptors::Descriptors;
    use super::{Closing, Gate, Pulse, Sending};
    use crate::config::Limits;

    fn pulse(limits: &Limits) -> Arc<Pulse> {
        Pulse::new(limits, Arc::new(Gate::new(1, Descriptors::of(usize::MAX))))
    }

    #[test]
    fn what_is_under_way_keeps_a_connection() {
        let quick =
            Limits { send_timeout_seconds: 0, idle_timeout_seconds: 0, header_timeout_seconds: 0, ..Limits::default() };
        let (pulse, slow) = (pulse(&quick), pulse(&Limits::default()));
        assert_eq!(pulse.look(false), Some(Closing::HeaderTimeout), "nothing was ever asked");
        assert_eq!(slow.look(true), None, "a connection gets a moment in any case");
        let working = pulse.work();
        assert_eq!(pulse.look(true), None);
        let sending = Sending::new(Arc::clone(&pulse), None, false);
        working.answered();
        assert_eq!(pulse.look(true), Some(Closing::Unread), "nobody reads");
        sending.polled(false);
        assert_eq!(pulse.look(true), None, "Ironic has to send first");
        sending.polled(true);
        assert_eq!(pulse.look(true), Some(Closing::Unread));
        // Others that move, and a request that is under way, do not excuse it.
        let other = Sending::new(Arc::clone(&pulse), None, false);
        other.polled(false);
        let working = pulse.work();
        assert_eq!(pulse.look(false), Some(Closing::Unread));
        drop((sending, working));
        assert_eq!(pulse.look(false), None);
        drop(other);
        assert_eq!(pulse.look(false), Some(Closing::Idle));
        assert_eq!(pulse.cancelled.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    #[test]
    fn an_answer_is_on_its_way_until_its_last_piece_is_sent() {
        let pulse = pulse(&Limits { send_timeout_seconds: 0, ..Limits::default() });
        let sending = Arc::new(Sending::new(Arc::clone(&pulse), None, true));
        let mut pieces = vec![Sending::unsent(&sending, "a".into()), Sending::unsent(&sending, "b".into())];
        drop(sending);
        assert_eq!((pieces[0].as_ref(), pulse.gate.answers(), pulse.answers.count()), (&b"a"[..], 1, 1));
        assert_eq!(pulse.look(false), Some(Closing::Unread));
        pieces.pop();
        assert_eq!(pulse.gate.answers(), 1);
        pieces.pop();
        assert_eq!((pulse.gate.answers(), pulse.answers.count(), pulse.look(false)), (0, 0, None));
    }

    #[test]
    fn many_unread_answers_are_a_hoard_where_there_are_many_in_all() {
        let gate = Arc::new(Gate::new(1, Descriptors::of(usize::MAX)));
        let limits = Limits { requests_max: 5, ..Limits::default() };
        let (one, other) = (Pulse::new(&limits, Arc::clone(&gate)), Pulse::new(&limits, gate));
        let answers = |pulse: &Arc<Pulse>, count| -> Vec<Sending> {
            (0..count).map(|_| Sending::new(Arc::clone(pulse), None, true)).collect()
        };
        let _hoarded = answers(&one, 9);
        assert!(!one.hoards(), "there are few in all");
        let _few = answers(&other, 1);
        assert!(one.hoards() && !other.hoards());
    }

    #[tokio::test]
    async fn cancelling_again_and_again_ends_the_connection() {
        let pulse = pulse(&Limits { resets_max: 2, ..Limits::default() });
        drop((pulse.work(), pulse.work()));
        assert!(!notified(&pulse).await);
        drop(pulse.work());
        assert!(notified(&pulse).await);
    }

    #[tokio::test]
    async fn what_is_cancelled_now_and_then_is_forgotten() {
        let pulse = pulse(&Limits { resets_max: 100, ..Limits::default() });
        let cancel = |count| (0..count).for_each(|_| drop(pulse.work()));
        for _ in 0..1000 {
            cancel(50);
            pulse.forget();
        }
        assert!(!notified(&pulse).await);
        cancel(51);
        assert!(!notified(&pulse).await);
        cancel(1);
        assert!(notified(&pulse).await);
    }

    async fn notified(pulse: &Pulse) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, pulse.reset.notified()).await.is_ok()
    }
}

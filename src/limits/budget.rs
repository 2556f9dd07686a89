//! Room for what is held in memory, shared by all workers; waiting for it is bounded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Bodies up to this size have room of their own, so that large uploads do not keep heartbeats waiting.
pub const SMALL_BYTES: usize = 64 * 1024;
/// The part of the room that is for small bodies.
const SMALL_PART: usize = 16;
/// One caller has this part of either room.
const CALLER_PART: usize = 4;

/// Who waits has a place among the requests under way: not all of those may wait.
const WAITING_MAX: usize = 100;

/// No room came free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

/// A number of units that all workers share.
#[derive(Debug, Default)]
pub struct Budget {
    used: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

impl Budget {
    /// Units in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `amount` of `max` units, waiting for at most `wait`.
    ///
    /// # Errors
    /// [`NoRoom`], at once if it can never fit or too many wait already.
    pub async fn take(&self, amount: usize, max: usize, wait: Duration) -> Result<(), NoRoom> {
        if self.try_take(amount, max) {
            return Ok(());
        }
        if amount > max || self.waiting.load(Ordering::SeqCst) >= WAITING_MAX {
            return Err(NoRoom);
        }
        let waiting = Waiting::among(&self.waiting);
        let taken = tokio::time::timeout(wait, async {
            loop {
                let mut freed = std::pin::pin!(self.freed.notified());
                // Registered before looking: what is freed in between is noticed.
                freed.as_mut().enable();
                if self.try_take(amount, max) {
                    return;
                }
                freed.await;
            }
        });
        let taken = taken.await.map_err(|_| NoRoom);
        drop(waiting);
        taken
    }

    fn try_take(&self, amount: usize, max: usize) -> bool {
        let fits = |used: usize| used.checked_add(amount).filter(|sum| *sum <= max);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok()
    }

    /// Gives units back.
    pub fn release(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// One who waits; counted so that nobody wakes nobody.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The bytes of request bodies in memory.
#[derive(Debug, Default)]
pub struct BodyBudget {
    small: Budget,
    large: Budget,
}

impl BodyBudget {
    /// Bytes in memory or promised.
    pub fn bytes(&self) -> usize {
        self.small.used() + self.large.used()
    }

    const fn of(&self, small: bool) -> &Budget {
        if small { &self.small } else { &self.large }
    }

    /// Room for one body among `bytes_max` bytes of all, and among what its caller holds.
    pub const fn room<'a>(&'a self, bytes_max: usize, wait: Duration, caller: Option<&'a Self>) -> Room<'a> {
        Room { budget: self, caller, bytes_max, wait, small: 0, large: 0 }
    }
}

/// The room of one body; dropped, it is given back.
#[derive(Debug)]
pub struct Room<'a> {
    budget: &'a BodyBudget,
    caller: Option<&'a BodyBudget>,
    bytes_max: usize,
    wait: Duration,
    small: usize,
    large: usize,
}

impl Room<'_> {
    /// Makes it hold `bytes` in all, waiting where others hold them.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub async fn hold(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = bytes.saturating_sub(self.small + self.large);
        if more == 0 {
            return Ok(());
        }
        let small_max = self.bytes_max / SMALL_PART;
        let small = self.large == 0 && bytes <= SMALL_BYTES;
        let max = if small { small_max } else { self.bytes_max - small_max };
        // Who is over his part waits among his own, so that nobody else waits behind him. One body alone may have it all.
        let own = self.caller.map(|caller| caller.of(small));
        if let Some(own) = own {
            own.take(more, (max / CALLER_PART).max(bytes), self.wait).await?;
        }
        let mut taken = Taken { own, bytes: more };
        self.budget.of(small).take(more, max, self.wait).await?;
        taken.bytes = 0;
        if small {
            self.small += more;
        } else {
            self.large += more;
        }
        Ok(())
    }
}

/// What a body has of its caller's part until it has it of the whole room.
struct Taken<'a> {
    own: Option<&'a Budget>,
    bytes: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(own) = self.own.filter(|_| self.bytes > 0) {
            own.release(self.bytes);
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        for budget in std::iter::once(self.budget).chain(self.caller) {
            for (budget, held) in [(&budget.small, self.small), (&budget.large, self.large)] {
                if held > 0 {
                    budget.release(held);
                }
            }
        }
    }
}

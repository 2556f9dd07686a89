//! How much at once and how often: [`Limiter`] holds the bounds of a snapshot and what is counted against them.
//!
//! A request is counted from its head to the last piece of its answer by a [`Ticket`], which rides in the answer's body; one
//! that is refused, until it is refused.
//! It is refused at [`Limiter::enter`] if all places are taken, at [`Limiter::prove`] if too many wait until it is known who
//! they are, and at [`Limiter::admit`], once its class, its roles and its principal are known. Reads give way first: they get three quarters of all places, other requests nine tenths, and
//! the last tenth is the ramdisk's. Counts outlive a reload; bounds are the snapshot's.
//!
//! Nothing here locks on the way of a request but a shard of the callers' cache, to read it, and of the rates' cache where a
//! rate is configured.

mod budget;
mod caller;
mod rate;
#[cfg(test)]
mod tests;
mod unproven;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::authenticate::Principal;
use crate::catalog::Class;
use crate::config::{Limits, RoleLimits};

pub use budget::{BodyBudget, Budget, NoRoom, Room, SMALL_BYTES};
pub(crate) use caller::network;
use caller::{Caller, Callers};
pub use rate::Rates;

/// So many refused requests may send what is left of their body at once; others are answered without.
const LEFTOVERS_MAX: usize = 100;

/// Seconds after which a busy irongate may be asked again.
const BUSY_RETRY_SECONDS: u64 = 1;

/// Why a request is too much. None holds anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LimitError {
    /// `requests_max` of `[limits]`, or the share of this class in it.
    #[error("too many requests are under way; try again shortly")]
    Busy,
    /// `requests_max` of the listener, or the share of this class in it.
    #[error("too many requests are under way on this listener; try again shortly")]
    ListenerBusy,
    /// `requests_max` of the class.
    #[error("too many requests of this kind are under way; try again shortly")]
    ClassBusy,
    /// `requests_per_caller_max`.
    #[error("too many of your requests are under way; try again shortly")]
    CallerBusy,
    /// `requests_max` of a role of the caller.
    #[error("too many requests of callers with your role are under way; try again shortly")]
    RoleBusy,
    /// The caller's bucket is empty.
    #[error("too many requests of this kind in a short time; try again after the told seconds")]
    Rate {
        /// Until there is a token again, at least 1.
        seconds: u64,
    },
}

impl LimitError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Rate { .. } => 429,
            Self::Busy | Self::ListenerBusy | Self::ClassBusy | Self::CallerBusy | Self::RoleBusy => 503,
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::ListenerBusy => "listener_busy",
            Self::ClassBusy => "class_busy",
            Self::CallerBusy => "caller_busy",
            Self::RoleBusy => "role_busy",
            Self::Rate { .. } => "rate_limited",
        }
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after(self) -> u64 {
        match self {
            Self::Rate { seconds } => seconds,
            Self::Busy | Self::ListenerBusy | Self::ClassBusy | Self::CallerBusy | Self::RoleBusy => BUSY_RETRY_SECONDS,
        }
    }
}

/// How many are under way.
#[derive(Debug, Default)]
pub struct Counter(AtomicUsize);

impl Counter {
    /// Takes a place if fewer than `max` are taken.
    pub fn take(&self, max: usize) -> bool {
        if self.0.fetch_add(1, Ordering::Relaxed) < max {
            return true;
        }
        self.release();
        false
    }

    /// Gives a place back.
    pub fn release(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Places taken now.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Refused requests by reason; kept as long as the process lives.
#[derive(Debug, Default)]
pub struct Refused {
    busy: [AtomicU64; 4],
    rate: [AtomicU64; 4],
    unknown: AtomicU64,
}

/// What is under way and what was refused, all workers together, over reloads.
#[derive(Debug, Default)]
pub struct Load {
    requests: Counter,
    classes: [Counter; 4],
    callers: Callers,
    unproven: Counter,
    refused: Refused,
    bodies: BodyBudget,
    leftovers: Counter,
}

impl Load {
    /// Requests under way.
    pub fn requests(&self) -> usize {
        self.requests.count()
    }

    /// Requests under way of a class, from their permit or the look-up for it on.
    pub fn requests_of(&self, class: Class) -> usize {
        at(&self.classes, class).count()
    }

    /// Requests that wait until their credential is checked.
    pub fn unproven(&self) -> usize {
        self.unproven.count()
    }

    /// Bytes of request bodies in memory, reserved ones included.
    pub fn body_bytes(&self) -> usize {
        self.bodies.bytes()
    }

    /// Requests refused for want of places since the start; those refused before their class was known included
    /// (`None`).
    pub fn refused_busy(&self, class: Option<Class>) -> u64 {
        class.map_or(&self.refused.unknown, |class| at(&self.refused.busy, class)).load(Ordering::Relaxed)
    }

    /// Requests refused because of their rate since the start.
    pub fn rate_limited(&self, class: Class) -> u64 {
        at(&self.refused.rate, class).load(Ordering::Relaxed)
    }

    fn refuse(&self, class: Class, error: LimitError) -> LimitError {
        let counts = if matches!(error, LimitError::Rate { .. }) { &self.refused.rate } else { &self.refused.busy };
        at(counts, class).fetch_add(1, Ordering::Relaxed);
        error
    }
}

/// The element of a class.
fn at<T>(of: &[T; 4], class: Class) -> &T {
    let [read, write, destructive, ramdisk] = of;
    match class {
        Class::Read => read,
        Class::Write => write,
        Class::Destructive => destructive,
        Class::Ramdisk => ramdisk,
    }
}

/// The part of `max` places that a class may fill.
const fn share(max: usize, class: Class) -> usize {
    let part = match class {
        Class::Read => max.saturating_mul(3) / 4,
        Class::Write | Class::Destructive => max.saturating_mul(9) / 10,
        Class::Ramdisk => max,
    };
    if part == 0 { 1 } else { part }
}

#[derive(Debug)]
struct ListenerBound {
    name: Arc<str>,
    requests_max: usize,
    counter: Arc<Counter>,
}

#[derive(Debug)]
struct RoleBound {
    role: Arc<str>,
    requests_max: usize,
    counter: Arc<Counter>,
}

/// The bounds of a snapshot.
#[derive(Debug)]
pub struct Limiter {
    requests_max: usize,
    body_bytes_max: usize,
    body_wait: Duration,
    classes: [Option<usize>; 4],
    listeners: Vec<ListenerBound>,
    roles: Vec<RoleBound>,
    caller_max: usize,
    rates: Rates,
    load: Arc<Load>,
}

/// A place among the requests under way; dropped, it is given back.
#[derive(Debug)]
pub struct Ticket {
    load: Arc<Load>,
    listener: Option<Arc<Counter>>,
    class: Option<Class>,
    caller: Option<Arc<Caller>>,
    roles: Vec<Arc<Counter>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.load.requests.release();
        if let Some(class) = self.class {
            at(&self.load.classes, class).release();
        }
        if let Some(caller) = &self.caller {
            caller.requests.release();
        }
        for counter in self.listener.iter().chain(&self.roles) {
            counter.release();
        }
    }
}

/// A place to let in what is left of a refused request's body; dropped, it is given back.
#[derive(Debug)]
pub struct Leftover<'a>(&'a Counter);

impl Drop for Leftover<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Limiter {
    /// For the listeners in their order, each with its own bound or none.
    pub fn new<'a>(limits: &Limits, listeners: impl Iterator<Item = (&'a Arc<str>, Option<usize>)>) -> Self {
        let listener = |(name, requests_max): (&Arc<str>, Option<usize>)| ListenerBound {
            name: Arc::clone(name),
            requests_max: requests_max.unwrap_or(usize::MAX),
            counter: Arc::default(),
        };
        let role = |bound: &RoleLimits| RoleBound {
            role: bound.role.as_str().into(),
            requests_max: bound.requests_max,
            counter: Arc::default(),
        };
        Self {
            requests_max: limits.requests_max,
            body_bytes_max: limits.body_bytes_max,
            body_wait: Duration::from_secs(limits.body_wait_seconds),
            classes: Class::ALL.map(|class| limits.class.of(class).requests_max),
            listeners: listeners.map(listener).collect(),
            roles: limits.role.iter().map(role).collect(),
            caller_max: limits.requests_per_caller_max,
            rates: Rates::new(&limits.class),
            load: Arc::default(),
        }
    }

    /// Goes on counting where an earlier snapshot's limiter is. Buckets of unchanged rates stay as full as they are.
    pub fn inherit(&mut self, before: &Self) {
        self.load = Arc::clone(&before.load);
        for bound in &mut self.listeners {
            if let Some(same) = before.listeners.iter().find(|same| same.name == bound.name) {
                bound.counter = Arc::clone(&same.counter);
            }
        }
        for bound in &mut self.roles {
            if let Some(same) = before.roles.iter().find(|same| same.role == bound.role) {
                bound.counter = Arc::clone(&same.counter);
            }
        }
        self.rates.inherit(&before.rates);
    }

    /// What is under way.
    pub const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// The room for the body of an admitted request, and how long to wait for it.
    pub fn bodies<'a>(&'a self, ticket: &'a Ticket) -> Room<'a> {
        let caller = ticket.caller.as_ref().map(|caller| &caller.bodies);
        self.load.bodies.room(self.body_bytes_max, self.body_wait, caller)
    }

    /// A place to let in what is left of a refused request's body; `None` when many do already.
    pub fn leftover(&self) -> Option<Leftover<'_>> {
        self.load.leftovers.take(LEFTOVERS_MAX).then(|| Leftover(&self.load.leftovers))
    }

    /// Counts a request on the listener with this place in the configuration. Nothing else is known of it yet.
    ///
    /// # Errors
    /// All places are taken.
    pub fn enter(&self, listener: usize) -> Result<Ticket, LimitError> {
        let unknown = |error| {
            self.load.refused.unknown.fetch_add(1, Ordering::Relaxed);
            Err(error)
        };
        if !self.load.requests.take(self.requests_max) {
            return unknown(LimitError::Busy);
        }
        let mut ticket =
            Ticket { load: Arc::clone(&self.load), listener: None, class: None, caller: None, roles: Vec::new() };
        if let Some(bound) = self.listeners.get(listener) {
            if !bound.counter.take(bound.requests_max) {
                return unknown(LimitError::ListenerBusy);
            }
            ticket.listener = Some(Arc::clone(&bound.counter));
        }
        Ok(ticket)
    }

    /// Lets a permitted request go on, or not; or one that objects have to be looked up for, before it is decided about.
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn admit(
        &self,
        ticket: &mut Ticket,
        listener: usize,
        class: Class,
        principal: &Principal,
        source: Option<std::net::IpAddr>,
    ) -> Result<(), LimitError> {
        self.places(ticket, listener, class, principal.roles()).map_err(|error| self.load.refuse(class, error))?;
        let caller = self.load.callers.of(principal, source);
        if !caller.requests.take(self.caller_max) {
            return Err(self.load.refuse(class, LimitError::CallerBusy));
        }
        ticket.caller = Some(caller);
        // Last, so that a request which is refused for another reason costs the caller no token.
        self.rates.check(class, principal, source).map_err(|error| self.load.refuse(class, error))
    }

    fn places(&self, ticket: &mut Ticket, listener: usize, class: Class, roles: &[Arc<str>]) -> Result<(), LimitError> {
        self.spare(listener, class)?;
        if !at(&self.load.classes, class).take(at(&self.classes, class).unwrap_or(usize::MAX)) {
            return Err(LimitError::ClassBusy);
        }
        ticket.class = Some(class);
        for bound in self.roles.iter().filter(|bound| roles.contains(&bound.role)) {
            if !bound.counter.take(bound.requests_max) {
                return Err(LimitError::RoleBusy);
            }
            ticket.roles.push(Arc::clone(&bound.counter));
        }
        Ok(())
    }
}

//! Requests that wait until their credential is checked.
//!
//! What is remembered, or needs nobody, is told at once and takes nothing here: so no caller without a credential waits, and
//! the ramdisk has none. Who has to wait for a password's hash or for Keystone is nobody yet, and a claim costs nothing:
//! all of them together have half of the places, one address a quarter, and none has the ramdisk's last tenth.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::caller::Caller;
use super::{LimitError, Limiter, Load, share};
use crate::catalog::Class;

/// All who wait have this part of all places.
const WAITING_PART: usize = 2;
/// Those of one address have this part.
const ADDRESS_PART: usize = 4;
/// However few places there are: callers that come at once after a start are no flood. The class' share counts all the same.
const WAITING_MIN: usize = 16;

/// A place among those who wait; dropped, it is free again.
#[derive(Debug)]
struct Waiting<'a> {
    load: &'a Load,
    address: Option<Arc<Caller>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.load.unproven.release();
        if let Some(address) = &self.address {
            address.unproven.release();
        }
    }
}

impl Limiter {
    /// What `check` finds out about a request's credential. `claimed` is the class of what the request asks for; it is looked
    /// for where the check cannot end at once.
    ///
    /// # Errors
    /// It would have to wait, and too many do, or it would take a place that is kept for others.
    pub async fn prove<T>(
        &self,
        listener: usize,
        claimed: impl Fn() -> Option<Class>,
        source: Option<IpAddr>,
        mut check: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, LimitError> {
        let mut place = None;
        std::future::poll_fn(|context| {
            if let Poll::Ready(found) = check.as_mut().poll(context) {
                return Poll::Ready(Ok(found));
            }
            if place.is_none() {
                match self.wait(listener, claimed(), source) {
                    Ok(waiting) => place = Some(waiting),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            Poll::Pending
        })
        .await
    }

    fn wait(&self, listener: usize, claimed: Option<Class>, source: Option<IpAddr>) -> Result<Waiting<'_>, LimitError> {
        let refuse = |error| match claimed {
            Some(class) => self.load.refuse(class, error),
            None => {
                self.load.refused.unknown.fetch_add(1, Ordering::Relaxed);
                error
            }
        };
        // Whoever claims to be a ramdisk has brought a credential, which a ramdisk has none of.
        let class = match claimed {
            Some(Class::Ramdisk) => Class::Write,
            Some(class) => class,
            None => Class::Read,
        };
        self.spare(listener, class).map_err(refuse)?;
        if !self.load.unproven.take((self.requests_max / WAITING_PART).max(WAITING_MIN)) {
            return Err(refuse(LimitError::Busy));
        }
        // From here on, dropping it gives back what it holds.
        let mut waiting = Waiting { load: &self.load, address: None };
        let places = self.listeners.get(listener).map_or(self.requests_max, |bound| bound.requests_max);
        let address = self.load.callers.at(source);
        if !address.unproven.take((places.min(self.requests_max) / ADDRESS_PART).max(WAITING_MIN)) {
            return Err(refuse(LimitError::Busy));
        }
        waiting.address = Some(address);
        Ok(waiting)
    }

    /// Whether a request that is counted already leaves the places that are kept for other classes.
    pub(super) fn spare(&self, listener: usize, class: Class) -> Result<(), LimitError> {
        if self.load.requests.count() > share(self.requests_max, class) {
            return Err(LimitError::Busy);
        }
        match self.listeners.get(listener) {
            Some(bound) if bound.counter.count() > share(bound.requests_max, class) => Err(LimitError::ListenerBusy),
            Some(_) | None => Ok(()),
        }
    }
}

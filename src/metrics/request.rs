//! One request, counted when its record is written: on every exit, as the record is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::rules::Verdict;
use super::worker::{WorkerMetrics, code};
use crate::authenticate::AuthnError;
use crate::catalog::{Operation, catalog};
use crate::rejection::Rejection;

/// Rides in a request's record.
#[derive(Debug)]
pub struct RequestMeter {
    worker: Arc<WorkerMetrics>,
    listener: usize,
    operation: Option<usize>,
    /// Scheme and result.
    authenticated: Option<[&'static str; 2]>,
    /// Stage and reason.
    rejected: Option<[&'static str; 2]>,
    invalid: bool,
}

/// What the record knows at its end.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// What the caller got; `None` if it went away before.
    pub status: Option<u16>,
    /// From the record's opening to its end.
    pub duration_us: u64,
    /// From asking Ironic to the head of its answer, where it was asked.
    pub upstream_us: Option<u64>,
    /// `permit`, `deny` or `none`.
    pub decision: &'a str,
    /// The rules that decided.
    pub policies: &'a [Arc<str>],
    /// What shadow would have made of it: `permit` or `deny`, and its rules.
    pub would_be: Option<(&'a str, &'a [Arc<str>])>,
    /// Values masked in the answer.
    pub masked: u64,
    /// Values that scrub rules in shadow would have masked besides.
    pub would_mask: u64,
}

impl RequestMeter {
    pub(super) fn new(worker: Arc<WorkerMetrics>, listener: usize) -> Self {
        worker.inflight.fetch_add(1, Ordering::Relaxed);
        Self { worker, listener, operation: None, authenticated: None, rejected: None, invalid: false }
    }

    /// Who asks was found out by this scheme.
    pub fn authenticated(&mut self, scheme: &'static str) {
        self.authenticated = Some([scheme, "ok"]);
    }

    /// What is asked.
    pub fn operation(&mut self, operation: &Operation) {
        self.operation = Some(operation.index);
    }

    /// The request is refused.
    pub fn reject(&mut self, rejection: &Rejection) {
        self.rejected = Some([rejection.stage(), rejection.code()]);
        self.invalid = matches!(rejection, Rejection::Invalid(..));
        if let Rejection::Authentication(error, _) = rejection {
            self.authenticated = Some([scheme(*error), rejection.code()]);
        }
    }

    /// Counts the request.
    pub fn finish(self, seen: &Observation<'_>) {
        let worker = &self.worker;
        worker.records.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = worker.requests(self.listener, self.operation, code(seen.status)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let place = self.operation.unwrap_or(worker.durations.len().saturating_sub(1));
        if let Some(histogram) = worker.durations.get(place) {
            histogram.observe(seen.duration_us);
        }
        if let (Some(histogram), Some(microseconds)) = (worker.upstream.get(place), seen.upstream_us) {
            histogram.observe(microseconds);
        }
        if let Some(authenticated) = self.authenticated {
            worker.authentications.add(authenticated, 1);
        }
        if let Some(rejected @ [_, reason]) = self.rejected {
            worker.rejections.add(rejected, 1);
            let operation = self.operation.and_then(|index| catalog().operations().get(index));
            if let (true, Some(operation)) = (self.invalid, operation) {
                worker.faults.add([&operation.id, reason], 1);
            }
        }
        match seen.decision {
            "permit" => worker.rules.count(worker.index, Verdict::Permit, seen.policies),
            "deny" => worker.rules.count(worker.index, Verdict::Deny, seen.policies),
            _ => {}
        }
        match seen.would_be {
            Some(("permit", rules)) => worker.rules.count(worker.index, Verdict::WouldPermit, rules),
            Some((_, rules)) => worker.rules.count(worker.index, Verdict::WouldDeny, rules),
            None => {}
        }
        if seen.masked > 0 {
            worker.masked.fetch_add(seen.masked, Ordering::Relaxed);
        }
        if seen.would_mask > 0 {
            worker.would_mask.fetch_add(seen.would_mask, Ordering::Relaxed);
        }
    }
}

impl Drop for RequestMeter {
    fn drop(&mut self) {
        self.worker.inflight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The scheme that refused; `none` where it is not known whose credential it was.
const fn scheme(error: AuthnError) -> &'static str {
    match error {
        AuthnError::Malformed(_) | AuthnError::Wrong | AuthnError::Overloaded | AuthnError::Interrupted => "basic",
        AuthnError::Token(_) => "jwt",
        AuthnError::Certificate(_) => "certificate",
        AuthnError::Keystone(_) => "keystone",
        AuthnError::Missing
        | AuthnError::NotServed
        | AuthnError::Unwanted
        | AuthnError::Repeated
        | AuthnError::Contradicting => "none",
    }
}

//! The policy decision point: pure, around Cedar. It reads no file, clock or socket.
//!
//! `policies/` holds Cedar text; the schema is generated from the catalogue. Each operation `X` of the catalogue is the
//! action `Action::"X"`; an operation with a body has a second action `Action::"X:write"`, a member of the first, which is
//! asked once for each write. So `action == Action::"node:update"` grants asking at all, and
//! `action in Action::"node:update"` grants the operation with every field.

use std::net::IpAddr;
use std::sync::Arc;

use crate::authenticate::Principal;
use crate::call::{Route, Write};

/// What the decision point is asked.
#[derive(Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// About what: operation, identifiers, query, microversion.
    pub route: &'a Route<'a>,
    /// `None`: about the request as a whole. Else about this write of it.
    pub write: Option<&'a Write<'a>>,
    /// The facts that are not in the request.
    pub circumstances: &'a Circumstances,
}

/// Facts about the request's surroundings.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The caller's address; `None` on a unix socket.
    pub source: Option<IpAddr>,
    /// Seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The listener's name.
    pub listener: Arc<str>,
}

/// The decision point's answer. Deny is a value, not an error.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// Go on.
    Permit(Permit),
    /// Stop.
    Deny(Denial),
}

/// Proof of a permitting decision. Only the decision point makes one.
#[derive(Debug)]
pub struct Permit {
    policies: PolicyIds,
}

/// Why a request was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The kind of denial.
    pub reason: DenialReason,
    /// The ids of the policies that made it; empty where no permit matched.
    pub policies: PolicyIds,
    /// The `@reason` of the first of them: text written by the policy's author for the caller.
    pub explanation: Option<Arc<str>>,
}

/// The ids of the policies that made a decision.
pub type PolicyIds = Vec<Arc<str>>;

/// The kinds of denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// No permit matched.
    NoPermit,
    /// A forbid matched.
    Forbidden,
    /// A policy's condition could not be evaluated.
    Indeterminate,
}

impl DenialReason {
    /// The stable word for records and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPermit => "no_permit",
            Self::Forbidden => "forbidden",
            Self::Indeterminate => "indeterminate",
        }
    }
}

impl Permit {
    /// The ids of the permits that matched.
    pub fn policies(&self) -> &[Arc<str>] {
        &self.policies
    }
}

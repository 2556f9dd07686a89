//! The policy decision point: pure, around Cedar. It reads no file, clock or socket.
//!
//! `policies/` holds Cedar text; the schema is generated from the catalogue. Each operation `X` of the catalogue is the
//! action `Action::"X"`; an operation with a body has a second action `Action::"X:write"`, a member of the first, which is
//! asked once for each write. So `action == Action::"node:update"` grants asking at all, and
//! `action in Action::"node:update"` grants the operation with every field. `docs/policy.md` is the manual.
//!
//! Cedar is the meaning; what is done for speed changes nothing, and a property test proves it: policies are sliced by action
//! at load (`engine`), those that cannot apply to a caller's roles are left out, what is then constant is decided once per
//! role set (`roles`), what plain comparisons rule out or settle is not put to Cedar (`guard`), and of a question only what is
//! read is prepared (`reads`), once for a request and its writes. Beside Cedar stands one rule of our own: where Cedar
//! skips a policy whose condition cannot be evaluated, irongate denies.
//!
//! `rule` and `strict` read and check policies, `tools` tells people about them.

mod attribute;
mod context;
mod engine;
mod entities;
mod filter;
mod finding;
mod guard;
mod hint;
mod lint;
mod places;
mod reads;
mod reference;
mod resource;
mod roles;
mod rule;
mod schema;
mod shipped;
mod slice;
mod strict;
mod tools;
mod url;
mod written;

use std::net::IpAddr;
use std::sync::Arc;

use crate::authenticate::Principal;
use crate::call::{Route, Write};

pub use attribute::Attribute;
pub use engine::PolicyEngine;
pub use filter::{Added, queried_node};
pub use finding::{PolicyFinding, Severity, findings_json};
pub use places::{PlaceError, Places};
pub use resource::{Needs, NodeFields, ObjectFacts, Objects, PROPERTIES_MAX, RequestCache, has_attributes};
pub use rule::{PolicyMode, PolicySource, validate};
pub use schema::cedar_schema;
pub use shipped::shipped;
pub use tools::cases::{Case, CaseError, CaseFile, CaseObjects, Expected, ExpectedOutcome, Who};
pub use tools::diff::{Change, ChangeKind, diff};
pub use tools::explain::{Applicability, Considered, Explanation, Part, explain};
pub use tools::matrix::{granted, matrix, matrix_json};
pub use tools::past::{
    FactSet, PastDecision, PastEngine, PastKeystone, PastRequest, PastStep, PastUrl, PastValue, PastWrite, Told,
    UnknownObjects,
};
pub(crate) use written::{UrlOrigin, value_facts};

/// Scheme, host and port of a URL that policies take for plain, for fuzzing only.
#[cfg(fuzzing)]
pub fn plain_url(text: &str) -> Option<(String, String, Option<u16>)> {
    let facts = url::url_facts(text, true).filter(|facts| facts.plain)?;
    Some((facts.scheme, facts.host, facts.port))
}

/// What the decision point is asked.
#[derive(Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// About what: operation, identifiers, query, microversion.
    pub route: &'a Route<'a>,
    /// `None`: about the request as a whole. Else about this write of it.
    pub write: Option<&'a Write<'a>>,
    /// All writes of the request; empty where it is asked about as a whole.
    pub siblings: &'a [Write<'a>],
    /// The facts that are not in the request.
    pub circumstances: &'a Circumstances,
    /// What is known of the objects that it is about; [`PolicyEngine::needs`] tells whether the policies read it.
    pub objects: Objects<'a>,
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
    /// The configured places.
    pub places: Arc<Places>,
}

/// What the decision point says: the decision, and what it would be if the shadow policies were enforced.
#[derive(Debug)]
#[must_use]
pub struct Verdict {
    /// By the policies in mode `enforce` alone. Only this may touch the request.
    pub decision: Decision,
    /// With the policies in mode `shadow` too; `None` where they would not turn the decision around. For records only.
    pub would_be: Option<WouldBe>,
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

/// A decision that is only recorded: it permits nothing, so it holds no [`Permit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WouldBe {
    /// Denied now; these permits would let it through.
    Permit(PolicyIds),
    /// Permitted now; this would stop it.
    Deny(Denial),
}

/// Proof of a permitting decision. Only the decision point makes one.
#[derive(Debug)]
pub struct Permit {
    policies: PolicyIds,
    waived: Option<Denial>,
    filter: Option<Added>,
}

/// Why a request was denied. Only the decision point makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The kind of denial.
    pub reason: DenialReason,
    /// The ids of the policies that made it, sorted; empty where no permit matched.
    pub policies: PolicyIds,
    /// The `@reason` of the first of them that has one: text written by the policy's author for the caller.
    pub explanation: Option<Arc<str>>,
    /// Whether one of them says `@conceal`: the caller is to see what a missing object looks like.
    pub conceal: bool,
    seal: Seal,
}

/// Keeps [`Denial`] from being written out anywhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seal;

/// The ids of the policies that made a decision. Cheap to clone.
pub type PolicyIds = Arc<[Arc<str>]>;

/// The kinds of denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DenialReason {
    /// No permit matched.
    NoPermit,
    /// A forbid matched.
    Forbidden,
    /// A policy's condition could not be evaluated.
    Indeterminate,
    /// An object that policies read could not be looked up.
    Unavailable,
}

/// Leave to go on in spite of a denial: the global dry-run.
///
/// INVARIANT: made from configuration only, when the snapshot is built; `authorize` alone hands it to [`Denial::waive`].
/// A test searches the sources for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShadowMode(());

impl DenialReason {
    /// The stable word for records and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPermit => "no_permit",
            Self::Forbidden => "forbidden",
            Self::Indeterminate => "indeterminate",
            Self::Unavailable => "resource_unavailable",
        }
    }
}

impl Permit {
    /// The ids of the permits that matched, sorted; empty if this stands for a waived denial.
    pub fn policies(&self) -> &[Arc<str>] {
        &self.policies
    }

    /// The denial that the global dry-run set aside, for the record.
    pub fn waived(&self) -> Option<&Denial> {
        self.waived.as_ref()
    }

    /// What has to be added to a list's query for the permit to hold.
    pub fn filter(&self) -> Option<&Added> {
        self.filter.as_ref()
    }

    fn of(policies: PolicyIds) -> Self {
        Self { policies, waived: None, filter: None }
    }

    fn with(self, filter: Option<Added>) -> Self {
        Self { filter, ..self }
    }

    /// For unit tests of other modules.
    #[cfg(test)]
    pub(crate) fn for_test(policies: &[&str]) -> Self {
        Self::of(policies.iter().map(|id| Arc::from(*id)).collect())
    }
}

impl Denial {
    /// Goes on all the same, because the whole configuration says `mode = "shadow"`. The permit remembers the denial.
    pub fn waive(self, _: ShadowMode) -> Permit {
        Permit { policies: PolicyIds::default(), waived: Some(self), filter: None }
    }

    const fn of(reason: DenialReason, policies: PolicyIds, explanation: Option<Arc<str>>, conceal: bool) -> Self {
        Self { reason, policies, explanation, conceal, seal: Seal }
    }

    /// For unit tests of other modules.
    #[cfg(test)]
    pub(crate) fn for_test(reason: DenialReason, policies: &[&str], explanation: Option<&str>) -> Self {
        Self::of(reason, policies.iter().map(|id| Arc::from(*id)).collect(), explanation.map(Arc::from), false)
    }
}

impl ShadowMode {
    /// The token, if the configuration's global `mode` is `shadow`. Nothing but the configuration may call this.
    pub fn from_configuration(mode: PolicyMode) -> Option<Self> {
        match mode {
            PolicyMode::Shadow => Some(Self(())),
            PolicyMode::Enforce | PolicyMode::Off => None,
        }
    }
}

#[cfg(test)]
mod tests;

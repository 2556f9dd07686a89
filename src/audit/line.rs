//! The line that a record becomes. `docs/audit.schema.json` is its schema, `docs/audit.md` its manual; [`super::read`]
//! reads it. Whoever changes one changes all four: every record of the tests is checked against the schema.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::facts::{QueryValues, WriteLine};
use super::free::FreeText;
use crate::authenticate::{KeystoneFacts, Principal};
use crate::call::Route;
use crate::metrics::Observation;
use crate::policy::{Denial, PolicyIds};
use crate::rejection::DEFAULT_DENY;
use crate::request_id::RequestId;
use crate::trace::Facts;

/// The version of the schema. Within a version fields are added, never taken away or given another meaning.
pub(super) const VERSION: u8 = 1;

/// The line's shape, in the order in which it is written.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) version: u8,
    pub(super) time: jiff::Timestamp,
    pub(super) request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) global_request_id: Option<RequestId>,
    pub(super) listener: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<IpAddr>,
    pub(super) http: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<PrincipalLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resource: Option<ResourceLine>,
    #[serde(skip_serializing_if = "Parameters::is_empty")]
    pub(super) parameters: Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) microversion: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) query: Vec<&'static str>,
    #[serde(skip_serializing_if = "QueryValues::is_empty")]
    pub(super) query_values: QueryValues,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) writes: Vec<WriteLine>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) writes_more: usize,
    pub(super) mode: &'static str,
    pub(super) revision: Arc<str>,
    pub(super) decision: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) policies: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) denied_path: Option<FreeText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) would_be: Option<WouldBe>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<CandidateLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) would_refuse: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_request_id: Option<RequestId>,
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) one_of: Option<u32>,
    pub(super) request_bytes: u64,
    pub(super) answer_bytes: u64,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub(super) masked: u64,
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub(super) would_mask: u64,
    pub(super) duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_us: Option<u64>,
}

impl Line {
    /// What of it a trace tells.
    pub(super) fn traced(&self) -> Facts {
        Facts {
            request_id: self.request_id,
            listener: Arc::clone(&self.listener),
            operation: self.operation,
            http: self.http,
            mode: self.mode,
            scheme: self.principal.as_ref().map(|principal| principal.scheme),
            decision: self.decision,
            rule: self.policies.first().map(Arc::clone),
            stage: self.stage,
            reason: self.reason,
            status: self.status,
            upstream_status: self.upstream_status,
            outcome: self.outcome,
        }
    }

    /// What of it is counted.
    pub(super) fn observation(&self) -> Observation<'_> {
        Observation {
            status: self.status,
            duration_us: self.duration_us,
            upstream_us: self.upstream_us,
            decision: self.decision,
            policies: &self.policies,
            would_be: self.would_be.as_ref().map(|would_be| (would_be.decision, &*would_be.policies)),
            masked: self.masked,
            would_mask: self.would_mask,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct PrincipalLine {
    pub(super) scheme: &'static str,
    pub(super) name: String,
    pub(super) roles: Vec<Arc<str>>,
    pub(super) bindings: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keystone: Option<KeystoneLine>,
}

impl PrincipalLine {
    pub(super) fn of(principal: &Principal) -> Self {
        Self {
            scheme: principal.scheme().as_str(),
            name: principal.name().to_owned(),
            roles: principal.roles().to_vec(),
            bindings: principal.bindings().to_vec(),
            keystone: principal.keystone().map(KeystoneLine::of),
        }
    }
}

/// What Keystone said of a caller: ids and names, no token.
#[derive(Debug, Serialize)]
pub(super) struct KeystoneLine {
    pub(super) user: Arc<str>,
    pub(super) user_domain: Arc<str>,
    pub(super) user_domain_id: Arc<str>,
    pub(super) scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project_domain_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) domain_id: Option<Arc<str>>,
    pub(super) roles: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application_credential_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trust_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) service_roles: Vec<Arc<str>>,
}

impl KeystoneLine {
    fn of(facts: &KeystoneFacts) -> Self {
        let (project, domain) = (facts.project.as_ref(), facts.domain.as_ref());
        let credential = facts.application_credential.as_ref();
        Self {
            user: Arc::clone(&facts.user_name),
            user_domain: Arc::clone(&facts.user_domain_name),
            user_domain_id: Arc::clone(&facts.user_domain_id),
            scope: facts.scope(),
            project_id: project.map(|project| Arc::clone(&project.id)),
            project: project.map(|project| Arc::clone(&project.name)),
            project_domain_id: project.map(|project| Arc::clone(&project.domain_id)),
            domain_id: domain.map(|domain| Arc::clone(&domain.id)),
            roles: facts.roles.clone(),
            application_credential_id: credential.map(|credential| Arc::clone(&credential.id)),
            trust_id: facts.trust_id.clone(),
            service_roles: facts.service_roles.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ResourceLine {
    #[serde(rename = "type")]
    pub(super) kind: crate::catalog::ResourceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<FreeText>,
}

impl ResourceLine {
    pub(super) fn of(route: &Route<'_>) -> Self {
        Self { kind: route.operation().resource, id: route.resource_id().map(FreeText::of) }
    }
}

/// Path parameters beside the resource's own, by their names in the template.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(&'static str, FreeText)>);

impl Parameters {
    pub(super) fn of(route: &Route<'_>) -> Self {
        let own = route.operation().resource_parameter.as_deref();
        let others = route.parameters().filter(|(name, _)| Some(*name) != own);
        Self(others.map(|(name, text)| (name, FreeText::of(text))).collect())
    }

    /// The text of the parameter of this name.
    pub(super) fn of_name(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in &self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct WouldBe {
    decision: &'static str,
    reason: &'static str,
    policies: PolicyIds,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<FreeText>,
}

impl WouldBe {
    /// A denial that is not enforced; `path` where it is one write's.
    pub(super) fn deny(denial: &Denial, path: Option<&str>) -> Self {
        let path = path.map(FreeText::of);
        Self { decision: "deny", reason: denial.reason.as_str(), policies: Arc::clone(&denial.policies), path }
    }

    /// The first policy that would deny; [`DEFAULT_DENY`] where none permits. `None` for a permit.
    pub(super) fn denying_rule(&self) -> Option<&str> {
        (self.decision == "deny").then(|| self.policies.first().map_or(DEFAULT_DENY, |policy| &**policy))
    }

    /// A permit of policies in shadow mode.
    pub(super) fn permit(policies: &PolicyIds) -> Self {
        Self { decision: "permit", reason: "shadow_permit", policies: Arc::clone(policies), path: None }
    }
}

/// Where a candidate disagreed for the first time.
#[derive(Debug, Serialize)]
pub(super) struct CandidateLine {
    pub(super) name: Arc<str>,
    pub(super) decision: &'static str,
    pub(super) reason: &'static str,
    pub(super) policies: PolicyIds,
    pub(super) active: PolicyIds,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

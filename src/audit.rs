//! One record per request, on every exit.
//!
//! A [`Record`] is opened before anything is decided and written when it is dropped: with the answer's body, with a
//! cancelled request, with a panic. Its fields are identifiers, names of the catalogue and ids of policies; values of a
//! request have no place in it.

mod sink;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use serde::Serialize;

use crate::authenticate::{KeystoneFacts, Principal};
use crate::call::{Route, Write};
use crate::config::Mode;
use crate::metrics::{Observation, RequestMeter};
use crate::policy::{Decision, Denial, Permit, PolicyIds};
use crate::rejection::Rejection;
use crate::request_id::{RequestId, RequestIds};
use crate::telemetry;
use crate::trace::{Facts, Phase, Trace};

pub use sink::{Audit, AuditError};

/// Written fields named in one record; more are counted.
const WRITES_MAX: usize = 100;

/// What is known of one request so far.
#[derive(Debug)]
pub struct Record {
    line: Line,
    opened: Instant,
    audit: Audit,
    meter: Option<RequestMeter>,
    trace: Option<Box<Trace>>,
    written: bool,
}

/// The line's shape; `docs/audit.md` documents it.
#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    version: u8,
    time: jiff::Timestamp,
    request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    global_request_id: Option<RequestId>,
    listener: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    http: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<PrincipalLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<ResourceLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    microversion: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    query: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    writes: Vec<WriteLine>,
    #[serde(skip_serializing_if = "is_zero")]
    writes_more: usize,
    mode: &'static str,
    revision: Arc<str>,
    decision: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policies: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_be: Option<WouldBe>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<CandidateLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<RequestId>,
    outcome: &'static str,
    request_bytes: u64,
    answer_bytes: u64,
    #[serde(skip_serializing_if = "is_zero_u64")]
    masked: u64,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_us: Option<u64>,
}

#[derive(Debug, Serialize)]
struct PrincipalLine {
    scheme: &'static str,
    name: String,
    roles: Vec<Arc<str>>,
    bindings: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keystone: Option<KeystoneLine>,
}

/// What Keystone said of a caller: ids and names, no token.
#[derive(Debug, Serialize)]
struct KeystoneLine {
    user: Arc<str>,
    user_domain: Arc<str>,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain_id: Option<Arc<str>>,
    roles: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_credential_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_id: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    service_roles: Vec<Arc<str>>,
}

impl KeystoneLine {
    fn of(facts: &KeystoneFacts) -> Self {
        let (project, domain) = (facts.project.as_ref(), facts.domain.as_ref());
        let credential = facts.application_credential.as_ref();
        Self {
            user: Arc::clone(&facts.user_name),
            user_domain: Arc::clone(&facts.user_domain_name),
            scope: facts.scope(),
            project_id: project.map(|project| Arc::clone(&project.id)),
            project: project.map(|project| Arc::clone(&project.name)),
            domain_id: domain.map(|domain| Arc::clone(&domain.id)),
            roles: facts.roles.clone(),
            application_credential_id: credential.map(|credential| Arc::clone(&credential.id)),
            trust_id: facts.trust_id.clone(),
            service_roles: facts.service_roles.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct ResourceLine {
    #[serde(rename = "type")]
    kind: crate::catalog::ResourceType,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

#[derive(Debug, Serialize)]
struct WriteLine {
    op: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
}

#[derive(Debug, Serialize)]
struct WouldBe {
    decision: &'static str,
    reason: &'static str,
    policies: PolicyIds,
}

/// Where a candidate disagreed for the first time.
#[derive(Debug, Serialize)]
struct CandidateLine {
    name: Arc<str>,
    decision: &'static str,
    reason: &'static str,
    policies: PolicyIds,
    active: PolicyIds,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero_u64(number: &u64) -> bool {
    *number == 0
}

impl Line {
    /// What of it a trace tells.
    fn traced(&self) -> Facts {
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
    fn observation(&self) -> Observation<'_> {
        Observation {
            status: self.status,
            duration_us: self.duration_us,
            upstream_us: self.upstream_us,
            decision: self.decision,
            policies: &self.policies,
            would_be: self.would_be.as_ref().map(|would_be| (would_be.decision, &*would_be.policies)),
            masked: self.masked,
        }
    }
}

/// What is known of a request before its head is read.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The listener's name.
    pub listener: Arc<str>,
    /// The caller's address.
    pub source: Option<IpAddr>,
    /// `HTTP/1.1` or `HTTP/2`.
    pub http: &'static str,
    /// The snapshot's mode.
    pub mode: Mode,
    /// The snapshot's digest.
    pub revision: Arc<str>,
}

impl Record {
    /// Opens the record of a request.
    pub fn open(audit: &Audit, opening: Opening, ids: &RequestIds) -> Box<Self> {
        Box::new(Self {
            line: Line {
                kind: "decision",
                version: 1,
                time: jiff::Timestamp::now(),
                request_id: ids.own,
                global_request_id: ids.global,
                listener: opening.listener,
                source: opening.source,
                http: opening.http,
                principal: None,
                operation: None,
                resource: None,
                microversion: None,
                query: Vec::new(),
                writes: Vec::new(),
                writes_more: 0,
                mode: opening.mode.as_str(),
                revision: opening.revision,
                decision: "none",
                policies: Vec::new(),
                would_be: None,
                candidates: Vec::new(),
                filter: None,
                stage: None,
                reason: None,
                status: None,
                upstream_status: None,
                upstream_request_id: None,
                outcome: "aborted",
                request_bytes: 0,
                answer_bytes: 0,
                masked: 0,
                duration_us: 0,
                upstream_us: None,
            },
            opened: Instant::now(),
            audit: audit.clone(),
            meter: None,
            trace: None,
            written: false,
        })
    }

    /// Traces the request, if it is sampled.
    pub fn trace(&mut self, trace: Option<Box<Trace>>) {
        self.trace = trace;
    }

    /// A part of the request begins.
    pub fn enter(&mut self, phase: Phase) {
        if let Some(trace) = &mut self.trace {
            trace.enter(phase);
        }
    }

    /// The part that runs has ended.
    pub fn leave(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.leave();
        }
    }

    /// The header that tells Ironic of the request's trace.
    pub fn traceparent(&self) -> Option<HeaderValue> {
        self.trace.as_ref().map(|trace| trace.header())
    }

    /// Counts the request when its record is written.
    pub fn measure(&mut self, meter: RequestMeter) {
        self.meter = Some(meter);
    }

    /// Who asks.
    pub fn principal(&mut self, principal: &Principal) {
        if let Some(meter) = &mut self.meter {
            meter.authenticated(principal.scheme().as_str());
        }
        self.line.principal = Some(PrincipalLine {
            scheme: principal.scheme().as_str(),
            name: principal.name().to_owned(),
            roles: principal.roles().to_vec(),
            bindings: principal.bindings().to_vec(),
            keystone: principal.keystone().map(KeystoneLine::of),
        });
    }

    /// What is asked: names of query parameters, never their values.
    pub fn route(&mut self, route: &Route<'_>) {
        let operation = route.operation();
        if let Some(meter) = &mut self.meter {
            meter.operation(operation);
        }
        self.line.operation = Some(&operation.id);
        self.line.resource =
            Some(ResourceLine { kind: operation.resource, id: route.resource_id().map(ToOwned::to_owned) });
        self.line.microversion = Some(route.microversion().to_string());
        self.line.query = route.query().map(|(name, _)| name.to_owned()).collect();
    }

    /// Which fields are written: places, never values.
    pub fn writes(&mut self, writes: &[Write<'_>]) {
        self.line.writes = writes
            .iter()
            .take(WRITES_MAX)
            .map(|write| WriteLine {
                op: write.op.as_str(),
                path: write.path.as_str().to_owned(),
                step: write.step.as_ref().map(|step| format!("{}.{}", step.interface, step.step)),
            })
            .collect();
        self.line.writes_more = writes.len().saturating_sub(WRITES_MAX);
    }

    /// A permitting decision.
    pub fn permit(&mut self, permit: &Permit) {
        self.line.decision = "permit";
        for policy in permit.policies() {
            if !self.line.policies.contains(policy) {
                self.line.policies.push(Arc::clone(policy));
            }
        }
    }

    /// A filter that policies demand of a list, and that irongate added to its query.
    pub const fn filter(&mut self, parameter: &'static str) {
        self.line.filter = Some(parameter);
    }

    /// A denial that is not enforced.
    pub fn would_deny(&mut self, denial: &Denial) {
        self.line.would_be.get_or_insert_with(|| WouldBe {
            decision: "deny",
            reason: denial.reason.as_str(),
            policies: denial.policies.clone(),
        });
    }

    /// What shadow policies would permit.
    pub fn would_permit(&mut self, policies: &PolicyIds) {
        self.line.would_be.get_or_insert_with(|| WouldBe {
            decision: "permit",
            reason: "shadow_permit",
            policies: policies.clone(),
        });
    }

    /// The denials of this request are recorded and not enforced.
    pub fn in_shadow(&mut self) {
        self.line.mode = Mode::Shadow.as_str();
    }

    /// A candidate would have decided otherwise than `active`. The first such question of each candidate is recorded.
    pub fn candidate(&mut self, name: &Arc<str>, active: &Decision, other: &Decision) {
        if self.line.candidates.iter().any(|known| known.name == *name) {
            return;
        }
        let policies = |decision: &Decision| match decision {
            Decision::Permit(permit) => PolicyIds::from(permit.policies()),
            Decision::Deny(denial) => denial.policies.clone(),
        };
        let (decision, reason) = match other {
            Decision::Permit(_) => ("permit", "candidate_permit"),
            Decision::Deny(denial) => ("deny", denial.reason.as_str()),
        };
        let line = CandidateLine {
            name: Arc::clone(name),
            decision,
            reason,
            policies: policies(other),
            active: policies(active),
        };
        self.line.candidates.push(line);
    }

    /// A refusal that is answered.
    pub fn reject(&mut self, rejection: &Rejection) {
        if let Some(meter) = &mut self.meter {
            meter.reject(rejection);
        }
        self.line.stage = Some(rejection.stage());
        self.line.reason = Some(rejection.code());
        if let Rejection::Denied(refusal) | Rejection::Unauthenticated(refusal, _) = rejection {
            self.line.decision = "deny";
            self.line.policies = refusal.denial.policies.to_vec();
        }
    }

    /// What the caller gets.
    pub fn status(&mut self, status: http::StatusCode) {
        self.line.status = Some(status.as_u16());
    }

    /// What Ironic answered, and after how long.
    pub fn upstream(&mut self, status: http::StatusCode, request_id: Option<RequestId>, since: Instant) {
        self.leave();
        self.line.upstream_status = Some(status.as_u16());
        self.line.upstream_request_id = request_id;
        self.line.upstream_us = Some(microseconds(since));
    }

    /// The size of the request's body.
    pub fn request_bytes(&mut self, bytes: usize) {
        self.line.request_bytes = bytes as u64;
    }

    /// A piece of the answer was handed out.
    pub fn answer_bytes(&mut self, bytes: usize) {
        self.line.answer_bytes = self.line.answer_bytes.saturating_add(bytes as u64);
    }

    /// Values were masked in the answer.
    pub fn masked(&mut self, count: u64) {
        self.line.masked = count;
    }

    /// The answer was cut.
    pub fn cut(&mut self, reason: &'static str) {
        self.line.outcome = "cut";
        self.line.reason = Some(reason);
        self.write();
    }

    /// The answer was handed out to its end.
    pub fn complete(&mut self) {
        self.line.outcome = "complete";
        self.write();
    }

    fn write(&mut self) {
        if !std::mem::replace(&mut self.written, true) {
            self.line.duration_us = microseconds(self.opened);
            if let Some(meter) = self.meter.take() {
                meter.finish(&self.line.observation());
            }
            if let Some(trace) = self.trace.take() {
                trace.finish(self.line.traced());
            }
            match serde_json::to_string(&self.line) {
                Ok(line) => {
                    let mut line = telemetry::cast(line).into_bytes();
                    line.push(b'\n');
                    self.audit.send(line);
                }
                Err(_) => self.audit.lost(),
            }
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.written && std::thread::panicking() {
            self.line.outcome = "panic";
            self.line.reason = Some("internal");
        }
        self.write();
    }
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Audit, Opening, Record};
    use crate::config::{AuditSink, Mode};
    use crate::request_id::RequestIds;

    fn opened(audit: &Audit) -> Box<Record> {
        let opening = Opening {
            listener: Arc::from("public"),
            source: None,
            http: "HTTP/1.1",
            mode: Mode::Enforce,
            revision: Arc::from("0"),
        };
        Record::open(audit, opening, &RequestIds::minted())
    }

    fn written(leave: impl FnOnce(Box<Record>) + Send + 'static) -> serde_json::Value {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.jsonl");
        let audit = Audit::open(&AuditSink::File(file.clone())).unwrap();
        let record = opened(&audit);
        // A thread of its own, which may panic.
        std::thread::spawn(move || leave(record)).join().ok();
        audit.flush();
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_record_is_written_once_on_every_exit() {
        assert_eq!(written(drop)["outcome"], "aborted");
        let completed = written(|mut record| {
            record.complete();
            record.complete();
        });
        assert_eq!(completed["outcome"], "complete");
        let cut = written(|mut record| record.cut("upstream_malformed"));
        assert_eq!((&cut["outcome"], &cut["reason"]), (&"cut".into(), &"upstream_malformed".into()));
        let panicked = written(|record| {
            let _record = record;
            panic!("S3cret");
        });
        assert_eq!((&panicked["outcome"], &panicked["reason"]), (&"panic".into(), &"internal".into()));
        assert!(!panicked.to_string().contains("S3cret"));
    }

    #[test]
    fn a_full_disk_loses_records_and_says_so() {
        if !std::path::Path::new("/dev/full").exists() {
            return;
        }
        let audit = Audit::open(&AuditSink::File("/dev/full".into())).unwrap();
        drop(opened(&audit));
        audit.flush();
        assert_eq!(audit.lost_records(), 1);
    }
}

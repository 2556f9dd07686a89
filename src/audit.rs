//! One record per request, on every exit.
//!
//! A [`Record`] is opened before anything is decided and written when it is dropped: with the answer's body, with a
//! cancelled request, with a panic. Its fields are identifiers, names of the catalogue and ids of policies; of the values
//! of a request it keeps only facts: what is needed to decide again, and no text that the caller wrote. Names that the caller
//! chose are `FreeText`.

mod cadf;
mod facts;
mod free;
mod line;
mod output;
mod queue;
pub mod read;
mod sink;
mod terms;
mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;
use serde::Serialize;

use crate::authenticate::Principal;
use crate::call::{Route, Write};
use crate::catalog::Operation;
use crate::config::Mode;
use crate::metrics::RequestMeter;
use crate::policy::{Decision, Denial, Permit, Places, PolicyIds};
use crate::rejection::Rejection;
use crate::request_id::{RequestId, RequestIds};
use crate::trace::{Phase, Trace};

use cadf::Event;
use free::FreeText;
use line::{CandidateLine, Line, Parameters, PrincipalLine, ResourceLine, VERSION, WouldBe};

pub use output::{AuditError, check_sinks};
pub use sink::{Audit, AuditCounts, AuditFull, QUEUE_BYTES_MAX};
pub use terms::{AuditTerms, OnFull, RecordOf};

/// Why the end of irongate cut a request.
const DRAIN_TIMEOUT: &str = "drain_timeout";

/// What is known of one request so far.
#[derive(Debug)]
pub struct Record {
    line: Line,
    opened: Instant,
    audit: Audit,
    meter: Option<RequestMeter>,
    trace: Option<Box<Trace>>,
    written: bool,
    terms: AuditTerms,
    of: RecordOf,
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
    /// What becomes of records that cannot be written.
    pub terms: AuditTerms,
}

impl Record {
    /// Opens the record of a request.
    pub fn open(audit: &Audit, opening: Opening, ids: &RequestIds) -> Box<Self> {
        Box::new(Self {
            line: Line {
                kind: "decision",
                version: VERSION,
                time: jiff::Timestamp::now(),
                request_id: ids.own,
                global_request_id: ids.global,
                listener: opening.listener,
                source: opening.source,
                http: opening.http,
                principal: None,
                operation: None,
                resource: None,
                parameters: Parameters::default(),
                microversion: None,
                query: Vec::new(),
                query_values: facts::QueryValues::default(),
                writes: Vec::new(),
                writes_more: 0,
                mode: opening.mode.as_str(),
                revision: opening.revision,
                decision: "none",
                policies: Vec::new(),
                denied_path: None,
                would_be: None,
                would_refuse: None,
                candidates: Vec::new(),
                filter: None,
                stage: None,
                reason: None,
                status: None,
                upstream_status: None,
                upstream_request_id: None,
                outcome: "aborted",
                one_of: None,
                request_bytes: 0,
                answer_bytes: 0,
                masked: 0,
                would_mask: 0,
                duration_us: 0,
                upstream_us: None,
            },
            opened: Instant::now(),
            audit: audit.clone(),
            meter: None,
            trace: None,
            written: false,
            terms: opening.terms,
            of: RecordOf::Read,
        })
    }

    /// Traces the request, if it is sampled.
    pub fn trace(&mut self, trace: Option<Box<Trace>>) {
        self.trace = trace;
    }

    /// A part of the request begins.
    pub fn begin_phase(&mut self, phase: Phase) {
        if let Some(trace) = &mut self.trace {
            trace.begin_phase(phase);
        }
    }

    /// The part that runs has ended.
    pub fn end_phase(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.end_phase();
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
        self.line.principal = Some(PrincipalLine::of(principal));
    }

    /// What is asked: identifiers, names of query parameters, and of their values those that are words of the program.
    pub fn route(&mut self, route: &Route<'_>) {
        let operation = route.operation();
        if let Some(meter) = &mut self.meter {
            meter.operation(operation);
        }
        self.line.operation = Some(&operation.id);
        self.of = RecordOf::call(operation);
        self.line.resource = Some(ResourceLine::of(route));
        self.line.parameters = Parameters::of(route);
        self.line.microversion = Some(route.microversion().to_string());
        (self.line.query, self.line.query_values) = facts::query(route);
    }

    /// Which fields are written, with facts about the values.
    pub fn writes(&mut self, operation: &'static Operation, writes: &[Write<'_>], places: &Places) {
        (self.line.writes, self.line.writes_more) = facts::writes(operation, writes, places);
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

    /// A denial that is not enforced; `path` where it is one write's. The first one of a request counts.
    pub fn would_deny(&mut self, denial: &Denial, path: Option<&str>) {
        if self.line.would_be.is_none() {
            let would_be = WouldBe::deny(denial, path);
            tracing::info!(
                request_id = %self.line.request_id,
                operation = self.line.operation,
                rule = would_be.denying_rule(),
                "would be denied"
            );
            self.line.would_be = Some(would_be);
        }
    }

    /// The rule that would have denied the request: the policy's id, or `default-deny`.
    pub fn would_be_denied_by(&self) -> Option<&str> {
        self.line.would_be.as_ref().and_then(WouldBe::denying_rule)
    }

    /// The check of bodies in shadow, if any, that would have refused the request.
    pub fn would_refuse(&mut self, check: Option<&'static str>) {
        self.line.would_refuse = check;
    }

    /// Values that scrub rules in shadow would have masked.
    pub fn would_mask(&mut self, count: u64) {
        self.line.would_mask = count;
    }

    /// What shadow policies would permit.
    pub fn would_permit(&mut self, policies: &PolicyIds) {
        self.line.would_be.get_or_insert_with(|| WouldBe::permit(policies));
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
        self.of = RecordOf::Denial;
        self.line.stage = Some(rejection.stage());
        self.line.reason = Some(rejection.code());
        if let Rejection::Denied(refusal) | Rejection::Unauthenticated(refusal, _) = rejection {
            self.line.decision = "deny";
            self.line.policies = refusal.denial.policies.to_vec();
            self.line.denied_path = refusal.write.as_deref().map(FreeText::of);
        }
    }

    /// What the caller gets.
    pub fn status(&mut self, status: http::StatusCode) {
        self.line.status = Some(status.as_u16());
    }

    /// What Ironic answered, and after how long.
    pub fn upstream(&mut self, status: http::StatusCode, request_id: Option<RequestId>, since: Instant) {
        self.end_phase();
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
            if !self.is_kept() {
                return self.audit.sampled_out();
            }
            let on_full = self.terms.on_full(self.of);
            self.audit.send_event(|| line_of(&Event::of(&self.line)).ok(), on_full);
            match line_of(&self.line) {
                Ok(line) => self.audit.send(line, on_full),
                Err(_) => self.audit.unwritable(),
            }
        }
    }
}

impl Record {
    /// Reads with nothing remarkable may be sampled. Writes, denials, would-be denials and what failed never are.
    fn is_kept(&mut self) -> bool {
        let plain = self.of == RecordOf::Read
            && self.line.decision == "permit"
            && self.line.would_be.is_none()
            && self.line.would_refuse.is_none()
            && self.line.would_mask == 0
            && self.line.outcome == "complete"
            && self.line.status.is_some_and(|status| status < 400);
        if self.terms.keep_one_read_in <= 1 || !plain {
            return true;
        }
        self.line.one_of = Some(self.terms.keep_one_read_in);
        self.line.request_id.is_kept(self.terms.keep_one_read_in)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.written && std::thread::panicking() {
            self.line.outcome = "panic";
            self.line.reason = Some("internal");
        } else if !self.written && self.audit.is_cutting() {
            self.line.outcome = "cut";
            self.line.reason.get_or_insert(DRAIN_TIMEOUT);
        }
        self.write();
    }
}

/// With its end.
fn line_of(record: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}

fn microseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Audit, AuditTerms, Opening, Record};
    use crate::config::{AuditConfig, AuditSink, Mode};
    use crate::request_id::RequestIds;

    fn opened(audit: &Audit) -> Box<Record> {
        let opening = Opening {
            listener: Arc::from("public"),
            source: None,
            http: "HTTP/1.1",
            mode: Mode::Enforce,
            revision: Arc::from("0"),
            terms: AuditTerms::default(),
        };
        Record::open(audit, opening, &RequestIds::minted())
    }

    fn written(leave: impl FnOnce(Box<Record>) + Send + 'static) -> serde_json::Value {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.jsonl");
        let audit = Audit::open(&AuditConfig::to(AuditSink::File(file.clone()))).unwrap();
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
        let ended = written(|record| {
            record.audit.cut();
            drop(record);
        });
        assert_eq!((&ended["outcome"], &ended["reason"]), (&"cut".into(), &"drain_timeout".into()));
        let panicked = written(|record| {
            let _record = record;
            panic!("S3cret");
        });
        assert_eq!((&panicked["outcome"], &panicked["reason"]), (&"panic".into(), &"internal".into()));
        assert!(!panicked.to_string().contains("S3cret"));
    }
}

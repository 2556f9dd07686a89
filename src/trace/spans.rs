//! A finished trace → OTLP spans.
//!
//! What a span may say stands in [`ATTRIBUTES`]: ids of the catalogue and of policies, words of this source, names of the
//! configuration, numbers. Values, identifiers of resources and names of callers are not among them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use uuid::Uuid;

use super::{Facts, Finished, Phase};
use crate::catalog::catalog;
use crate::version;

/// Every attribute that a span may have.
pub const ATTRIBUTES: [&str; 15] = [
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "network.protocol.version",
    "irongate.decision",
    "irongate.listener",
    "irongate.mode",
    "irongate.operation",
    "irongate.outcome",
    "irongate.reason",
    "irongate.request_id",
    "irongate.rule",
    "irongate.scheme",
    "irongate.stage",
    "irongate.upstream_status",
];

/// Sampled: bit 0 of the flags.
const SAMPLED: u32 = 1;

/// Spans of one irongate.
pub(super) fn batch(spans: Vec<Span>) -> ResourceSpans {
    ResourceSpans {
        resource: Some(Resource {
            attributes: vec![
                text("service.name", "irongate"),
                text("service.version", version::VERSION),
                text("service.instance.id", &instance()),
            ],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: "irongate".to_owned(),
                version: version::VERSION.to_owned(),
                ..InstrumentationScope::default()
            }),
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// Made up when the process starts: it tells two instances apart and names no machine.
fn instance() -> String {
    static INSTANCE: std::sync::LazyLock<Uuid> = std::sync::LazyLock::new(Uuid::new_v4);
    INSTANCE.to_string()
}

/// The spans of one request: itself, and its parts below it.
pub(super) fn of(finished: &Finished, spans: &mut Vec<Span>) {
    let context = &finished.context;
    let facts = &finished.facts;
    let span = |id: &[u8; 8], parent: Option<&[u8; 8]>, from: Duration, to: Duration| Span {
        trace_id: context.trace.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: parent.map(|parent| parent.to_vec()).unwrap_or_default(),
        flags: SAMPLED,
        start_time_unix_nano: nanoseconds(finished.started + from),
        end_time_unix_nano: nanoseconds(finished.started + to),
        ..Span::default()
    };
    let failed = facts.status.is_none_or(|status| status >= 500);
    spans.push(Span {
        name: facts.operation.unwrap_or("request").to_owned(),
        kind: SpanKind::Server.into(),
        attributes: request(facts),
        status: failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..span(&context.request, context.parent.as_ref(), Duration::ZERO, finished.duration)
    });
    for (phase, from, to) in &finished.phases {
        let (id, kind, name) = match phase {
            Phase::Authenticate => (fresh(), SpanKind::Internal, "authenticate"),
            Phase::Decide => (fresh(), SpanKind::Internal, "decide"),
            Phase::Upstream => (context.upstream, SpanKind::Client, "upstream"),
        };
        let attributes = match phase {
            Phase::Authenticate => facts.scheme.map(|scheme| text("irongate.scheme", scheme)).into_iter().collect(),
            Phase::Decide => decision(facts),
            Phase::Upstream => {
                facts.upstream_status.map(|status| number("http.response.status_code", status)).into_iter().collect()
            }
        };
        spans.push(Span {
            name: name.to_owned(),
            kind: kind.into(),
            attributes,
            ..span(&id, Some(&context.request), *from, *to)
        });
    }
}

fn request(facts: &Facts) -> Vec<KeyValue> {
    let mut attributes = decision(facts);
    attributes.push(text("irongate.listener", &facts.listener));
    attributes.push(text("irongate.outcome", facts.outcome));
    attributes.push(text("irongate.request_id", &facts.request_id.to_string()));
    attributes.push(text("network.protocol.version", facts.http.trim_start_matches("HTTP/")));
    if let Some(operation) = facts.operation.and_then(|id| catalog().operation(id)) {
        attributes.push(text("irongate.operation", &operation.id));
        attributes.push(text("http.request.method", operation.method.as_str()));
        attributes.push(text("http.route", &operation.path));
    }
    let words = [("irongate.scheme", facts.scheme), ("irongate.stage", facts.stage), ("irongate.reason", facts.reason)];
    attributes.extend(words.into_iter().filter_map(|(name, word)| Some(text(name, word?))));
    let numbers = [("http.response.status_code", facts.status), ("irongate.upstream_status", facts.upstream_status)];
    attributes.extend(numbers.into_iter().filter_map(|(name, status)| Some(number(name, status?))));
    attributes
}

fn decision(facts: &Facts) -> Vec<KeyValue> {
    let rule = facts.rule.as_ref().map(|rule| text("irongate.rule", rule));
    [Some(text("irongate.decision", facts.decision)), Some(text("irongate.mode", facts.mode)), rule]
        .into_iter()
        .flatten()
        .collect()
}

fn fresh() -> [u8; 8] {
    super::random().max(1).to_be_bytes()
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn text(name: &'static str, value: &str) -> KeyValue {
    key_value(name, Value::StringValue(value.to_owned()))
}

fn number(name: &'static str, value: u16) -> KeyValue {
    key_value(name, Value::IntValue(i64::from(value)))
}

fn key_value(name: &'static str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

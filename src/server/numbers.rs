//! The numbers that are read from their owners when somebody asks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::audit::{Audit, AuditCounts};
use crate::forward::{EndpointHealth, UpstreamState};
use crate::metrics::{Kind, Metrics};
use crate::snapshot::Current;
use crate::telemetry;
use crate::trace::Counts;
use crate::version;

/// Tells `metrics` about them.
pub(super) fn register(metrics: &Metrics, current: &Arc<Current>, state: &Arc<UpstreamState>, audit: &Audit) {
    metrics.family(
        "irongate_build_info",
        "Always 1; the labels tell the version and what it was built from",
        Kind::Gauge,
        &["version", "revision"],
        |samples| samples.put(&[version::VERSION, version::REVISION], 1.0),
    );
    let now = Arc::clone(current);
    metrics.family(
        "irongate_mode",
        "1 for the mode in force: enforce, or shadow (nothing is denied by policy)",
        Kind::Gauge,
        &["mode"],
        move |samples| samples.put(&[now.load().mode().as_str()], 1.0),
    );
    let now = Arc::clone(current);
    metrics.family(
        "irongate_config_revision_info",
        "Always 1; the label is the revision of the snapshot in force",
        Kind::Gauge,
        &["revision"],
        move |samples| samples.put(&[&now.load().revision], 1.0),
    );
    reloads(metrics, current);
    let now = Arc::clone(current);
    metrics.family(
        "irongate_tls_certificate_not_after_timestamp_seconds",
        "When the first certificate of a file ends, of those in force",
        Kind::Gauge,
        &["file"],
        move |samples| {
            for expiry in &now.load().certificates {
                samples.put(&[&expiry.file], seconds(expiry.not_after));
            }
        },
    );
    upstream(metrics, state);
    records(metrics, audit);
    metrics.counter(
        "irongate_masked_lines",
        "Lines of log in which the last net had to mask something",
        telemetry::masked_log_lines,
    );
    authentication(metrics, current);
    policy(metrics, current, state);
    memory(metrics, current);
}

fn upstream(metrics: &Metrics, state: &Arc<UpstreamState>) {
    let now = Arc::clone(state);
    metrics.gauge("irongate_upstream_up", "1 if an endpoint of Ironic's answered its last probe", move || {
        f64::from(u8::from(now.reachable()))
    });
    let each = |name, help, kind, read: fn(&EndpointHealth) -> u64| {
        let now = Arc::clone(state);
        metrics.family(name, help, kind, &["endpoint"], move |samples| {
            for endpoint in now.endpoints() {
                samples.put(&[endpoint.name()], read(endpoint));
            }
        });
    };
    each("irongate_upstream_endpoint_up", "1 if the endpoint answered its last probe", Kind::Gauge, |endpoint| {
        u64::from(endpoint.up())
    });
    each(
        "irongate_upstream_endpoint_ejected",
        "1 while the endpoint is left alone after failures",
        Kind::Gauge,
        |endpoint| u64::from(endpoint.ejected()),
    );
    each(
        "irongate_upstream_endpoint_pending",
        "Requests that the endpoint has not answered to their end",
        Kind::Gauge,
        |endpoint| endpoint.pending() as u64,
    );
    each("irongate_upstream_endpoint_ejections", "How often the endpoint was left alone", Kind::Counter, |endpoint| {
        endpoint.ejections()
    });
}

/// By sink: `records`, and `cadf` where events are written too.
fn records(metrics: &Metrics, audit: &Audit) {
    let family = |name, help, kind, read: fn(&AuditCounts) -> f64| {
        let audit = audit.clone();
        metrics.family(name, help, kind, &["sink"], move |samples| {
            for (sink, counts) in sinks(&audit) {
                samples.put(&[sink], read(&counts));
            }
        });
    };
    let counter = |name, help, read| family(name, help, Kind::Counter, read);
    counter("irongate_audit_records", "Records that were written", |counts| precise(counts.written));
    let of = audit.clone();
    metrics.family(
        "irongate_audit_dropped",
        "Records that were lost, by reason: the queue was full, the end came, they could not be put into JSON",
        Kind::Counter,
        &["sink", "reason"],
        move |samples| {
            for (sink, counts) in sinks(&of) {
                samples.put(&[sink, "queue_full"], counts.lost_full);
                samples.put(&[sink, "end"], counts.lost_at_end);
                samples.put(&[sink, "unwritable"], counts.lost_unwritable);
            }
        },
    );
    let of = audit.clone();
    metrics.family(
        "irongate_audit_reopens",
        "Times the file was opened anew",
        Kind::Counter,
        &["sink", "result"],
        move |samples| {
            for (sink, counts) in sinks(&of) {
                samples.put(&[sink, "success"], counts.reopened);
                samples.put(&[sink, "failure"], counts.reopen_failed);
            }
        },
    );
    let gauge = |name, help, read| family(name, help, Kind::Gauge, read);
    gauge("irongate_audit_queue_length", "Records that wait to be written", |counts| precise(counts.queue_lines));
    gauge("irongate_audit_queue_bytes", "Bytes of the records that wait to be written", |counts| {
        precise(counts.queue_bytes)
    });
    gauge("irongate_audit_failing", "1 if records could not be written at the last try", |counts| {
        f64::from(u8::from(counts.failing))
    });
    let of = audit.clone();
    metrics.counter("irongate_audit_records_sampled_out", "Reads that were left out on purpose", move || {
        of.counts().sampled_out
    });
    let of = audit.clone();
    metrics.counter("irongate_audit_waits", "Requests that waited until they could be recorded", move || {
        of.counts().waited
    });
    let of = audit.clone();
    metrics.counter(
        "irongate_audit_refusals",
        "Calls that were refused because they could not be recorded",
        move || of.counts().refused,
    );
}

fn sinks(audit: &Audit) -> impl Iterator<Item = (&'static str, AuditCounts)> {
    std::iter::once(("records", audit.counts())).chain(audit.cadf_counts().map(|counts| ("cadf", counts)))
}

/// What became of traces.
pub(super) fn traces(metrics: &Metrics, counts: &Arc<Counts>) {
    let counts = Arc::clone(counts);
    metrics.family(
        "irongate_traces",
        "Sampled requests by what became of their traces",
        Kind::Counter,
        &["result"],
        move |samples| {
            samples.put(&["exported"], counts.exported.load(Ordering::Relaxed));
            samples.put(&["dropped"], counts.dropped.load(Ordering::Relaxed));
            samples.put(&["failed"], counts.failed.load(Ordering::Relaxed));
        },
    );
}

fn reloads(metrics: &Metrics, current: &Arc<Current>) {
    let now = Arc::clone(current);
    metrics.gauge("irongate_config_last_reload_successful", "0 if the last reload was refused", move || {
        f64::from(u8::from(now.reloads().error.is_none()))
    });
    let now = Arc::clone(current);
    metrics.gauge(
        "irongate_config_last_reload_success_timestamp_seconds",
        "When the snapshot in force was loaded",
        move || seconds(now.reloads().loaded),
    );
    let now = Arc::clone(current);
    metrics.family("irongate_config_reloads", "Reloads, by result", Kind::Counter, &["result"], move |samples| {
        let reloads = now.reloads();
        samples.put(&["success"], reloads.succeeded);
        samples.put(&["failure"], reloads.failed);
    });
}

/// What is remembered of Keystone's tokens.
fn memory(metrics: &Metrics, current: &Arc<Current>) {
    let now = Arc::clone(current);
    metrics.counter("irongate_token_cache_hits", "Keystone tokens that were remembered", move || {
        now.load().authenticator.token_recalls().0
    });
    let now = Arc::clone(current);
    metrics.counter("irongate_token_cache_misses", "Keystone tokens that were not remembered", move || {
        now.load().authenticator.token_recalls().1
    });
}

/// What was really asked or computed: with `irongate_auth` it tells what the caches answered. The counts start again with
/// a snapshot, as the caches do.
fn authentication(metrics: &Metrics, current: &Arc<Current>) {
    let now = Arc::clone(current);
    metrics.family(
        "irongate_credential_checks",
        "Credentials that no cache knew: bcrypt comparisons, questions to Keystone, signatures",
        Kind::Counter,
        &["method"],
        move |samples| {
            let snapshot = now.load();
            samples.put(&["basic"], snapshot.authenticator.password_checks());
            samples.put(&["keystone"], snapshot.authenticator.token_validations());
            samples.put(&["jwt"], snapshot.authenticator.signature_checks());
        },
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of records and bytes of a queue are far below 2^52")]
fn precise(count: u64) -> f64 {
    count as f64
}

/// What candidates would have decided otherwise, and what policies had looked up.
fn policy(metrics: &Metrics, current: &Arc<Current>, state: &Arc<UpstreamState>) {
    let now = Arc::clone(current);
    metrics.family(
        "irongate_candidate_disagreements",
        "Questions that candidate policies would have answered otherwise",
        Kind::Counter,
        &["candidate"],
        move |samples| {
            for candidate in &now.load().candidates {
                samples.put(&[&candidate.name], candidate.disagreements());
            }
        },
    );
    let state = Arc::clone(state);
    metrics.family(
        "irongate_object_lookups",
        "Objects that policies read: remembered, asked for, or not to be had",
        Kind::Counter,
        &["result"],
        move |samples| {
            for (result, count) in state.objects().lookups() {
                samples.put(&[result], count);
            }
        },
    );
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_second() as f64
}

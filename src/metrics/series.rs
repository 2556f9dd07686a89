//! The names of what workers count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Metrics;
use super::exposition::{Kind, Samples};
use super::histogram::{Counts, Histogram};
use super::words::Words;
use super::worker::{WorkerMetrics, code, codes, operations};
use crate::catalog::catalog;

/// Requests for which no operation was found.
const NO_ROUTE: &str = "none";

type Workers = Vec<Arc<WorkerMetrics>>;

pub(super) fn register(metrics: &Metrics, listeners: &[Arc<str>]) {
    let workers = || metrics.workers.clone();
    let names: Arc<[Arc<str>]> = listeners.into();

    let (all, listeners) = (workers(), Arc::clone(&names));
    metrics.family(
        "irongate_http_requests",
        "Requests answered, by listener, operation of the catalogue, method and status",
        Kind::Counter,
        &["listener", "route", "method", "code"],
        move |samples| requests(&all, &listeners, samples),
    );
    let all = workers();
    metrics.family(
        "irongate_http_request_duration_seconds",
        "From the head of a request to the end of its answer",
        Kind::Histogram,
        &["route"],
        move |samples| durations(&all, |worker| &worker.durations, samples),
    );
    let all = workers();
    metrics.family(
        "irongate_upstream_duration_seconds",
        "From asking Ironic to the head of its answer",
        Kind::Histogram,
        &["route"],
        move |samples| durations(&all, |worker| &worker.upstream, samples),
    );
    let rules = metrics.rules();
    metrics.family(
        "irongate_decisions",
        "Requests by the rules that decided about them (enforce), or would have (shadow)",
        Kind::Counter,
        &["decision", "mode", "rule"],
        move |samples| rules.decisions(samples),
    );
    let all = workers();
    metrics.family(
        "irongate_auth",
        "Requests by the scheme that authenticated their callers and its result",
        Kind::Counter,
        &["method", "result"],
        move |samples| words(&all, |worker| &worker.authentications, samples),
    );
    let all = workers();
    metrics.family(
        "irongate_rejections",
        "Requests refused, by stage and reason",
        Kind::Counter,
        &["stage", "reason"],
        move |samples| words(&all, |worker| &worker.rejections, samples),
    );
    let all = workers();
    metrics.family(
        "irongate_protocol_rejects",
        "Requests that are not plain HTTP, by what is wrong",
        Kind::Counter,
        &["reason"],
        move |samples| {
            let mut sums = BTreeMap::new();
            for worker in &all {
                worker.rejections.sum(&mut sums);
            }
            for ([_, reason], sum) in sums.into_iter().filter(|([stage, _], _)| *stage == "framing") {
                samples.put(&[reason], sum);
            }
        },
    );
    let rules = metrics.rules();
    metrics.family(
        "irongate_shadow_disagreements",
        "Requests about which policies in shadow, or the global dry-run, decide differently",
        Kind::Counter,
        &["decision", "rule"],
        move |samples| rules.disagreements(samples),
    );
    let all = workers();
    metrics.family(
        "irongate_schema_failures",
        "Requests that are none of Ironic's API, by operation and what is wrong",
        Kind::Counter,
        &["route", "keyword"],
        move |samples| words(&all, |worker| &worker.faults, samples),
    );
    let all = workers();
    metrics.family(
        "irongate_scrubbed_fields",
        "Values masked in answers, and those that scrub rules in shadow would have masked besides",
        Kind::Counter,
        &["direction", "kind"],
        move |samples| {
            let sum = |of: fn(&WorkerMetrics) -> &AtomicU64| -> u64 {
                all.iter().map(|worker| of(worker).load(Ordering::Relaxed)).sum()
            };
            samples.put(&["answer", "masked"], sum(|worker| &worker.masked));
            samples.put(&["answer", "shadow"], sum(|worker| &worker.would_mask));
        },
    );
    let all = workers();
    metrics.counter("irongate_audit_events", "Records handed to the audit", move || {
        all.iter().map(|worker| worker.records.load(Ordering::Relaxed)).sum()
    });
    let all = workers();
    metrics.gauge("irongate_inflight_requests", "Requests that are not yet answered", move || {
        level(all.iter().map(|worker| worker.inflight.load(Ordering::Relaxed)).sum())
    });
    let (all, listeners) = (workers(), Arc::clone(&names));
    metrics.family("irongate_connections", "Open connections", Kind::Gauge, &["listener"], move |samples| {
        for (index, name) in listeners.iter().enumerate() {
            let open = all.iter().filter_map(|worker| worker.connections.get(index));
            samples.put(&[name], level(open.map(|listener| listener.open.load(Ordering::Relaxed)).sum()));
        }
    });
    let (all, listeners) = (workers(), names);
    metrics.family(
        "irongate_connections_accepted",
        "Connections accepted",
        Kind::Counter,
        &["listener"],
        move |samples| {
            for (index, name) in listeners.iter().enumerate() {
                let accepted = all.iter().filter_map(|worker| worker.connections.get(index));
                let sum: u64 = accepted.map(|listener| listener.accepted.load(Ordering::Relaxed)).sum();
                samples.put(&[name], sum);
            }
        },
    );
}

fn requests(workers: &Workers, listeners: &[Arc<str>], samples: &mut Samples<'_>) {
    for (listener, name) in listeners.iter().enumerate() {
        let known = catalog().operations().iter().map(|operation| (&*operation.id, operation.method.as_str()));
        for (operation, (route, method)) in known.chain([(NO_ROUTE, "none")]).enumerate() {
            for (code, text) in codes().enumerate() {
                let counts = workers.iter().filter_map(|worker| worker.requests(listener, Some(operation), code));
                let sum: u64 = counts.map(|count| count.load(Ordering::Relaxed)).sum();
                if sum > 0 {
                    samples.put(&[name, route, method, text], sum);
                }
            }
        }
    }
    debug_assert!(code(Some(599)) < codes().count());
}

fn durations(workers: &Workers, of: impl Fn(&WorkerMetrics) -> &[Histogram], samples: &mut Samples<'_>) {
    let routes = catalog().operations().iter().map(|operation| &*operation.id).chain([NO_ROUTE]);
    for (operation, route) in routes.enumerate().take(operations()) {
        let mut counts = Counts::default();
        for histogram in workers.iter().filter_map(|worker| of(worker).get(operation)) {
            counts.add(histogram);
        }
        if counts.count() > 0 {
            samples.durations(&[route], &counts);
        }
    }
}

fn words<const N: usize>(workers: &Workers, of: impl Fn(&WorkerMetrics) -> &Words<N>, samples: &mut Samples<'_>) {
    let mut sums = BTreeMap::new();
    for worker in workers {
        of(worker).sum(&mut sums);
    }
    for (words, sum) in sums {
        samples.put(&words, sum);
    }
}

/// A number of things at this moment. Two relaxed reads may meet it on its way down.
#[expect(clippy::cast_precision_loss, reason = "a level is far below 2^52")]
fn level(sum: i64) -> f64 {
    sum.max(0) as f64
}

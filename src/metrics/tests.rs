use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Kind, Metrics, Observation};
use crate::catalog::catalog;

fn metrics() -> Metrics {
    Metrics::new(2, &[Arc::from("public"), Arc::from("ram\"disk\n")])
}

fn seen<'a>(decision: &'a str, policies: &'a [Arc<str>]) -> Observation<'a> {
    Observation {
        status: Some(200),
        duration_us: 1_500,
        upstream_us: Some(900),
        decision,
        policies,
        would_be: None,
        masked: 2,
        would_mask: 1,
    }
}

fn check(text: &str, line: &str) {
    assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
}

#[test]
fn what_workers_count_is_summed() {
    let metrics = metrics();
    metrics.rules().load(["operator-reads"].into_iter());
    let operation = catalog().operation("node:list").unwrap();
    for worker in 0..2 {
        let worker = metrics.worker(worker);
        let _open = worker.connection(0);
        let mut request = worker.request(0);
        request.operation(operation);
        request.authenticated("basic");
        assert!(metrics.text().contains("irongate_inflight_requests 1"));
        request.finish(&seen("permit", &[Arc::from("operator-reads")]));
    }
    metrics.worker(0).request(1).finish(&Observation {
        status: None,
        would_be: Some(("deny", &[])),
        ..seen("permit", &[])
    });
    let text = metrics.text();
    for line in [
        "irongate_http_requests_total{listener=\"public\",route=\"node:list\",method=\"GET\",code=\"200\"} 2",
        "irongate_http_requests_total{listener=\"ram\\\"disk\\n\",route=\"none\",method=\"none\",code=\"none\"} 1",
        "irongate_http_request_duration_seconds_bucket{le=\"0.001\",route=\"node:list\"} 0",
        "irongate_http_request_duration_seconds_bucket{le=\"0.0025\",route=\"node:list\"} 2",
        "irongate_upstream_duration_seconds_count{route=\"node:list\"} 2",
        "irongate_decisions_total{decision=\"permit\",mode=\"enforce\",rule=\"operator-reads\"} 2",
        "irongate_decisions_total{decision=\"permit\",mode=\"enforce\",rule=\"waived\"} 1",
        "irongate_decisions_total{decision=\"deny\",mode=\"shadow\",rule=\"default-deny\"} 1",
        "irongate_shadow_disagreements_total{decision=\"deny\",rule=\"default-deny\"} 1",
        "irongate_auth_total{method=\"basic\",result=\"ok\"} 2",
        "irongate_scrubbed_fields_total{direction=\"answer\",kind=\"masked\"} 6",
        "irongate_scrubbed_fields_total{direction=\"answer\",kind=\"shadow\"} 3",
        "irongate_audit_events_total 3",
        "irongate_inflight_requests 0.0",
        "irongate_connections_accepted_total{listener=\"public\"} 2",
        "irongate_connections{listener=\"public\"} 0.0",
        "# EOF",
    ] {
        check(&text, line);
    }
}

#[test]
fn rules_keep_their_counts_over_a_reload_and_unknown_ones_share_one() {
    let metrics = metrics();
    let rules = metrics.rules();
    rules.load(["a", "b"].into_iter());
    for rule in ["a", "b", "made-up"] {
        metrics.worker(0).request(0).finish(&seen("deny", &[Arc::from(rule)]));
    }
    rules.load(["a", "c"].into_iter());
    let text = metrics.text();
    check(&text, "irongate_decisions_total{decision=\"deny\",mode=\"enforce\",rule=\"a\"} 1");
    check(&text, "irongate_decisions_total{decision=\"deny\",mode=\"enforce\",rule=\"other\"} 1");
    assert!(!text.contains("rule=\"b\"") && !text.contains("made-up"), "{text}");
}

#[test]
fn owners_register_their_own_numbers() {
    let metrics = metrics();
    metrics.counter("irongate_things", "Things", || 7);
    metrics.gauge("irongate_level", "A level", || 0.5);
    metrics.family("irongate_pools", "Pools", Kind::Gauge, &["pool"], |samples| {
        samples.put(&["a"], 1.0);
        samples.put(&["b"], 2.0);
    });
    let text = metrics.text();
    for line in ["irongate_things_total 7", "irongate_level 0.5", "irongate_pools{pool=\"b\"} 2.0"] {
        check(&text, line);
    }
}

#[test]
fn every_name_is_described_once_and_said_in_base_units() {
    let text = metrics().text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 10);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    for name in names {
        assert!(name.starts_with("irongate_"), "{name}");
        assert!(!name.ends_with("_total") && !name.contains("_ms") && !name.contains("_us"), "{name}");
    }
}

/// Counting does not wait for a scrape: it happens in the middle of one here, where the exposition's only lock is held.
#[test]
fn counting_takes_no_lock_that_a_scrape_holds() {
    let metrics = metrics();
    let worker = metrics.worker(0);
    metrics.gauge("irongate_probe", "Counts a request while it is read", move || {
        worker.request(0).finish(&seen("deny", &[]));
        1.0
    });
    metrics.text();
    check(&metrics.text(), "irongate_audit_events_total 1");
}

//! What is counted, and that callers cannot choose what it is called.

use std::collections::BTreeSet;

use crate::support::client::{basic, send};
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

/// The sum of a counter's samples whose labels hold all of `labels`.
fn sum(text: &str, name: &str, labels: &[&str]) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Name and labels of every sample.
fn series(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn requests_are_counted_by_what_became_of_them() {
    let ironic = FakeIronic::start(|_| json("200 OK", r#"{"driver_info": {"redfish_password": "S3cret"}}"#));
    let irongate = Irongate::start(&ironic, "");
    for (user, method, target, status) in [
        ("admin", "GET", "/v1/nodes/n", 200),
        ("auditor", "GET", "/v1/nodes/n", 200),
        ("auditor", "DELETE", "/v1/nodes/n", 403),
        ("nobody", "GET", "/v1/nodes", 401),
        ("", "GET", "/v1/nodes", 401),
        ("admin", "GET", "/v1/nodes//n", 400),
        ("admin", "GET", "/v1/nodes?limit=many", 400),
    ] {
        assert_eq!(irongate.ask(user, method, target, None).status, status, "{user} {method} {target}");
    }
    irongate.records(7);
    let text = irongate.server.metrics.text();
    for (name, labels, expected) in [
        ("irongate_http_requests_total", vec![], 7.0),
        ("irongate_http_requests_total", vec!["route=\"node:get\"", "method=\"GET\"", "code=\"200\""], 2.0),
        ("irongate_http_requests_total", vec!["route=\"node:delete\"", "code=\"403\""], 1.0),
        ("irongate_http_requests_total", vec!["route=\"none\"", "code=\"401\""], 1.0),
        ("irongate_http_request_duration_seconds_count", vec![], 7.0),
        ("irongate_upstream_duration_seconds_count", vec!["route=\"node:get\""], 2.0),
        ("irongate_decisions_total", vec!["decision=\"deny\"", "rule=\"default-deny\""], 2.0),
        ("irongate_auth_total", vec!["method=\"basic\"", "result=\"ok\""], 5.0),
        ("irongate_auth_total", vec!["method=\"basic\"", "result=\"credential_wrong\""], 1.0),
        ("irongate_rejections_total", vec!["stage=\"route\""], 2.0),
        ("irongate_rejections_total", vec!["stage=\"authorize\"", "reason=\"no_permit\""], 1.0),
        ("irongate_scrubbed_fields_total", vec!["direction=\"answer\"", "kind=\"masked\""], 2.0),
        ("irongate_connections_accepted_total", vec!["listener=\"public\""], 7.0),
        ("irongate_mode{mode=\"enforce\"}", vec![], 1.0),
        ("irongate_audit_records_total", vec![], 7.0),
        ("irongate_audit_dropped_total", vec![], 0.0),
        ("irongate_masked_lines_total", vec![], 0.0),
    ] {
        assert_eq!(sum(&text, name, &labels), expected, "{name} {labels:?} in\n{text}");
    }
}

#[test]
fn reloads_are_counted_and_told() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let text = irongate.server.metrics.text();
    assert_eq!(sum(&text, "irongate_config_last_reload_successful", &[]), 1.0);
    let file = irongate.directory.path().join("irongate.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\nunknown = 1\n")).unwrap();
    irongate.server.current.reload().unwrap_err();
    let text = irongate.server.metrics.text();
    assert_eq!(sum(&text, "irongate_config_last_reload_successful", &[]), 0.0, "{text}");
    assert_eq!(sum(&text, "irongate_config_reloads_total", &["failure"]), 1.0, "{text}");
    assert!(irongate.server.current.reloads().error.is_some_and(|error| error.contains("unknown")));
    std::fs::write(&file, good).unwrap();
    irongate.server.current.reload().unwrap();
    let text = irongate.server.metrics.text();
    assert_eq!(sum(&text, "irongate_config_last_reload_successful", &[]), 1.0, "{text}");
    assert_eq!(sum(&text, "irongate_config_reloads_total", &["success"]), 1.0, "{text}");
}

/// Whatever a caller sends, in every place where it may choose words: none of them is a label, and the series stay few.
#[test]
fn callers_choose_no_labels() {
    const CANARY: &str = "Canary7";
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let credential = basic("admin", PASSWORD);
    let mut before = None;
    for round in 0..30 {
        let word = format!("{CANARY}{round}");
        let wrong = basic(&word, &word);
        for request in [
            format!("GET /v1/{word} HTTP/1.1\r\nHost: {word}\r\n{credential}"),
            format!("GET /v1/nodes/{word} HTTP/1.1\r\nHost: h\r\n{credential}"),
            format!("GET /v1/nodes?{word}={word} HTTP/1.1\r\nHost: h\r\n{credential}"),
            format!("{word} /v1/nodes HTTP/1.1\r\nHost: h\r\n{credential}"),
            format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{wrong}"),
            format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nX-{word}: {word}\r\nX_{word}: 1\r\n{credential}"),
            format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nX-OpenStack-Ironic-API-Version: {word}\r\n{credential}"),
            format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {word}\r\n"),
            format!("GET /v1/drivers/{word}/vendor_passthru?method={word} HTTP/1.1\r\nHost: h\r\n{credential}"),
            format!("GET /v1/nodes {word}\r\n"),
        ] {
            send(irongate.address, format!("{request}Connection: close\r\n\r\n").as_bytes());
        }
        let body = format!(r#"[{{"op": "add", "path": "/extra/{word}", "value": "{word}"}}]"#);
        irongate.ask("admin", "PATCH", &format!("/v1/nodes/{word}"), Some(&body));
        let body = format!(r#"{{"{word}": "{word}"}}"#);
        irongate.ask("admin", "POST", "/v1/nodes", Some(&body));
        irongate.records((round + 1) * 12);
        let text = irongate.server.metrics.text();
        assert!(!text.to_lowercase().contains(&CANARY.to_lowercase()), "{text}");
        let now = series(&text);
        match &before {
            // A duration may fall into another operation's first bucket: the names of buckets are all there from the start.
            Some(before) => assert_eq!(&now, before),
            None => before = Some(now),
        }
    }
    assert!(before.unwrap().len() < 600);
}

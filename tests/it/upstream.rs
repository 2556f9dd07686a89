//! What Ironic, or what stands in its place, may answer.

use std::time::Duration;

use crate::support::client::pause;
use crate::support::{FakeIronic, Irongate, json};

fn answered(raw: &'static str, status: u16, code: &str) {
    let ironic = FakeIronic::start(move |_| raw.as_bytes().to_vec());
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes", None);
    assert_eq!(answer.status, status, "{raw:?}: {answer:?}");
    assert_eq!(answer.code(), code, "{raw:?}: {answer:?}");
    assert!(!answer.body.contains("S3cret") && !answer.head.contains("S3cret"), "{answer:?}");
}

#[test]
fn what_cannot_be_scrubbed_is_withheld() {
    answered("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nS3cret", 502, "upstream_not_json");
    answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 502, "upstream_not_json");
    answered(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        502,
        "upstream_not_json",
    );
    answered(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\": S3",
        502,
        "upstream_malformed",
    );
    answered(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{}{}",
        502,
        "upstream_malformed",
    );
    answered("HTTP/1.1 302 Found\r\nLocation: http://x/S3cret\r\nContent-Length: 0\r\n\r\n", 502, "upstream_status");
    answered(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        504,
        "upstream_timeout",
    );
    answered("", 502, "upstream_closed");
}

#[test]
fn an_answer_that_is_not_http_is_told_from_none() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "S3cret".repeat(100_000));
    for raw in [
        "S3cret\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        long.leak(),
    ] {
        answered(raw, 502, "upstream_not_http");
    }
}

#[test]
fn errors_are_rebuilt() {
    answered("HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<h1>S3cret</h", 500, "");
    answered("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 500, "");
    let ironic = FakeIronic::start(|_| {
        json(
            "404 Not Found",
            r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node n could not be found.\", \"debuginfo\": null}"}"#,
        )
    });
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes/n", None);
    assert_eq!(answer.status, 404);
    assert!(answer.faultstring().contains("could not be found"), "{answer:?}");
    assert_eq!(answer.header("x-openstack-ironic-api-version").as_deref(), Some("1.80"));
    assert_eq!(answer.header("server"), None);
}

#[test]
fn endless_answers_are_given_up() {
    // An error, and an answer that should be empty, each without end: the first piece never stops coming.
    for (method, target, body, status) in [
        ("GET", "/v1/nodes", None, "500 Oops"),
        ("PUT", "/v1/nodes/n/states/power", Some(r#"{"target": "power on"}"#), "202 Accepted"),
    ] {
        let piece = format!("{:x}\r\n{}\r\n", 1_000_000, "S".repeat(1_000_000));
        let ironic = FakeIronic::start(move |_| {
            format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n{piece}")
                .into_bytes()
        });
        let irongate = Irongate::start(&ironic, "");
        let answer = irongate.ask("admin", method, target, body);
        assert_eq!(answer.status, status.split(' ').next().unwrap().parse::<u16>().unwrap(), "{answer:?}");
        assert!(answer.body.len() < 1000);
    }
}

#[test]
fn links_and_location_lead_back_to_irongate() {
    let ironic = FakeIronic::start(|request| {
        if request.line.starts_with("POST") {
            let mut answer = json("201 Created", r#"{"uuid": "u", "links": []}"#);
            let head = b"HTTP/1.1 201 Created\r\n";
            let more =
                b"Location: http://u:S3cret@localhost/S3cret/v1/nodes/u?password=S3cret\r\nRetry-After: S3cret\r\n\
                Allow: GET, S3cret\r\nX-OpenStack-Ironic-API-Version: 1.S3cret\r\n";
            answer.splice(head.len()..head.len(), more.iter().copied());
            answer
        } else {
            json(
                "200 OK",
                r#"{"nodes": [{"links": [{"href": "http://localhost/v1/nodes/u", "rel": "self"}, {"href": "http://localhost/nodes/u", "rel": "bookmark"}]}], "next": "http://localhost:6385/v1/nodes?limit=1&marker=u"}"#,
            )
        }
    });
    let irongate = Irongate::start(&ironic, "");
    let list = irongate.ask("admin", "GET", "/v1/nodes?limit=1", None).json();
    assert_eq!(list["next"], "http://irongate.test/v1/nodes?limit=1&marker=u");
    assert_eq!(list["nodes"][0]["links"][0]["href"], "http://irongate.test/v1/nodes/u");
    assert_eq!(list["nodes"][0]["links"][1]["href"], "http://irongate.test/nodes/u");
    let created = irongate.ask("admin", "POST", "/v1/nodes", Some(r#"{"driver": "fake-hardware"}"#));
    assert_eq!(created.header("location").as_deref(), Some("http://irongate.test/v1/nodes/u"));
    assert_eq!(created.header("allow").as_deref(), Some("GET"));
    assert_eq!((created.header("retry-after"), created.header("x-openstack-ironic-api-version")), (None, None));
}

#[test]
fn a_large_list_passes_as_a_stream() {
    let node = r#"{"uuid": "1be26c0b-03f2-4d2e-ae87-c02d7f33c781", "driver_info": {"redfish_password": "S3cret", "redfish_address": "https://bmc"}},"#;
    let count = 5_000_000 / node.len();
    let body = format!("{{\"nodes\": [{}]}}", node.repeat(count).trim_end_matches(','));
    let ironic = FakeIronic::start(move |_| json("200 OK", &body));
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes/detail", None);
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("S3cret"));
    assert_eq!(answer.json()["nodes"].as_array().unwrap().len(), count);
    assert_eq!(irongate.records(1)[0]["masked"], count);
}

#[test]
fn an_answer_that_breaks_late_is_cut() {
    let mut body = format!("{{\"nodes\": [{{\"password\": \"S3cret\"}}, \"{}\"", "a".repeat(300_000));
    body.push_str(", S3cret");
    let ironic = FakeIronic::start(move |_| json("200 OK", &body));
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask("admin", "GET", "/v1/nodes", None);
    assert!(!answer.body.contains("S3cret"));
    let record = &irongate.records(1)[0];
    assert_eq!((&record["outcome"], &record["masked"]), (&"cut".into(), &1.into()), "{record}");
}

#[test]
fn a_kept_connection_that_ironic_closed_costs_no_request() {
    // Answers once on each connection and then hangs up without saying so.
    let ironic = FakeIronic::start(|_| json("200 OK", "{}"));
    let irongate = Irongate::start(&ironic, "");
    for _ in 0..20 {
        assert_eq!(irongate.ask("admin", "GET", "/v1/nodes", None).status, 200);
        pause(Duration::from_millis(5));
    }
    assert_eq!(ironic.arrived().len(), 20);
}

#[test]
fn a_lookup_is_never_repeated() {
    let ironic =
        FakeIronic::start(|request| if request.line.contains("/lookup") { Vec::new() } else { json("200 OK", "{}") });
    let irongate = Irongate::start(&ironic, "");
    // A kept connection first, so that a repetition would be tempting.
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes", None).status, 200);
    let answer = irongate.ask("admin", "GET", "/v1/lookup?addresses=52%3A54%3A00%3A11%3A22%3A33", None);
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(ironic.arrived().iter().filter(|request| request.line.contains("/lookup")).count(), 1);
}

#[test]
fn arguments_of_a_get_reach_the_driver_once() {
    let ironic =
        FakeIronic::start(
            |request| {
                if request.line.contains("method=gone") { Vec::new() } else { json("200 OK", "{}") }
            },
        );
    let irongate = Irongate::start(&ironic, "");
    let ask = |method: &str, body: Option<&str>| {
        irongate.ask("admin", "GET", &format!("/v1/nodes/n1/vendor_passthru?method={method}"), body).status
    };
    let body = r#"{"id": "subscription-1"}"#;
    assert_eq!(ask("get_subscription", Some(body)), 200);
    assert_eq!(ask("gone", Some(body)), 502);
    let bodies: Vec<String> =
        ironic.arrived().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert_eq!(bodies, [r#"{"id":"subscription-1"}"#, r#"{"id":"subscription-1"}"#]);
}

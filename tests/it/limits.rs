//! Slow, large and many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::client::{basic, send};
use crate::support::{FakeIronic, Irongate, PASSWORD};

const QUICK: &str = "limits = { header_timeout_seconds = 1, body_idle_timeout_seconds = 1, body_timeout_seconds = 3 }";

#[test]
fn a_slow_head_is_given_up() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, QUICK);
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    stream.write_all(b"GET /v1/nodes HTTP/1.1\r\nHost: h\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let begun = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(14));
}

#[test]
fn a_slow_body_is_given_up() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, QUICK);
    let request = format!(
        "PATCH /v1/nodes/n HTTP/1.1\r\nHost: h\r\n{}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n[",
        basic("admin", PASSWORD)
    );
    let answer = send(irongate.address, request.as_bytes());
    assert_eq!(answer.status, 408, "{answer:?}");
    assert_eq!(irongate.records(1)[0]["reason"], "body_timeout");
    assert!(ironic.arrived().is_empty());
}

#[test]
fn large_heads_and_bodies_are_refused_in_shape() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let long = format!("X-Long: {}\r\n", "a".repeat(40_000));
    let answer = irongate.ask_with("admin", "GET", "/v1/nodes", &long, None);
    assert_eq!((answer.status, answer.code().as_str()), (431, "headers_too_large"));
    let many: String = (0..150).map(|index| format!("X-Many-{index}: a\r\n")).collect();
    let answer = irongate.ask_with("admin", "GET", "/v1/nodes", &many, None);
    assert_eq!((answer.status, answer.code().as_str()), (431, "headers_too_large"));
    let target = format!("/v1/nodes?description_contains={}", "a".repeat(10_000));
    let answer = irongate.ask("admin", "GET", &target, None);
    assert_eq!((answer.status, answer.code().as_str()), (414, "target_too_long"));
    // Only announced: the refusal comes before the body.
    let request = format!(
        "POST /v1/nodes HTTP/1.1\r\nHost: h\r\n{}Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
        basic("admin", PASSWORD)
    );
    let answer = send(irongate.address, request.as_bytes());
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    assert!(ironic.arrived().is_empty());
}

#[test]
fn a_denied_caller_is_answered_before_its_body() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let request = format!(
        "PUT /v1/nodes/n/states/provision HTTP/1.1\r\nHost: h\r\n{}Content-Type: application/json\r\nContent-Length: 80000000\r\n\r\n",
        basic("auditor", PASSWORD)
    );
    let answer = send(irongate.address, request.as_bytes());
    assert_eq!(answer.status, 403);
}

//! Slow, large and many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use irongate::server::{Closing, TurnedAway};

use crate::support::client::{basic, pause, send};
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

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
    until(|| irongate.server.gate.closed(Closing::HeaderTimeout) == 1);
    // The same after a whole request.
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    stream.write_all(b"GET /v1/nothing HTTP/1.1\r\nHost: h\r\n\r\nGET /v1/nodes HTTP/1.1\r\n").unwrap();
    until(|| irongate.server.gate.closed(Closing::HeaderTimeout) == 2);
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
    let long = format!("X-Long: {}\r\n", "a".repeat(20_000));
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

/// An Ironic that answers reads of lists only when it is let to.
fn held() -> (FakeIronic, std::sync::mpsc::Sender<()>) {
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let ironic = FakeIronic::start(move |request| {
        if request.line.starts_with("GET /v1/nodes ") {
            gate.lock().unwrap().recv().ok();
        }
        json("200 OK", "{}")
    });
    (ironic, go)
}

/// Waits for something that other threads do.
fn until(there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < deadline, "it does not come");
        pause(Duration::from_millis(5));
    }
}

/// Ironic was asked for a list so many times.
fn asked(ironic: &FakeIronic) -> usize {
    ironic.arrived().iter().filter(|arrived| arrived.line.starts_with("GET /v1/nodes ")).count()
}

#[test]
fn too_many_at_once_are_refused_by_class_role_and_listener() {
    for (limits, listener, code) in [
        ("[limits]\nrequests_max = 4", "", "busy"),
        ("[limits.class.read]\nrequests_max = 3", "", "class_busy"),
        ("[[limits.role]]\nrole = \"admin\"\nrequests_max = 3", "", "role_busy"),
        ("", "requests_max = 4", "listener_busy"),
    ] {
        let (ironic, go) = held();
        let irongate = Irongate::start_edited(&ironic.endpoint(), |text| {
            let text = text.replace("schemes = [\"basic\"", &format!("{listener}\nschemes = [\"basic\""));
            format!("{text}\n{limits}\n").replace("answer_timeout_seconds = 2", "answer_timeout_seconds = 60")
        });
        std::thread::scope(|scope| {
            let reads: Vec<_> =
                (0..3).map(|_| scope.spawn(|| irongate.ask("admin", "GET", "/v1/nodes", None))).collect();
            until(|| asked(&ironic) == 3);
            let refused = irongate.ask("admin", "GET", "/v1/nodes", None);
            assert_eq!((refused.status, refused.code().as_str()), (503, code), "{refused:?}");
            assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
            assert!(refused.faultstring().contains("try again"), "{refused:?}");
            // A heartbeat is missed most: it still gets in, unless the bound is about somebody else.
            let body = r#"{"callback_url": "https://192.0.2.1:9999", "agent_token": "t"}"#;
            let heartbeat = irongate.ask("", "POST", "/v1/heartbeat/1be26c0b-03f2-4d2e-ae87-c02d7f33c781", Some(body));
            assert_ne!(heartbeat.status, 503, "{heartbeat:?}");
            for _ in 0..3 {
                go.send(()).unwrap();
            }
            for read in reads {
                assert_eq!(read.join().unwrap().status, 200);
            }
        });
        let record = irongate.records(5).into_iter().find(|record| record["status"] == 503).unwrap();
        assert_eq!((&record["stage"], &record["reason"]), (&"limit".into(), &code.into()));
        until(|| irongate.server.current.load().limiter.load().requests() == 0);
    }
}

#[test]
fn a_caller_who_asks_too_often_is_told_when_to_come_back() {
    let ironic = FakeIronic::plain();
    let rate = "limits = { class.destructive = { rate_per_minute = 2, burst = 2 } }";
    let irongate = Irongate::start(&ironic, rate);
    for _ in 0..2 {
        assert_eq!(irongate.ask("admin", "DELETE", "/v1/nodes/n", None).status, 200);
    }
    let refused = irongate.ask("admin", "DELETE", "/v1/nodes/n", None);
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes/n", None).status, 200);
    // A reload does not fill the buckets.
    irongate.reload(|text| text);
    assert_eq!(irongate.ask("admin", "DELETE", "/v1/nodes/n", None).status, 429);
    assert_eq!(ironic.arrived().iter().filter(|arrived| arrived.line.starts_with("DELETE")).count(), 2);
    let record = &irongate.records(3)[2];
    assert_eq!((&record["stage"], &record["reason"]), (&"limit".into(), &"rate_limited".into()));
    assert_eq!(record["decision"], "permit");
}

#[test]
fn bodies_in_memory_are_bounded() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "limits = { body_bytes_max = 1000000, body_wait_seconds = 1 }");
    let head = |bytes: usize| {
        format!(
            "PATCH /v1/nodes/n HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}X-OpenStack-Ironic-API-Version: 1.80\r\n\
             Content-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n",
            basic("admin", PASSWORD)
        )
    };
    // Announced and held open; it has nearly all the room.
    let mut slow = TcpStream::connect(irongate.address).unwrap();
    slow.write_all(head(900_000).as_bytes()).unwrap();
    let load = || irongate.server.current.load();
    until(|| load().limiter.load().body_bytes() == 900_000);
    let refused = send(irongate.address, head(500_000).as_bytes());
    assert_eq!((refused.status, refused.code().as_str()), (503, "bodies_busy"), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    // Small bodies have room of their own.
    let patch = r#"[{"op": "add", "path": "/extra/a", "value": 1}]"#;
    assert_eq!(irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(patch)).status, 200);
    drop(slow);
    // A caller that went away holds nothing.
    until(|| load().limiter.load().body_bytes() == 0);
}

#[test]
fn connections_are_bounded_and_idle_ones_make_room() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "limits = { connections_max = 8, connections_per_address_max = 8 }");
    let idle: Vec<_> = (0..20).map(|_| TcpStream::connect(irongate.address).unwrap()).collect();
    let gate = &irongate.server.gate;
    until(|| gate.turned_away(TurnedAway::Full) == 12);
    // Nobody closed one of the idle connections; they are closed because others need their places.
    until(|| gate.closed(Closing::Crowded) > 0);
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes", None).status, 200);
    drop(idle);
}

#[test]
fn a_reader_who_stops_reading_is_given_up_and_ironic_is_free() {
    let list = format!("{{\"nodes\": [{}1]}}", "1,".repeat(8_000_000));
    let ironic = FakeIronic::start(move |_| json("200 OK", &list));
    let irongate = Irongate::start(&ironic, "limits = { send_timeout_seconds = 1 }");
    let request = format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{}\r\n", basic("admin", PASSWORD));
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let record = &irongate.records(1)[0];
    assert_eq!(record["outcome"], "aborted", "{record}");
    until(|| irongate.server.gate.closed(Closing::Unread) == 1);
    until(|| irongate.server.current.load().limiter.load().requests() == 0);
}

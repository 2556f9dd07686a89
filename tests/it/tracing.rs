//! Traces: what a collector gets, and that a dead one harms nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use crate::support::client::pause;
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A collector that decodes what it gets.
struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let got = receive(stream.unwrap());
                for resource in got.resource_spans {
                    let names = resource.resource.unwrap().attributes;
                    assert!(names.iter().any(|attribute| attribute.key == "service.name"));
                    gathered.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
            }
        });
        Self { endpoint, spans }
    }

    /// Waits for so many spans.
    fn spans(&self, count: usize) -> Vec<Span> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let spans = self.spans.lock().unwrap().clone();
            if spans.len() >= count {
                return spans;
            }
            assert!(Instant::now() < deadline, "{} of {count} spans came", spans.len());
            pause(Duration::from_millis(20));
        }
    }
}

fn receive(stream: TcpStream) -> ExportTraceServiceRequest {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    ExportTraceServiceRequest::decode(&*body).unwrap()
}

fn traced(ironic: &FakeIronic, endpoint: &str, more: &str) -> Irongate {
    let section = format!("\n[tracing]\nendpoint = \"{endpoint}\"\n{more}\n");
    Irongate::start_edited(&ironic.endpoint(), |text| text + &section)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let Value::StringValue(text) = value {
        return Some(text.clone());
    }
    if let Value::IntValue(number) = value { Some(number.to_string()) } else { panic!("{value:?}") }
}

#[test]
fn a_trusted_parent_is_followed_to_ironic() {
    let (ironic, collector) = (FakeIronic::plain(), Collector::start());
    let irongate = traced(&ironic, &collector.endpoint, "ratio = 0.0\ntrusted_listeners = [\"public\"]");
    let header = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    let body = r#"[{"op": "replace", "path": "/driver", "value": "redfish"}]"#;
    assert_eq!(irongate.ask_with("admin", "PATCH", "/v1/nodes/n", &header, Some(body)).status, 200);
    let spans = collector.spans(5);
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["node:update", "authenticate", "decide", "decide", "upstream"]);
    let request = &spans[0];
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    for part in &spans[1..] {
        assert_eq!((&part.trace_id, &part.parent_span_id), (&request.trace_id, &request.span_id), "{part:?}");
        assert!(request.start_time_unix_nano <= part.start_time_unix_nano, "{part:?}");
        assert!(part.start_time_unix_nano <= part.end_time_unix_nano, "{part:?}");
        assert!(part.end_time_unix_nano <= request.end_time_unix_nano, "{part:?}");
    }
    for (name, expected) in [
        ("http.request.method", "PATCH"),
        ("http.route", "/v1/nodes/{node}"),
        ("http.response.status_code", "200"),
        ("irongate.operation", "node:update"),
        ("irongate.decision", "permit"),
        ("irongate.scheme", "basic"),
        ("irongate.listener", "public"),
        ("irongate.outcome", "complete"),
        ("irongate.upstream_status", "200"),
    ] {
        assert_eq!(text(request, name).as_deref(), Some(expected), "{name}");
    }
    let expected = format!("00-{TRACE}-{}-01", hex(&spans[4].span_id));
    assert_eq!(ironic.arrived()[0].header("traceparent"), Some(&*expected));
    // A parent that is not sampled is followed too: with nothing.
    let header = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    assert_eq!(irongate.ask_with("admin", "GET", "/v1/nodes/n", &header, None).status, 200);
    assert_eq!(ironic.arrived()[1].header("traceparent"), None);
}

#[test]
fn an_untrusted_parent_is_not_looked_at() {
    let (ironic, collector) = (FakeIronic::plain(), Collector::start());
    let irongate = traced(&ironic, &collector.endpoint, "ratio = 1.0");
    let header = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: x=y\r\nbaggage: a=b\r\n");
    assert_eq!(irongate.ask_with("admin", "GET", "/v1/nodes/n", &header, None).status, 200);
    let spans = collector.spans(4);
    assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE), "{spans:?}");
    assert!(spans[0].parent_span_id.is_empty());
    let arrived = &ironic.arrived()[0];
    assert!(!arrived.header("traceparent").unwrap().contains(TRACE));
    assert_eq!((arrived.header("tracestate"), arrived.header("baggage")), (None, None));
}

#[test]
fn without_a_collector_there_are_no_traces() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let header = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    assert_eq!(irongate.ask_with("admin", "GET", "/v1/nodes/n", &header, None).status, 200);
    assert_eq!(ironic.arrived()[0].header("traceparent"), None);
    assert!(!irongate.server.metrics.text().contains("irongate_traces"));
}

/// Secrets and words of callers and of Ironic, planted everywhere: spans hold none, and only attributes of the list.
#[test]
fn no_canary_is_in_a_span() {
    const CANARY: &str = "c4n4ry-7e57";
    let answer = format!(r#"{{"driver_info": {{"redfish_password": "{CANARY}"}}, "name": "{CANARY}"}}"#);
    let ironic = FakeIronic::start(move |_| json("200 OK", &answer));
    let collector = Collector::start();
    let irongate = traced(&ironic, &collector.endpoint, "ratio = 1.0\ntrusted_listeners = [\"public\"]");
    let secret = format!(r#"[{{"op": "add", "path": "/extra/{CANARY}", "value": "{CANARY}"}}]"#);
    let headers = format!("X-{CANARY}: {CANARY}\r\ntraceparent: 00-{CANARY}\r\ntracestate: {CANARY}={CANARY}\r\n");
    for (method, target, body) in [
        ("GET", format!("/v1/nodes/{CANARY}"), None),
        ("GET", format!("/v1/nodes?owner={CANARY}"), None),
        ("GET", format!("/v1/{CANARY}"), None),
        ("GET", format!("/v1/nodes?{CANARY}={CANARY}"), None),
        ("PATCH", "/v1/nodes/n".to_owned(), Some(&*secret)),
    ] {
        irongate.ask_with("admin", method, &target, &headers, body);
    }
    irongate.ask_with(CANARY, "GET", "/v1/nodes", &headers, None);
    let spans = collector.spans(5 * 2 + 8);
    let allowed: BTreeSet<&str> = irongate::trace::ATTRIBUTES.into_iter().collect();
    for span in &spans {
        let told = format!("{span:?}");
        assert!(!told.contains(CANARY) && !told.contains(PASSWORD), "{told}");
        for attribute in &span.attributes {
            assert!(allowed.contains(&*attribute.key), "{}", attribute.key);
        }
    }
    let refused = spans.iter().find(|span| text(span, "irongate.stage").as_deref() == Some("authenticate")).unwrap();
    assert_eq!(refused.name, "request");
}

#[test]
fn a_dead_collector_harms_nothing() {
    // One that refuses, and one that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [refusing, silent.local_addr().unwrap()] {
        let ironic = FakeIronic::plain();
        let irongate = traced(&ironic, &format!("http://{address}"), "ratio = 1.0");
        for _ in 0..20 {
            assert_eq!(irongate.ask("admin", "GET", "/v1/nodes/n", None).status, 200);
        }
        irongate.records(20);
        let counts = irongate.server.tracer.as_ref().unwrap().counts();
        if address == refusing {
            let deadline = Instant::now() + Duration::from_secs(10);
            while counts.failed.load(std::sync::atomic::Ordering::Relaxed) < 20 {
                assert!(Instant::now() < deadline, "{counts:?}");
                pause(Duration::from_millis(20));
            }
            assert!(irongate.server.metrics.text().contains("irongate_traces_total{result=\"failed\"} 20"));
        }
        // The end waits for it a little and no longer.
        let ends = Instant::now();
        drop(irongate);
        assert!(ends.elapsed() < Duration::from_secs(15));
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (section, expected) in [
        ("endpoint = \"http://127.0.0.1:4318\"\nratio = 1.5", "tracing.ratio is between 0.0 and 1.0"),
        ("endpoint = \"http://127.0.0.1:4318\"\ntrusted_listeners = [\"other\"]", "trusted_listeners"),
        ("endpoint = \"https://127.0.0.1:4318\"", "ca_file"),
        ("endpoint = \"http://127.0.0.1:4318/v1/traces\"", "without a path"),
        ("endpoint = \"http://127.0.0.1:4318\"\nca_file = \"ca.pem\"", "https://"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = crate::support::configuration(directory.path(), "unix:/tmp/none", "");
        let text = std::fs::read_to_string(&file).unwrap() + "\n[tracing]\n" + section + "\n";
        std::fs::write(&file, text).unwrap();
        let Err(errors) = irongate::config::load(&file) else { panic!("{section} was taken") };
        assert!(errors.iter().any(|error| error.line.is_some() && error.message.contains(expected)), "{errors:?}");
    }
}

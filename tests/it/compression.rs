//! Compressed answers: only after the scrub, only where configured, and nothing changed but their coding.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::client::basic;
use crate::support::{FakeIronic, Irongate, PASSWORD, json};

const SECRET: &str = "c4n4ry-7e57";

/// A list of so many nodes, each with a secret.
fn nodes(count: usize) -> String {
    let node = format!(r#"{{"uuid": "u", "name": "n", "driver_info": {{"redfish_password": "{SECRET}"}}}}"#);
    format!(r#"{{"nodes": [{}]}}"#, vec![node; count].join(","))
}

/// The head, in lower case, and the body, chunks put together.
fn ask(irongate: &Irongate, method: &str, target: &str, accept: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-OpenStack-Ironic-API-Version: 1.80\r\n{}{accept}\r\n",
        basic("admin", PASSWORD)
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let mut body = &answer[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return (head, body.to_vec());
    }
    let mut whole = Vec::new();
    while let Some(line) = body.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            whole.extend_from_slice(b"<end>");
            break;
        }
        whole.extend_from_slice(body.get(line + 2..line + 2 + size).unwrap_or_default());
        body = body.get(line + 4 + size..).unwrap_or_default();
    }
    (head, whole)
}

fn unzip(body: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(body.strip_suffix(b"<end>").unwrap()).read_to_string(&mut text).unwrap();
    text
}

const GZIP: &str = "Accept-Encoding: gzip, deflate\r\n";

#[test]
fn long_answers_are_compressed_where_both_sides_want_it() {
    for count in [20, 5_000] {
        let ironic = FakeIronic::start(move |_| json("200 OK", &nodes(count)));
        let irongate = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
        let (head, body) = ask(&irongate, "GET", "/v1/nodes", GZIP);
        assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
        assert!(!head.contains("content-length"), "{head}");
        let text = unzip(&body);
        assert_eq!(text, nodes(count).replace(SECRET, "******"));
        assert!(body.len() < text.len() / 4);
        // The record counts what was answered, not how it was packed.
        let record = &irongate.records(1)[0];
        assert_eq!(record["answer_bytes"].as_u64(), Some(text.len() as u64), "{record}");
        assert_eq!(record["outcome"], "complete");
        assert!(ironic.arrived()[0].header("accept-encoding").is_none(), "{:?}", ironic.arrived());
    }
}

#[test]
fn all_others_are_not() {
    let ironic = FakeIronic::start(|request| match request.line.split(' ').nth(1) {
        Some("/v1/nodes/short") => json("200 OK", r#"{"name": "n"}"#),
        _ => json("200 OK", &nodes(100)),
    });
    let on = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
    let off = Irongate::start_with(&ironic.endpoint(), "", "");
    let length = nodes(100).replace(SECRET, "******").len();
    for (irongate, method, target, accept, status) in [
        (&off, "GET", "/v1/nodes", GZIP, "200"),
        (&on, "GET", "/v1/nodes", "", "200"),
        (&on, "GET", "/v1/nodes", "Accept-Encoding: identity\r\n", "200"),
        // Nobody is told 406 for a call that was carried out.
        (&on, "GET", "/v1/nodes", "Accept-Encoding: br, identity;q=0\r\n", "200"),
        (&on, "GET", "/v1/nodes", "Accept-Encoding: gzip;q=0, *;q=0\r\n", "200"),
        (&on, "GET", "/v1/nodes/short", GZIP, "200"),
        // An agent's token passes here: the length of what holds it says nothing about it.
        (&on, "GET", "/v1/lookup?addresses=52:54:00:00:00:01", GZIP, "200"),
        (&on, "GET", "/v1/nowhere", GZIP, "404"),
    ] {
        let (head, body) = ask(irongate, method, target, accept);
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{method} {target} {accept}: {head}");
        assert!(!head.contains("content-encoding"), "{method} {target} {accept}: {head}");
        if target == "/v1/nodes" {
            assert!(head.contains(&format!("content-length: {length}")), "{method} {accept}: {head}");
            assert_eq!(body.len(), length);
        }
    }
}

#[test]
fn a_cut_answer_stays_cut() {
    let broken = nodes(5_000).replacen("]", "", 1);
    let ironic = FakeIronic::start(move |_| json("200 OK", &broken));
    let irongate = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
    let (head, body) = ask(&irongate, "GET", "/v1/nodes", GZIP);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(!body.ends_with(b"<end>"), "a silent tail");
    assert_eq!(irongate.records(1)[0]["outcome"], "cut");
}

#[test]
fn what_ironic_compresses_is_refused() {
    let ironic = FakeIronic::start(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
            .to_vec()
    });
    let irongate = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
    let answer = irongate.ask_with("admin", "GET", "/v1/nodes", GZIP, None);
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_not_json"));
}

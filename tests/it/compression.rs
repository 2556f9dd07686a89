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

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

/// A whole answer with a body that is said to be coded.
fn coded(status: &str, coding: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

#[test]
fn what_ironic_compresses_is_refused() {
    let node = format!(r#"{{"name": "n", "driver_info": {{"redfish_password": "{SECRET}"}}}}"#);
    for (coding, body) in [
        ("gzip", gzip(node.as_bytes())),
        ("x-gzip", gzip(node.as_bytes())),
        ("gzip, gzip", gzip(&gzip(node.as_bytes()))),
        ("deflate", {
            let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(node.as_bytes()).unwrap();
            packed.finish().unwrap()
        }),
        ("br", vec![0x0b, 0x02, 0x80, b'{', b'}', 0x03]),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd]),
        // The coding is a lie, or nobody knows it.
        ("gzip", node.clone().into_bytes()),
        ("rot13", node.clone().into_bytes()),
        ("identity, gzip", node.clone().into_bytes()),
        ("", gzip(node.as_bytes())),
    ] {
        let answer = coded("200 OK", coding, &body);
        let ironic = FakeIronic::start(move |_| answer.clone());
        let irongate = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
        let answer = irongate.ask_with("admin", "GET", "/v1/nodes/n", GZIP, None);
        let code = answer.code();
        assert_eq!(answer.status, 502, "{coding}: {answer:?}");
        assert!(matches!(code.as_str(), "upstream_not_json" | "upstream_malformed"), "{coding}: {code}");
        assert!(!answer.body.contains(SECRET) && !answer.head.contains(SECRET), "{coding}");
    }
    let plain = coded("200 OK", "identity", node.as_bytes());
    let ironic = FakeIronic::start(move |_| plain.clone());
    let irongate = Irongate::start_with(&ironic.endpoint(), "", "");
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes/n", None).status, 200);
}

#[test]
fn an_error_that_ironic_compresses_keeps_its_status_only() {
    let fault =
        format!(r#"{{"error_message": "{{\\"faultcode\\": \\"Client\\", \\"faultstring\\": \\"{SECRET}\\"}}"}}"#);
    for coding in ["gzip", "br"] {
        let answer = coded("409 Conflict", coding, &gzip(fault.as_bytes()));
        let ironic = FakeIronic::start(move |_| answer.clone());
        let irongate = Irongate::start_with(&ironic.endpoint(), "", "");
        let answer = irongate.ask("admin", "GET", "/v1/nodes/n", None);
        assert_eq!((answer.status, answer.faultstring().as_str()), (409, "Conflict"), "{coding}: {answer:?}");
    }
}

#[test]
fn nothing_is_unpacked_however_much_it_would_be() {
    // 64 MiB of blanks in 64 KiB, as an answer and as an error: neither is read as anything but bytes.
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000);
    for (status, expected) in [("200 OK", 502), ("500 Oops", 500)] {
        let answer = coded(status, "gzip", &bomb);
        let ironic = FakeIronic::start(move |_| answer.clone());
        let irongate = Irongate::start_with(&ironic.endpoint(), "", "compression = true");
        let answer = irongate.ask_with("admin", "GET", "/v1/nodes", GZIP, None);
        assert_eq!(answer.status, expected, "{answer:?}");
        assert!(answer.body.len() < 1000);
    }
    // Nor is what a caller sends.
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let answer = irongate.ask_with("admin", "PATCH", "/v1/nodes/n", "Content-Encoding: gzip\r\n", Some("[]"));
    assert_eq!((answer.status, answer.code().as_str()), (415, "content_encoding"));
    assert!(ironic.arrived().is_empty());
}

//! The log of the program at its most talkative: nothing that a caller, an Ironic or a peer's certificate says is in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::client::{basic, pause, send};
use crate::support::{FakeIronic, PASSWORD, configuration_with, json};

const CANARY: &str = "c4n4ry-7e57";

/// `irongate serve` at debug level, with all that it writes on standard error.
struct Program {
    child: Child,
    log: Arc<Mutex<String>>,
    directory: tempfile::TempDir,
    address: SocketAddr,
}

impl Program {
    fn start(endpoint: &str, listener: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = configuration_with(directory.path(), endpoint, "", listener);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["serve", "--config", file.to_str().unwrap()])
            .env("IRONGATE_LOG", "debug")
            .env("IRONGATE_ADMIN__ADDRESS", format!("127.0.0.1:{port}"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                kept.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        let address = loop {
            let text = log.lock().unwrap().clone();
            let found = text.lines().find(|line| line.contains("\"public\"")).map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["address"].as_str().unwrap().parse().unwrap()
            });
            if let Some(address) = found {
                break address;
            }
            assert!(Instant::now() < deadline, "not listening: {text}");
            pause(Duration::from_millis(20));
        };
        Self { child, log, directory, address }
    }

    fn wait_for(&self, word: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.log.lock().unwrap().contains(word) {
            assert!(Instant::now() < deadline, "no {word} in {}", self.log.lock().unwrap());
            pause(Duration::from_millis(20));
        }
    }

    /// Ends it and gives back its log and its records.
    fn end(mut self) -> (String, String) {
        drop(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status());
        self.child.wait().unwrap();
        let log = self.log.lock().unwrap().clone();
        (log, std::fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap_or_default())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

#[test]
fn nothing_of_a_request_or_an_answer_is_logged() {
    let stored = format!(
        r#"{{"uuid": "u", "name": "{CANARY}", "driver_info": {{"redfish_password": "{CANARY}"}}, "last_error": "{CANARY}"}}"#
    );
    let failure = format!(
        r#"{{"error_message": "{{\"faultcode\": \"Client\", \"faultstring\": \"{CANARY}\", \"debuginfo\": \"{CANARY}\"}}"}}"#
    );
    let ironic = FakeIronic::start(move |request| match request.line.split(' ').next() {
        Some("GET") => json("200 OK", &stored),
        Some("PUT") => format!("HTTP/1.1 {CANARY}\r\n\r\n").into_bytes(),
        Some("DELETE") => json("200 OK", &format!("[{CANARY}")),
        _ => json("400 Bad Request", &failure),
    });
    let program = Program::start(&ironic.endpoint(), "");
    let admin = format!("{}X-OpenStack-Ironic-API-Version: 1.80\r\n", basic("admin", PASSWORD));
    let stranger = basic(CANARY, CANARY);
    let patch = format!(r#"[{{"op": "add", "path": "/extra/a", "value": "{CANARY}"}}]"#);
    let broken = format!(r#"{{"{CANARY}": "{CANARY}", "{CANARY}"#);
    let length = |body: &str| format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let requests = [
        format!("GET /v1/nodes/{CANARY} HTTP/1.1\r\nHost: h\r\n{admin}\r\n"),
        format!("GET /v1/nodes?owner={CANARY}&{CANARY}={CANARY} HTTP/1.1\r\nHost: h\r\n{admin}\r\n"),
        format!("GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n{admin}\r\n"),
        format!("GET http://{CANARY}:{CANARY}@h/v1 HTTP/1.1\r\nHost: {CANARY}\r\n{admin}\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{stranger}\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nAuthorization: {CANARY} {CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}{CANARY}: {CANARY}\r\nCookie: {CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}X_{CANARY}: {CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}X-OpenStack-Request-ID: req-{CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}X-OpenStack-Ironic-API-Version: {CANARY}\r\n\r\n"),
        format!("{CANARY} /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}\r\n"),
        format!("GET /v1/nodes HTTP/{CANARY}\r\nHost: h\r\n\r\n"),
        format!("{CANARY}\r\n\r\n"),
        format!("GET /v1/nodes HTTP/1.1\r\n{CANARY}\u{1}: {CANARY}\r\n\r\n"),
        format!("PATCH /v1/nodes/n HTTP/1.1\r\nHost: h\r\n{admin}{}", length(&patch)),
        format!("POST /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}{}", length(&broken)),
        format!("POST /v1/nodes HTTP/1.1\r\nHost: h\r\n{admin}Content-Type: {CANARY}\r\nContent-Length: 1\r\n\r\nx"),
        format!("PUT /v1/nodes/n/states/power HTTP/1.1\r\nHost: h\r\n{admin}{}", length(r#"{"target": "power on"}"#)),
        format!("DELETE /v1/nodes/n/maintenance HTTP/1.1\r\nHost: h\r\n{admin}\r\n"),
    ];
    for request in &requests {
        send_closing(program.address, request);
    }
    program.wait_for("connection ended with an error");
    let (log, records) = program.end();
    assert!(log.contains("\"level\":\"DEBUG\""), "{log}");
    assert!(!log.contains(CANARY), "{log}");
    assert!(!log.contains(PASSWORD));
    // Records name what was asked for; they hold no value.
    let asked: Vec<_> = records.lines().filter(|line| line.contains(CANARY)).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let record: serde_json::Value = serde_json::from_str(asked[0]).unwrap();
    assert_eq!(record["resource"]["id"], CANARY);
    assert_eq!(asked[0].matches(CANARY).count(), 1);
}

fn send_closing(address: SocketAddr, request: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1500))).unwrap();
    let request = request.replacen("HTTP/1.1\r\n", "HTTP/1.1\r\nConnection: close\r\n", 1);
    drop(stream.write_all(request.as_bytes()));
    drop(stream.read_to_end(&mut Vec::new()));
}

/// What is shaped as a secret in a name that a caller chose is masked in the record, which says so and is still JSON.
#[test]
fn names_that_callers_choose_are_masked_in_records() {
    let ironic = FakeIronic::plain();
    let program = Program::start(&ironic.endpoint(), "");
    let create = format!(r#"{{"driver": "fake-hardware", "extra": {{"password={CANARY}": 1}}}}"#);
    let request = format!(
        "POST /v1/nodes HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{create}",
        basic("admin", PASSWORD),
        create.len()
    );
    send(program.address, request.as_bytes());
    let (_, records) = program.end();
    let record: serde_json::Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    let write = record["writes"].as_array().unwrap().last().unwrap();
    assert_eq!((&write["path"], &write["cut"]), (&"/extra/password=******".into(), &true.into()), "{record}");
    assert!(!records.contains(CANARY));
}

fn certificates(name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    irongate::certs::dev(directory.path(), &[name.to_owned()], 1, false).unwrap();
    directory
}

fn tls(certificates: &Path) -> String {
    format!(
        "\n[listener.tls]\ncertificate_file = \"{0}/server.crt\"\nkey_file = \"{0}/server.key\"",
        certificates.display()
    )
}

#[test]
fn names_in_certificates_and_handshakes_are_not_logged() {
    let own = certificates("irongate.test");
    // An Ironic whose certificate is for another name, which its bearer chose.
    let other = certificates(&format!("{CANARY}.test"));
    let front = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = front.local_addr().unwrap();
    let endpoint = format!("https://{address}\"\nca_file = \"{}/ca.crt", other.path().display());
    let server = irongate::tls::ServerTls {
        certificate: irongate::tls::CertificatePem::read(&other.path().join("server.crt")).unwrap(),
        key: irongate::tls::KeyPem::read(&other.path().join("server.key")).unwrap(),
        min_version: irongate::tls::TlsVersion::V1_3,
        client_certificates: None,
        alpn: vec![irongate::tls::Alpn::Http11],
    };
    let server = Arc::new(irongate::tls::server_config(&server).unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = front.accept() {
            let mut session = rustls::ServerConnection::new(Arc::clone(&server)).unwrap();
            drop(session.complete_io(&mut stream));
        }
    });
    let program = Program::start(&endpoint, &tls(own.path()));
    program.wait_for("\"host\":\"127.0.0.2\"");
    program.wait_for("is for another name");
    // A caller that speaks no TLS, and one that asks for a name and a protocol that are not served.
    send(program.address, format!("GET /{CANARY} HTTP/1.1\r\nHost: {CANARY}\r\n\r\n").as_bytes());
    program.wait_for("does not speak TLS");
    let authority = irongate::tls::CertificatePem::read(&own.path().join("ca.crt")).unwrap();
    let client =
        irongate::tls::ClientTls { ca: authority, certificate: None, min_version: irongate::tls::TlsVersion::V1_3 };
    let mut client = irongate::tls::client_config(&client).unwrap();
    client.alpn_protocols = vec![CANARY.as_bytes().to_vec()];
    let name = format!("{CANARY}.test").try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = TcpStream::connect(program.address).unwrap();
    drop(session.complete_io(&mut stream));
    drop(stream);
    program.wait_for("in common");
    let (log, records) = program.end();
    assert!(!log.contains(CANARY), "{log}");
    assert!(!records.contains(CANARY), "{records}");
}

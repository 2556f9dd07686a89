//! The admin listener of the whole program: health, status, numbers.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::{Answer, pause, send};
use crate::support::{FakeIronic, Irongate, PASSWORD, configuration};

/// The program itself, with its admin listener on a port that was free.
struct Program {
    child: Child,
    admin: SocketAddr,
    directory: tempfile::TempDir,
}

impl Program {
    fn start(endpoint: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = configuration(directory.path(), endpoint, "");
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["serve", "--config", file.to_str().unwrap()])
            .env("IRONGATE_ADMIN__ADDRESS", admin.to_string())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(admin).is_err() {
            assert!(Instant::now() < deadline, "the admin listener does not answer");
            pause(Duration::from_millis(20));
        }
        Self { child, admin, directory }
    }

    fn get(&self, path: &str) -> Answer {
        send(self.admin, format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").as_bytes())
    }

    fn healthcheck(&self, more: &[&str]) -> Option<i32> {
        let status = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .arg("healthcheck")
            .args(["--address", &self.admin.to_string()])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.unwrap().code()
    }

    fn wait_for(&self, path: &str, status: u16) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.get(path).status != status {
            assert!(Instant::now() < deadline, "{path} is not {status}: {:?}", self.get(path));
            pause(Duration::from_millis(50));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_running_irongate_tells_how_it_is() {
    let ironic = FakeIronic::plain();
    let program = Program::start(&ironic.endpoint());
    program.wait_for("/readyz", 200);
    assert_eq!(program.healthcheck(&[]), Some(0));
    assert_eq!(program.healthcheck(&["--live"]), Some(0));
    for path in ["/healthz", "/livez", "/metrics", "/status"] {
        assert_eq!(program.get(path).status, 200, "{path}");
    }
    assert!(program.get("/readyz?verbose").body.contains("[+] upstream"));
    let metrics = program.get("/metrics");
    assert_eq!(
        metrics.header("content-type").as_deref(),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(metrics.body.ends_with("# EOF\n"));
    let status = program.get("/status");
    let told = status.json();
    for (pointer, expected) in [
        ("/version", env!("CARGO_PKG_VERSION")),
        ("/program_revision", irongate::version::REVISION),
        ("/phase", "serving"),
        ("/mode", "enforce"),
        ("/listeners/0/name", "public"),
        ("/listeners/0/schemes/0", "basic"),
        ("/upstreams/0/endpoint", &ironic.endpoint()),
    ] {
        assert_eq!(told.pointer(pointer).and_then(|value| value.as_str()), Some(expected), "{pointer} in {told}");
    }
    assert_eq!(told["upstreams"][0]["healthy"], true);
    assert_eq!(told["reloads"]["last_error"], serde_json::Value::Null);
    assert!(told["policies"]["enforce"].as_u64().unwrap() > 0);
    // Nothing of what authenticates.
    let hashes = std::fs::read_to_string(program.directory.path().join("htpasswd")).unwrap();
    for secret in hashes.lines().filter_map(|line| line.split_once(':')).map(|(_, hash)| hash).chain([PASSWORD]) {
        assert!(!status.body.contains(secret) && !metrics.body.contains(secret));
    }
}

#[test]
fn a_dead_ironic_is_alive_and_not_ready() {
    let program = Program::start("unix:/nonexistent/ironic.sock");
    assert_eq!(program.get("/livez").status, 200);
    assert_eq!(program.healthcheck(&["--live"]), Some(0));
    let ready = program.get("/readyz?verbose");
    assert_eq!((ready.status, ready.body.contains("[-] upstream")), (503, true), "{ready:?}");
    assert_eq!(program.healthcheck(&[]), Some(1));
    assert_eq!(program.get("/status").json()["upstreams"][0]["healthy"], false);
}

#[test]
fn a_refused_reload_is_told_with_its_place() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let file = irongate.directory.path().join("irongate.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("[audit]", "[audit]\npassword = \"S3cret-7\"")).unwrap();
    irongate.server.current.reload().unwrap_err();
    let status = serde_json::to_value(irongate.server.status()).unwrap();
    let error = status["reloads"]["last_error"].as_str().unwrap();
    assert!(error.contains("irongate.toml:") && error.contains("password"), "{error}");
    assert!(!status.to_string().contains("S3cret-7"), "{status}");
}

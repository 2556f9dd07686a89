//! A fake Ironic, an irongate in front of it, and a client that sends exactly what it is told.

pub mod client;
pub mod ironic;
pub mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use irongate::config::{self, ListenAddress};
use irongate::server::Server;

pub use client::{Answer, send};
pub use ironic::{FakeIronic, json};

/// Passwords are made up for each run; bcrypt's lowest cost keeps tests quick.
pub const PASSWORD: &str = "correct horse";

/// A running irongate with its own folder. Dropped, it drains.
pub struct Irongate {
    pub server: Arc<Server>,
    pub directory: tempfile::TempDir,
    pub address: std::net::SocketAddr,
}

/// Users `admin`, `operator` and `auditor` with the roles of their names, over plain loopback TCP.
pub fn configuration(directory: &Path, endpoint: &str, more: &str) -> PathBuf {
    configuration_with(directory, endpoint, more, "")
}

/// The same with more in the listener's table, and tables after it.
pub fn configuration_with(directory: &Path, endpoint: &str, more: &str, listener: &str) -> PathBuf {
    let hash = irongate::authenticate::hash(&PASSWORD.to_owned().into(), 4).unwrap();
    let users: String = ["admin", "operator", "auditor"].iter().map(|user| format!("{user}:{hash}\n")).collect();
    std::fs::write(directory.join("htpasswd"), users).unwrap();
    let bindings: String = ["admin", "operator", "auditor"]
        .iter()
        .map(|user| format!("[[binding]]\nrole = \"{user}\"\nusers = [\"{user}\"]\n"))
        .collect();
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/roles");
    let text = format!(
        "workers = 1\n\
         {more}\n\
         [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\nschemes = [\"basic\", \"anonymous\"]\n{listener}\n\
         [authentication.basic]\nhtpasswd_file = \"htpasswd\"\n\
         {bindings}\
         [upstream]\nendpoint = \"{endpoint}\"\nanswer_timeout_seconds = 2\nidle_timeout_seconds = 1\n\
         [policy]\ndirectories = [\"{}\"]\n\
         [audit]\nfile = \"audit.jsonl\"\n",
        policies.display()
    );
    let file = directory.join("irongate.toml");
    std::fs::write(&file, text).unwrap();
    file
}

impl Irongate {
    /// In front of `ironic`; `more` is top-level configuration.
    pub fn start(ironic: &FakeIronic, more: &str) -> Self {
        Self::at(&ironic.endpoint(), more)
    }

    /// In front of any endpoint.
    pub fn at(endpoint: &str, more: &str) -> Self {
        Self::start_with(endpoint, more, "")
    }

    /// The same with more in the listener's table, and tables after it.
    pub fn start_with(endpoint: &str, more: &str, listener: &str) -> Self {
        Self::launch(endpoint, more, listener, |text| text)
    }

    /// With a configuration that `edit` has changed.
    pub fn start_edited(endpoint: &str, edit: impl FnOnce(String) -> String) -> Self {
        Self::launch(endpoint, "", "", edit)
    }

    fn launch(endpoint: &str, more: &str, listener: &str, edit: impl FnOnce(String) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = configuration_with(directory.path(), endpoint, more, listener);
        std::fs::write(&file, edit(std::fs::read_to_string(&file).unwrap())).unwrap();
        let config = config::load(&file).unwrap();
        let server = Arc::new(Server::start(&config, file).unwrap());
        let ListenAddress::Tcp(address) = server.addresses[0] else { panic!("the listener is TCP") };
        Self { server, directory, address }
    }

    /// The usual configuration, changed as a text before it is read. The first listener is asked.
    pub fn changed(endpoint: &str, listener: &str, change: impl FnOnce(String) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = configuration_with(directory.path(), endpoint, "", listener);
        std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
        let config = config::load(&file).unwrap_or_else(|errors| panic!("{errors:?}"));
        let server = Arc::new(Server::start(&config, file).unwrap());
        let ListenAddress::Tcp(address) = server.addresses[0] else { panic!("the listener is TCP") };
        Self { server, directory, address }
    }

    /// Changes the configuration as a text and has it read again, as HUP does.
    pub fn reload(&self, change: impl FnOnce(String) -> String) {
        let file = self.directory.path().join("irongate.toml");
        std::fs::write(&file, change(std::fs::read_to_string(&file).unwrap())).unwrap();
        self.server.current.reload().unwrap_or_else(|errors| panic!("{errors:?}"));
    }

    /// Sends a request of `user` and gives back the answer.
    pub fn ask(&self, user: &str, method: &str, target: &str, body: Option<&str>) -> Answer {
        self.ask_with(user, method, target, "", body)
    }

    /// The same with more header lines, each ending in CR LF.
    pub fn ask_with(&self, user: &str, method: &str, target: &str, headers: &str, body: Option<&str>) -> Answer {
        let credential = client::basic(user, PASSWORD);
        let body = body.map_or_else(String::new, |body| {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        });
        let end = if body.is_empty() { "\r\n" } else { "" };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: irongate.test\r\nConnection: close\r\n\
             X-OpenStack-Ironic-API-Version: 1.80\r\n{credential}{headers}{body}{end}"
        );
        send(self.address, request.as_bytes())
    }

    /// Waits until there are `count` records and gives them back.
    pub fn records(&self, count: usize) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let text = self.log();
            // A line that is being written has no end yet.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let lines: Vec<_> = whole.lines().collect();
            if lines.len() >= count {
                return lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            }
            assert!(Instant::now() < deadline, "{} of {count} records came: {text}", lines.len());
            client::pause(Duration::from_millis(10));
        }
    }

    /// The audit file's text.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap_or_default()
    }
}

impl Drop for Irongate {
    fn drop(&mut self) {
        self.server.drain();
        self.server.wait();
        if !std::thread::panicking() {
            assert_eq!(irongate::telemetry::masked_log_lines(), 0, "the last net had to mask a line");
            schema::check(&self.log());
        }
    }
}

//! Keystone tokens through the whole of irongate, and what Ironic is told of who asks.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use irongate::config::{self, ListenAddress};
use irongate::server::Server;

use crate::support::{Answer, FakeIronic, PASSWORD, client, configuration, json, send};

pub const USER: &str = "alice";
pub const LIMITED: &str = "limited";
pub const SERVICE: &str = "service";

/// A token whose text says whose it is: the fake Keystone reads it there.
pub fn token(name: &str) -> String {
    format!("gAAAA{name:_<100}canary7e57")
}

/// Knows the three users above and nobody else, and counts.
fn keystone(asked: &Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::clone(asked);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let asked = Arc::clone(&asked);
            std::thread::spawn(move || vouch(stream, &asked));
        }
    });
    address
}

fn vouch(mut stream: TcpStream, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|count| count > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let known = [USER, LIMITED, SERVICE].into_iter().find(|name| head.contains(&token(name)));
        let body = known.map(|name| {
            let limits = match name {
                LIMITED => {
                    r#", "application_credential": {"id": "a", "access_rules": [{"service": "baremetal", "method": "GET", "path": "/v1/nodes/*"}]}"#
                }
                _ => "",
            };
            format!(
                r#"{{"token": {{"user": {{"id": "id-{name}", "name": "{name}", "domain": {{"id": "d", "name": "D"}}}},
                "expires_at": "2099-01-01T00:00:00.000000Z", "roles": [{{"name": "{name}"}}],
                "project": {{"id": "p-{name}", "name": "P", "domain": {{"id": "d", "name": "D"}}}}{limits}}}}}"#
            )
        });
        let (status, body) = body.map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
        head.clear();
    }
}

pub struct Gate {
    server: Arc<Server>,
    pub directory: tempfile::TempDir,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Gate {
    pub fn start(ironic: &FakeIronic, upstream: &str) -> Self {
        Self::start_edited(ironic, upstream, |text| text)
    }

    /// With a configuration that `edit` has changed.
    pub fn start_edited(ironic: &FakeIronic, upstream: &str, edit: impl FnOnce(String) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("credential"), "irongate:own-canary\n").unwrap();
        let asked = Arc::default();
        let url = format!("http://{}/v3", keystone(&asked));
        let file = configured(directory.path(), &ironic.endpoint(), &url, upstream);
        std::fs::write(&file, edit(std::fs::read_to_string(&file).unwrap())).unwrap();
        let config = config::load(&file).unwrap();
        let server = Arc::new(Server::start(&config, file).unwrap());
        let ListenAddress::Tcp(address) = server.addresses[0] else { panic!("the listener is TCP") };
        Self { server, directory, address, asked }
    }

    pub fn ask(&self, target: &str, headers: &str) -> Answer {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-OpenStack-Ironic-API-Version: 1.80\r\n{headers}\r\n"
        );
        send(self.address, request.as_bytes())
    }

    /// Changes the configuration and has it loaded.
    fn reload(&self, change: impl FnOnce(String) -> String) {
        let file = self.directory.path().join("irongate.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(text)).unwrap();
        self.server.current.reload().unwrap_or_else(|errors| panic!("{errors:?}"));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.server.drain();
        self.server.wait();
    }
}

fn configured(directory: &std::path::Path, endpoint: &str, url: &str, upstream: &str) -> std::path::PathBuf {
    let file = configuration(directory, endpoint, "");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("schemes = [\"basic\", \"anonymous\"]", "schemes = [\"keystone\", \"basic\", \"anonymous\"]")
        .replace("[upstream]\n", &format!("[[binding]]\nname = \"all\"\nrole = \"admin\"\nauthenticated = true\n[authentication.keystone]\nurl = \"{url}\"\n[upstream]\n{upstream}\n"));
    std::fs::write(&file, text).unwrap();
    file
}

/// What a caller sends, and what Ironic then gets of identity: `X-Auth-Token`, `X-Service-Token`, `Authorization`.
#[track_caller]
fn check(gate: &Gate, ironic: &FakeIronic, headers: &str, expected: [Option<&str>; 3]) {
    let before = ironic.arrived().len();
    let answer = gate.ask("/v1/nodes/n", headers);
    assert_eq!(answer.status, 200, "{answer:?}");
    let arrived = ironic.arrived().split_off(before);
    let arrived = arrived.iter().find(|arrived| arrived.line.contains("/v1/nodes/n")).unwrap();
    let found = ["x-auth-token", "x-service-token", "authorization"].map(|name| arrived.header(name));
    assert_eq!(found, expected);
}

#[test]
fn ironic_sees_whom_it_should() {
    let ironic = FakeIronic::plain();
    let (user, service) = (token(USER), token(SERVICE));
    let alone = format!("X-Auth-Token: {user}\r\n");
    let both = format!("{alone}X-Service-Token: {service}\r\nX-Roles: admin\r\nX-Project-Id: other\r\n");
    let basic = client::basic("admin", PASSWORD);

    let none = Gate::start(&ironic, "");
    check(&none, &ironic, &both, [None, None, None]);
    let passed = Gate::start(&ironic, "identity = \"token\"");
    check(&passed, &ironic, &alone, [Some(&user), None, None]);
    check(&passed, &ironic, &both, [Some(&user), Some(&service), None]);
    check(&passed, &ironic, &basic, [None, None, None]);
    let own = Gate::start(&ironic, "identity = \"basic\"\ncredential_file = \"credential\"");
    check(&own, &ironic, &both, [None, None, Some("Basic aXJvbmdhdGU6b3duLWNhbmFyeQ==")]);

    for gate in [&none, &passed, &own] {
        let log = std::fs::read_to_string(gate.directory.path().join("audit.jsonl")).unwrap_or_default();
        assert!(!log.contains("canary"), "{log}");
    }
}

#[test]
fn refusals_carry_the_challenge() {
    let ironic = FakeIronic::plain();
    let gate = Gate::start(&ironic, "identity = \"token\"");
    let rows = [
        ("/v1/nodes/n", format!("X-Auth-Token: {}\r\n", token("nobody")), 401, "token_rejected"),
        ("/v1/nodes/n", "X-Auth-Token: odd\r\n".to_owned(), 401, "token_malformed"),
        ("/v1/nodes/n", format!("X-Auth-Token: {0}\r\nX-Auth-Token: {0}\r\n", token(USER)), 400, "repeated_header"),
        (
            "/v1/nodes/n",
            format!("X-Auth-Token: {}\r\nAuthorization: Basic eDp5\r\n", token(USER)),
            400,
            "credentials_contradict",
        ),
        (
            "/v1/nodes/n",
            format!("X-Auth-Token: {}\r\nX-Service-Token: {}\r\n", token(USER), token(LIMITED)),
            401,
            "service_token_role",
        ),
        ("/v1/ports", format!("X-Auth-Token: {}\r\n", token(LIMITED)), 401, "access_rule_missing"),
        ("/v1/nodes", format!("X-Auth-Token: {}\r\n", token(LIMITED)), 401, "access_rule_missing"),
    ];
    for (target, headers, status, code) in rows {
        let answer = gate.ask(target, &headers);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
        let challenged = answer
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Keystone uri=\"http://127.0.0.1:"));
        assert_eq!(challenged, status == 401, "{answer:?}");
        assert!(!answer.body.contains("canary"), "{answer:?}");
    }
    assert!(ironic.arrived().iter().all(|arrived| !arrived.line.contains("nodes") && !arrived.line.contains("ports")));
    let limited = format!("X-Auth-Token: {}\r\n", token(LIMITED));
    assert_eq!(gate.ask("/v1/nodes/n", &limited).status, 200);
    assert_eq!(gate.ask("/v1", &limited).status, 200, "discovery needs no rule");
    let served = format!("{limited}X-Service-Token: {}\r\n", token(SERVICE));
    assert_eq!(gate.ask("/v1/ports", &served).status, 200, "a chain's request is not the credential's own");
    let told = |line: &str| line.contains(r#""application_credential_id":"a""#);
    let records = std::fs::read_to_string(gate.directory.path().join("audit.jsonl")).unwrap();
    assert!(records.lines().any(told), "{records}");
}

#[test]
fn a_401_of_ironics_is_whose_identity_it_was() {
    let ironic = FakeIronic::start(|_| json("401 Unauthorized", r#"{"error": {"code": 401, "message": "no"}}"#));
    let headers = format!("X-Auth-Token: {}\r\n", token(USER));
    let passed = Gate::start(&ironic, "identity = \"token\"").ask("/v1/nodes/n", &headers);
    assert_eq!(passed.status, 401);
    assert!(passed.header("www-authenticate").unwrap().starts_with("Keystone uri="), "{passed:?}");
    for upstream in ["", "identity = \"basic\"\ncredential_file = \"credential\""] {
        let answer = Gate::start(&ironic, upstream).ask("/v1/nodes/n", &headers);
        assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_identity"), "{answer:?}");
    }
}

#[test]
fn a_reload_keeps_what_keystone_said() {
    let ironic = FakeIronic::plain();
    let gate = Gate::start(&ironic, "");
    let headers = format!("X-Auth-Token: {}\r\n", token(USER));
    let check = |named: &str, calls: usize, roles: u16| {
        assert_eq!(gate.ask("/v1/nodes/n", &headers).status, roles, "{named}");
        assert_eq!(gate.asked.load(Ordering::SeqCst), calls, "{named}");
    };
    check("new", 1, 200);
    gate.reload(|text| text);
    check("nothing changed", 1, 200);
    // Bindings and policies decide about each request anew, whatever is remembered of tokens.
    gate.reload(|text| text.replace("authenticated = true", "keystone_roles = [\"other\"]"));
    check("the binding changed", 1, 403);
    gate.reload(|text| text.replace("keystone_roles = [\"other\"]", "authenticated = true"));
    gate.reload(|text| text.replace("/v3\"\n", "/v3\"\nrevocation_seconds = 60\n"));
    check("the window changed", 2, 200);
    gate.reload(|text| {
        text.replace("[authentication.keystone]", "[authentication.keystone]\nallow_expired_seconds = 0")
    });
    check("what decides about tokens changed", 3, 200);
    gate.reload(|text| text);
    check("nothing changed again", 3, 200);
}

#[test]
fn mistakes_are_named() {
    #[track_caller]
    fn check(url: &str, more: &str, upstream: &str, remedy: &str) {
        let directory = tempfile::tempdir().unwrap();
        let file = configured(directory.path(), "unix:i", &format!("{url}\"\n{more}#"), upstream);
        std::fs::write(directory.path().join("empty"), "").unwrap();
        let errors = config::load(&file).err().unwrap_or_default();
        let found = errors.iter().any(|error| error.line.is_some() && error.message.contains(remedy));
        assert!(found, "{remedy} is not in {errors:?}");
    }
    let good = "http://127.0.0.1:5000/v3";
    check("http://127.0.0.1:5000", "", "", "HOST:PORT/v3");
    check("http://192.0.2.1:5000/v3", "", "", "insecure_plaintext");
    check("https://keystone:5000/v3", "", "", "needs ca_file");
    check(good, "ca_file = 'x'\n", "", "goes with an https");
    check(good, "nonsense = 1\n", "", "nonsense");
    check(good, "revocation_seconds = 0\n", "", "between 1 and 86400");
    check(good, "rejected_seconds = 600\n", "", "between 1 and 60");
    check(good, "allow_expired_seconds = 604801\n", "", "between 0 and 604800");
    check(good, "tokens_max = 0\n", "", "between 1 and");
    check(good, "jws_public_key_files = ['empty']\n", "", "no public key");
    check(good, "jws_public_key_files = ['missing']\n", "", "cannot be read");
    check(good, "service_roles = []\n", "", "at least one");
    check(good, "service_credential_file = 'empty'\n", "", "application_credential_id");
    check(good, "www_authenticate_uri = 'keystone'\n", "", "www_authenticate_uri must be a URL");
    check(good, "", "identity = \"basic\"", "needs credential_file");
    check(good, "", "identity = \"basic\"\ncredential_file = \"empty\"", "USER:PASSWORD");
    check(good, "", "identity = \"token\"\ncredential_file = \"empty\"", "goes with identity");
    check(good, "", "identity = \"caller\"", "expected one of `none`");
}

#[test]
fn tokens_that_wait_for_keystone_leave_places_for_heartbeats() {
    let ironic = FakeIronic::plain();
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::start_edited(&ironic, "", |text| {
        let (before, rest) = text.split_once("url = \"http://").unwrap();
        let (_, after) = rest.split_once('/').unwrap();
        let url = format!("url = \"http://{}", silent.local_addr().unwrap());
        format!("limits = {{ requests_max = 80 }}\n{before}{url}/{after}")
    });
    let load = || gate.server.current.load();
    let ask = |target: &str| {
        let mut stream = TcpStream::connect(gate.address).unwrap();
        let token = token(USER);
        write!(stream, "{target} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream
    };
    let heartbeat = "POST /v1/heartbeat/1be26c0b-03f2-4d2e-ae87-c02d7f33c781";
    let _waiting: Vec<_> =
        (0..100).map(|place| ask(if place % 2 == 0 { "GET /v1/nodes" } else { heartbeat })).collect();
    // One address: a quarter waits for one answer, whatever it asks for; the others are told to come back.
    let log = || std::fs::read_to_string(gate.directory.path().join("audit.jsonl")).unwrap_or_default();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while log().matches(r#""stage":"limit","reason":"busy""#).count() < 80 {
        assert!(std::time::Instant::now() < deadline, "{}", log());
        client::pause(std::time::Duration::from_millis(5));
    }
    assert!(load().limiter.load().requests() <= 20);
    let refused = gate.ask("/v1/nodes", &format!("X-Auth-Token: {}\r\n", token(USER)));
    assert_eq!((refused.status, refused.code().as_str()), (503, "busy"), "{refused:?}");
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    for _ in 0..20 {
        let request = format!("{heartbeat} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let answer = send(gate.address, request.as_bytes());
        assert_ne!(answer.status, 503, "{answer:?}");
    }
}

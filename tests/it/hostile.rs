//! Upstreams that hang up, reset, dribble, take nothing, or are not there; and several of them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use crate::support::client::pause;
use crate::support::{Answer, FakeIronic, Irongate, json};

/// Something on a unix socket that does with each connection as it likes.
struct Hostile {
    directory: tempfile::TempDir,
}

impl Hostile {
    fn start(misbehave: impl Fn(UnixStream) + Clone + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("ironic.sock")).unwrap();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let misbehave = misbehave.clone();
                std::thread::spawn(move || misbehave(stream));
            }
        });
        Self { directory }
    }

    fn endpoint(&self) -> String {
        format!("unix:{}", self.directory.path().join("ironic.sock").display())
    }
}

/// Reads what there is of a request.
fn some(stream: &mut UnixStream) {
    drop(stream.read(&mut [0; 65536]));
}

/// Nothing of a request is left: no place, no room, no connection to the endpoint.
fn all_is_free(irongate: &Irongate) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let snapshot = irongate.server.current.load();
    let load = snapshot.limiter.load();
    let pending = || irongate.server.state.endpoints().iter().map(|endpoint| endpoint.pending()).sum::<usize>();
    while load.requests() + load.body_bytes() + pending() > 0 {
        assert!(Instant::now() < deadline, "{} {} {}", load.requests(), load.body_bytes(), pending());
        pause(Duration::from_millis(5));
    }
}

fn check(endpoint: &str, ask: impl FnOnce(&Irongate) -> Answer, status: u16, code: &str) {
    let irongate = Irongate::start_edited(endpoint, |text| {
        text.replace("[upstream]\n", "[upstream]\nsend_timeout_seconds = 1\ntransfer_timeout_seconds = 2\n")
    });
    let answer = ask(&irongate);
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    assert_eq!(irongate.records(1)[0]["reason"], code);
    all_is_free(&irongate);
}

fn list(irongate: &Irongate) -> Answer {
    irongate.ask("admin", "GET", "/v1/nodes", None)
}

#[test]
fn each_misdeed_has_its_error_and_frees_everything() {
    let half_closed = Hostile::start(|mut stream| {
        some(&mut stream);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        pause(Duration::from_secs(20));
    });
    check(&half_closed.endpoint(), list, 502, "upstream_closed");

    let hanging_up = Hostile::start(drop);
    check(&hanging_up.endpoint(), list, 502, "upstream_closed");

    let half = Hostile::start(|mut stream| {
        some(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-"));
    });
    check(&half.endpoint(), list, 502, "upstream_closed");

    // The end of a head never comes, though something does all the time.
    let dribbling = Hostile::start(|mut stream| {
        some(&mut stream);
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: "));
        while stream.write_all(b"a").is_ok() {
            pause(Duration::from_millis(100));
        }
    });
    check(&dribbling.endpoint(), list, 504, "upstream_timeout");

    // The same with a body.
    let dropping = Hostile::start(|mut stream| {
        some(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{\"a\": \"";
        drop(stream.write_all(head.as_bytes()));
        while stream.write_all(b"a").is_ok() {
            pause(Duration::from_millis(100));
        }
    });
    check(&dropping.endpoint(), list, 504, "upstream_timeout");

    let silent = Hostile::start(|mut stream| {
        some(&mut stream);
        pause(Duration::from_secs(20));
        drop(stream);
    });
    check(&silent.endpoint(), list, 504, "upstream_timeout");

    // Takes nothing of a body that is larger than what sockets hold.
    let not_reading = Hostile::start(|stream| {
        pause(Duration::from_secs(20));
        drop(stream);
    });
    let patch = format!(
        r#"[{{"op": "add", "path": "/extra/a", "value": [{}"a"]}}]"#,
        format!("\"{}\",", "a".repeat(900)).repeat(1_000)
    );
    let write = |irongate: &Irongate| irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(&patch));
    check(&not_reading.endpoint(), write, 504, "upstream_send_timeout");

    let nobody = tempfile::tempdir().unwrap();
    let nobody = format!("unix:{}/none.sock", nobody.path().display());
    check(&nobody, list, 502, "upstream_unreachable");
}

#[test]
fn a_connection_that_is_reset_and_a_handshake_that_never_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.read(&mut [0; 10]));
            // Closed with something unread: the other side sees a reset.
        }
    });
    check(&format!("http://127.0.0.1:{port}"), list, 502, "upstream_closed");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificates = tempfile::tempdir().unwrap();
    irongate::certs::dev(certificates.path(), &[], 1, false).unwrap();
    let more = format!("\"\nconnect_timeout_seconds = 1\nca_file = \"{}/ca.crt", certificates.path().display());
    check(&format!("https://127.0.0.1:{port}{more}"), list, 504, "upstream_connect_timeout");
    drop(listener);
}

#[test]
fn a_connection_whose_request_was_not_read_is_not_used_again() {
    // Refuses an upload from its head alone, keeps the connection, and never reads on.
    let refusing = Hostile::start(|mut stream| {
        let mut piece = [0; 65536];
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            drop(stream.write_all(&json("400 Bad Request", "{}")));
            if piece[..length].starts_with(b"PUT") {
                return pause(Duration::from_secs(20));
            }
        }
    });
    let irongate = Irongate::at(&refusing.endpoint(), "");
    let body = format!(r#"{{"target": "active", "configdrive": "{}"}}"#, "QUJD".repeat(1024 * 1024));
    for _ in 0..2 {
        let upload = irongate.ask("admin", "PUT", "/v1/nodes/n/states/provision", Some(&body));
        assert_eq!(upload.status, 400, "{upload:?}");
        assert_eq!(list(&irongate).status, 400);
    }
    all_is_free(&irongate);
}

#[test]
fn a_connection_whose_request_was_read_is_used_again() {
    let opened = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&opened);
    let well = Hostile::start(move |mut stream| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut read = Vec::new();
        let mut piece = [0; 65536];
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            read.extend_from_slice(&piece[..length]);
            // Each request of this test ends so.
            if read.ends_with(b"\r\n\r\n") || read.ends_with(b"}]") {
                read.clear();
                drop(stream.write_all(&json("200 OK", "{}")));
            }
        }
    });
    let irongate = Irongate::at(&well.endpoint(), "");
    let patch = r#"[{"op":"add","path":"/extra/a","value":1}]"#;
    for _ in 0..5 {
        assert_eq!(list(&irongate).status, 200);
        assert_eq!(irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(patch)).status, 200);
        assert_eq!(irongate.ask("admin", "DELETE", "/v1/nodes/n", None).status, 200);
    }
    assert_eq!(opened.load(std::sync::atomic::Ordering::Relaxed), 1);
}

fn several(endpoints: &[String], more: &str) -> Irongate {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{endpoint}\"")).collect();
    let endpoints = format!("endpoints = [{}]\n{more}", endpoints.join(", "));
    Irongate::start_edited("E", |text| text.replace("endpoint = \"E\"", &endpoints))
}

#[test]
fn a_dead_endpoint_costs_no_request_and_is_left_alone() {
    let (one, other) = (FakeIronic::plain(), FakeIronic::plain());
    let irongate =
        several(&["unix:/nowhere.sock".to_owned(), one.endpoint(), other.endpoint()], "ejection_failures = 2");
    for _ in 0..30 {
        assert_eq!(list(&irongate).status, 200);
        // Nothing was sent: a write goes elsewhere too.
        assert_eq!(irongate.ask("admin", "DELETE", "/v1/nodes/n", None).status, 200);
    }
    let dead = &irongate.server.state.endpoints()[0];
    assert!(dead.ejected());
    assert_eq!(dead.ejections(), 1);
    assert_eq!(one.arrived().len() + other.arrived().len(), 60);
    assert!(one.arrived().len() > 5 && other.arrived().len() > 5);
    all_is_free(&irongate);
}

#[test]
fn only_what_is_safe_is_asked_again_and_a_lookup_never() {
    // It reads a request and hangs up, each time.
    let hanging_up = FakeIronic::start(|_| Vec::new());
    let well = FakeIronic::plain();
    let irongate = several(&[hanging_up.endpoint(), well.endpoint()], "ejection_failures = 1000");
    let arrived = |word: &str| {
        let arrived = [hanging_up.arrived(), well.arrived()].concat();
        arrived.iter().filter(|request| request.line.starts_with(word)).count()
    };
    for _ in 0..10 {
        assert_eq!(list(&irongate).status, 200);
    }
    assert!(arrived("GET /v1/nodes") > 10);
    let mut failed = 0;
    for _ in 0..10 {
        let answer = irongate.ask("admin", "POST", "/v1/nodes", Some(r#"{"driver": "fake-hardware"}"#));
        failed += usize::from(answer.status == 502);
        assert!(answer.status == 200 || answer.code() == "upstream_closed", "{answer:?}");
        let answer = irongate.ask("admin", "GET", "/v1/lookup?addresses=52%3A54%3A00%3A11%3A22%3A33", None);
        failed += usize::from(answer.status == 502);
    }
    assert!(failed > 5);
    assert_eq!((arrived("POST"), arrived("GET /v1/lookup")), (10, 10));
    all_is_free(&irongate);
}

#[test]
fn the_least_busy_endpoint_is_asked() {
    // One that answers only when it is told to, or when nobody can tell it any more.
    let (tell, told) = std::sync::mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let slow = FakeIronic::start(move |_| {
        told.lock().unwrap().recv().ok();
        json("200 OK", "{}")
    });
    let quick = FakeIronic::plain();
    let endpoints = format!("endpoints = [\"{}\", \"{}\"]", slow.endpoint(), quick.endpoint());
    let irongate = Irongate::start_edited("E", |text| {
        text.replace("endpoint = \"E\"", &endpoints)
            .replace("answer_timeout_seconds = 2", "answer_timeout_seconds = 60")
    });
    let pending = |place: usize| irongate.server.state.endpoints()[place].pending();
    std::thread::scope(|scope| {
        let tell = tell;
        // Asks one after the other until one is held.
        let held = scope.spawn(|| {
            while slow.arrived().is_empty() {
                assert_eq!(list(&irongate).status, 200);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        while (slow.arrived().len(), pending(0), pending(1)) != (1, 1, 0) {
            assert!(Instant::now() < deadline);
            pause(Duration::from_millis(5));
        }
        for _ in 0..5 {
            assert_eq!(list(&irongate).status, 200);
        }
        assert_eq!(slow.arrived().len(), 1);
        tell.send(()).unwrap();
        held.join().unwrap();
    });
    assert!(quick.arrived().len() >= 5);
}

#[test]
fn endpoints_are_checked() {
    let check = |upstream: &str, message: &str| {
        let directory = tempfile::tempdir().unwrap();
        let file = crate::support::configuration(directory.path(), "E", "");
        let text = std::fs::read_to_string(&file).unwrap().replace("endpoint = \"E\"", upstream);
        std::fs::write(&file, text).unwrap();
        let errors = irongate::config::load(&file).err().unwrap();
        assert!(errors.iter().any(|error| error.to_string().contains(message)), "{upstream}: {errors:?}");
    };
    check("", "no endpoint");
    check("endpoints = []", "no endpoint");
    check("endpoint = \"unix:a\"\nendpoints = [\"unix:b\"]", "either endpoint or endpoints");
    check("endpoints = [\"unix:a\", \"unix:a\"]", "twice");
    check("endpoints = [\"unix:a\", \"ftp://b\"]", "without a path");
    check("endpoint = \"unix:a\"\nejection_failures = 0", "ejection_failures = 0");
}

//! The program under a service manager: what it tells it, and the sockets that it is passed.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::client::{basic, pause, send};
use crate::support::{FakeIronic, PASSWORD, configuration, json};

struct Service {
    child: Child,
    notified: UnixDatagram,
    log: PathBuf,
}

impl Service {
    /// The listener's socket is the program's standard input, because nothing is simpler to pass.
    fn start(file: &Path, socket: &TcpListener, watchdog: Duration) -> Self {
        Self::start_with(file, socket, None, watchdog)
    }

    /// A further socket of this name is its standard output.
    fn start_with(
        file: &Path,
        socket: &TcpListener,
        further: Option<(&TcpListener, &str)>,
        watchdog: Duration,
    ) -> Self {
        let names = further.map_or("public".to_owned(), |(_, name)| format!("public:{name}"));
        let count = if further.is_some() { "2" } else { "1" };
        let passed = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        let notify = file.with_file_name(format!("notify-{}", std::process::id()));
        drop(std::fs::remove_file(&notify));
        let notified = UnixDatagram::bind(&notify).unwrap();
        notified.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let log = file.with_file_name("log");
        let child = Command::new(env!("CARGO_BIN_EXE_irongate"))
            .args(["serve", "--config", file.to_str().unwrap()])
            .env("IRONGATE_ADMIN__ADDRESS", "127.0.0.1:0")
            .env("NOTIFY_SOCKET", &notify)
            .env("WATCHDOG_USEC", watchdog.as_micros().to_string())
            .envs([("LISTEN_FDS", count), ("LISTEN_FDS_FIRST_FD", "0"), ("LISTEN_FDNAMES", &names)])
            .stdin(passed(socket))
            .stdout(further.map_or_else(Stdio::null, |(socket, _)| passed(socket)))
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, notified, log }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for a message with this in it.
    fn told(&self, word: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < deadline, "{word} was not told");
            let mut message = [0; 4096];
            let length = self.notified.recv(&mut message).unwrap();
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            if message.contains(word) {
                return message;
            }
        }
    }

    /// Waits until the log has this.
    fn logged(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap();
            if log.contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text} was not logged: {log}");
            pause(Duration::from_millis(20));
        }
    }

    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            pause(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn list(address: SocketAddr) -> u16 {
    let credential = basic("admin", PASSWORD);
    send(address, format!("GET /v1/nodes HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{credential}\r\n").as_bytes())
        .status
}

#[test]
fn the_service_manager_passes_the_socket_and_hears_everything() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), &ironic.endpoint(), "reload = { watch = false }");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public");
    std::fs::write(&file, text).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut service = Service::start(&file, &socket, Duration::from_secs(1));
    assert!(service.told("READY=1").contains("STATUS=serving revision"));
    assert_eq!(list(address), 200);
    service.told("WATCHDOG=1");
    service.signal("HUP");
    assert!(service.told("RELOADING=1").contains("MONOTONIC_USEC="));
    service.told("READY=1");
    // Broken: it goes on, and says so.
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("role = \"admin\"", "rolle = \"admin\""))
        .unwrap();
    service.signal("HUP");
    service.told("RELOADING=1");
    assert!(service.told("READY=1").contains("refused"));
    assert_eq!(list(address), 200);
    service.signal("TERM");
    service.told("STOPPING=1");
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn callers_wait_at_a_passed_socket_while_one_instance_follows_the_other() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), &ironic.endpoint(), "reload = { watch = false }");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public")).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        assert_eq!(list(address), 200);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for _ in 0..3 {
            // The next one starts only when the one before has ended.
            let mut service = Service::start(&file, &socket, Duration::from_secs(60));
            service.told("READY=1");
            pause(Duration::from_millis(300));
            service.signal("TERM");
            assert_eq!(service.ended(), Some(0));
        }
        let _last = Service::start(&file, &socket, Duration::from_secs(60));
        pause(Duration::from_millis(300));
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        for client in clients {
            assert!(client.join().unwrap() > 10);
        }
    });
}

#[test]
fn a_file_that_never_ends_is_refused() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), &ironic.endpoint(), "reload = { watch = false }");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public")).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut service = Service::start(&file, &socket, Duration::from_secs(60));
    service.told("READY=1");
    // A pipe that nobody writes to: reading it would not end, and no later reload begin.
    let users = directory.path().join("htpasswd");
    let good = std::fs::read(&users).unwrap();
    std::fs::remove_file(&users).unwrap();
    assert!(Command::new("mkfifo").arg(&users).status().unwrap().success());
    service.signal("HUP");
    service.told("RELOADING=1");
    assert!(service.told("READY=1").contains("refused"));
    service.logged("htpasswd cannot be read: it is no regular file (authentication.basic.htpasswd_file)");
    assert_eq!(list(socket.local_addr().unwrap()), 200);
    std::fs::remove_file(&users).unwrap();
    std::fs::write(&users, good).unwrap();
    service.signal("HUP");
    service.told("RELOADING=1");
    assert!(!service.told("READY=1").contains("refused"));
    service.signal("TERM");
    service.told("STOPPING=1");
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn emptied_files_are_told() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), &ironic.endpoint(), "reload = { watch = false }");
    let policy = directory.path().join("own.cedar");
    std::fs::write(&policy, "@id(\"own\") permit (principal in Role::\"own\", action, resource);").unwrap();
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public");
    std::fs::write(&file, text.replace("directories = [", "directories = [\"own.cedar\", ")).unwrap();
    std::fs::write(directory.path().join("htpasswd"), "").unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Service::start(&file, &socket, Duration::from_secs(60));
    // At the start, and at a reload.
    service.logged("htpasswd names no user");
    service.told("READY=1");
    let users = std::fs::read_to_string(&service.log).unwrap().matches("names no user").count();
    service.signal("HUP");
    service.told("READY=1");
    assert_eq!(std::fs::read_to_string(&service.log).unwrap().matches("names no user").count(), 2 * users);
    // A policy file without a policy is no candidate for anything.
    std::fs::write(&policy, "").unwrap();
    service.signal("HUP");
    service.told("RELOADING=1");
    assert!(service.told("READY=1").contains("refused"));
    service.logged("own.cedar:1: holds no policy (if that is meant, remove the file");
}

/// A configuration with a passed socket, changed as a text.
fn configured(directory: &Path, ironic: &FakeIronic, change: impl FnOnce(String) -> String) -> PathBuf {
    let file = configuration(directory, &ironic.endpoint(), "reload = { watch = false }");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public");
    std::fs::write(&file, change(text)).unwrap();
    file
}

#[test]
fn all_passed_sockets_of_a_name_are_served() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configured(directory.path(), &ironic, |text| text);
    let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let service = Service::start_with(&file, &one, Some((&other, "public")), Duration::from_secs(60));
    service.told("READY=1");
    assert_eq!([&one, &other].map(|socket| list(socket.local_addr().unwrap())), [200, 200]);
    drop(service);
    let service = Service::start_with(&file, &one, Some((&other, "forgotten")), Duration::from_secs(60));
    service.told("READY=1");
    service.logged("a passed socket is served by no listener");
    service.logged("forgotten");
}

#[test]
fn an_idle_worker_is_never_late() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let file = configured(directory.path(), &ironic, |text| text);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = Service::start(&file, &socket, Duration::from_millis(600));
    for _ in 0..15 {
        service.told("WATCHDOG=1");
    }
    let log = std::fs::read_to_string(&service.log).unwrap();
    assert!(!log.contains("does not answer; the watchdog"), "{log}");
}

#[test]
fn signals_count_until_the_drain_and_a_second_one_leaves_records() {
    // Holds whatever is not its probe.
    let ironic = FakeIronic::start(|request| {
        if request.line.starts_with("DELETE") {
            pause(Duration::from_secs(60));
        }
        json("200 OK", "{}")
    });
    let directory = tempfile::tempdir().unwrap();
    let file = configured(directory.path(), &ironic, |text| {
        let text = text.replace("answer_timeout_seconds = 2", "answer_timeout_seconds = 60");
        format!("{text}[limits]\ndrain_delay_seconds = 600\n[[limits.role]]\nrole = \"nope\"\nrequests_max = 1\n")
    });
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut service = Service::start(&file, &socket, Duration::from_secs(60));
    service.told("READY=1");
    service.logged("no [[binding]] gives the role \\\"nope\\\" and no policy names it");
    service.signal("TERM");
    service.told("STOPPING=1");
    service.told("STATUS=leaving");
    service.signal("HUP");
    service.logged("\"reloaded\"");
    service.signal("USR1");
    service.logged("the audit file is opened anew");
    assert_eq!(list(address), 200);
    let credential = basic("admin", PASSWORD);
    let held = std::thread::spawn(move || {
        send(address, format!("DELETE /v1/nodes/n HTTP/1.1\r\nHost: h\r\n{credential}\r\n").as_bytes()).status
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ironic.arrived().iter().any(|request| request.line.starts_with("DELETE")) {
        assert!(Instant::now() < deadline);
        pause(Duration::from_millis(10));
    }
    service.signal("TERM");
    assert_eq!(service.ended(), Some(1));
    held.join().unwrap();
    let records = std::fs::read_to_string(directory.path().join("audit.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    assert_eq!((&last["operation"], &last["outcome"]), (&"node:delete".into(), &"cut".into()), "{records}");
}

#[test]
fn an_ironic_that_is_down_from_the_start_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:/nowhere.sock", "reload = { watch = false }");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:public");
    std::fs::write(&file, text).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    Service::start(&file, &socket, Duration::from_secs(60)).logged("Ironic does not answer");
}

#[test]
fn a_socket_that_was_not_passed_is_a_mistake() {
    let directory = tempfile::tempdir().unwrap();
    let file = configuration(directory.path(), "unix:/nowhere.sock", "");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", "fd:other")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_irongate"))
        .args(["serve", "--config", file.to_str().unwrap()])
        .env("IRONGATE_ADMIN__ADDRESS", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(said.contains("fd:other") && said.contains("FileDescriptorName"), "{said}");
}

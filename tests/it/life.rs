//! Reload and drain.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use irongate::config;
use irongate::server::Server;

use crate::support::client::{basic, pause};
use crate::support::{FakeIronic, Irongate, PASSWORD, configuration, json};

/// A connection that stays. An end that it was not told of is a failure.
struct Kept {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Kept {
    fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    /// The status and the body's text.
    fn ask(&mut self, request: &str) -> std::io::Result<(u16, String)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(TcpStream::connect(self.address)?),
        };
        stream.get_ref().set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.get_mut().write_all(request.as_bytes())?;
        let (mut head, mut length, mut closes) = (String::new(), 0, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let low = line.trim().to_lowercase();
            if low.is_empty() {
                break;
            }
            length = low.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
            closes |= low == "connection: close";
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        if !closes {
            self.stream = Some(stream);
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

fn request(method: &str) -> String {
    format!("{method} /v1/nodes/n HTTP/1.1\r\nHost: irongate.test\r\n{}\r\n", basic("admin", PASSWORD))
}

#[test]
fn a_reload_swaps_everything_or_nothing() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let file = irongate.directory.path().join("irongate.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);

    // Broken: the old one stays.
    std::fs::write(&file, good.replace("role = \"auditor\"", "rolle = \"auditor\"")).unwrap();
    let errors = irongate.server.current.reload().unwrap_err();
    assert!(errors[0].to_string().contains("rolle"), "{errors:?}");
    assert_eq!(irongate.ask("auditor", "DELETE", "/v1/nodes/n", None).status, 403);

    // Good: the auditor becomes an admin, and the record tells the other revision.
    std::fs::write(&file, good.replace("role = \"auditor\"", "role = \"admin\"")).unwrap();
    irongate.server.current.reload().unwrap();
    assert_eq!(irongate.ask("auditor", "GET", "/v1/nodes/n", None).status, 200);
    let records = irongate.records(3);
    assert_eq!(records[0]["revision"], records[1]["revision"]);
    assert_ne!(records[1]["revision"], records[2]["revision"]);
    assert_eq!(records[2]["principal"]["roles"][0], "admin");
}

#[test]
fn a_drain_finishes_what_runs() {
    let ironic = FakeIronic::start(|_| {
        pause(Duration::from_millis(400));
        json("200 OK", "{}")
    });
    let irongate = Irongate::start(&ironic, "");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| irongate.ask("admin", "GET", "/v1/nodes", None).status);
        pause(Duration::from_millis(150));
        irongate.server.drain();
        assert_eq!(running.join().unwrap(), 200);
    });
    irongate.server.wait();
    assert!(std::net::TcpStream::connect(irongate.address).is_err());
    assert_eq!(irongate.records(1)[0]["outcome"], "complete");
}

#[test]
fn what_the_drain_cuts_is_recorded_as_cut() {
    let (_go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let ironic = FakeIronic::start(move |request| {
        if request.line.starts_with("POST") {
            held.lock().unwrap().recv().ok();
        }
        json("200 OK", "{}")
    });
    let irongate = Irongate::start_edited(&ironic.endpoint(), |text| {
        format!("limits = {{ drain_timeout_seconds = 1 }}\n{text}")
            .replace("answer_timeout_seconds = 2", "answer_timeout_seconds = 60")
    });
    std::thread::scope(|scope| {
        let running =
            scope.spawn(|| irongate.ask("admin", "POST", "/v1/nodes", Some(r#"{"driver": "fake-hardware"}"#)).status);
        while ironic.arrived().iter().all(|arrived| !arrived.line.starts_with("POST")) {
            pause(Duration::from_millis(5));
        }
        irongate.server.drain();
        irongate.server.wait();
        assert_eq!(running.join().unwrap(), 0);
    });
    let record = &irongate.records(1)[0];
    assert_eq!((&record["operation"], &record["decision"]), (&"node:create".into(), &"permit".into()));
    assert_eq!((&record["outcome"], &record["reason"]), (&"cut".into(), &"drain_timeout".into()), "{record}");
    assert!(record.get("status").is_none());
}

/// Two versions of policy, role and binding that only permit together.
fn belong_together(directory: &Path, word: &str) {
    let policy = format!("@id(\"{word}\") permit (principal in Role::\"{word}\", action, resource);\n");
    std::fs::write(directory.join("together/only.cedar"), policy).unwrap();
    let file = directory.join("irongate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let start = text.find("[[binding]]").unwrap();
    let end = text.find("[upstream]").unwrap();
    let binding = format!("[[binding]]\nrole = \"{word}\"\nusers = [\"admin\"]\n");
    std::fs::write(&file, format!("{}{binding}{}", &text[..start], &text[end..])).unwrap();
}

#[test]
fn requests_that_run_while_everything_is_reloaded_see_one_version() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start_edited(&ironic.endpoint(), |text| text);
    let directory = irongate.directory.path();
    std::fs::create_dir(directory.join("together")).unwrap();
    let file = directory.join("irongate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let policies = text.find("directories = ").unwrap();
    let end = text[policies..].find('\n').unwrap() + policies;
    std::fs::write(&file, format!("{}directories = [\"together\"]{}", &text[..policies], &text[end..])).unwrap();
    belong_together(directory, "blue");
    let current = &irongate.server.current;
    current.reload().unwrap();

    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut kept = Kept::new(irongate.address);
                while !done.load(Ordering::Relaxed) {
                    let (status, body) = kept.ask(&request("DELETE")).unwrap();
                    assert_eq!(status, 200, "{body}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..12 {
            // A broken one between two good ones: nobody notices.
            std::fs::write(directory.join("together/only.cedar"), "permit (principal in").unwrap();
            current.reload().unwrap_err();
            belong_together(directory, if round % 2 == 0 { "green" } else { "blue" });
            current.reload().unwrap();
            let before = asked.load(Ordering::Relaxed);
            while asked.load(Ordering::Relaxed) < before + 20 {
                pause(Duration::from_millis(1));
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked >= 240, "{asked}");
    let mut roles = std::collections::BTreeMap::new();
    for record in irongate.records(asked) {
        assert_eq!(record["principal"]["roles"][0], record["policies"][0], "{record}");
        let role = roles.entry(record["revision"].to_string()).or_insert_with(|| record["policies"].clone()).clone();
        assert_eq!(role, record["policies"], "{record}");
    }
    assert_eq!(roles.len(), 2, "{roles:?}");
    let told = current.reloads();
    assert_eq!((told.succeeded, told.failed, told.error), (13, 12, None));
}

#[test]
fn what_needs_a_restart_is_named() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    irongate.reload(|text| text.replace("127.0.0.1:0", "127.0.0.1:1").replace("workers = 1", "workers = 2"));
    assert_eq!(irongate.server.current.reloads().restart, ["workers", "the address of listener public"]);
    irongate.reload(|text| text.replace("127.0.0.1:1", "127.0.0.1:0").replace("workers = 2", "workers = 1"));
    assert_eq!(irongate.server.current.reloads().restart, [""; 0]);
    // What is in force at once is not named; what is new and waits for a restart is.
    irongate.reload(|text| text.replace("[audit]\n", "[audit]\non_full = \"drop\"\nkeep_one_read_in = 2\n"));
    assert_eq!(irongate.server.current.reloads().restart, [""; 0]);
    irongate.reload(|text| format!("{text}\n[tracing]\nendpoint = \"http://127.0.0.1:4318\"\n"));
    assert_eq!(irongate.server.current.reloads().restart, ["tracing"]);
    let file = irongate.directory.path().join("irongate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("name = \"public\"", "name = \"other\"")).unwrap();
    assert!(irongate.server.current.reload().unwrap_err()[0].message.contains("needs a restart"));
}

#[tokio::test]
async fn changed_files_are_noticed() {
    let ironic = FakeIronic::plain();
    let candidates = tempfile::tempdir().unwrap();
    let candidate = candidates.path().join("next.cedar");
    std::fs::write(&candidate, "@id(\"a\") permit (principal, action, resource);").unwrap();
    let irongate = Irongate::start_edited(&ironic.endpoint(), |text| {
        text.replace("[policy]\n", &format!("[policy]\ncandidates = [\"{}\"]\n", candidates.path().display()))
    });
    let directory = irongate.directory.path().to_owned();
    let current = std::sync::Arc::clone(&irongate.server.current);
    // The configuration as Kubernetes mounts it: links to `..data`, which is swapped.
    let mounted = |version: &str, from: &str, to: &str| {
        std::fs::create_dir(directory.join(version)).unwrap();
        let text = std::fs::read_to_string(directory.join("irongate.toml")).unwrap();
        let text = if from.is_empty() { text } else { text.replace(from, to) };
        std::fs::write(directory.join(version).join("irongate.toml"), text).unwrap();
        drop(std::fs::remove_file(directory.join("..next")));
        std::os::unix::fs::symlink(version, directory.join("..next")).unwrap();
        std::fs::rename(directory.join("..next"), directory.join("..data")).unwrap();
    };
    mounted("..1", "", "");
    std::fs::remove_file(directory.join("irongate.toml")).unwrap();
    std::os::unix::fs::symlink("..data/irongate.toml", directory.join("irongate.toml")).unwrap();
    let reloading = std::sync::Arc::clone(&current);
    let watching = tokio::spawn(irongate::snapshot::watch::watch(std::sync::Arc::clone(&current), move || {
        drop(reloading.reload());
        std::future::ready(())
    }));
    let until = async |succeeded: u64, failed: u64| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while current.reloads().succeeded < succeeded || current.reloads().failed < failed {
            assert!(Instant::now() < deadline, "{:?}", current.reloads());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    mounted("..2", "role = \"auditor\"", "role = \"admin\"");
    until(1, 0).await;
    let revision = current.load().revision.clone();
    mounted("..3", "workers = 1", "wolkers = 1");
    until(1, 1).await;
    assert_eq!(current.load().revision, revision);
    // A file that the configuration names, replaced by a rename.
    std::fs::write(directory.join("..3/irongate.toml"), std::fs::read(directory.join("..2/irongate.toml")).unwrap())
        .unwrap();
    until(2, 1).await;
    let users = std::fs::read_to_string(directory.join("htpasswd")).unwrap();
    std::fs::write(directory.join("htpasswd.new"), users.lines().next().unwrap()).unwrap();
    std::fs::rename(directory.join("htpasswd.new"), directory.join("htpasswd")).unwrap();
    until(3, 1).await;
    // A candidate's policy.
    std::fs::write(&candidate, "@id(\"b\") permit (principal, action, resource);").unwrap();
    until(4, 1).await;
    // Watching ends with the configuration that says so; that one is noticed.
    mounted("..4", "workers = 1", "reload = { watch = false }\nworkers = 1");
    until(5, 1).await;
    mounted("..5", "workers = 1", "wolkers = 1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((current.reloads().succeeded, current.reloads().failed), (5, 1));
    watching.abort();
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[tokio::test]
async fn what_changes_while_it_is_read_is_read_again() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let directory = irongate.directory.path().to_owned();
    let current = std::sync::Arc::clone(&irongate.server.current);
    let (reloading, folder) = (std::sync::Arc::clone(&current), directory.clone());
    let watching = tokio::spawn(irongate::snapshot::watch::watch(std::sync::Arc::clone(&current), move || {
        drop(reloading.reload());
        // After the first reload has read the users, and before anybody can look at them again.
        if reloading.reloads().succeeded == 1 {
            let users = std::fs::read_to_string(folder.join("htpasswd")).unwrap();
            std::fs::write(folder.join("htpasswd"), format!("{users}\n")).unwrap();
        }
        std::future::ready(())
    }));
    // Until the folders are watched.
    tokio::time::sleep(Duration::from_millis(300)).await;
    // The list of files is another one after this reload.
    std::fs::create_dir(directory.join("next")).unwrap();
    std::fs::write(directory.join("next/a.cedar"), "@id(\"a\") permit (principal, action, resource);").unwrap();
    let file = directory.join("irongate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("[policy]\n", "[policy]\ncandidates = [\"next\"]\n")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(40);
    while current.reloads().succeeded < 2 {
        assert!(Instant::now() < deadline, "{:?}", current.reloads());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    watching.abort();
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[test]
fn a_large_upload_in_flight_completes_while_draining() {
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start(&ironic, "");
    let body = format!(r#"{{"target": "active", "configdrive": "{}"}}"#, "QUJD".repeat(16 * 1024 * 1024));
    let head = format!(
        "PUT /v1/nodes/n/states/provision HTTP/1.1\r\nHost: h\r\n{}X-OpenStack-Ironic-API-Version: 1.80\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        basic("admin", PASSWORD),
        body.len()
    );
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let mut stream = TcpStream::connect(irongate.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first).unwrap();
    irongate.server.leave();
    assert!(!irongate.server.serving());
    assert_eq!(irongate.ask("admin", "GET", "/v1/nodes", None).status, 200, "what comes is still served");
    irongate.server.drain();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(irongate.address).is_ok() {
        assert!(Instant::now() < deadline, "it still accepts");
        pause(Duration::from_millis(10));
    }
    // More than the time in which idle connections are closed.
    pause(Duration::from_secs(3));
    stream.write_all(second).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert!(ironic.arrived().last().unwrap().body.len() > 64 * 1024 * 1024);
    irongate.server.wait();
}

#[test]
fn one_instance_follows_the_other_and_nobody_fails() {
    let ironic = FakeIronic::plain();
    let mut running = Irongate::start_edited(&ironic.endpoint(), |text| text.replace("workers = 1", "workers = 2"));
    let address = running.address;
    let done = AtomicBool::new(false);
    // How often each was answered; the first half of them keep their connections.
    let answered: [AtomicUsize; 8] = std::array::from_fn(|_| AtomicUsize::new(0));
    let keeping = answered.len() / 2;
    let moved = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").is_ok_and(|set| set.trim() == "1");
    std::thread::scope(|scope| {
        let clients: Vec<_> = answered
            .iter()
            .enumerate()
            .map(|(client, answered)| {
                let done = &done;
                scope.spawn(move || {
                    let mut kept = Kept::new(address);
                    while !done.load(Ordering::Relaxed) {
                        let new = kept.stream.is_none();
                        let (status, body) = match kept.ask(&request("GET")) {
                            // Half opened for a socket that closes; `docs/lifecycle.md` says which kernels move it.
                            Err(error) if new && !moved && error.kind() == std::io::ErrorKind::ConnectionReset => {
                                continue;
                            }
                            answered => answered?,
                        };
                        assert_eq!(status, 200, "{body}");
                        if client >= keeping {
                            // A new connection each time.
                            kept.stream = None;
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), std::io::Error>(())
                })
            })
            .collect();
        // Waits until each was answered so often from now on; whoever has ended has failed, and is found below.
        let each_is_answered = |times: usize| {
            let now = |count: &AtomicUsize| count.load(Ordering::Relaxed);
            let before: Vec<usize> = answered.iter().map(now).collect();
            let due = |client: usize| now(&answered[client]) < before[client] + times && !clients[client].is_finished();
            while (0..answered.len()).any(due) {
                pause(Duration::from_millis(1));
            }
        };
        for _ in 0..4 {
            let next = Irongate::start_edited(&ironic.endpoint(), |text| {
                text.replace("127.0.0.1:0", &address.to_string()).replace("workers = 1", "workers = 2")
            });
            each_is_answered(5);
            running.server.leave();
            // The first answer may have been on its way before; the second says that the connection ends.
            each_is_answered(2);
            running.server.drain();
            running.server.wait();
            running = next;
        }
        done.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap().unwrap();
        }
    });
}

#[test]
fn one_instance_follows_the_other_on_a_unix_socket() {
    let ironic = FakeIronic::plain();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("irongate.sock");
    let file = configuration(directory.path(), &ironic.endpoint(), "");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.0.0.1:0", &format!("unix:{}", socket.display()))).unwrap();
    let start = || Server::start(&config::load(&file).unwrap(), file.clone()).unwrap();
    let reached = || UnixStream::connect(&socket).is_ok();

    let old = start();
    assert!(reached());
    // Something holds up its end.
    let mut kept = UnixStream::connect(&socket).unwrap();
    kept.write_all(b"GET /v1/nodes HTTP/1.1\r\n").unwrap();
    old.drain();
    assert!(!socket.exists(), "its place is free");
    let new = start();
    assert!(reached());
    drop(kept);
    old.wait();
    assert!(reached(), "the old one left the new one's socket alone");
    new.drain();
    new.wait();
    assert!(!socket.exists());
}

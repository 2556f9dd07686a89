//! Callers who hold what all share: answers that they do not read, bodies that they do not send, handshakes that they do not
//! finish. Others are served meanwhile.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use irongate::server::{Closing, TurnedAway};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::client::{basic, pause};
use crate::support::{FakeIronic, Irongate, PASSWORD, json};
use crate::tls::{certificates, connector, tls};

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// HTTP/2 as bytes: a caller whose windows are what it says.
struct Frames {
    stream: tokio_rustls::client::TlsStream<TcpStream>,
    next: u32,
}

impl Frames {
    async fn open(irongate: &Irongate, certificates: &Path, window: u32) -> Self {
        let stream = TcpStream::connect(irongate.address).await.unwrap();
        let stream = connector(certificates, true).connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let mut opened = Self { stream, next: 1 };
        let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
        opened.send(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &settings)].concat()).await;
        opened
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// A GET, and perhaps a window for its answer.
    async fn ask(&mut self, path: &str, credential: &str, window: u32) {
        let mut head = vec![0x82, 0x87, 0x04, u8::try_from(path.len()).unwrap()];
        head.extend(path.as_bytes());
        head.extend(b"\x01\x09localhost");
        if !credential.is_empty() {
            // A literal with the name of place 23, `authorization`.
            head.extend([0x0f, 0x08, u8::try_from(credential.len()).unwrap()]);
            head.extend(credential.as_bytes());
        }
        let mut frames = frame(1, 5, self.next, &head);
        if window > 0 {
            frames.extend(frame(8, 0, self.next, &window.to_be_bytes()));
        }
        self.next += 2;
        self.send(&frames).await;
    }

    /// Waits for so many heads of answers, and tells how many of them have no body.
    async fn heads(&mut self, count: usize) -> usize {
        let (mut heads, mut bare) = (0, 0);
        while heads < count {
            let mut start = [0; 9];
            self.stream.read_exact(&mut start).await.unwrap();
            let length = usize::from(start[0]) << 16 | usize::from(start[1]) << 8 | usize::from(start[2]);
            self.stream.read_exact(&mut vec![0; length]).await.unwrap();
            heads += usize::from(start[3] == 1);
            bare += usize::from(start[3] == 1 && start[4] & 1 == 1);
        }
        bare
    }
}

fn admin() -> String {
    basic("admin", PASSWORD).trim_start_matches("Authorization: ").trim_end().to_owned()
}

/// Waits for something that irongate's own threads do.
async fn until(there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn requests(irongate: &Irongate) -> usize {
    irongate.server.current.load().limiter.load().requests()
}

async fn end(irongate: Irongate) {
    tokio::task::spawn_blocking(move || drop(irongate)).await.unwrap();
}

#[tokio::test]
async fn refusals_that_nobody_reads_take_no_place() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let limits = "limits = { requests_max = 4, send_timeout_seconds = 600 }";
    let irongate = Irongate::start_with(&ironic.endpoint(), limits, &tls(certificates.path()));
    let mut stalling = Frames::open(&irongate, certificates.path(), 0).await;
    for _ in 0..60 {
        stalling.ask("/v1/nothing", "", 0).await;
    }
    // Eight wait for their reader; what is beyond goes without a body, which needs none.
    assert_eq!(stalling.heads(60).await, 52);
    until(|| irongate.server.gate.answers() == 8).await;
    assert_eq!(requests(&irongate), 0);
    let mut other = Frames::open(&irongate, certificates.path(), 65_535).await;
    other.ask("/v1/nodes", &admin(), 0).await;
    assert_eq!(other.heads(1).await, 0);
    until(|| !ironic.arrived().is_empty()).await;
    // Whoever reads gets whole refusals meanwhile.
    other.ask("/v1/nothing", "", 0).await;
    assert_eq!(other.heads(1).await, 0);
    drop((stalling, other));
    until(|| irongate.server.gate.answers() == 0).await;
    end(irongate).await;
}

#[tokio::test]
async fn an_answer_that_is_not_read_ends_its_connection_whatever_else_moves() {
    let certificates = certificates();
    let list = format!("{{\"nodes\": [{}1]}}", "1,".repeat(200_000));
    let ironic = FakeIronic::start(move |_| json("200 OK", &list));
    let irongate =
        Irongate::start_with(&ironic.endpoint(), "limits = { send_timeout_seconds = 1 }", &tls(certificates.path()));
    let mut stalling = Frames::open(&irongate, certificates.path(), 0).await;
    stalling.ask("/v1/nodes", &admin(), 0).await;
    stalling.heads(1).await;
    assert_eq!(requests(&irongate), 1);
    let closed = || irongate.server.gate.closed(Closing::Unread) == 1;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !closed() {
        assert!(Instant::now() < deadline, "it stays open");
        // One small answer after the other is read.
        let small = [frame(1, 5, stalling.next, b"\x82\x87\x04\x0b/v1/nothing\x01\x09localhost"), Vec::new()];
        let window = frame(8, 0, stalling.next, &65_535u32.to_be_bytes());
        stalling.next += 2;
        // It may be closed in this moment.
        drop(stalling.stream.write_all(&[&small.concat()[..], &window].concat()).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until(|| requests(&irongate) == 0).await;
    let pending = || irongate.server.state.endpoints().iter().map(|endpoint| endpoint.pending()).sum::<usize>();
    until(|| pending() == 0).await;
    end(irongate).await;
}

#[tokio::test]
async fn an_answer_that_flow_control_holds_back_keeps_its_place() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let irongate =
        Irongate::start_with(&ironic.endpoint(), "limits = { send_timeout_seconds = 1 }", &tls(certificates.path()));
    // One byte of window: all of the answer is handed over, and waits in the connection.
    let mut stalling = Frames::open(&irongate, certificates.path(), 1).await;
    stalling.ask("/v1/nodes", &admin(), 0).await;
    stalling.heads(1).await;
    assert_eq!((requests(&irongate), irongate.server.gate.answers()), (1, 1));
    until(|| irongate.server.gate.closed(Closing::Unread) == 1).await;
    until(|| requests(&irongate) + irongate.server.gate.answers() == 0).await;
    end(irongate).await;
}

#[tokio::test]
async fn one_address_leaves_handshakes_to_others() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let limits = "limits = { handshakes_max = 16 }";
    let irongate = Irongate::start_with(&ironic.endpoint(), limits, &tls(certificates.path()));
    let mut silent = Vec::new();
    for _ in 0..150 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        silent.push(socket.connect(irongate.address).await.unwrap());
    }
    // Two have their turn, a hundred wait.
    until(|| irongate.server.gate.turned_away(TurnedAway::HandshakesFull) >= 34).await;
    let mut other = Frames::open(&irongate, certificates.path(), 65_535).await;
    other.ask("/v1/nodes", &admin(), 0).await;
    assert_eq!(other.heads(1).await, 0);
    drop((silent, other));
    end(irongate).await;
}

#[tokio::test]
async fn what_http2_itself_refuses_is_counted() {
    let certificates = certificates();
    let ironic = FakeIronic::plain();
    let irongate = Irongate::start_with(&ironic.endpoint(), "", &tls(certificates.path()));
    let head = b"\x82\x87\x04\x0b/v1/nothing\x01\x09localhost";
    // Begun and cancelled, all at once.
    let resets: Vec<u8> = (0..60u32)
        .flat_map(|place| [frame(1, 5, 2 * place + 1, head), frame(3, 0, 2 * place + 1, &[0, 0, 0, 8])].concat())
        .collect();
    // Pieces of a head without end.
    let pieces = [frame(1, 0, 1, head), frame(9, 0, 1, b"").repeat(10_000)].concat();
    // A ping belongs to no stream, and place 0 of the table of headers is none.
    for (frames, reason) in [
        (resets, Closing::Resets),
        (pieces, Closing::Resets),
        (frame(6, 0, 1, &[0; 8]), Closing::Protocol),
        (frame(1, 5, 1, &[0x80]), Closing::Protocol),
    ] {
        let before = irongate.server.gate.closed(reason);
        let mut caller = Frames::open(&irongate, certificates.path(), 65_535).await;
        // It may be closed while this is sent.
        drop(caller.stream.write_all(&frames).await);
        until(|| irongate.server.gate.closed(reason) == before + 1).await;
    }
    end(irongate).await;
}

fn post(address: SocketAddr, target: &str, length: usize) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         X-OpenStack-Ironic-API-Version: 1.80\r\nContent-Length: {length}\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

#[test]
fn one_ramdisk_leaves_room_for_the_bodies_of_others() {
    let patch = format!(r#"[{{"op": "add", "path": "/extra/a", "value": "{}"}}]"#, "a".repeat(200));
    let upload = format!(r#"[{{"op": "add", "path": "/extra/a", "value": "{}"}}]"#, "a".repeat(80_000));
    for (target, length) in [
        ("/v1/heartbeat/1be26c0b-03f2-4d2e-ae87-c02d7f33c781", 62_400),
        ("/v1/continue_inspection?node_uuid=1be26c0b-03f2-4d2e-ae87-c02d7f33c781", 300_000),
    ] {
        let ironic = FakeIronic::plain();
        let ramdisk = "[[binding]]\nrole = \"ramdisk\"\nanonymous = true";
        let limits = "limits = { body_bytes_max = 1000000, body_wait_seconds = 1 }";
        let irongate = Irongate::start_with(&ironic.endpoint(), limits, ramdisk);
        // Announced, and not sent.
        let slow: Vec<_> = (0..20).map(|_| post(irongate.address, target, length)).collect();
        let snapshot = irongate.server.current.load();
        let deadline = Instant::now() + Duration::from_secs(20);
        // All have come; some may be refused already.
        while snapshot.limiter.load().requests() + irongate.log().lines().count() < 20 {
            assert!(Instant::now() < deadline, "{}", snapshot.limiter.load().requests());
            pause(Duration::from_millis(5));
        }
        for body in [&patch, &upload] {
            let answer = irongate.ask("admin", "PATCH", "/v1/nodes/n", Some(body));
            assert_eq!(answer.status, 200, "{target}: {answer:?}");
        }
        drop(slow);
    }
}

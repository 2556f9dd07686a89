//! A Keystone on loopback that says what a test wants, and counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it answers.
#[derive(Clone)]
pub(super) enum Says {
    /// A status and a body, at once.
    Answer(u16, String),
    /// The same, later.
    Slow(Duration, String),
    /// A status, headers and a body.
    With(u16, &'static str, String),
    /// Nothing, for ever.
    Nothing,
    /// The connection's end.
    Close,
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    calls: Arc<AtomicU64>,
    says: Arc<Mutex<Says>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(super) async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            says: Arc::new(Mutex::new(says)),
            heads: Arc::default(),
        };
        let (calls, says, heads) = (Arc::clone(&fake.calls), Arc::clone(&fake.says), Arc::clone(&fake.heads));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (calls, says, heads) = (Arc::clone(&calls), Arc::clone(&says), Arc::clone(&heads));
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    loop {
                        let end = loop {
                            if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                                break end + 4;
                            }
                            let mut piece = [0; 4096];
                            match stream.read(&mut piece).await {
                                Ok(count) if count > 0 => read.extend_from_slice(&piece[..count]),
                                _ => return,
                            }
                        };
                        heads.lock().unwrap().push(String::from_utf8(read.drain(..end).collect()).unwrap());
                        calls.fetch_add(1, Ordering::SeqCst);
                        let says = says.lock().unwrap().clone();
                        let (status, more, body) = match says {
                            Says::Answer(status, body) => (status, "", body),
                            Says::Slow(wait, body) => {
                                tokio::time::sleep(wait).await;
                                (200, "", body)
                            }
                            Says::With(status, more, body) => (status, more, body),
                            Says::Nothing => std::future::pending().await,
                            Says::Close => return,
                        };
                        let length = body.len();
                        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}\r\n");
                        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        fake
    }

    pub(super) fn now_says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

//! A Keystone on loopback that says what a test wants, and counts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it answers.
#[derive(Clone)]
pub(super) enum Says {
    /// A status and a body, at once.
    Answer(u16, String),
    /// The same, later.
    Slow(Duration, String),
    /// A status, headers and a body.
    With(u16, &'static str, String),
    /// What it thinks of the head, in lower case.
    Judge(fn(&str) -> (u16, String)),
    /// Nothing, for ever.
    Nothing,
    /// The connection's end.
    Close,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    calls: Arc<AtomicU64>,
    says: Arc<Mutex<Says>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(super) async fn start(says: Says) -> Self {
        Self::behind(says, None).await
    }

    /// Behind TLS.
    pub(super) async fn behind(says: Says, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            calls: Arc::default(),
            says: Arc::new(Mutex::new(says)),
            heads: Arc::default(),
        };
        let told = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (told, tls) = (told.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => told.talk(stream).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                told.talk(stream).await;
                            }
                        }
                    }
                });
            }
        });
        fake
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
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
            let head = String::from_utf8(read.drain(..end).collect()).unwrap();
            self.heads.lock().unwrap().push(head.clone());
            self.calls.fetch_add(1, Ordering::SeqCst);
            let says = self.says.lock().unwrap().clone();
            let (status, more, body) = match says {
                Says::Answer(status, body) => (status, "", body),
                Says::Slow(wait, body) => {
                    tokio::time::sleep(wait).await;
                    (200, "", body)
                }
                Says::With(status, more, body) => (status, more, body),
                Says::Judge(judge) => {
                    let (status, body) = judge(&head.to_lowercase());
                    (status, "", body)
                }
                Says::Nothing => std::future::pending().await,
                Says::Close => return,
            };
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n", body.len());
            if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
                return;
            }
        }
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

//! One worker's kept connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::connection::{ConnectError, Connector};
use super::request::RequestBody;

/// Ironic's answers have about a dozen headers.
const ANSWER_HEADERS_MAX: usize = 100;
/// So much of an answer is read at once, its head included: a slow caller's answer waits at Ironic, not here.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Idle connections, the most recently used last. The lock is only ever taken by its own worker.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    idle_timeout: Duration,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection in use. It goes back to the pool when the answer was read to its end ([`Lease::give_back`]); dropped
/// before that, it is closed.
#[derive(Debug)]
pub struct Lease {
    sender: SendRequest<RequestBody>,
    pool: Arc<Pool>,
    reused: bool,
}

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// The request itself, if nothing of it was sent.
    pub(super) unsent: Option<Request<RequestBody>>,
}

impl Pool {
    pub(super) const fn new(connector: Connector, idle_max: usize, idle_timeout: Duration) -> Self {
        Self { connector, idle: Mutex::new(Vec::new()), idle_max, idle_timeout }
    }

    /// A kept connection, or a new one.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        while let Some(mut kept) = self.pop() {
            if kept.since.elapsed() < self.idle_timeout && !kept.sender.is_closed() && kept.sender.ready().await.is_ok()
            {
                return Ok(Lease { sender: kept.sender, pool: Arc::clone(self), reused: true });
            }
        }
        self.fresh().await
    }

    /// A new connection.
    pub(super) async fn fresh(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        let stream = self.connector.connect().await?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(ANSWER_HEADERS_MAX)
            .max_buf_size(READ_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| ConnectError::Unreachable)?;
        // The connection's task ends with the connection: when the sender is dropped, or when Ironic closes.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Lease { sender, pool: Arc::clone(self), reused: false })
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < self.idle_timeout && !kept.sender.is_closed());
        if idle.len() < self.idle_max {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

impl Lease {
    /// Whether the connection carried a request before.
    pub(super) const fn reused(&self) -> bool {
        self.reused
    }

    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
        self.sender.try_send_request(request).await.map_err(|mut error| Failure { unsent: error.take_message() })
    }

    /// The answer was read to its end: the next request may use the connection.
    pub fn give_back(self) {
        if !self.sender.is_closed() {
            self.pool.push(self.sender);
        }
    }
}

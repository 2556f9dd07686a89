//! One worker's kept connections to one endpoint.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use super::UpstreamState;
use super::connection::{ConnectError, Connector};
use super::health::EndpointHealth;
use super::link::Link;
use super::request::RequestBody;

/// Idle connections, the most recently used last. The lock is only ever taken by its own worker.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    /// The `Host` that this endpoint is asked with.
    pub(super) authority: HeaderValue,
    place: usize,
    state: Arc<UpstreamState>,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    idle_timeout: Duration,
}

#[derive(Debug)]
struct Idle {
    link: Link<RequestBody>,
    since: Instant,
}

/// A connection in use. It goes back to the pool when the answer was read to its end ([`Lease::give_back`]); dropped
/// before that, it is closed at once.
#[derive(Debug)]
pub struct Lease {
    link: Link<RequestBody>,
    pending: Pending,
    reused: bool,
}

/// Counts as something that the endpoint has to do.
#[derive(Debug)]
struct Pending(Arc<Pool>);

impl Pending {
    fn on(pool: &Arc<Pool>) -> Self {
        if let Some(health) = pool.health() {
            health.begin();
        }
        Self(Arc::clone(pool))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(health) = self.0.health() {
            health.end();
        }
    }
}

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// The request itself, if nothing of it was sent.
    pub(super) unsent: Option<Request<RequestBody>>,
    /// Something came that is no answer.
    pub(super) not_http: bool,
}

impl Pool {
    pub(super) const fn new(
        connector: Connector,
        authority: HeaderValue,
        place: usize,
        state: Arc<UpstreamState>,
        idle_max: usize,
        idle_timeout: Duration,
    ) -> Self {
        Self { connector, authority, place, state, idle: Mutex::new(Vec::new()), idle_max, idle_timeout }
    }

    /// What all workers know of this endpoint.
    pub(super) fn health(&self) -> Option<&EndpointHealth> {
        self.state.endpoints().get(self.place)
    }

    /// The endpoint has answered.
    pub(super) fn answered(&self) {
        if let Some(health) = self.health() {
            health.answered();
        }
    }

    /// The endpoint has failed.
    pub(super) fn failed(&self) {
        if let Some(health) = self.health() {
            health.failed();
        }
    }

    /// A kept connection, or a new one.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        let pending = Pending::on(self);
        while let Some(kept) = self.pop() {
            // Nothing is waited for: what cannot take a request now may never do so again.
            if kept.since.elapsed() < self.idle_timeout && kept.link.is_ready() {
                return Ok(Lease { link: kept.link, pending, reused: true });
            }
        }
        self.open(pending).await
    }

    /// A new connection.
    pub(super) async fn fresh(self: &Arc<Self>) -> Result<Lease, ConnectError> {
        self.open(Pending::on(self)).await
    }

    async fn open(&self, pending: Pending) -> Result<Lease, ConnectError> {
        Ok(Lease { link: self.connector.http1().await?, pending, reused: false })
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn push(&self, link: Link<RequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < self.idle_timeout && !kept.link.is_closed());
        if idle.len() < self.idle_max {
            idle.push(Idle { link, since: Instant::now() });
        }
    }
}

impl Lease {
    /// Whether the connection carried a request before.
    pub(super) const fn reused(&self) -> bool {
        self.reused
    }

    pub(super) async fn send(&mut self, request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
        self.link
            .try_send(request)
            .await
            .map_err(|mut error| Failure { unsent: error.take_message(), not_http: error.error().is_parse() })
    }

    /// The answer was read to its end: the next request may use the connection, unless the request before it is not
    /// fully sent. Who answers without reading it may never read on.
    pub fn give_back(self) {
        let Self { link, pending, .. } = self;
        if link.is_ready() {
            pending.0.push(link);
        }
    }
}

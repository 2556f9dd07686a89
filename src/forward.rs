//! [`PermittedCall`] → a new request to Ironic. Nothing of what the caller sent is relayed: path, query, headers and body are
//! written anew from what was understood and decided about.

mod ask;
mod connection;
mod pool;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;

use crate::authorize::PermittedCall;
use crate::catalog::Method;
use crate::config;
use crate::header::X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION;
use crate::json::Canonical;
use crate::lookup::ObjectCache;
use crate::microversion;

pub use connection::{ConnectError, Connector, HostError};
pub use pool::Lease;
pub use request::{Forwarded, RequestBody};

use pool::Pool;

/// Why Ironic did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No connection.
    #[error("Ironic cannot be reached")]
    Unreachable,
    /// No connection in time.
    #[error("Ironic could not be reached in time")]
    ConnectTimeout,
    /// Its certificate is not the one that is expected, or it refused ours.
    #[error("no trusted connection to Ironic could be made")]
    Untrusted,
    /// The connection ended before an answer. The request may have been carried out.
    #[error("Ironic closed the connection without an answer; the request may have been carried out")]
    Closed,
    /// No answer in time. The request may have been carried out.
    #[error("Ironic did not answer in time; the request may have been carried out")]
    AnswerTimeout,
    /// The answer's body stopped.
    #[error("Ironic's answer ended before its end")]
    Incomplete,
    /// 401 to irongate's own credential, or to its having none.
    #[error("Ironic does not accept irongate's own identity")]
    Identity,
    /// A status that Ironic's API does not have.
    #[error("Ironic's answer has an unexpected status")]
    UnexpectedStatus,
    /// Not JSON, or compressed: nothing that can be scrubbed.
    #[error("Ironic's answer is not JSON and is withheld")]
    NotJson,
    /// JSON that is not well-formed.
    #[error("Ironic's answer is not well-formed and is withheld")]
    Malformed,
}

impl UpstreamError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::ConnectTimeout | Self::AnswerTimeout => 504,
            Self::Unreachable
            | Self::Untrusted
            | Self::Closed
            | Self::Incomplete
            | Self::Identity
            | Self::UnexpectedStatus
            | Self::NotJson
            | Self::Malformed => 502,
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Untrusted => "upstream_untrusted",
            Self::Closed => "upstream_closed",
            Self::AnswerTimeout => "upstream_timeout",
            Self::Incomplete => "upstream_incomplete",
            Self::Identity => "upstream_identity",
            Self::UnexpectedStatus => "upstream_status",
            Self::NotJson => "upstream_not_json",
            Self::Malformed => "upstream_malformed",
        }
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after(self) -> Option<u64> {
        match self {
            Self::Unreachable | Self::ConnectTimeout => Some(5),
            Self::Untrusted
            | Self::Closed
            | Self::AnswerTimeout
            | Self::Incomplete
            | Self::Identity
            | Self::UnexpectedStatus
            | Self::NotJson
            | Self::Malformed => None,
        }
    }
}

impl From<ConnectError> for UpstreamError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Unreachable => Self::Unreachable,
            ConnectError::TimedOut => Self::ConnectTimeout,
            ConnectError::Untrusted => Self::Untrusted,
        }
    }
}

/// What all workers know of Ironic.
#[derive(Debug)]
pub struct UpstreamState {
    microversion_max: AtomicU16,
    reachable: AtomicBool,
    objects: ObjectCache,
}

impl Default for UpstreamState {
    fn default() -> Self {
        Self { microversion_max: AtomicU16::new(0), reachable: AtomicBool::new(false), objects: ObjectCache::default() }
    }
}

impl UpstreamState {
    /// Ironic's highest microversion, once it has told it.
    pub fn microversion_max(&self) -> Option<u16> {
        match self.microversion_max.load(Ordering::Relaxed) {
            0 => None,
            minor => Some(minor),
        }
    }

    fn note_microversion_max(&self, minor: u16) {
        if self.microversion_max.load(Ordering::Relaxed) != minor {
            self.microversion_max.store(minor, Ordering::Relaxed);
        }
    }

    /// Notes what an answer's headers tell.
    pub fn note_answer(&self, headers: &http::HeaderMap) {
        let maximum = headers.get(X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION).and_then(|value| value.to_str().ok());
        if let Some(minor) = maximum.and_then(microversion::minor) {
            self.note_microversion_max(minor);
        }
    }

    /// The objects that were looked up.
    pub const fn objects(&self) -> &ObjectCache {
        &self.objects
    }

    /// Whether the last probe was answered.
    pub fn reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Notes a probe's result.
    pub fn note_reachable(&self, reachable: bool) {
        self.reachable.store(reachable, Ordering::Relaxed);
    }
}

/// One worker's way to Ironic: its own connections, shared with nobody.
#[derive(Debug)]
pub struct Upstream {
    pool: Arc<Pool>,
    authority: http::HeaderValue,
    identity: config::UpstreamIdentity,
    answer_timeout: Duration,
    idle_timeout: Duration,
    state: Arc<UpstreamState>,
}

impl Upstream {
    /// For one of `workers` workers.
    pub fn new(config: &config::Upstream, connector: Connector, workers: usize, state: Arc<UpstreamState>) -> Self {
        let idle_max = (config.connections_idle_max / workers.max(1)).max(1);
        Self {
            pool: Arc::new(Pool::new(connector, idle_max, config.connection_idle_timeout)),
            authority: http::HeaderValue::from_str(&config.authority)
                .unwrap_or(http::HeaderValue::from_static("localhost")),
            identity: config.identity.clone(),
            answer_timeout: config.answer_timeout,
            idle_timeout: config.idle_timeout,
            state,
        }
    }

    /// What all workers know of Ironic.
    pub fn state(&self) -> &UpstreamState {
        &self.state
    }

    /// As whom irongate asks.
    pub const fn identity(&self) -> &config::UpstreamIdentity {
        &self.identity
    }

    /// The longest wait between two pieces of an answer's body.
    pub const fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Sends the call and waits for the head of the answer.
    pub async fn forward(
        &self,
        call: &PermittedCall<'_>,
        body: Option<Canonical>,
        forwarded: &Forwarded<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let answer = self.exchange(call, body, forwarded);
        tokio::time::timeout(self.answer_timeout, answer).await.unwrap_or(Err(UpstreamError::AnswerTimeout))
    }

    async fn exchange(
        &self,
        call: &PermittedCall<'_>,
        body: Option<Canonical>,
        forwarded: &Forwarded<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        // A lookup hands out a token once: never twice on our own account.
        let repeatable = call.call().route().operation().method == Method::Get
            && call.call().route().operation().id != "ramdisk:lookup";
        let mut request = request::write(call, body, forwarded, &self.authority, &self.identity)?;
        let mut lease = self.pool.lease().await?;
        loop {
            let reused = lease.reused();
            match lease.send(request).await {
                Ok(response) => return Ok((response, lease)),
                Err(failure) => {
                    request = match failure.unsent {
                        // Nothing of it left this machine.
                        Some(unsent) if reused => unsent,
                        // Ironic closed a kept connection just then; a read may be asked again.
                        None if reused && repeatable => {
                            request::write(call, None, forwarded, &self.authority, &self.identity)?
                        }
                        Some(_) | None => return Err(UpstreamError::Closed),
                    };
                    lease = self.pool.fresh().await?;
                }
            }
        }
    }
}

//! [`PermittedCall`] → a new request to Ironic. Nothing of what the caller sent is relayed: path, query, headers and body are
//! written anew from what was understood and decided about.

mod ask;
mod connection;
mod health;
mod link;
mod pool;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::authorize::PermittedCall;
use crate::catalog::Method;
use crate::config;
use crate::header::X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION;
use crate::json::Canonical;
use crate::lookup::ObjectCache;
use crate::microversion;

pub use connection::{ClientTlsInForce, ConnectError, Connector, HostError};
pub use health::{Ejection, EndpointHealth};
pub use link::Link;
pub use pool::Lease;
pub use request::{Forwarded, RequestBody};

use pool::{Failure, Pool};

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
    /// What came instead of an answer is not HTTP, or more than is taken. The request may have been carried out.
    #[error("Ironic's answer cannot be read as HTTP; the request may have been carried out")]
    NotHttp,
    /// It takes the request too slowly, or not at all. It may have been carried out as far as it came.
    #[error("Ironic did not take the request in time")]
    SendTimeout,
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
            Self::ConnectTimeout | Self::SendTimeout | Self::AnswerTimeout => 504,
            Self::Unreachable
            | Self::Untrusted
            | Self::Closed
            | Self::NotHttp
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
            Self::NotHttp => "upstream_not_http",
            Self::SendTimeout => "upstream_send_timeout",
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
            | Self::NotHttp
            | Self::SendTimeout
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
#[derive(Debug, Default)]
pub struct UpstreamState {
    microversion_max: AtomicU16,
    endpoints: Vec<EndpointHealth>,
    objects: ObjectCache,
}

impl UpstreamState {
    /// For the configured endpoints, in their order.
    pub fn new(config: &config::Upstream) -> Self {
        let health = |target: &config::UpstreamEndpoint| EndpointHealth::new(target.name.clone(), config.ejection);
        Self { endpoints: config.endpoints.iter().map(health).collect(), ..Self::default() }
    }

    /// The endpoints, in the order of the configuration.
    pub fn endpoints(&self) -> &[EndpointHealth] {
        &self.endpoints
    }

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

    /// Whether an endpoint answered its last probe.
    pub fn reachable(&self) -> bool {
        self.endpoints.iter().any(EndpointHealth::up)
    }
}

/// One worker's way to Ironic: its own connections, shared with nobody.
#[derive(Debug)]
pub struct Upstream {
    /// One for each endpoint.
    pools: Vec<Arc<Pool>>,
    /// Whose turn it is among endpoints that are as good as each other.
    turn: AtomicUsize,
    send_timeout: Duration,
    answer_timeout: Duration,
    idle_timeout: Duration,
    transfer_timeout: Duration,
    state: Arc<UpstreamState>,
}

impl Upstream {
    /// For one of `workers` workers, that with the number `worker`; a connector for each endpoint.
    pub fn new(
        config: &config::Upstream,
        connectors: &[Connector],
        (worker, workers): (usize, usize),
        state: Arc<UpstreamState>,
    ) -> Self {
        let idle_max = part(config.connections_idle_max, worker, workers);
        let pool = |(place, (target, connector)): (usize, (&config::UpstreamEndpoint, &Connector))| {
            let authority = HeaderValue::from_str(&target.authority).unwrap_or(HeaderValue::from_static("localhost"));
            let state = Arc::clone(&state);
            let idle_timeout = config.connection_idle_timeout;
            Arc::new(Pool::new(connector.clone(), authority, place, state, idle_max, idle_timeout))
        };
        Self {
            pools: config.endpoints.iter().zip(connectors).enumerate().map(pool).collect(),
            turn: AtomicUsize::new(0),
            send_timeout: config.send_timeout,
            answer_timeout: config.answer_timeout,
            idle_timeout: config.idle_timeout,
            transfer_timeout: config.transfer_timeout,
            state,
        }
    }

    /// What all workers know of Ironic.
    pub fn state(&self) -> &UpstreamState {
        &self.state
    }

    /// The longest wait between two pieces of an answer's body.
    pub const fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// For the whole body of an answer.
    pub const fn transfer_timeout(&self) -> Duration {
        self.transfer_timeout
    }

    /// Sends the call and waits for the head of the answer.
    pub async fn forward(
        &self,
        call: &PermittedCall<'_>,
        body: Option<Canonical>,
        forwarded: &Forwarded<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        // A lookup hands out a token once: never twice on our own account. Nor what a vendor method does with arguments.
        let operation = call.call().route().operation();
        let repeatable = operation.method == Method::Get && operation.id != "ramdisk:lookup" && body.is_none();
        // The body goes with the first request that is written; only what has none is written again.
        let mut body = body;
        self.exchange(repeatable, |authority| request::write(call, body.take(), forwarded, authority)).await
    }

    /// Asks one endpoint after the other until one takes the request. Once something of it may have arrived, only what is
    /// `repeatable` is asked again, and once only.
    pub(crate) async fn exchange(
        &self,
        repeatable: bool,
        mut write: impl FnMut(&HeaderValue) -> Result<Request<RequestBody>, UpstreamError>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let mut tried = 0;
        let mut failure = UpstreamError::Unreachable;
        let mut unsent: Option<Box<Request<RequestBody>>> = None;
        let mut again = repeatable;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for _ in 0..ENDPOINTS_TRIED_MAX {
            let place = health::choose(self.state.endpoints(), tried, turn);
            let Some((place, pool)) = place.and_then(|place| Some((place, self.pools.get(place)?))) else { break };
            tried |= health::bit(place);
            let mut lease = match pool.lease().await {
                Ok(lease) => lease,
                Err(error) => {
                    pool.failed();
                    failure = error.into();
                    continue;
                }
            };
            loop {
                let request = match unsent.take() {
                    Some(unsent) => addressed(*unsent, &pool.authority),
                    None => write(&pool.authority)?,
                };
                let reused = lease.reused();
                match self.send(&mut lease, request).await {
                    Ok(response) => {
                        pool.answered();
                        return Ok((response, lease));
                    }
                    Err(Unanswered::Late(error)) => {
                        pool.failed();
                        return Err(error);
                    }
                    Err(Unanswered::Ended(error, message)) => {
                        failure = error;
                        let kept = message.is_some();
                        unsent = message;
                        if !kept && !std::mem::replace(&mut again, false) {
                            if !reused {
                                pool.failed();
                            }
                            return Err(failure);
                        }
                        if !reused {
                            pool.failed();
                            break;
                        }
                    }
                }
                // A kept connection had been closed at the other end, which says nothing of the endpoint.
                drop(lease);
                lease = match pool.fresh().await {
                    Ok(lease) => lease,
                    Err(error) => {
                        pool.failed();
                        failure = error.into();
                        break;
                    }
                };
            }
        }
        Err(failure)
    }

    /// Hands a request over and waits for the head of its answer, each within its time.
    async fn send(
        &self,
        lease: &mut Lease,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let sent = request.body_mut().sent();
        let mut answer = std::pin::pin!(lease.send(request));
        if let Some(sent) = sent {
            let sending = async {
                tokio::select! {
                    biased;
                    answer = answer.as_mut() => Some(answer),
                    _ = sent => None,
                }
            };
            match tokio::time::timeout(self.send_timeout, sending).await {
                Ok(Some(answer)) => return answer.map_err(Unanswered::from),
                Ok(None) => {}
                Err(_) => return Err(Unanswered::Late(UpstreamError::SendTimeout)),
            }
        }
        match tokio::time::timeout(self.answer_timeout, answer).await {
            Ok(answer) => answer.map_err(Unanswered::from),
            Err(_) => Err(Unanswered::Late(UpstreamError::AnswerTimeout)),
        }
    }
}

/// Endpoints that one request is offered to.
const ENDPOINTS_TRIED_MAX: usize = 3;

/// Why there is no answer.
enum Unanswered {
    /// The connection ended, by itself or because of what came; the request itself, if nothing of it was sent.
    Ended(UpstreamError, Option<Box<Request<RequestBody>>>),
    /// Not in time.
    Late(UpstreamError),
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        let error = if failure.not_http { UpstreamError::NotHttp } else { UpstreamError::Closed };
        Self::Ended(error, failure.unsent.map(Box::new))
    }
}

/// How many of `max` kept connections are for one of `workers` workers: all parts together are `max`.
fn part(max: usize, worker: usize, workers: usize) -> usize {
    let workers = workers.max(1);
    max / workers + usize::from(worker < max % workers)
}

/// The same request for another endpoint.
fn addressed(mut request: Request<RequestBody>, authority: &HeaderValue) -> Request<RequestBody> {
    request.headers_mut().insert(http::header::HOST, authority.clone());
    request
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn the_parts_of_all_workers_are_the_whole() {
        for (max, workers, expected) in [(8, 1, &[8][..]), (8, 3, &[3, 3, 2]), (2, 4, &[1, 1, 0, 0]), (0, 2, &[0, 0])] {
            let parts: Vec<usize> = (0..workers).map(|worker| part(max, worker, workers)).collect();
            assert_eq!(parts, expected, "{max} {workers}");
        }
    }
}

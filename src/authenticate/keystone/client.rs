//! Calls to Keystone: few at a time, each within a deadline, over connections that are kept for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::breaker::Breaker;
use super::{KeystoneConfig, KeystoneError};
use crate::forward::{ConnectError, Connector};

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// Says that the one who asks knows access rules and honours them; without it, Keystone hides such tokens.
const ACCESS_RULES: HeaderName = HeaderName::from_static("openstack-identity-access-rules");

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The most headers of an answer.
const ANSWER_HEADERS_MAX: usize = 100;
/// How long a connection is kept unused: shorter than the servers that Keystone runs behind keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The way to Keystone, shared by all workers.
pub(super) struct Client {
    connector: Connector,
    authority: HeaderValue,
    target: http::uri::PathAndQuery,
    timeout: Duration,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    breaker: Breaker,
}

struct Idle {
    sender: SendRequest<Empty<Bytes>>,
    since: Instant,
}

impl Client {
    pub(super) fn new(config: &KeystoneConfig) -> Self {
        Self {
            connector: config.connector.clone(),
            authority: config.authority.clone(),
            target: config.target.clone(),
            timeout: config.timeout,
            places: Semaphore::new(config.connections_max.max(1)),
            idle: Mutex::new(Vec::new()),
            idle_max: config.connections_max,
            breaker: Breaker::default(),
        }
    }

    /// Asks Keystone about a token, with the token itself as credential: its body if it is good.
    ///
    /// # Errors
    /// [`KeystoneError::Rejected`] if it is not; everything else says that nothing is known.
    pub(super) async fn validate(&self, token: &HeaderValue) -> Result<Bytes, KeystoneError> {
        let deadline = Instant::now() + self.timeout;
        let place = timeout_at(deadline, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(KeystoneError::Busy) };
        let pass = self.breaker.pass().ok_or(KeystoneError::Unreachable)?;
        let answered = timeout_at(deadline, self.exchange(token)).await.unwrap_or(Err(KeystoneError::TimedOut));
        let (status, body) = answered.inspect_err(|error| tracing::warn!(%error, "a token could not be validated"))?;
        match status {
            StatusCode::OK => {
                pass.answered();
                body.ok_or(KeystoneError::Nonsense)
            }
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => {
                pass.answered();
                Err(KeystoneError::Rejected)
            }
            other => {
                if !other.is_server_error() {
                    pass.answered();
                }
                tracing::warn!(status = other.as_u16(), "Keystone's answer says nothing about the token");
                Err(KeystoneError::Status)
            }
        }
    }

    /// Status and body; no body where it is too large or has no end.
    async fn exchange(&self, token: &HeaderValue) -> Result<(StatusCode, Option<Bytes>), KeystoneError> {
        let (response, sender) = self.send(token).await?;
        let status = response.status();
        // Keystone repeats the token it speaks of. Another one: something in between mixes up answers.
        let subject = response.headers().get(SUBJECT_TOKEN);
        if subject.is_some_and(|subject| !same(subject.as_bytes(), token.as_bytes())) {
            return Ok((status, None));
        }
        match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
            Ok(body) => {
                self.keep(sender);
                Ok((status, Some(body.to_bytes())))
            }
            Err(_too_large_or_cut) => Ok((status, None)),
        }
    }

    async fn send(
        &self,
        token: &HeaderValue,
    ) -> Result<(Response<Incoming>, SendRequest<Empty<Bytes>>), KeystoneError> {
        while let Some(mut sender) = self.kept() {
            // Keystone may have closed it just now: asking again harms nobody.
            if sender.ready().await.is_ok()
                && let Ok(response) = sender.send_request(self.request(token)?).await
            {
                return Ok((response, sender));
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.send_request(self.request(token)?).await.map_err(|_error| KeystoneError::Unreachable)?;
        Ok((response, sender))
    }

    fn request(&self, token: &HeaderValue) -> Result<Request<Empty<Bytes>>, KeystoneError> {
        let mut token = token.clone();
        token.set_sensitive(true);
        Request::get(http::Uri::from(self.target.clone()))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json")
            .header(CONTENT_LENGTH, 0)
            .header(ACCESS_RULES, "1.0")
            .header(AUTH_TOKEN, &token)
            .header(SUBJECT_TOKEN, &token)
            .body(Empty::new())
            .map_err(|_error| KeystoneError::Nonsense)
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, KeystoneError> {
        let stream = self.connector.connect().await.map_err(|error| match error {
            ConnectError::Unreachable => KeystoneError::Unreachable,
            ConnectError::TimedOut => KeystoneError::TimedOut,
            ConnectError::Untrusted => KeystoneError::Untrusted,
        })?;
        let (sender, connection) = http1::Builder::new()
            .max_headers(ANSWER_HEADERS_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_error| KeystoneError::Unreachable)?;
        // Ends with the connection: when the sender is dropped, when Keystone closes, or with the worker.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn kept(&self) -> Option<SendRequest<Empty<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < IDLE_MAX && !kept.sender.is_closed());
        idle.pop().map(|kept| kept.sender)
    }

    fn keep(&self, sender: SendRequest<Empty<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max && !sender.is_closed() {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

/// Compares without telling by time where two texts differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

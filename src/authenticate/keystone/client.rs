//! Calls to Keystone: few at a time, each within a deadline, over connections that are kept for a while.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::breaker::Breaker;
use super::clock::Clock;
use super::{KeystoneConfig, KeystoneError, ServiceCredential};
use crate::forward::{ConnectError, Connector, Link};

const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// Says that the one who asks knows access rules and honours them; without it, Keystone hides such tokens.
const ACCESS_RULES: HeaderName = HeaderName::from_static("openstack-identity-access-rules");

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// irongate's own token is renewed so long before it expires.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// How long a connection is kept unused: shorter than the servers that Keystone runs behind keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The way to Keystone, shared by all workers.
pub(super) struct Client {
    connector: Connector,
    authority: HeaderValue,
    target: http::uri::PathAndQuery,
    late_target: http::uri::PathAndQuery,
    timeout: Duration,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    breaker: Breaker,
    clock: Clock,
    own: Option<Own>,
}

struct Idle {
    link: Link<Full<Bytes>>,
    since: Instant,
}

/// What Keystone is asked about. It cannot be printed.
pub(super) struct TokenQuestion {
    /// The token.
    pub(super) token: HeaderValue,
    /// The token of the proven service that brings it: then it may have expired.
    pub(super) service: Option<HeaderValue>,
}

/// irongate's own user, with the token that it has now; a reload hands it on. It cannot be printed.
struct Own {
    credential: ServiceCredential,
    token: Arc<tokio::sync::Mutex<Option<OwnToken>>>,
}

/// That token. It cannot be printed.
#[derive(Clone)]
struct OwnToken {
    text: HeaderValue,
    renew_at: SystemTime,
}

#[cfg(test)]
crate::telemetry::unprintable!(TokenQuestion, Own, OwnToken);

/// A call's answer; no body where it is too large, or about another token.
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Client {
    pub(super) fn new(config: &KeystoneConfig) -> Self {
        Self {
            connector: config.connector.clone(),
            authority: config.authority.clone(),
            target: config.target.clone(),
            late_target: config.late_target.clone(),
            timeout: config.timeout,
            places: Semaphore::new(config.connections_max.max(1)),
            idle: Mutex::new(Vec::new()),
            idle_max: config.connections_max,
            breaker: Breaker::new(config.clock.clone()),
            clock: config.clock.clone(),
            own: config.service.clone().map(|credential| Own { credential, token: Arc::default() }),
        }
    }

    /// After a reload with the same credential at the same Keystone: the token that irongate's own user has holds on.
    pub(super) fn inherit(&mut self, before: &Self) {
        if let (Some(own), Some(before)) = (&mut self.own, &before.own) {
            own.token = Arc::clone(&before.token);
        }
    }

    /// Asks Keystone about a token, as irongate's own user or else with the token itself as credential, or with the service's
    /// where it may have expired: its body if it is good.
    ///
    /// # Errors
    /// [`KeystoneError::Rejected`] if it is not; everything else says that nothing is known.
    pub(super) async fn validate(&self, question: &TokenQuestion) -> Result<Bytes, KeystoneError> {
        let deadline = Instant::now() + self.timeout;
        let place = timeout_at(deadline, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(KeystoneError::Busy) };
        let pass = self.breaker.pass().ok_or(KeystoneError::Unreachable)?;
        let answered = timeout_at(deadline, self.ask(question)).await.unwrap_or(Err(KeystoneError::TimedOut));
        let Answered { status, body, .. } =
            answered.inspect_err(|error| tracing::warn!(%error, "a token could not be validated"))?;
        let lent = self.own.is_none() && question.service.is_some();
        match status {
            StatusCode::OK => {
                pass.answered();
                body.ok_or(KeystoneError::Nonsense)
            }
            // About the service's token, which asked: it is good no more, or its role may not ask about others'.
            StatusCode::UNAUTHORIZED if lent => {
                pass.answered();
                Err(KeystoneError::ServiceToken)
            }
            StatusCode::FORBIDDEN if lent => {
                pass.answered();
                tracing::warn!("Keystone does not let the service's token ask about an expired one");
                Err(KeystoneError::Rejected)
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

    async fn ask(&self, question: &TokenQuestion) -> Result<Answered, KeystoneError> {
        let Some(own) = &self.own else {
            let asker = question.service.as_ref().unwrap_or(&question.token);
            return self.validation(asker, question).await;
        };
        let mut mine = self.own_token(own, None).await?;
        for _ in 0..2 {
            let answered = self.validation(&mine, question).await?;
            // Here 401 is about irongate's own token, which may have been revoked: once more with a new one.
            if answered.status != StatusCode::UNAUTHORIZED {
                return Ok(answered);
            }
            mine = self.own_token(own, Some(&mine)).await?;
        }
        Err(KeystoneError::OwnCredential)
    }

    /// The token of irongate's own user; a new one where there is none, or it is `refused` or about to expire.
    async fn own_token(&self, own: &Own, refused: Option<&HeaderValue>) -> Result<HeaderValue, KeystoneError> {
        let mut kept = own.token.lock().await;
        if let Some(token) = &*kept
            && refused.is_none_or(|refused| !same(refused.as_bytes(), token.text.as_bytes()))
            && self.clock.today() < token.renew_at
        {
            return Ok(token.text.clone());
        }
        *kept = None;
        let body = Bytes::copy_from_slice(own.credential.request().as_bytes());
        let answered = self
            .exchange(|| self.request(Method::POST, &self.target, body.clone()).body(Full::new(body.clone())))
            .await?;
        if answered.status != StatusCode::CREATED {
            tracing::warn!(status = answered.status.as_u16(), "Keystone gives no token to irongate's own user");
            return Err(KeystoneError::OwnCredential);
        }
        let mut text = answered.headers.get(SUBJECT_TOKEN).cloned().ok_or(KeystoneError::Nonsense)?;
        text.set_sensitive(true);
        let token = super::answer::read(&answered.body.unwrap_or_default(), Duration::ZERO, self.clock.today())?;
        let renew_at = SystemTime::from(token.expires_at).checked_sub(RENEW_BEFORE).ok_or(KeystoneError::Nonsense)?;
        *kept = Some(OwnToken { text: text.clone(), renew_at });
        Ok(text)
    }

    async fn validation(&self, asker: &HeaderValue, question: &TokenQuestion) -> Result<Answered, KeystoneError> {
        let subject = &question.token;
        let target = if question.service.is_some() { &self.late_target } else { &self.target };
        let sensitive = |token: &HeaderValue| {
            let mut token = token.clone();
            token.set_sensitive(true);
            token
        };
        let request = || {
            self.request(Method::GET, target, Bytes::new())
                .header(ACCESS_RULES, "1.0")
                .header(AUTH_TOKEN, sensitive(asker))
                .header(SUBJECT_TOKEN, sensitive(subject))
                .body(Full::default())
        };
        let mut answered = self.exchange(request).await?;
        // Keystone repeats the token it speaks of. Another one: something in between mixes up answers.
        let repeated = answered.headers.get(SUBJECT_TOKEN);
        if repeated.is_some_and(|repeated| !same(repeated.as_bytes(), subject.as_bytes())) {
            answered.body = None;
        }
        Ok(answered)
    }

    fn request(&self, method: Method, target: &http::uri::PathAndQuery, body: Bytes) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(http::Uri::from(target.clone()))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if body.is_empty() { request } else { request.header(CONTENT_TYPE, "application/json") }
    }

    /// One call. Asking again on another connection harms nobody.
    async fn exchange(
        &self,
        request: impl Fn() -> Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<Answered, KeystoneError> {
        let (response, link) = self.send(request).await?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => {
                self.keep(link);
                Some(body.to_bytes())
            }
            Err(_too_large_or_cut) => None,
        };
        Ok(Answered { status: head.status, headers: head.headers, body })
    }

    async fn send(
        &self,
        request: impl Fn() -> Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<(Response<Incoming>, Link<Full<Bytes>>), KeystoneError> {
        let request = || request().map_err(|_error| KeystoneError::Nonsense);
        while let Some(mut link) = self.kept() {
            // Keystone may have closed it just now.
            if link.ready().await.is_ok()
                && let Ok(response) = link.send(request()?).await
            {
                return Ok((response, link));
            }
        }
        let mut link = self.connect().await?;
        let response = link.send(request()?).await.map_err(|_error| KeystoneError::Unreachable)?;
        Ok((response, link))
    }

    async fn connect(&self) -> Result<Link<Full<Bytes>>, KeystoneError> {
        self.connector.http1().await.map_err(|error| match error {
            ConnectError::Unreachable => KeystoneError::Unreachable,
            ConnectError::TimedOut => KeystoneError::TimedOut,
            ConnectError::Untrusted => KeystoneError::Untrusted,
        })
    }

    fn kept(&self) -> Option<Link<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < IDLE_MAX && !kept.link.is_closed());
        idle.pop().map(|kept| kept.link)
    }

    fn keep(&self, link: Link<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_max && !link.is_closed() {
            idle.push(Idle { link, since: Instant::now() });
        }
    }
}

/// Compares without telling by time where two texts differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

//! Keystone v3: the caller's token is validated with itself, so irongate holds no password of Keystone's.
//!
//! What Keystone said is remembered under a keyed hash of the token: a good token until it expires and never longer than
//! the revocation window, counted from the moment Keystone was asked; a bad one shortly. Requests that bring the same new
//! token at once share one call. What looks like no token, and a JWS token that no configured key signed, is refused
//! without a call. When Keystone says nothing about a token, nobody is let in: the caller hears 503.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use http::HeaderValue;
use http::uri::PathAndQuery;
use quick_cache::sync::Cache;
use thiserror::Error;
use tokio::sync::watch;

use super::credential::Presented;
use super::error::{AuthenticatorError, AuthnError};
use super::identity::{Identity, KeystoneFacts, ProvedToken};
use super::{Outcome, SchemeName};
use crate::config::Endpoint;
use crate::forward::{Connector, HostError};

use answer::Token;
use client::Client;
use token::{Fingerprint, Shape};

pub use error::KeystoneError;
pub use jws::{JwsKey, JwsKeyError};
pub use service::{ServiceCredential, ServiceCredentialError};

pub(super) mod access;
mod answer;
mod breaker;
mod client;
mod error;
mod jws;
mod service;
mod token;

#[cfg(test)]
mod tests;

/// What the scheme is made of.
#[derive(Clone)]
pub struct KeystoneConfig {
    connector: Connector,
    authority: HeaderValue,
    target: PathAndQuery,
    /// What a 401 names: where callers get tokens.
    pub www_authenticate_uri: String,
    /// How long a good token is believed without asking again: so long a revoked token may still be accepted.
    pub revocation_window: Duration,
    /// How long a bad token is remembered.
    pub rejected_for: Duration,
    /// Remembered tokens of each kind; the least used make room.
    pub remembered_max: usize,
    /// Keystone's public keys. With any, only JWS tokens are taken: Keystone issues one kind.
    pub jws_keys: Vec<JwsKey>,
    /// Keystone roles of which a service token needs one.
    pub service_roles: Vec<String>,
    /// Whether a service token without such a role is refused. Otherwise it is taken and proves nothing.
    pub service_roles_required: bool,
    /// irongate's own user, if tokens are validated by it and not by themselves.
    pub service: Option<ServiceCredential>,
    /// For one validation, waiting and connecting included.
    pub timeout: Duration,
    /// Calls at a time, all workers together.
    pub connections_max: usize,
    /// Tokens under validation, waiting ones included; more are answered 503.
    pub validations_max: usize,
}

/// Why a URL is not Keystone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeystoneUrlError {
    /// Not scheme, host, port and a path that ends in `/v3`.
    #[error("url is http://HOST:PORT/v3 or https://HOST:PORT/v3, as in the catalogue's identity endpoint")]
    Url,
    /// A host that no certificate can be for.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// The scheme, ready.
pub(super) struct Keystone {
    client: Client,
    challenge: HeaderValue,
    jws_keys: Vec<JwsKey>,
    service_roles: Vec<String>,
    service_roles_required: bool,

    key: hmac::Key,
    good: Cache<Fingerprint, Good>,
    revocation_window: Duration,
    bad: Cache<Fingerprint, Bad>,
    rejected_for: Duration,

    flights: Mutex<HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>>,
    validations_max: usize,
    calls: AtomicU64,
}

#[derive(Clone)]
struct Good {
    token: Arc<Token>,
    until: Instant,
}

#[derive(Clone)]
struct Bad {
    error: KeystoneError,
    until: Instant,
}

/// What is known of a token.
type Verdict = Result<Arc<Token>, KeystoneError>;

/// The part that one request has in a validation.
enum Part {
    Late(Verdict),
    Follow(watch::Receiver<Option<Verdict>>),
    Lead(Flight, watch::Receiver<Option<Verdict>>),
}

/// A validation under way. Dropping it ends it: with a verdict, or so that somebody who waits leads.
struct Flight {
    keystone: Arc<Keystone>,
    fingerprint: Fingerprint,
    landed: Option<Verdict>,
    verdict: watch::Sender<Option<Verdict>>,
}

impl KeystoneConfig {
    /// With the default bounds. `url` ends in `/v3`; `tls` is needed for `https`; `connect_timeout` includes its handshake.
    ///
    /// # Errors
    /// A URL that cannot be Keystone's.
    pub fn new(
        url: &str,
        tls: Option<Arc<rustls::ClientConfig>>,
        connect_timeout: Duration,
    ) -> Result<Self, KeystoneUrlError> {
        let parsed = url::Url::parse(url).map_err(|_error| KeystoneUrlError::Url)?;
        let path = parsed.path().trim_end_matches('/');
        let plain = matches!(parsed.scheme(), "http" | "https")
            && parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.query().is_none()
            && parsed.fragment().is_none();
        let base = path.strip_suffix("/v3").filter(|_base| plain).ok_or(KeystoneUrlError::Url)?;
        let host = parsed.host_str().ok_or(KeystoneUrlError::Url)?.to_owned();
        let port = parsed.port_or_known_default().ok_or(KeystoneUrlError::Url)?;
        let authority = format!("{host}:{port}");
        let www_authenticate_uri = format!("{}://{}{base}", parsed.scheme(), authority);
        let endpoint = Endpoint::Tcp { host, port, tls: parsed.scheme() == "https" };
        Ok(Self {
            connector: Connector::to(&endpoint, tls, connect_timeout)?,
            authority: HeaderValue::try_from(authority).map_err(|_error| KeystoneUrlError::Url)?,
            // Without the catalogue the answer is a third of its size.
            target: format!("{path}/auth/tokens?nocatalog").parse().map_err(|_error| KeystoneUrlError::Url)?,
            www_authenticate_uri,
            revocation_window: Duration::from_secs(300),
            rejected_for: Duration::from_secs(5),
            remembered_max: 10_000,
            jws_keys: Vec::new(),
            service_roles: vec!["service".to_owned()],
            service_roles_required: true,
            service: None,
            timeout: Duration::from_secs(5),
            connections_max: 8,
            validations_max: 256,
        })
    }
}

impl Keystone {
    pub(super) fn new(config: KeystoneConfig) -> Result<Self, AuthenticatorError> {
        Ok(Self {
            client: Client::new(&config),
            challenge: challenge(&config.www_authenticate_uri)?,
            jws_keys: config.jws_keys,
            service_roles: config.service_roles,
            service_roles_required: config.service_roles_required,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new())
                .map_err(|_error| AuthenticatorError::Random)?,
            good: Cache::new(config.remembered_max),
            revocation_window: config.revocation_window,
            bad: Cache::new(config.remembered_max),
            rejected_for: config.rejected_for,
            flights: Mutex::default(),
            validations_max: config.validations_max,
            calls: AtomicU64::new(0),
        })
    }

    pub(super) fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// How often Keystone was asked.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) async fn check(self: &Arc<Self>, presented: &Presented<'_>) -> Outcome {
        let found = match (presented.token, presented.service_token) {
            (None, None) => return Outcome::NotRequested,
            (None, Some(_)) => Err(KeystoneError::ServiceTokenAlone),
            (Some(token), service_token) => self.identify(token, service_token).await,
        };
        match found {
            Ok(identity) => Outcome::Authenticated(identity),
            Err(error) => Outcome::Failed(AuthnError::Keystone(error)),
        }
    }

    async fn identify(
        self: &Arc<Self>,
        token: &HeaderValue,
        service_token: Option<&HeaderValue>,
    ) -> Result<Identity, KeystoneError> {
        let service_roles = match service_token {
            Some(service_token) => self.service_roles(service_token).await?,
            None => Vec::new(),
        };
        let mut facts = Arc::clone(&self.verdict(token).await?.facts);
        if !service_roles.is_empty() {
            facts = Arc::new(KeystoneFacts { service_roles, ..KeystoneFacts::clone(&facts) });
        }
        // Names are not unique: two domains may have a user `admin` each.
        let name = Arc::clone(&facts.user_id);
        Ok(Identity {
            token: Some(ProvedToken::new(token, service_token)),
            keystone: Some(facts),
            ..Identity::named(SchemeName::Keystone, name)
        })
    }

    /// The roles that a service token proves; none if it lacks a service role and none is required.
    async fn service_roles(self: &Arc<Self>, token: &HeaderValue) -> Result<Vec<Arc<str>>, KeystoneError> {
        let verdict = self.verdict(token).await.map_err(|error| match error.status() {
            http::StatusCode::SERVICE_UNAVAILABLE => error,
            _ => KeystoneError::ServiceToken,
        })?;
        let roles = &verdict.facts.roles;
        if self.service_roles.iter().any(|wanted| roles.iter().any(|role| **role == **wanted)) {
            Ok(roles.clone())
        } else if self.service_roles_required {
            Err(KeystoneError::ServiceRole)
        } else {
            Ok(Vec::new())
        }
    }

    /// What is known of a token, or what Keystone says.
    async fn verdict(self: &Arc<Self>, token: &HeaderValue) -> Verdict {
        let shape = token::shape(token.as_bytes()).ok_or(KeystoneError::Shape)?;
        let fingerprint = token::fingerprint(&self.key, token.as_bytes());
        if let Some(verdict) = self.remembered(&fingerprint) {
            return verdict;
        }
        if !self.jws_keys.is_empty() {
            match shape {
                Shape::Jws if jws::signed(&self.jws_keys, token.as_bytes()) => {}
                Shape::Jws => return Err(KeystoneError::Signature),
                Shape::Fernet => return Err(KeystoneError::Shape),
            }
        }
        self.validated(fingerprint, token).await
    }

    fn remembered(&self, fingerprint: &Fingerprint) -> Option<Verdict> {
        if let Some(good) = self.good.get(fingerprint)
            && Instant::now() < good.until
            // By the clock too: a machine that slept has no monotonic time of it.
            && jiff::Timestamp::now() < good.token.expires_at
        {
            return Some(Ok(good.token));
        }
        self.bad.get(fingerprint).filter(|bad| Instant::now() < bad.until).map(|bad| Err(bad.error))
    }

    /// Has the token validated, once for all who ask at the same time.
    async fn validated(self: &Arc<Self>, fingerprint: Fingerprint, token: &HeaderValue) -> Verdict {
        loop {
            let mut receiver = match self.join(fingerprint) {
                Part::Late(verdict) => return verdict,
                Part::Follow(receiver) => receiver,
                Part::Lead(flight, receiver) => {
                    let token = token.clone();
                    // On a task of its own: a caller who hangs up does not take the answer from the others.
                    tokio::spawn(async move { flight.run(&token).await });
                    receiver
                }
            };
            // An error means that the validation's worker ended: somebody else leads.
            if let Ok(verdict) = receiver.wait_for(Option::is_some).await
                && let Some(verdict) = verdict.clone()
            {
                return verdict;
            }
        }
    }

    fn join(self: &Arc<Self>, fingerprint: Fingerprint) -> Part {
        let mut flights = self.flights();
        if let Some(receiver) = flights.get(&fingerprint) {
            return Part::Follow(receiver.clone());
        }
        // A verdict is remembered before its flight is removed, so what was missed before is found here.
        if let Some(verdict) = self.remembered(&fingerprint) {
            return Part::Late(verdict);
        }
        if flights.len() >= self.validations_max {
            return Part::Late(Err(KeystoneError::Busy));
        }
        let (verdict, receiver) = watch::channel(None);
        flights.insert(fingerprint, receiver.clone());
        Part::Lead(Flight { keystone: Arc::clone(self), fingerprint, landed: None, verdict }, receiver)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Asks Keystone and remembers what it said.
    async fn run(mut self, token: &HeaderValue) {
        let keystone = Arc::clone(&self.keystone);
        keystone.calls.fetch_add(1, Ordering::Relaxed);
        // The window begins before Keystone looks: what is revoked later is found out within it.
        let asked = Instant::now();
        let verdict = keystone.client.validate(token).await.and_then(|body| answer::read(&body)).map(Arc::new);
        match &verdict {
            Ok(token) => {
                let until = asked.checked_add(keystone.revocation_window).unwrap_or(asked);
                keystone.good.insert(self.fingerprint, Good { token: Arc::clone(token), until });
            }
            Err(error) if error.is_verdict() => {
                let until = asked.checked_add(keystone.rejected_for).unwrap_or(asked);
                keystone.good.remove(&self.fingerprint);
                keystone.bad.insert(self.fingerprint, Bad { error: *error, until });
            }
            Err(_nothing_known) => {}
        }
        self.landed = Some(verdict);
    }
}

impl Drop for Flight {
    /// Removes the flight before anybody hears of its end, so that who comes later starts another.
    fn drop(&mut self) {
        self.keystone.flights().remove(&self.fingerprint);
        if let Some(verdict) = self.landed.take() {
            self.verdict.send_replace(Some(verdict));
        }
    }
}

/// As keystonemiddleware writes it.
fn challenge(uri: &str) -> Result<HeaderValue, AuthenticatorError> {
    let refuse = || AuthenticatorError::KeystoneUri(uri.to_owned());
    if uri.is_empty() || uri.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\')) {
        return Err(refuse());
    }
    HeaderValue::try_from(format!("Keystone uri=\"{uri}\"")).map_err(|_error| refuse())
}

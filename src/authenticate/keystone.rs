//! Keystone v3: the caller's token is validated with itself, so irongate holds no password of Keystone's.
//!
//! What Keystone said is remembered under a keyed hash of the token: a good token until it expires and never longer than
//! the revocation window, counted from the moment Keystone was asked; a bad one shortly. Requests that bring the same new
//! token at once share one call. What looks like no token, and a JWS token that no configured key signed, is refused
//! without a call. When Keystone says nothing about a token, nobody is let in: the caller hears 503.
//!
//! Long work outlives tokens: a user's token that has expired is accepted, within bounds, where a service that proves its role
//! brings it along. Keystone is asked about it by that service's token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;
use thiserror::Error;

use super::credential::Presented;
use super::error::{AuthenticatorError, AuthnError};
use super::fingerprint::Fingerprint;
use super::flights::{Flight, Flights, NoVerdict};
use super::identity::{Identity, KeystoneFacts, ProvedToken};
use super::{Checked, SchemeName};
use crate::config::Endpoint;
use crate::forward::{Connector, HostError};

use answer::Token;
use client::{Client, TokenQuestion};
use clock::Clock;
use memory::Memory;
use token::Shape;

pub use error::KeystoneError;
pub use jws::{JwsKey, JwsKeyError};
pub use service::{ServiceCredential, ServiceCredentialError};

pub(super) mod access;
mod answer;
mod breaker;
mod client;
mod clock;
mod error;
mod jws;
mod memory;
mod service;
mod token;

#[cfg(test)]
mod tests;

/// Keystone's own default of `[token] allow_expired_window`: two days.
const ALLOW_EXPIRED_DEFAULT: Duration = Duration::from_secs(172_800);

/// What the scheme is made of. It may hold a password and so cannot be printed.
#[derive(Clone)]
pub struct KeystoneConfig {
    connector: Connector,
    authority: HeaderValue,
    target: PathAndQuery,
    late_target: PathAndQuery,
    /// What the TLS configuration is made of (the CA's file, the version): compared after a reload.
    pub trusted: Vec<u8>,
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
    /// For how long after its expiry a user's token is accepted where a service with such a role brings it; zero: not at all.
    /// Keystone has a window of its own (`[token] allow_expired_window`), and the shorter one counts.
    pub allow_expired: Duration,
    /// irongate's own user, if tokens are validated by it and not by themselves.
    pub service: Option<ServiceCredential>,
    /// For one validation, waiting and connecting included.
    pub timeout: Duration,
    /// Calls at a time, all workers together.
    pub connections_max: usize,
    /// Tokens under validation, waiting ones included; more are answered 503.
    pub validations_max: usize,
    clock: Clock,
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

/// The scheme, ready. It cannot be printed.
pub(super) struct Keystone {
    client: Client,
    challenge: HeaderValue,
    jws_keys: Vec<JwsKey>,
    service_roles: Vec<String>,
    service_roles_required: bool,
    allow_expired: Duration,
    memory: Arc<Memory>,
    flights: Arc<Flights<Verdict>>,
    calls: AtomicU64,
}

/// What is known of a token.
type Verdict = Result<Arc<Token>, KeystoneError>;

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
        let target = |query| {
            format!("{path}/auth/tokens?{query}").parse::<PathAndQuery>().map_err(|_error| KeystoneUrlError::Url)
        };
        let endpoint = Endpoint::Tcp { host, port, tls: parsed.scheme() == "https" };
        Ok(Self {
            connector: Connector::to(&endpoint, tls, connect_timeout)?,
            authority: HeaderValue::try_from(authority).map_err(|_error| KeystoneUrlError::Url)?,
            // Without the catalogue the answer is a third of its size.
            target: target("nocatalog")?,
            late_target: target("nocatalog&allow_expired=1")?,
            trusted: Vec::new(),
            www_authenticate_uri,
            revocation_window: Duration::from_secs(300),
            rejected_for: Duration::from_secs(5),
            remembered_max: 10_000,
            jws_keys: Vec::new(),
            service_roles: vec!["service".to_owned()],
            service_roles_required: true,
            allow_expired: ALLOW_EXPIRED_DEFAULT,
            service: None,
            timeout: Duration::from_secs(5),
            connections_max: 8,
            validations_max: 256,
            clock: Clock::default(),
        })
    }
}

impl KeystoneConfig {
    /// What a 401 names unless the configuration says otherwise; `None` for a URL that cannot be Keystone's.
    pub fn www_authenticate_uri_of(url: &str) -> Option<String> {
        Self::new(url, None, Duration::ZERO).ok().map(|config| config.www_authenticate_uri)
    }
}

impl Keystone {
    pub(super) fn new(config: KeystoneConfig) -> Result<Self, AuthenticatorError> {
        Ok(Self {
            client: Client::new(&config),
            challenge: challenge(&config.www_authenticate_uri)?,
            memory: Arc::new(Memory::new(&config)?),
            jws_keys: config.jws_keys,
            service_roles: config.service_roles,
            service_roles_required: config.service_roles_required,
            allow_expired: config.allow_expired,
            flights: Flights::new(config.validations_max),
            calls: AtomicU64::new(0),
        })
    }

    /// After a reload: what Keystone said holds on where nothing changed of what decides about it.
    pub(super) fn inherit(&mut self, before: &Self) {
        if self.memory.agrees_with(&before.memory) {
            self.memory = Arc::clone(&before.memory);
            self.client.inherit(&before.client);
        }
    }

    pub(super) fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// How often Keystone was asked.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How often a token was remembered, and how often not.
    pub(super) fn recalls(&self) -> (u64, u64) {
        self.memory.recalls()
    }

    pub(super) async fn check(self: &Arc<Self>, presented: &Presented<'_>) -> Checked {
        let found = match (presented.token, presented.service_token) {
            (None, None) => return Checked::NotRequested,
            (None, Some(_)) => Err(KeystoneError::ServiceTokenAlone),
            (Some(token), service_token) => self.identify(token, service_token).await,
        };
        match found {
            Ok(identity) => Checked::Authenticated(identity),
            Err(error) => Checked::Failed(AuthnError::Keystone(error)),
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
        let verdict = match service_token {
            Some(service_token) if !service_roles.is_empty() => self.chained(token, service_token).await,
            Some(_) | None => self.verdict(token).await,
        };
        let mut facts = Arc::clone(&verdict?.facts);
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
        if token.len() > token::TOKEN_BYTES_MAX {
            return Err(KeystoneError::Shape);
        }
        let fingerprint = self.memory.key.of(token.as_bytes());
        if let Some(verdict) = self.memory.recall(&fingerprint) {
            return verdict;
        }
        let shape = token::shape(token.as_bytes()).ok_or(KeystoneError::Shape)?;
        if !self.jws_keys.is_empty() {
            match shape {
                Shape::Jws if jws::signed(&self.jws_keys, token.as_bytes(), Duration::ZERO) => {}
                Shape::Jws => return Err(KeystoneError::Signature),
                Shape::Fernet => return Err(KeystoneError::Shape),
            }
        }
        self.validated(fingerprint, TokenQuestion { token: token.clone(), service: None }).await
    }

    /// The same of a user's token that a proven service brings: it may have expired on the way.
    async fn chained(self: &Arc<Self>, token: &HeaderValue, service_token: &HeaderValue) -> Verdict {
        if self.allow_expired.is_zero() {
            return self.verdict(token).await;
        }
        let fingerprint = self.memory.key.of_pair(token.as_bytes(), service_token.as_bytes());
        if let Some(verdict) = self.memory.recall(&fingerprint) {
            return verdict;
        }
        let refused = match self.verdict(token).await {
            Err(refused @ (KeystoneError::Rejected | KeystoneError::Signature)) => refused,
            known => return known,
        };
        if !self.jws_keys.is_empty() && !jws::signed(&self.jws_keys, token.as_bytes(), self.allow_expired) {
            return Err(refused);
        }
        let question = TokenQuestion { token: token.clone(), service: Some(service_token.clone()) };
        self.validated(fingerprint, question).await
    }

    /// Has the token validated, once for all who ask at the same time.
    async fn validated(self: &Arc<Self>, fingerprint: Fingerprint, question: TokenQuestion) -> Verdict {
        let lead = |flight| {
            // On a task of its own: a caller who hangs up does not take the answer from the others.
            drop(tokio::spawn(Arc::clone(self).ask(flight, fingerprint, question)));
            std::future::ready(())
        };
        let verdict = self.flights.share(fingerprint, || self.memory.recall(&fingerprint), lead).await;
        verdict.unwrap_or_else(|none| match none {
            NoVerdict::Full => Err(KeystoneError::Busy),
            NoVerdict::Interrupted => Err(KeystoneError::Unreachable),
        })
    }

    /// Asks Keystone and remembers what it said.
    async fn ask(self: Arc<Self>, flight: Flight<Verdict>, fingerprint: Fingerprint, question: TokenQuestion) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        // The window begins before Keystone looks: what is revoked later is found out within it.
        let asked = self.memory.clock.now();
        let grace = if question.service.is_some() { self.allow_expired } else { Duration::ZERO };
        let answered = self.client.validate(&question).await;
        let verdict = answered.and_then(|body| answer::read(&body, grace, self.memory.clock.today())).map(Arc::new);
        self.memory.remember(fingerprint, &verdict, asked, grace);
        flight.land(verdict);
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

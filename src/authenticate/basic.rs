//! HTTP basic (RFC 7617) against an htpasswd file.
//!
//! bcrypt is slow on purpose, so it runs on blocking threads, few at a time, and its results are remembered: a good
//! credential for [`BasicConfig::verified_for`], a bad one for [`BasicConfig::rejected_for`]. What is remembered is found
//! by a keyed hash of user and password, so the caches hold no password and nothing that one could be guessed from
//! without the key, which is made at start and never leaves the memory. Requests that bring the same new credential at
//! once share one check.
//!
//! Time tells nothing about users: every check does the work of the file's highest cost, for unknown users too.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use http::HeaderValue;
use quick_cache::sync::Cache;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::credential::{Authorization, BasicCredential, Presented};
use super::error::{AuthenticatorError, AuthnError};
use super::fingerprint::{Fingerprint, FingerprintKey};
use super::flights::{Flight, Flights, NoVerdict};
use super::htpasswd::{self, PasswordHash, Users};
use super::{Checked, Identity, SchemeName};

/// The cost that unknown users are checked with where a file has no user.
const COST_DEFAULT: u32 = 12;

/// What the scheme is made of. It holds password hashes and so cannot be printed.
#[derive(Clone)]
pub struct BasicConfig {
    /// The text of the htpasswd file.
    pub htpasswd: SecretString,
    /// The file's name, for errors.
    pub file: String,
    /// What the challenge names.
    pub realm: String,
    /// How long a good credential is remembered. A reload forgets all of them.
    pub verified_for: Duration,
    /// How long a bad credential is remembered.
    pub rejected_for: Duration,
    /// Remembered credentials of each kind; the least used make room.
    pub remembered_max: usize,
    /// Passwords that are checked at a time.
    pub checks_max: usize,
    /// Passwords that wait to be checked.
    pub waiting_max: usize,
    /// How long a password waits to be checked.
    pub wait_max: Duration,
}

/// The scheme, ready. It cannot be printed.
pub(super) struct Basic {
    users: Users,
    file: String,
    challenge: HeaderValue,
    /// The highest cost in the file: what every check costs.
    cost: u32,
    /// Random bytes that unknown users' hashes are made of.
    decoy: [u8; 39],

    key: FingerprintKey,
    verified: Cache<Fingerprint, Verified>,
    verified_for: Duration,
    rejected: Cache<Fingerprint, Instant>,
    rejected_for: Duration,

    flights: Arc<Flights<Verdict>>,
    checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    wait_max: Duration,
    password_checks: AtomicU64,
}

/// A remembered good credential.
#[derive(Clone)]
struct Verified {
    user: Arc<str>,
    until: Instant,
}

/// A credential that has to be checked.
struct Attempt {
    fingerprint: Fingerprint,
    /// The user's name and hash; `None`: unknown.
    user: Option<(Arc<str>, Arc<PasswordHash>)>,
    password: Zeroizing<String>,
}

/// How a check ended: the user, or why not.
type Verdict = Result<Arc<str>, AuthnError>;

impl BasicConfig {
    /// A configuration with the default bounds.
    pub fn new(file: impl Into<String>, htpasswd: SecretString) -> Self {
        // Half of the cores: a flood of new passwords must leave the workers room.
        let cores = available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            htpasswd,
            file: file.into(),
            realm: "Baremetal API".to_owned(),
            verified_for: Duration::from_secs(300),
            rejected_for: Duration::from_secs(5),
            remembered_max: 4096,
            checks_max: cores.div_ceil(2),
            waiting_max: 64,
            wait_max: Duration::from_secs(5),
        }
    }

    /// Whether the challenge can name the realm.
    ///
    /// # Errors
    /// What it may hold.
    pub fn check_realm(&self) -> Result<(), AuthenticatorError> {
        challenge(&self.realm).map(drop)
    }
}

impl Basic {
    pub(super) fn new(config: BasicConfig) -> Result<Self, AuthenticatorError> {
        let users = htpasswd::parse(config.htpasswd.expose_secret(), &config.file)?;
        let cost = users.values().map(|hash| hash.cost()).max().unwrap_or(COST_DEFAULT);
        Ok(Self {
            cost,
            users,
            file: config.file,
            challenge: challenge(&config.realm)?,
            decoy: random()?,
            key: FingerprintKey::new()?,
            verified: Cache::new(config.remembered_max),
            verified_for: config.verified_for,
            rejected: Cache::new(config.remembered_max),
            rejected_for: config.rejected_for,
            // Each waits for a place, of which there are few, or is refused at once.
            flights: Flights::new(usize::MAX),
            checks: Arc::new(Semaphore::new(config.checks_max.max(1))),
            waiting: Arc::new(Semaphore::new(config.waiting_max)),
            wait_max: config.wait_max,
            password_checks: AtomicU64::new(0),
        })
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn knows(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    pub(super) fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    pub(super) fn password_checks(&self) -> u64 {
        self.password_checks.load(Ordering::Relaxed)
    }

    pub(super) async fn check(self: &Arc<Self>, presented: &Presented<'_>) -> Checked {
        let Some(Authorization::Basic(encoded)) = presented.authorization else { return Checked::NotRequested };
        let verdict = match self.recall(encoded) {
            Ok(verdict) => verdict,
            Err(attempt) => self.verify(attempt).await,
        };
        match verdict {
            Ok(name) => Checked::Authenticated(Identity::named(SchemeName::Basic, name)),
            Err(error) => Checked::Failed(error),
        }
    }

    /// What needs no bcrypt: a credential that cannot be read or is remembered. The decoded text lives on this frame only.
    fn recall(&self, encoded: &[u8]) -> Result<Verdict, Attempt> {
        let credential = match BasicCredential::decode(encoded) {
            Ok(credential) => credential,
            Err(malformed) => return Ok(Err(AuthnError::Malformed(malformed))),
        };
        let fingerprint = self.key.of_pair(credential.user().as_bytes(), credential.password().as_bytes());
        if let Some(verdict) = self.remembered(&fingerprint) {
            return Ok(verdict);
        }
        let user = self.users.get_key_value(credential.user());
        Err(Attempt {
            fingerprint,
            user: user.map(|(name, hash)| (Arc::clone(name), Arc::clone(hash))),
            password: Zeroizing::new(credential.password().to_owned()),
        })
    }

    fn remembered(&self, fingerprint: &Fingerprint) -> Option<Verdict> {
        let now = Instant::now();
        if let Some(verified) = self.verified.get(fingerprint).filter(|verified| now < verified.until) {
            return Some(Ok(verified.user));
        }
        self.rejected.get(fingerprint).filter(|until| now < *until).map(|_until| Err(AuthnError::Wrong))
    }

    /// Has the password checked, once for all who ask at the same time.
    async fn verify(self: &Arc<Self>, attempt: Attempt) -> Verdict {
        let fingerprint = attempt.fingerprint;
        let lead = |flight| Arc::clone(self).lead(flight, attempt);
        let verdict = self.flights.share(fingerprint, || self.remembered(&fingerprint), lead).await;
        verdict.unwrap_or_else(|none| match none {
            NoVerdict::Full => Err(AuthnError::Overloaded),
            NoVerdict::Interrupted => Err(AuthnError::Interrupted),
        })
    }

    async fn lead(self: Arc<Self>, flight: Flight<Verdict>, attempt: Attempt) {
        let Some(permit) = self.queue().await else { return flight.land(Err(AuthnError::Overloaded)) };
        tokio::task::spawn_blocking(move || {
            let verdict = self.hash_and_compare(&attempt);
            // Held until the work is done, not until its caller goes away: callers who leave free no room.
            drop(permit);
            self.remember(attempt.fingerprint, &verdict);
            flight.land(verdict);
        });
    }

    fn remember(&self, fingerprint: Fingerprint, verdict: &Verdict) {
        match verdict {
            Ok(user) => {
                let verified = Verified { user: Arc::clone(user), until: later(self.verified_for) };
                self.verified.insert(fingerprint, verified);
            }
            Err(AuthnError::Wrong) => self.rejected.insert(fingerprint, later(self.rejected_for)),
            Err(_not_known) => {}
        }
    }

    /// Waits for a place; `None`: too many wait, or it took too long.
    async fn queue(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.checks).try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = self.waiting.try_acquire().ok()?;
        timeout(self.wait_max, Arc::clone(&self.checks).acquire_owned()).await.ok()?.ok()
    }

    /// The slow part. Does the same work for every user, known or not: a hash of cost `c`, then decoys of cost `c`,
    /// `c + 1`, … below the highest, which together make 2^highest steps.
    fn hash_and_compare(&self, attempt: &Attempt) -> Verdict {
        let decoy = |cost| PasswordHash::decoy(cost, &self.decoy);
        let (name, hash) = match &attempt.user {
            Some((name, hash)) => (Some(name), Arc::clone(hash)),
            None => (None, Arc::new(decoy(self.cost))),
        };
        let matches = self.matches(&hash, &attempt.password);
        for cost in hash.cost()..self.cost {
            black_box(self.matches(&decoy(cost), &attempt.password));
        }
        match name {
            Some(name) if matches => Ok(Arc::clone(name)),
            Some(_) | None => Err(AuthnError::Wrong),
        }
    }

    fn matches(&self, hash: &PasswordHash, password: &Zeroizing<String>) -> bool {
        self.password_checks.fetch_add(1, Ordering::Relaxed);
        hash.matches(password)
    }

    /// Takes one of the places for checks, so that a test decides what waits.
    #[cfg(test)]
    pub(super) fn occupy(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.checks).try_acquire_owned().unwrap()
    }
}

/// The end of a time from now; a time too long to be told ends at once.
fn later(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}

fn challenge(realm: &str) -> Result<HeaderValue, AuthenticatorError> {
    let refuse = || AuthenticatorError::Realm(realm.to_owned());
    if realm.is_empty() || realm.bytes().any(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\')) {
        return Err(refuse());
    }
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")).map_err(|_error| refuse())
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], AuthenticatorError> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_error| AuthenticatorError::Random)?;
    Ok(bytes)
}

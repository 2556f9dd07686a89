//! HTTP basic (RFC 7617) against an htpasswd file.
//!
//! bcrypt is slow on purpose, so it runs on blocking threads, few at a time, and its results are remembered: a good
//! credential for [`BasicConfig::verified_for`], a bad one for [`BasicConfig::rejected_for`]. What is remembered is found
//! by a keyed hash of user and password, so the caches hold no password and nothing that one could be guessed from
//! without the key, which is made at start and never leaves the memory. Requests that bring the same new credential at
//! once share one check.
//!
//! Time tells nothing about users: every check does the work of the file's highest cost, for unknown users too.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use http::HeaderValue;
use quick_cache::sync::Cache;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::credential::{Authorization, BasicCredential, Presented};
use super::error::{AuthenticatorError, AuthnError};
use super::htpasswd::{self, PasswordHash, Users};
use super::{Identity, Outcome, SchemeName};

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

/// The scheme, ready.
pub(super) struct Basic {
    users: Users,
    file: String,
    challenge: HeaderValue,
    /// The highest cost in the file: what every check costs.
    cost: u32,
    /// Random bytes that unknown users' hashes are made of.
    decoy: [u8; 39],

    key: hmac::Key,
    verified: Cache<Fingerprint, Verified>,
    verified_for: Duration,
    rejected: Cache<Fingerprint, Instant>,
    rejected_for: Duration,

    flights: Mutex<HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>>,
    checks: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    wait_max: Duration,
    password_checks: AtomicU64,
}

/// HMAC-SHA-256 over user, NUL, password.
type Fingerprint = [u8; 32];

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

/// The part that one request has in a check.
enum Part {
    /// It is over.
    Late(Verdict),
    /// Another request has it done.
    Follow(watch::Receiver<Option<Verdict>>),
    /// This request has it done.
    Lead(Flight),
}

/// A check under way. Dropping it ends it: with a verdict, or so that a follower leads.
struct Flight {
    basic: Arc<Basic>,
    fingerprint: Fingerprint,
    landed: Option<Verdict>,
    verdict: watch::Sender<Option<Verdict>>,
}

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
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            verified: Cache::new(config.remembered_max),
            verified_for: config.verified_for,
            rejected: Cache::new(config.remembered_max),
            rejected_for: config.rejected_for,
            flights: Mutex::default(),
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

    pub(super) async fn check(self: &Arc<Self>, presented: &Presented<'_>) -> Outcome {
        let Some(Authorization::Basic(encoded)) = presented.authorization else { return Outcome::NotRequested };
        let verdict = match self.recall(encoded) {
            Ok(verdict) => verdict,
            Err(attempt) => self.verify(attempt).await,
        };
        match verdict {
            Ok(name) => Outcome::Authenticated(Identity::named(SchemeName::Basic, name)),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// What needs no bcrypt: a credential that cannot be read or is remembered. The decoded text lives on this frame only.
    fn recall(&self, encoded: &[u8]) -> Result<Verdict, Attempt> {
        let credential = match BasicCredential::decode(encoded) {
            Ok(credential) => credential,
            Err(malformed) => return Ok(Err(AuthnError::Malformed(malformed))),
        };
        let fingerprint = self.fingerprint(&credential);
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

    /// Neither part holds a NUL, so no two credentials have one fingerprint.
    fn fingerprint(&self, credential: &BasicCredential) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(credential.user().as_bytes());
        context.update(&[0]);
        context.update(credential.password().as_bytes());
        let mut fingerprint = [0; 32];
        for (to, from) in fingerprint.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        fingerprint
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
        loop {
            let mut receiver = match self.join(attempt.fingerprint) {
                Part::Late(verdict) => return verdict,
                Part::Follow(receiver) => receiver,
                Part::Lead(flight) => return self.lead(flight, attempt).await,
            };
            // An error means that the leader's caller went away before the check began: somebody else leads.
            if let Some(verdict) = landed(&mut receiver).await {
                return verdict;
            }
        }
    }

    fn join(self: &Arc<Self>, fingerprint: Fingerprint) -> Part {
        let mut flights = self.flights();
        if let Some(receiver) = flights.get(&fingerprint) {
            return Part::Follow(receiver.clone());
        }
        // A flight is remembered before it is removed, so what was missed above is found here.
        if let Some(verdict) = self.remembered(&fingerprint) {
            return Part::Late(verdict);
        }
        let (verdict, receiver) = watch::channel(None);
        flights.insert(fingerprint, receiver);
        Part::Lead(Flight { basic: Arc::clone(self), fingerprint, landed: None, verdict })
    }

    async fn lead(&self, flight: Flight, attempt: Attempt) -> Verdict {
        let Some(permit) = self.queue().await else {
            flight.land(Err(AuthnError::Overloaded));
            return Err(AuthnError::Overloaded);
        };
        let mut receiver = flight.verdict.subscribe();
        tokio::task::spawn_blocking(move || {
            let verdict = flight.basic.hash_and_compare(&attempt);
            // Held until the work is done, not until its caller goes away: callers who leave free no room.
            drop(permit);
            flight.land(verdict);
        });
        landed(&mut receiver).await.unwrap_or(Err(AuthnError::Interrupted))
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

    fn flights(&self) -> MutexGuard<'_, HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Remembers the verdict and tells it to all who wait.
    fn land(mut self, verdict: Verdict) {
        match &verdict {
            Ok(user) => {
                let verified = Verified { user: Arc::clone(user), until: later(self.basic.verified_for) };
                self.basic.verified.insert(self.fingerprint, verified);
            }
            Err(AuthnError::Wrong) => self.basic.rejected.insert(self.fingerprint, later(self.basic.rejected_for)),
            Err(_not_known) => {}
        }
        self.landed = Some(verdict);
    }
}

impl Drop for Flight {
    /// Removes the flight before anybody hears of its end, so that who comes later starts another.
    fn drop(&mut self) {
        self.basic.flights().remove(&self.fingerprint);
        if let Some(verdict) = self.landed.take() {
            self.verdict.send_replace(Some(verdict));
        }
    }
}

/// The end of a time from now; a time too long to be told ends at once.
fn later(duration: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(duration).unwrap_or(now)
}

/// Waits for a flight's verdict; `None`: there will be none.
async fn landed(receiver: &mut watch::Receiver<Option<Verdict>>) -> Option<Verdict> {
    receiver.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone())
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

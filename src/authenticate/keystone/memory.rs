//! What Keystone said of tokens, for as long as it may be believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest;
use quick_cache::sync::Cache;

use super::super::error::AuthenticatorError;
use super::super::fingerprint::{Fingerprint, FingerprintKey};
use super::answer::Token;
use super::clock::Clock;
use super::{KeystoneConfig, KeystoneError, Verdict};

/// Tokens that Keystone vouched for, and those that it refused, apart: a flood of bad ones displaces no good one.
pub(super) struct Memory {
    pub(super) key: FingerprintKey,
    good: Cache<Fingerprint, Good>,
    good_for: Duration,
    bad: Cache<Fingerprint, Bad>,
    bad_for: Duration,
    basis: Basis,
    /// What all of this is counted by.
    pub(super) clock: Clock,
    hits: AtomicU64,
    misses: AtomicU64,
}

#[derive(Clone)]
struct Good {
    token: Arc<Token>,
    until: Instant,
    /// By the clock too: a machine that slept has no monotonic time of it.
    ends_at: SystemTime,
}

#[derive(Clone)]
struct Bad {
    error: KeystoneError,
    until: Instant,
}

/// Everything that decides about a token, as a digest: whom irongate asks, as whom, whom it takes for Keystone, which
/// signatures it takes, and for how long it believes. What is remembered is good for the same basis only. It is made of
/// secrets, too: it cannot be printed, and is never stored.
#[derive(PartialEq, Eq)]
struct Basis([u8; 32]);

#[cfg(test)]
crate::telemetry::unprintable!(Basis);

impl Memory {
    pub(super) fn new(config: &KeystoneConfig) -> Result<Self, AuthenticatorError> {
        Ok(Self {
            key: FingerprintKey::new()?,
            good: Cache::new(config.remembered_max),
            good_for: config.revocation_window,
            bad: Cache::new(config.remembered_max),
            bad_for: config.rejected_for,
            basis: Basis::of(config),
            clock: config.clock.clone(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Whether what one remembers holds for the other.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.basis == other.basis
    }

    /// How often something was remembered, and how often not.
    pub(super) fn recalls(&self) -> (u64, u64) {
        (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed))
    }

    pub(super) fn recall(&self, fingerprint: &Fingerprint) -> Option<Verdict> {
        let found = self.find(fingerprint);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, fingerprint: &Fingerprint) -> Option<Verdict> {
        let now = self.clock.now();
        if let Some(good) = self.good.get(fingerprint)
            && now < good.until
            && self.clock.today() < good.ends_at
        {
            return Some(Ok(good.token));
        }
        self.bad.get(fingerprint).filter(|bad| now < bad.until).map(|bad| Err(bad.error))
    }

    /// `asked` is when Keystone was: what it revokes later is found out within the window. `grace` is for how long after its
    /// expiry the token is accepted.
    pub(super) fn remember(&self, fingerprint: Fingerprint, verdict: &Verdict, asked: Instant, grace: Duration) {
        match verdict {
            Ok(token) => {
                let until = asked.checked_add(self.good_for).unwrap_or(asked);
                let expires_at = SystemTime::from(token.expires_at);
                let ends_at = expires_at.checked_add(grace).unwrap_or(expires_at);
                self.good.insert(fingerprint, Good { token: Arc::clone(token), until, ends_at });
            }
            Err(error) if error.is_verdict() => {
                let until = asked.checked_add(self.bad_for).unwrap_or(asked);
                self.good.remove(&fingerprint);
                self.bad.insert(fingerprint, Bad { error: *error, until });
            }
            Err(_nothing_known) => {}
        }
    }
}

impl Basis {
    fn of(config: &KeystoneConfig) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |part: &[u8]| {
            // With its length, so that no two lists of parts are one text.
            context.update(&part.len().to_be_bytes());
            context.update(part);
        };
        add(config.authority.as_bytes());
        add(config.target.as_str().as_bytes());
        add(&config.trusted);
        add(config.service.as_ref().map_or("", |credential| credential.request()).as_bytes());
        for time in [config.revocation_window, config.rejected_for, config.allow_expired] {
            add(&time.as_nanos().to_be_bytes());
        }
        add(&config.remembered_max.to_be_bytes());
        for key in &config.jws_keys {
            add(key.pem());
        }
        Self(context.finish().as_ref().try_into().unwrap_or_default())
    }
}

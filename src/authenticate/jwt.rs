//! Signed tokens of OIDC issuers and of Kubernetes: `Authorization: Bearer` (RFC 7519, RFC 6750).
//!
//! A token's own words are never a reason to believe it: `iss` only says which issuer's keys to take, `alg` and `kid`
//! only which of them; a key is pinned to the algorithms that the configuration names. What was verified is found again
//! by a keyed hash until it expires or the issuer's keys change, so a token costs a signature check once.

mod claims;
mod error;
mod key;
mod source;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use quick_cache::sync::Cache;
use serde_json::Value;

use super::credential::{Authorization, Presented};
use super::error::{AuthenticatorError, AuthnError};
use super::fingerprint::{Fingerprint, FingerprintKey};
use super::identity::Identity;
use super::{Checked, SchemeName};
use crate::json::Pointer;

use claims::Expected;
use source::KeySource;
use token::{TOKEN_BYTES_MAX, Token};

pub use error::{JwtFault, JwtKeyError};
pub use key::{JwtAlgorithm, KeySet};
pub use source::JwksUrl;

/// What the scheme is made of.
#[derive(Clone)]
pub struct JwtConfig {
    /// Whose tokens are taken; no two of one name.
    pub issuers: Vec<JwtIssuer>,
    /// What the challenge names.
    pub realm: String,
    /// Remembered tokens; the least used make room.
    pub remembered_max: usize,
}

/// An issuer of tokens.
#[derive(Clone)]
pub struct JwtIssuer {
    /// `iss`, compared byte for byte.
    pub issuer: String,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// What its tokens are checked with.
    pub keys: JwtKeys,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// Where the principal's name is in the claims.
    pub name_claim: Pointer,
    /// What stands before that name, to tell issuers apart.
    pub name_prefix: String,
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub enum JwtKeys {
    /// A file.
    Fixed(KeySet),
    /// A URL.
    Url(Box<JwksUrl>),
}

/// What a verified token says: what conditions of a binding look at. It cannot be printed: claims hold what people
/// would not want to read in a log.
pub(super) struct JwtFacts {
    issuer: Arc<str>,
    claims: Value,
}

/// The scheme, ready.
pub(super) struct Jwt {
    issuers: Vec<Issuer>,
    realm: String,
    key: FingerprintKey,
    verified: Cache<Fingerprint, Arc<Verified>>,
    checks: AtomicU64,
}

struct Issuer {
    name: Arc<str>,
    expected: Expected,
    source: KeySource,
}

/// A remembered token.
struct Verified {
    name: Arc<str>,
    facts: Arc<JwtFacts>,
    /// Its issuer's place.
    issuer: usize,
    generation: u64,
    until: i64,
}

impl JwtConfig {
    /// A configuration with the default bounds.
    pub fn new(issuers: Vec<JwtIssuer>) -> Self {
        Self { issuers, realm: "Baremetal API".to_owned(), remembered_max: 4096 }
    }
}

impl Jwt {
    pub(super) fn new(config: JwtConfig) -> Result<Self, AuthenticatorError> {
        // Both forms of the challenge are made once to see that they can be made.
        for error in [None, Some(JwtFault::Expired)] {
            challenge(&config.realm, error).ok_or_else(|| AuthenticatorError::Realm(config.realm.clone()))?;
        }
        let issuer = |issuer: JwtIssuer| Issuer {
            name: issuer.issuer.into(),
            expected: Expected {
                audiences: issuer.audiences,
                leeway: i64::try_from(issuer.leeway.as_secs()).unwrap_or(0),
                name_claim: issuer.name_claim,
                name_prefix: issuer.name_prefix,
            },
            source: match issuer.keys {
                JwtKeys::Fixed(keys) => KeySource::fixed(keys),
                JwtKeys::Url(url) => KeySource::remote(*url),
            },
        };
        Ok(Self {
            issuers: config.issuers.into_iter().map(issuer).collect(),
            realm: config.realm,
            key: FingerprintKey::new()?,
            verified: Cache::new(config.remembered_max),
            checks: AtomicU64::new(0),
        })
    }

    /// Keys that were fetched are used on after a reload.
    pub(super) fn inherit(&self, before: &Self) {
        for issuer in &self.issuers {
            for known in before.issuers.iter().filter(|known| known.name == issuer.name) {
                issuer.source.inherit(&known.source);
            }
        }
    }

    /// Whether an issuer of this name is configured.
    pub(super) fn knows(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| &*known.name == issuer)
    }

    /// How often a signature was checked.
    pub(super) fn signature_checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// RFC 6750: `invalid_token` where one was tried.
    pub(super) fn challenge(&self, tried: Option<AuthnError>) -> Option<HeaderValue> {
        let fault = tried.and_then(|error| if let AuthnError::Token(fault) = error { Some(fault) } else { None });
        challenge(&self.realm, fault)
    }

    pub(super) async fn check(&self, presented: &Presented<'_>) -> Checked {
        let Some(Authorization::Bearer(token)) = presented.authorization else { return Checked::NotRequested };
        match self.verify(token, jiff::Timestamp::now().as_second()).await {
            Ok(verified) => Checked::Authenticated(Identity {
                jwt: Some(Arc::clone(&verified.facts)),
                ..Identity::named(SchemeName::Jwt, Arc::clone(&verified.name))
            }),
            Err(fault) => Checked::Failed(AuthnError::Token(fault)),
        }
    }

    /// `now` is in seconds since 1970.
    async fn verify(&self, token: &[u8], now: i64) -> Result<Arc<Verified>, JwtFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwtFault::Long);
        }
        let fingerprint = self.key.of(token);
        if let Some(verified) = self.verified.get(&fingerprint) {
            let generation = self.issuers.get(verified.issuer).and_then(|issuer| issuer.source.generation());
            if generation == Some(verified.generation) {
                return if now < verified.until { Ok(verified) } else { Err(JwtFault::Expired) };
            }
        }
        let verified = Arc::new(self.verify_anew(token, now).await?);
        self.verified.insert(fingerprint, Arc::clone(&verified));
        Ok(verified)
    }

    async fn verify_anew(&self, token: &[u8], now: i64) -> Result<Verified, JwtFault> {
        let token = Token::read(token)?;
        let claims = token::claims(&token.claims)?;
        let named = claims::issuer(&claims)?;
        let found = self.issuers.iter().enumerate().find(|(_, issuer)| &*issuer.name == named);
        let (place, issuer) = found.ok_or(JwtFault::Issuer)?;
        let (algorithm, key_id) = (token.header.algorithm, token.header.key_id.as_deref());
        let loaded = issuer.source.find(|keys| keys.fits(algorithm, key_id)).await?;
        self.checks.fetch_add(1, Ordering::Relaxed);
        if !loaded.keys.verify(algorithm, key_id, token.message.as_bytes(), token.signature) {
            return Err(JwtFault::Signature);
        }
        let proven = issuer.expected.check(&claims, now)?;
        let facts = JwtFacts {
            issuer: Arc::clone(&issuer.name),
            // Read strictly above; this is the same text once more, owned.
            claims: serde_json::from_slice(&token.claims).map_err(|_error| JwtFault::Claims)?,
        };
        Ok(Verified {
            name: proven.name,
            facts: Arc::new(facts),
            issuer: place,
            generation: loaded.generation,
            until: proven.until,
        })
    }
}

impl JwtFacts {
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The claim at a pointer.
    pub(super) fn claim(&self, pointer: &Pointer) -> Option<&Value> {
        self.claims.pointer(pointer.as_str())
    }

    #[cfg(test)]
    pub(super) fn for_test(issuer: &str, claims: Value) -> Self {
        Self { issuer: issuer.into(), claims }
    }
}

fn challenge(realm: &str, fault: Option<JwtFault>) -> Option<HeaderValue> {
    if realm.is_empty() || realm.bytes().any(|byte| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\')) {
        return None;
    }
    let error = fault.map_or_else(String::new, |fault| {
        format!(", error=\"invalid_token\", error_description=\"{}\"", fault.public_message())
    });
    HeaderValue::try_from(format!("Bearer realm=\"{realm}\"{error}")).ok()
}

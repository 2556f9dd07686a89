//! Signatures of JWS tokens, checked here, so that a forged token costs Keystone nothing.
//!
//! A good signature proves origin and lifetime only: neither roles nor revocation are in the token. Keystone is asked all
//! the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use thiserror::Error;

/// An uncompressed point of P-256: 0x04 and two coordinates.
const P256_POINT_BYTES: usize = 65;
/// An uncompressed point of P-384.
const P384_POINT_BYTES: usize = 97;

/// A public key of Keystone's, with the one algorithm that it is for.
#[derive(Clone)]
pub struct JwsKey {
    key: DecodingKey,
    validation: Validation,
    /// The same for a token that may have expired: then [`JwsKey::signed`] looks at the time.
    late: Validation,
    pem: Arc<[u8]>,
}

/// Why a file holds no key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwsKeyError {
    /// No PEM of a public key for ECDSA or Ed25519. A private key has no place here.
    #[error("no public key in PEM: name Keystone's public.pem, with an ECDSA P-256, P-384 or an Ed25519 key")]
    NotPublic,
    /// An elliptic curve that tokens are not checked with.
    #[error("a key of this curve is not used: Keystone's jws_algorithm must be ES256, ES384 or EdDSA")]
    Curve,
}

/// What must be in a token; `exp` is compared by the decoder, unless the token may have expired. Keystone's tokens have neither `iss`, `aud` nor `nbf`.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "sub")]
    _subject: String,
    #[serde(rename = "exp")]
    expires: u64,
}

impl JwsKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// A file with something else in it.
    pub fn from_pem(pem: &[u8]) -> Result<Self, JwsKeyError> {
        let (key, algorithm) = if let Ok(key) = DecodingKey::from_ec_pem(pem) {
            let point = key.try_get_as_bytes().map_err(|_error| JwsKeyError::NotPublic)?.len();
            let algorithm = match point {
                P256_POINT_BYTES => Algorithm::ES256,
                P384_POINT_BYTES => Algorithm::ES384,
                _ => return Err(JwsKeyError::Curve),
            };
            (key, algorithm)
        } else {
            let key = DecodingKey::from_ed_pem(pem).map_err(|_error| JwsKeyError::NotPublic)?;
            (key, Algorithm::EdDSA)
        };
        let mut validation = Validation::new(algorithm);
        // From the very second of `exp` on, as RFC 7519 has it.
        validation.leeway = 0;
        validation.reject_tokens_expiring_in_less_than = 1;
        validation.validate_aud = false;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp"]);
        let mut late = validation.clone();
        late.validate_exp = false;
        Ok(Self { key, validation, late, pem: pem.into() })
    }

    /// The text that it was read from.
    pub(super) fn pem(&self) -> &[u8] {
        &self.pem
    }

    fn signed(&self, token: &[u8], grace: Duration) -> bool {
        if grace.is_zero() {
            return decode::<Claims>(token, &self.key, &self.validation).is_ok();
        }
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return false };
        let read = decode::<Claims>(token, &self.key, &self.late);
        read.is_ok_and(|read| now.as_secs() < read.claims.expires.saturating_add(grace.as_secs()))
    }
}

/// Whether one of the keys signed it and it has not expired longer ago than `grace`.
pub(super) fn signed(keys: &[JwsKey], token: &[u8], grace: Duration) -> bool {
    keys.iter().any(|key| key.signed(token, grace))
}

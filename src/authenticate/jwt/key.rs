//! Public keys that tokens are signed with, each pinned to its algorithms.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::error::JwtKeyError;
use crate::json::{self, Json, Limits};

/// Keys of one set.
const KEYS_MAX: usize = 64;
/// Keys without an id that one token is tried with.
const TRIED_MAX: usize = 4;
/// Bits of an RSA modulus.
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

const LIMITS: Limits = Limits { depth_max: 6, values_max: 4096, key_bytes_max: 256, string_bytes_max: 16 * 1024 };

/// An algorithm that tokens may be signed with. Symmetric ones and `none` do not exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[expect(missing_docs, reason = "RFC 7518's and RFC 8037's own words")]
pub enum JwtAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// The keys of an issuer.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: Option<Arc<str>>,
    /// INVARIANT: of the key's family, and among those that the issuer is configured with.
    algorithms: Vec<JwtAlgorithm>,
    key: DecodingKey,
}

impl JwtAlgorithm {
    /// What is taken where the configuration names none: one algorithm for each kind of key.
    pub const DEFAULT: [Self; 4] = [Self::RS256, Self::ES256, Self::ES384, Self::EdDSA];

    /// By the word in a header or a key.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            "EdDSA" => Self::EdDSA,
            _ => return None,
        })
    }

    const fn family(self) -> Family {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => Family::Rsa,
            Self::ES256 => Family::P256,
            Self::ES384 => Family::P384,
            Self::EdDSA => Family::Ed25519,
        }
    }

    const fn of_library(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }
}

impl KeySet {
    /// Reads a JWK set (RFC 7517). Keys for encryption, of other kinds or below the bounds are left out; private and
    /// symmetric ones are refused, because whoever read the set could sign with them.
    ///
    /// # Errors
    /// What is wrong with the set.
    pub fn from_jwks(text: &[u8], allowed: &[JwtAlgorithm]) -> Result<Self, JwtKeyError> {
        let document = json::parse(text, &LIMITS).map_err(|_error| JwtKeyError::NoSet)?;
        let Some(Json::Array(found)) = document.member("keys") else { return Err(JwtKeyError::NoSet) };
        if found.len() > KEYS_MAX {
            return Err(JwtKeyError::Many(KEYS_MAX));
        }
        for (place, key) in (1..).zip(found) {
            if key.member("d").is_some() || key.member("k").is_some() {
                return Err(JwtKeyError::Private(place));
            }
        }
        Self::of(found.iter().filter_map(|key| jwk(key, allowed)).collect())
    }

    /// Reads public keys from PEM (`-----BEGIN PUBLIC KEY-----`). They have no id: a token's `kid` is not looked at.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn from_pem(text: &[u8], allowed: &[JwtAlgorithm]) -> Result<Self, JwtKeyError> {
        let mut keys = Vec::new();
        for block in SubjectPublicKeyInfoDer::pem_slice_iter(text) {
            let block = block.map_err(|_error| JwtKeyError::NoPem)?;
            keys.push(public_key(&block, allowed).ok_or(JwtKeyError::BadPem)?);
        }
        if keys.is_empty() {
            return Err(JwtKeyError::NoPem);
        }
        if keys.len() > TRIED_MAX {
            return Err(JwtKeyError::Many(TRIED_MAX));
        }
        Self::of(keys)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    fn of(keys: Vec<Key>) -> Result<Self, JwtKeyError> {
        if keys.is_empty() { Err(JwtKeyError::NoUsable) } else { Ok(Self { keys }) }
    }

    /// Whether a token with this algorithm and key id can be checked.
    pub(super) fn fits(&self, algorithm: JwtAlgorithm, id: Option<&str>) -> bool {
        let fitting = self.fitting(algorithm, id).take(TRIED_MAX + 1).count();
        (1..=TRIED_MAX).contains(&fitting)
    }

    /// Whether one of the fitting keys made this signature (base64url) of the message.
    pub(super) fn verify(&self, algorithm: JwtAlgorithm, id: Option<&str>, message: &[u8], signature: &str) -> bool {
        self.fits(algorithm, id)
            && self.fitting(algorithm, id).any(|key| {
                let verified = jsonwebtoken::crypto::verify(signature, message, &key.key, algorithm.of_library());
                verified.unwrap_or(false)
            })
    }

    /// A token with an id fits the keys of that id and, where there is none, those without an id.
    fn fitting(&self, algorithm: JwtAlgorithm, id: Option<&str>) -> impl Iterator<Item = &Key> {
        let known = id.is_some() && self.keys.iter().any(|key| key.id.as_deref() == id);
        self.keys.iter().filter(move |key| {
            let named = match (id, key.id.as_deref()) {
                (Some(_), found) if known => found == id,
                (Some(_), found) => found.is_none(),
                (None, _) => true,
            };
            named && key.algorithms.contains(&algorithm)
        })
    }
}

/// One member of a JWK set, if tokens can be checked with it.
fn jwk(key: &Json<'_>, allowed: &[JwtAlgorithm]) -> Option<Key> {
    let text = |name: &str| key.member(name).map_or(Some(None), |value| value.as_str().map(Some));
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)??).ok();
    if text("use")?.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    if let Some(operations) = key.member("key_ops") {
        let Json::Array(operations) = operations else { return None };
        if !operations.iter().any(|operation| operation.as_str() == Some("verify")) {
            return None;
        }
    }
    let (family, decoding) = match (text("kty")??, text("crv")?) {
        ("RSA", _) => (Family::Rsa, rsa(&bytes("n")?, &bytes("e")?)?),
        ("EC", Some("P-256")) => (Family::P256, point(&bytes("x")?, &bytes("y")?, 32)?),
        ("EC", Some("P-384")) => (Family::P384, point(&bytes("x")?, &bytes("y")?, 48)?),
        ("OKP", Some("Ed25519")) => (Family::Ed25519, ed25519(&bytes("x")?)?),
        _ => return None,
    };
    let pinned = text("alg")?;
    let algorithms = match pinned {
        None => algorithms(family, allowed),
        Some(word) => {
            let pinned = JwtAlgorithm::named(word)?;
            algorithms(family, allowed).into_iter().filter(|algorithm| *algorithm == pinned).collect()
        }
    };
    let id = text("kid")?.map(Arc::from);
    (!algorithms.is_empty()).then_some(Key { id, algorithms, key: decoding })
}

fn public_key(der: &[u8], allowed: &[JwtAlgorithm]) -> Option<Key> {
    /// id-Ed25519 (RFC 8410).
    const ED25519: &str = "1.3.101.112";
    let (rest, parsed) = SubjectPublicKeyInfo::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (family, key) = if parsed.algorithm.algorithm.to_id_string() == ED25519 {
        (Family::Ed25519, ed25519(&parsed.subject_public_key.data)?)
    } else {
        match parsed.parsed().ok()? {
            PublicKey::RSA(key) => (Family::Rsa, rsa(key.modulus, key.exponent)?),
            PublicKey::EC(found) => {
                let data = found.data();
                let half = data.len().checked_sub(1)? / 2;
                let (x, y) = data.get(1..)?.split_at_checked(half)?;
                let family = match half {
                    32 => Family::P256,
                    48 => Family::P384,
                    _ => return None,
                };
                (data.first() == Some(&4)).then_some((family, point(x, y, half)?))?
            }
            PublicKey::DSA(_) | PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_) | PublicKey::Unknown(_) => {
                return None;
            }
        }
    };
    let algorithms = algorithms(family, allowed);
    (!algorithms.is_empty()).then_some(Key { id: None, algorithms, key })
}

fn algorithms(family: Family, allowed: &[JwtAlgorithm]) -> Vec<JwtAlgorithm> {
    allowed.iter().copied().filter(|algorithm| algorithm.family() == family).collect()
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = modulus.get(zeros..)?;
    let first = modulus.first()?;
    let bits = modulus.len() * 8 - usize::try_from(first.leading_zeros()).ok()?;
    let exponent_good = exponent.last().is_some_and(|byte| byte % 2 == 1) && exponent != [1];
    ((RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) && exponent_good)
        .then(|| DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<DecodingKey> {
    (x.len() == bytes && y.len() == bytes).then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
}

fn ed25519(x: &[u8]) -> Option<DecodingKey> {
    (x.len() == 32).then(|| DecodingKey::from_ed_der(x))
}

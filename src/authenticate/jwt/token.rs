//! The text of a token: three parts, a header and claims that can be read in one way only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::JwtFault;
use super::key::JwtAlgorithm;
use crate::json::{self, Json, Limits};

/// The longest token, in bytes.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest key id, in bytes.
const KEY_ID_BYTES_MAX: usize = 512;

const LIMITS: Limits =
    Limits { depth_max: 12, values_max: 2048, key_bytes_max: 512, string_bytes_max: TOKEN_BYTES_MAX };

/// A token, read and not believed yet.
pub(super) struct Token<'a> {
    /// What is signed: header, dot, claims.
    pub(super) message: &'a str,
    /// base64url.
    pub(super) signature: &'a str,
    pub(super) header: TokenHeader,
    /// The claims' JSON text.
    pub(super) claims: Vec<u8>,
}

/// What of a header counts: `jku`, `jwk`, `x5u` and the like would let the caller name the key, and are not looked at.
pub(super) struct TokenHeader {
    pub(super) algorithm: JwtAlgorithm,
    pub(super) key_id: Option<String>,
}

impl<'a> Token<'a> {
    /// Reads what follows the word `Bearer`.
    pub(super) fn read(value: &'a [u8]) -> Result<Self, JwtFault> {
        if value.len() > TOKEN_BYTES_MAX {
            return Err(JwtFault::Long);
        }
        let text = str::from_utf8(value).map_err(|_error| JwtFault::Compact)?;
        let (message, signature) = text.rsplit_once('.').ok_or(JwtFault::Compact)?;
        let (header, claims) = message.split_once('.').ok_or(JwtFault::Compact)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(JwtFault::Compact);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_error| JwtFault::Compact);
        decode(signature)?;
        let header = TokenHeader::read(&decode(header)?)?;
        Ok(Self { message, signature, header, claims: decode(claims)? })
    }
}

impl TokenHeader {
    fn read(text: &[u8]) -> Result<Self, JwtFault> {
        let header = json::parse(text, &LIMITS).map_err(|_error| JwtFault::Header)?;
        if !matches!(header, Json::Object(_)) {
            return Err(JwtFault::Header);
        }
        if header.member("crit").is_some() {
            return Err(JwtFault::Critical);
        }
        let text = |name: &str| match header.member(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(JwtFault::Header),
        };
        // Of any word: `JWT`, `at+jwt`, … The issuer and the audience say what the token is for.
        text("typ")?;
        let key_id = text("kid")?;
        if key_id.is_some_and(|id| id.len() > KEY_ID_BYTES_MAX) {
            return Err(JwtFault::Header);
        }
        let algorithm = text("alg")?.ok_or(JwtFault::Header)?;
        let algorithm = JwtAlgorithm::named(algorithm).ok_or(JwtFault::Algorithm)?;
        Ok(Self { algorithm, key_id: key_id.map(ToOwned::to_owned) })
    }
}

/// Claims that can be read in one way: an object without repeated keys, within bounds.
pub(super) fn claims(text: &[u8]) -> Result<Json<'_>, JwtFault> {
    let claims = json::parse(text, &LIMITS).map_err(|_error| JwtFault::Claims)?;
    if matches!(claims, Json::Object(_)) { Ok(claims) } else { Err(JwtFault::Claims) }
}

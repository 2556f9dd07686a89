//! What a verified token says, and whether it says it to us, now.

use std::sync::Arc;

use super::error::JwtFault;
use crate::json::{Json, Pointer};

/// The longest principal's name, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// What the claims of an issuer's tokens must say.
pub(super) struct Expected {
    pub(super) audiences: Vec<String>,
    /// Seconds by which clocks may differ.
    pub(super) leeway: i64,
    /// Where the principal's name is.
    pub(super) name_claim: Pointer,
    /// What stands before it.
    pub(super) name_prefix: String,
}

/// What the claims proved.
pub(super) struct Proven {
    pub(super) name: Arc<str>,
    /// The second, since 1970, from which on the token is not taken any more.
    pub(super) until: i64,
}

impl Expected {
    /// Checks the claims of a token whose issuer and signature are good; `now` is in seconds since 1970.
    pub(super) fn check(&self, claims: &Json<'_>, now: i64) -> Result<Proven, JwtFault> {
        let expires = seconds(claims, "exp")?.ok_or(JwtFault::ClaimMissing)?;
        let not_before = seconds(claims, "nbf")?;
        seconds(claims, "iat")?;
        for name in ["sub", "jti"] {
            text(claims, name)?;
        }
        let until = expires.saturating_add(self.leeway);
        if now >= until {
            return Err(JwtFault::Expired);
        }
        if not_before.is_some_and(|from| now < from.saturating_sub(self.leeway)) {
            return Err(JwtFault::NotYetValid);
        }
        if !self.is_addressed(claims.member("aud").ok_or(JwtFault::ClaimMissing)?)? {
            return Err(JwtFault::Audience);
        }
        let name = lookup(claims, &self.name_claim).ok_or(JwtFault::ClaimMissing)?;
        let name = name.as_str().ok_or(JwtFault::ClaimType)?;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(JwtFault::Name);
        }
        Ok(Proven { name: format!("{}{name}", self.name_prefix).into(), until })
    }

    fn is_addressed(&self, audience: &Json<'_>) -> Result<bool, JwtFault> {
        let ours = |text: &str| self.audiences.iter().any(|known| known == text);
        if let Some(text) = audience.as_str() {
            return Ok(ours(text));
        }
        let Json::Array(several) = audience else { return Err(JwtFault::ClaimType) };
        let mut found = false;
        for one in several {
            found |= ours(one.as_str().ok_or(JwtFault::ClaimType)?);
        }
        Ok(found)
    }
}

/// `iss`, which says whose keys to take.
pub(super) fn issuer<'c>(claims: &'c Json<'_>) -> Result<&'c str, JwtFault> {
    text(claims, "iss")?.ok_or(JwtFault::ClaimMissing)
}

/// The value at a pointer; indices of arrays are not followed.
fn lookup<'c, 'a>(claims: &'c Json<'a>, pointer: &Pointer) -> Option<&'c Json<'a>> {
    pointer.segments().try_fold(claims, |value, segment| value.member(&segment))
}

fn text<'c>(claims: &'c Json<'_>, name: &str) -> Result<Option<&'c str>, JwtFault> {
    match claims.member(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(JwtFault::ClaimType),
    }
}

/// A `NumericDate` (RFC 7519): seconds since 1970, fractions cut off.
fn seconds(claims: &Json<'_>, name: &str) -> Result<Option<i64>, JwtFault> {
    match claims.member(name) {
        None => Ok(None),
        Some(Json::Integer(second)) => Ok(Some(*second)),
        #[expect(clippy::cast_possible_truncation, reason = "in range, and fractions are cut off on purpose")]
        Some(Json::Float(second)) if second.abs() < 1e15 => Ok(Some(second.floor() as i64)),
        Some(Json::Float(_) | Json::Null | Json::Boolean(_) | Json::String(_) | Json::Array(_) | Json::Object(_)) => {
            Err(JwtFault::ClaimType)
        }
    }
}

//! How caches know a credential: by a keyed hash, under a key that never leaves the memory.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;

use super::error::AuthenticatorError;

/// HMAC-SHA-256 of a credential's text.
pub(super) type Fingerprint = [u8; 32];

/// A random key, made when the configuration is loaded and written nowhere. It cannot be printed.
pub(super) struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    pub(super) fn new() -> Result<Self, AuthenticatorError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Ok(Self(key.map_err(|_error| AuthenticatorError::Random)?))
    }

    pub(super) fn of(&self, text: &[u8]) -> Fingerprint {
        fixed(&hmac::sign(&self.0, text))
    }

    /// Of two texts that belong together. Neither may hold a NUL, so no two pairs, and no pair and a single text, have one
    /// fingerprint.
    pub(super) fn of_pair(&self, first: &[u8], second: &[u8]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(first);
        context.update(&[0]);
        context.update(second);
        fixed(&context.sign())
    }
}

/// SHA-256's tag has always this length; the zeros are never seen.
fn fixed(tag: &hmac::Tag) -> Fingerprint {
    tag.as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_and_pair_has_its_own() {
        let (key, other) = (FingerprintKey::new().unwrap(), FingerprintKey::new().unwrap());
        let found = [
            key.of(b"ab"),
            key.of(b"a"),
            key.of(b""),
            key.of_pair(b"a", b"b"),
            key.of_pair(b"ab", b""),
            key.of_pair(b"", b"ab"),
            other.of(b"ab"),
        ];
        for (place, one) in found.iter().enumerate() {
            assert_ne!(*one, Fingerprint::default());
            assert!(found.iter().skip(place + 1).all(|another| another != one));
        }
        assert_eq!(key.of(b"ab"), key.of(b"ab"));
        assert_eq!(key.of_pair(b"a", b"b"), key.of_pair(b"a", b"b"));
    }
}

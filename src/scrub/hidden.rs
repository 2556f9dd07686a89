//! What stands for a hidden value, found again in what a caller sends.

use super::MASK;
use super::rules::treatment::{HMAC_BYTES, HMAC_PREFIX};
use super::shapes::userinfo::sign;

/// What an HMAC begins with, up to the colon, which may be encoded.
const NAME: &str = HMAC_PREFIX.split_at(HMAC_PREFIX.len() - 1).0;

/// Whether a text holds the mask, or an HMAC of ours, anywhere, encoded as in URLs too. A longer row of stars is no mask.
pub fn holds_hidden(text: &str) -> bool {
    holds_mask(text.as_bytes()) || holds_hmac(text)
}

fn holds_mask(text: &[u8]) -> bool {
    let mut from = 0;
    while let Some(start) = memchr::memchr2(b'*', b'%', text.get(from..).unwrap_or_default()) {
        let (stars, length) = row(text.get(from + start..).unwrap_or_default());
        if stars == MASK.len() {
            return true;
        }
        from += start + length.max(1);
    }
    false
}

/// The stars with which a text begins, and how many bytes they are: clients encode them when they take a URL apart.
fn row(text: &[u8]) -> (usize, usize) {
    let (mut stars, mut length) = (0, 0);
    while let Some((b'*', bytes)) = sign(text, length) {
        stars += 1;
        length += bytes;
    }
    (stars, length)
}

fn holds_hmac(text: &str) -> bool {
    // Most texts are shorter.
    text.len() >= HMAC_BYTES
        && memchr::memmem::find_iter(text.as_bytes(), NAME.as_bytes()).any(|start| {
            let colon = start + NAME.len();
            let Some((b':', length)) = sign(text.as_bytes(), colon) else { return false };
            let digits = text.get(colon + length..colon + length + HMAC_BYTES - HMAC_PREFIX.len());
            digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_hashes_are_found_wherever_they_stand() {
        let hash = format!("{HMAC_PREFIX}{}", "0a".repeat(32));
        for (text, expected) in [
            ("", false),
            ("*****", false),
            ("******", true),
            ("*******", false),
            ("a******", true),
            ("******b", true),
            ("#************#", false),
            ("******* ******", true),
            ("** ******* ********", false),
            ("éé******éé", true),
            ("https://%2A%2A%2A%2A%2A%2A@h", true),
            ("%2a%2A*%252a**", true),
            ("*%2A%2A%2A%2A%2A%2A", false),
            ("%2A%2A%2A%2A%2A", false),
            ("%2A%2A%2A%2A%2A%2B", false),
            ("%2A%2A%2A%2A%2A%2A%2A ******", true),
            ("50% off%2", false),
            (&hash.replace(':', "%3A"), true),
            (&hash.replace(':', "%253a"), true),
            (&hash.replace(':', "%3B"), false),
            ("hmac-sha256:", false),
            (&hash, true),
            (&format!("hmac-sha256:{hash}"), true),
            (&format!("é{hash}é"), true),
            (&format!("{hash}0"), true),
            (hash.trim_end_matches('a'), false),
        ] {
            assert_eq!(holds_hidden(text), expected, "{text}");
        }
    }
}

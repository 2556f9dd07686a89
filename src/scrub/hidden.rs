//! What stands for a hidden value, found again in what a caller sends.

use super::MASK;
use super::treatment::{HMAC_BYTES, HMAC_PREFIX, is_hmac};

/// Whether a text holds the mask, or an HMAC of ours, anywhere. A longer row of stars is no mask.
pub fn holds_hidden(text: &str) -> bool {
    holds_mask(text.as_bytes()) || holds_hmac(text)
}

fn holds_mask(text: &[u8]) -> bool {
    let Some(mut from) = memchr::memchr(b'*', text) else { return false };
    while let Some(start) = memchr::memmem::find(text.get(from..).unwrap_or_default(), MASK.as_bytes()) {
        let rest = text.get(from + start..).unwrap_or_default();
        let stars = rest.iter().take_while(|byte| **byte == b'*').count();
        if stars == MASK.len() {
            return true;
        }
        from += start + stars;
    }
    false
}

fn holds_hmac(text: &str) -> bool {
    // Most texts are shorter.
    text.len() >= HMAC_BYTES
        && memchr::memmem::find_iter(text.as_bytes(), HMAC_PREFIX.as_bytes())
            .any(|start| text.get(start..start + HMAC_BYTES).is_some_and(is_hmac))
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

//! Public keys of SSH: no secrets, although `sshkey=` announces one.

const KINDS: [&[u8]; 8] = [
    b"ssh-rsa",
    b"ssh-dss",
    b"ssh-ed25519",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ssh-ed25519",
    b"sk-ecdsa-sha2-nistp256",
];
/// The shortest key is longer.
const KEY_BYTES_MIN: usize = 40;

/// Whether a text is a public key as `authorized_keys` has it, with a word of comment at most, or the kind of one.
pub(super) fn is_public_key(text: &[u8]) -> bool {
    let mut words = text.split(|byte| *byte == b' ');
    let kind = words.next().unwrap_or_default();
    let kind = kind.strip_suffix(b"@openssh.com").unwrap_or(kind);
    if !KINDS.contains(&kind.strip_suffix(b"-cert-v01").unwrap_or(kind)) {
        return false;
    }
    // The kind alone is what an assignment without quotes has.
    words.next().is_none_or(is_key) && words.next().is_none_or(is_comment) && words.next().is_none()
}

/// The length of the kind's name, in big endian, comes first.
fn is_key(word: &[u8]) -> bool {
    let padding = word.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = word.get(..word.len() - padding).unwrap_or_default();
    digits.starts_with(b"AAAA")
        && digits.len() >= KEY_BYTES_MIN
        && digits.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// Mostly `user@host`; nothing in it can assign.
fn is_comment(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'.' | b'_' | b'-'))
}

//! A token's text: what can be told without asking anybody.

/// The longest token text, in bytes. Keystone's own are below 1 KiB.
pub(super) const TOKEN_BYTES_MAX: usize = 8192;
/// The first characters of every Fernet token: version 0x80 and the upper bytes of a 64-bit time.
const FERNET: &[u8] = b"gAAAA";
/// Version, time, initialisation vector, one block and a signature, in base64 without padding.
const FERNET_BYTES_MIN: usize = 97;

/// The two kinds of tokens that Keystone issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Encrypted by Keystone for itself.
    Fernet,
    /// Signed: header, claims and signature.
    Jws,
}

/// What a text looks like; `None`: no token of Keystone's.
pub(super) fn shape(text: &[u8]) -> Option<Shape> {
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    if text.starts_with(FERNET) {
        let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
        return (unpadded.len() >= FERNET_BYTES_MIN && is_base64url(unpadded)).then_some(Shape::Fernet);
    }
    let mut parts = text.split(|byte| *byte == b'.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    (parts.next().is_none() && three.iter().all(|part| !part.is_empty() && is_base64url(part))).then_some(Shape::Jws)
}

fn is_base64url(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

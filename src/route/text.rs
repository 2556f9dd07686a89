//! The spellings that identifiers and query values share.

/// The longest name in characters, which are bytes here.
pub(super) const NAME_LENGTH_MAX: usize = 255;

/// A character of names: unreserved in URLs.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// 1 to 255 characters of `A-Z a-z 0-9 - . _ ~`. A UUID is one of them.
pub(super) fn is_name(text: &str) -> bool {
    has_only(text, is_name_byte)
}

/// A name, or one with the characters of host names and addresses besides.
pub(super) fn is_host(text: &str) -> bool {
    has_only(text, |byte| is_name_byte(byte) || matches!(byte, b':' | b'[' | b']' | b'@'))
}

/// `name@component`.
pub(super) fn is_indicator(text: &str) -> bool {
    has_only(text, |byte| is_name_byte(byte) || matches!(byte, b':' | b'@'))
}

/// 8-4-4-4-12 hexadecimal digits, in either case.
pub(super) fn is_uuid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Six octets with colons.
pub(super) fn is_mac(text: &str) -> bool {
    text.split(':').count() == 6
        && text.split(':').all(|octet| octet.len() == 2 && octet.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn has_only(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

//! The `traceparent` header of [W3C Trace Context](https://www.w3.org/TR/trace-context/), version 00.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const LENGTH: usize = 55;

/// The span of a caller's that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace's id.
    pub trace: [u8; 16],
    /// The span's id.
    pub span: [u8; 8],
    /// Whether the caller records it.
    pub sampled: bool,
}

impl Parent {
    /// Reads the header; anything that is not plainly a version 00 header, or that occurs twice, is none.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { Self::parse(value.as_bytes()) }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != LENGTH {
            return None;
        }
        let mut parts = text.split(|byte| *byte == b'-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version != b"00" || parts.next().is_some() {
            return None;
        }
        let trace: [u8; 16] = bytes(trace)?;
        let span: [u8; 8] = bytes(span)?;
        let [flags] = bytes(flags)?;
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// The header for a sampled span.
pub(super) fn write(trace: &[u8; 16], span: &[u8; 8]) -> HeaderValue {
    let mut text = Vec::with_capacity(LENGTH);
    text.extend_from_slice(b"00-");
    hex(trace, &mut text);
    text.push(b'-');
    hex(span, &mut text);
    text.extend_from_slice(b"-01");
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

fn hex(bytes: &[u8], text: &mut Vec<u8>) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
}

/// Lower case only, as the specification says.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Parent, TRACEPARENT, write};

    #[test]
    fn only_plain_headers_are_parents() {
        for (text, expected) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", Some(false)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", Some(true)),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", None),
            ("00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01", None),
            ("", None),
        ] {
            let parent = Parent::parse(text.as_bytes());
            assert_eq!(parent.map(|parent| parent.sampled), expected, "{text}");
            if let Some(parent) = parent {
                let written = write(&parent.trace, &parent.span);
                assert_eq!(written.as_bytes()[..53], text.as_bytes()[..53]);
            }
        }
    }

    #[test]
    fn two_headers_are_none() {
        let value = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, value.clone());
        assert!(Parent::read(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert!(Parent::read(&headers).is_none());
    }
}

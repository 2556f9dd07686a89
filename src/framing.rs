//! What of a request's head is refused before anybody looks at what it asks for.
//!
//! hyper has already refused what is not HTTP. This refuses what is HTTP and could still be read in two ways by two
//! readers, and what exceeds the bounds. Nothing of it is ever repaired.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderName, Method, Version};

use crate::config::Limits;
use crate::header::{X_AUTH_TOKEN, X_OPENSTACK_REQUEST_ID, X_SERVICE_TOKEN};

/// Headers of which a second line would leave open which one counts. The microversion headers are read (and a second
/// line of them refused) where the microversion is.
const SINGLE: [HeaderName; 8] =
    [AUTHORIZATION, CONTENT_TYPE, CONTENT_LENGTH, EXPECT, HOST, X_AUTH_TOKEN, X_SERVICE_TOKEN, X_OPENSTACK_REQUEST_ID];

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// More or longer headers than the limits allow.
    #[error("the request's headers are too many or too long")]
    HeadersTooLarge,
    /// Path and query are longer than the limit.
    #[error("the request's path and query are too long")]
    TargetTooLong,
    /// A header name outside of `A-Z a-z 0-9 -`.
    #[error("a header's name holds characters other than letters, digits and dashes")]
    HeaderName,
    /// A header value with control characters or beyond ASCII.
    #[error("a header's value holds characters other than printable ASCII")]
    HeaderValue,
    /// A header that must stand alone is there twice.
    #[error("a header that may be given once is given twice")]
    RepeatedHeader,
    /// HTTP/1.1 without `Host`, or a malformed one.
    #[error("the Host header is missing or malformed")]
    Host,
    /// `Host` and the request's own authority differ.
    #[error("the Host header and the request's authority differ")]
    HostMismatch,
    /// A transfer coding: a body's length must be declared.
    #[error("send Content-Length instead of Transfer-Encoding")]
    TransferEncoding,
    /// A compressed body.
    #[error("send the body without Content-Encoding")]
    ContentEncoding,
    /// `Expect` other than `100-continue`.
    #[error("the only expectation that is met is 100-continue")]
    Expect,
    /// A protocol switch.
    #[error("protocol upgrades are not offered")]
    Upgrade,
    /// `CONNECT` and `TRACE`.
    #[error("the method is not one of a resource")]
    Method,
    /// Not HTTP/1.0, 1.1 or 2.
    #[error("the HTTP version is not served")]
    Version,
    /// Not HTTP at all; the connection's own parser has answered.
    #[error("the request is not well-formed HTTP")]
    Malformed,
}

impl FramingError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::HeadersTooLarge => 431,
            Self::TargetTooLong => 414,
            Self::TransferEncoding => 411,
            Self::ContentEncoding => 415,
            Self::Method => 405,
            Self::HeaderName
            | Self::HeaderValue
            | Self::RepeatedHeader
            | Self::Host
            | Self::HostMismatch
            | Self::Expect
            | Self::Upgrade
            | Self::Version
            | Self::Malformed => 400,
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HeadersTooLarge => "headers_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::HeaderName => "header_name",
            Self::HeaderValue => "header_value",
            Self::RepeatedHeader => "repeated_header",
            Self::Host => "host",
            Self::HostMismatch => "host_mismatch",
            Self::TransferEncoding => "transfer_encoding",
            Self::ContentEncoding => "content_encoding",
            Self::Expect => "expect",
            Self::Upgrade => "upgrade",
            Self::Method => "method",
            Self::Version => "http_version",
            Self::Malformed => "malformed",
        }
    }
}

/// Checks a head. Proof of passing is that [`crate::pipeline`] goes on.
pub fn check(head: &Parts, limits: &Limits) -> Result<(), FramingError> {
    if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
        return Err(FramingError::Version);
    }
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(FramingError::Method);
    }
    if head.uri.path_and_query().is_some_and(|target| target.as_str().len() > limits.target_bytes_max) {
        return Err(FramingError::TargetTooLong);
    }
    headers(head, limits)?;
    host(head)?;
    if head.headers.contains_key(TRANSFER_ENCODING) {
        // A length beside a coding is where two readers part; hyper drops the length before it can be seen here, so the
        // coding alone is refused. Every client of Ironic declares its length.
        return Err(FramingError::TransferEncoding);
    }
    if head.headers.contains_key(CONTENT_ENCODING) {
        return Err(FramingError::ContentEncoding);
    }
    if head.headers.get(EXPECT).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(FramingError::Expect);
    }
    let upgrades = head.headers.get_all(CONNECTION).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    });
    if upgrades || head.headers.contains_key(UPGRADE) {
        return Err(FramingError::Upgrade);
    }
    Ok(())
}

fn headers(head: &Parts, limits: &Limits) -> Result<(), FramingError> {
    if head.headers.len() > limits.headers_max {
        return Err(FramingError::HeadersTooLarge);
    }
    let mut bytes = 0_usize;
    for (name, value) in &head.headers {
        bytes = bytes.saturating_add(name.as_str().len()).saturating_add(value.len());
        // WSGI servers map `_`, and some other characters, to the same variable as `-`: only one spelling is taken.
        if !name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(FramingError::HeaderName);
        }
        if !value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(FramingError::HeaderValue);
        }
    }
    if bytes > limits.header_bytes_max {
        return Err(FramingError::HeadersTooLarge);
    }
    if SINGLE.iter().any(|name| head.headers.get_all(name).iter().nth(1).is_some()) {
        return Err(FramingError::RepeatedHeader);
    }
    Ok(())
}

fn host(head: &Parts) -> Result<(), FramingError> {
    let host = match head.headers.get(HOST) {
        Some(value) => Some(value.to_str().ok().filter(|text| is_authority(text)).ok_or(FramingError::Host)?),
        None => None,
    };
    match (host, head.uri.authority()) {
        // Also where the target names an authority: RFC 9112, section 3.2.
        (None, _) if head.version == Version::HTTP_11 => Err(FramingError::Host),
        (_, Some(authority)) if !is_authority(authority.as_str()) => Err(FramingError::Host),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority.as_str()) => {
            Err(FramingError::HostMismatch)
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Host name or address with an optional port; no user, no path, and nothing that could break out of a URL.
fn is_authority(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (text, None),
    };
    let named = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    named && text.len() <= 255 && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::{Request, Version};

    use super::{FramingError, check, is_authority};
    use crate::config::Limits;

    fn row(headers: &[(&str, &str)], expected: Result<(), FramingError>) {
        let mut request = Request::get("/v1/nodes");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(check(&head, &Limits::default()), expected, "{headers:?}");
    }

    #[test]
    fn odd_heads_are_refused() {
        row(&[("host", "h")], Ok(()));
        row(&[("host", "[::1]:6385")], Ok(()));
        row(&[], Err(FramingError::Host));
        row(&[("host", "h"), ("host", "h")], Err(FramingError::RepeatedHeader));
        row(&[("host", "h/../x")], Err(FramingError::Host));
        row(&[("host", "u@h")], Err(FramingError::Host));
        row(&[("host", "h"), ("x_roles", "admin")], Err(FramingError::HeaderName));
        row(&[("host", "h"), ("x.roles", "admin")], Err(FramingError::HeaderName));
        row(&[("host", "h"), ("x-a", "b\tc")], Ok(()));
        row(&[("host", "h"), ("x-a", "caf\u{e9}")], Err(FramingError::HeaderValue));
        row(&[("host", "h"), ("transfer-encoding", "chunked")], Err(FramingError::TransferEncoding));
        row(&[("host", "h"), ("content-encoding", "gzip")], Err(FramingError::ContentEncoding));
        row(&[("host", "h"), ("expect", "100-Continue")], Ok(()));
        row(&[("host", "h"), ("expect", "200-ok")], Err(FramingError::Expect));
        row(&[("host", "h"), ("upgrade", "h2c")], Err(FramingError::Upgrade));
        row(&[("host", "h"), ("connection", "keep-alive, Upgrade")], Err(FramingError::Upgrade));
        row(&[("host", "h"), ("authorization", "a"), ("authorization", "b")], Err(FramingError::RepeatedHeader));
        row(&[("host", "h"), ("x-a", &"a".repeat(40_000))], Err(FramingError::HeadersTooLarge));
    }

    #[test]
    fn a_target_with_an_authority_needs_the_same_host() {
        for (target, host, version, expected) in [
            ("http://h/v1/nodes", Some("h"), Version::HTTP_11, Ok(())),
            ("http://h/v1/nodes", Some("H"), Version::HTTP_11, Ok(())),
            ("http://h/v1/nodes", Some("g"), Version::HTTP_11, Err(FramingError::HostMismatch)),
            ("http://h/v1/nodes", None, Version::HTTP_11, Err(FramingError::Host)),
            ("h", None, Version::HTTP_11, Err(FramingError::Host)),
            ("https://h/v1/nodes", None, Version::HTTP_2, Ok(())),
        ] {
            let mut request = Request::get(target).version(version);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(check(&head, &Limits::default()), expected, "{target} {host:?}");
        }
    }

    #[test]
    fn authorities() {
        for (text, good) in [
            ("localhost", true),
            ("a.b-c_d:1", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("", false),
            (":80", false),
            ("h:99999", false),
            ("h:", false),
            ("[::1", false),
            ("h h", false),
            ("h,h", false),
            ("a\\b", false),
        ] {
            assert_eq!(is_authority(text), good, "{text:?}");
        }
    }
}

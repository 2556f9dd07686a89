//! The headers of Ironic's answers: a value is passed on only where it is what such a header holds.

use http::header::{ALLOW, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::Terms;
use crate::header::{X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION, X_OPENSTACK_IRONIC_API_MINIMUM_VERSION};
use crate::microversion::HEADER;
use crate::scrub;

/// The methods that Ironic's API has.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Only what clients read.
pub(super) fn copy(from: &HeaderMap, to: &mut HeaderMap, terms: &Terms<'_>) {
    for (name, known) in [(ALLOW, allow as fn(&str) -> Option<String>), (RETRY_AFTER, retry_after), (HEADER, version)] {
        if let Some(value) = text(from, &name).and_then(known).and_then(|value| HeaderValue::try_from(value).ok()) {
            to.insert(name, value);
        }
    }
    // A client that negotiates stays within what irongate understands.
    for (name, version) in [
        (X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION, terms.ceiling.highest()),
        (X_OPENSTACK_IRONIC_API_MINIMUM_VERSION, terms.ceiling.lowest()),
    ] {
        if from.contains_key(&name) {
            to.insert(name, version.header_value());
        }
    }
    let location = text(from, &LOCATION).and_then(|value| scrub::rewrite_location(value, terms.origin));
    if let Some(value) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        to.insert(LOCATION, value);
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The known methods of a list.
fn allow(value: &str) -> Option<String> {
    let known = value.split(',').map(str::trim).filter(|method| METHODS.iter().any(|known| known.as_str() == *method));
    Some(known.collect::<Vec<_>>().join(", ")).filter(|methods| !methods.is_empty())
}

/// Seconds, or a date.
fn retry_after(value: &str) -> Option<String> {
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse::<u32>().ok().map(|seconds| seconds.to_string());
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date.timestamp()).ok()
}

/// `1.N`.
fn version(value: &str) -> Option<String> {
    let minor = value.strip_prefix("1.")?;
    let digits = (1..=4).contains(&minor.len()) && minor.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{allow, retry_after, version};

    #[test]
    fn only_what_a_header_holds_passes() {
        let none = None::<&str>;
        for (value, expected) in
            [("GET, POST", Some("GET, POST")), ("GET,S3cret,PATCH", Some("GET, PATCH")), ("S3cret", none), ("", none)]
        {
            assert_eq!(allow(value).as_deref(), expected, "{value}");
        }
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (value, expected) in [
            ("120", Some("120")),
            ("007", Some("7")),
            (date, Some(date)),
            ("Sun, 06 Nov 1994 08:49:37 GMT (S3cret)", Some(date)),
            ("S3cret", none),
            ("12345678901234567890", none),
            ("-1", none),
            ("", none),
        ] {
            let found = retry_after(value);
            assert!(found.as_deref() == expected || (found.is_none() && value.contains('(')), "{value}: {found:?}");
        }
        for (value, expected) in [
            ("1.95", Some("1.95")),
            ("1.S3cret", none),
            ("1.", none),
            ("1.12345", none),
            ("latest", none),
            ("2.1", none),
        ] {
            assert_eq!(version(value).as_deref(), expected, "{value}");
        }
    }
}

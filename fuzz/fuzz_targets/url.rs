//! A URL that policies take for plain has the same host and port for another reader.
#![no_main]
use std::net::Ipv6Addr;

use irongate::policy::plain_url;
use url::{Host, Url};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some((scheme, host, port)) = plain_url(text) else { return };
    if !matches!(scheme.as_str(), "http" | "https" | "ftp" | "ws" | "wss") {
        return;
    }
    if !text.get(scheme.len()..).is_some_and(|rest| rest.starts_with("://")) {
        return;
    }
    let other = Url::parse(text).unwrap_or_else(|error| panic!("{text:?} is no URL for others: {error}"));
    assert_eq!(other.scheme(), scheme);
    let found = match other.host().expect("a host") {
        Host::Domain(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => Ipv6Addr::to_canonical(&address).to_string(),
    };
    assert_eq!(found, host, "{text:?}");
    assert_eq!(other.port_or_known_default(), port.or(Url::parse(&format!("{scheme}://h/")).unwrap().port_or_known_default()), "{text:?}");
});

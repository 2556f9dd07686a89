//! Facts about a string that may be a URL, for policies about where Ironic is sent.
//!
//! Readers disagree about odd URLs (`http://good\@evil/`, a space in front, `%2e` in a host), and a policy must not
//! believe a host or path that Ironic then reads differently. So a URL is taken apart only if it is plain; of one whose path
//! alone is in doubt all but the path is told, of any other string that might be read as a URL only the scheme, with
//! `plain: false`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a policy sees of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlFacts<'a> {
    /// Whether it is spelled so that all readers agree.
    pub(super) plain: bool,
    /// Lower case.
    pub(super) scheme: String,
    /// Lower case, without brackets and final dot; empty if there is none or it is in doubt.
    pub(super) host: String,
    /// The host as an address, also if it was spelled as a number.
    pub(super) address: Option<IpAddr>,
    /// The port that is written.
    pub(super) port: Option<u16>,
    /// From the first slash after the authority, query and fragment included; empty if the URL is not plain.
    pub(super) path: &'a str,
    /// Whether there is an `@` before the path (in a URL that is not plain: anywhere).
    pub(super) userinfo: bool,
}

/// A host as it stands alone or in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Lower case, without brackets and final dot.
    pub(super) name: String,
    /// The host as an address, also if it was spelled as a number.
    pub(super) address: Option<IpAddr>,
}

/// The host of a string that is nothing but one, with or without a port: `bmc.example`, `192.0.2.1:8000`, `[::1]`, `::1`.
pub(super) fn host_facts(text: &str) -> Option<Host> {
    let host = |name: String, address: IpAddr| Host { name, address: Some(address.to_canonical()) };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(host(address.to_canonical().to_string(), address));
    }
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if text.is_empty() || text.len() > 512 || !text.bytes().all(is_host_byte) {
        return None;
    }
    let (_, address, _, _, _) = authority("host", &format!("//{text}")).filter(|(name, ..)| !name.is_empty())?;
    let (place, _) = host_and_port(text)?;
    Some(match address {
        Some(address) => host(address.to_string(), address),
        None => Host { name: place.strip_suffix('.').unwrap_or(place).to_ascii_lowercase(), address: None },
    })
}

/// The IPv4 address within an address that a translator (NAT64, 6to4) or an old stack takes for it.
pub(super) fn embedded_ipv4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bytes = address.octets();
    let four = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0, 0, _, _] => bytes.get(12..).and_then(four),
        [0x2002, ..] => bytes.get(2..6).and_then(four),
        _ => None,
    }
}

/// The facts, or `None` if no reader would take the text for a URL. `complete` says that the text is not cut off.
pub(super) fn url_facts(text: &str, complete: bool) -> Option<UrlFacts<'_>> {
    // What lenient readers drop: blanks and control characters in front, tabs and line ends anywhere.
    let trimmed = text.trim_start_matches(|character: char| character <= ' ' || character.is_whitespace());
    let colon = trimmed.bytes().take(SCHEME_BYTES_MAX).position(|byte| byte == b':')?;
    let (scheme, rest) = trimmed.split_at_checked(colon)?;
    let scheme: String =
        scheme.chars().filter(|character| !is_dropped(*character)).collect::<String>().to_ascii_lowercase();
    if !is_scheme(&scheme) {
        return None;
    }
    let rest = rest.get(1..)?;
    let after = rest.trim_start_matches(is_dropped);
    if !after.starts_with(['/', '\\']) && scheme != "file" {
        // host:port, a MAC address, a name with a colon.
        return None;
    }
    if !complete || trimmed.len() != text.len() || !text.bytes().all(is_plain_byte) {
        return Some(not_plain(scheme, text));
    }
    match authority(&scheme, rest) {
        Some((host, address, port, path, userinfo)) => {
            // Of the host there is no doubt then, and forbids look at it.
            let plain = is_plain_path(path);
            let path = if plain { path } else { "" };
            Some(UrlFacts { plain, scheme, host, address, port, path, userinfo })
        }
        None => Some(not_plain(scheme, text)),
    }
}

/// Longer than any scheme in use, tabs within it included.
const SCHEME_BYTES_MAX: usize = 64;

type Authority<'a> = (String, Option<IpAddr>, Option<u16>, &'a str, bool);

fn authority<'a>(scheme: &str, rest: &'a str) -> Option<Authority<'a>> {
    let Some(rest) = rest.strip_prefix("//") else {
        return Some((String::new(), None, None, rest, false));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (userinfo, place) = match authority.split_once('@') {
        // A second `@` makes two readings.
        Some((_, place)) if place.contains('@') => return None,
        Some((_, place)) => (true, place),
        None => (false, authority),
    };
    if place.is_empty() {
        // `file:///path`; no other scheme is known to do without a host.
        return (scheme == "file" && !userinfo).then(|| (String::new(), None, None, path, false));
    }
    let (host, port) = host_and_port(place)?;
    let port = match port {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None => None,
    };
    if host.contains("..") {
        // Readers differ about empty labels: `9..` is an address for some.
        return None;
    }
    // The `url` crate reads `0x7f.1` and `2130706433` as the addresses that resolvers take them for.
    match url::Host::parse(host.strip_suffix('.').unwrap_or(host)).ok()? {
        url::Host::Domain(name) => Some((name.to_ascii_lowercase(), None, port, path, userinfo)),
        url::Host::Ipv4(address) => Some((address.to_string(), Some(address.into()), port, path, userinfo)),
        url::Host::Ipv6(address) => {
            let address = IpAddr::from(address).to_canonical();
            Some((address.to_string(), Some(address), port, path, userinfo))
        }
    }
}

fn host_and_port(place: &str) -> Option<(&str, Option<&str>)> {
    if place.contains('%') {
        return None;
    }
    if place.starts_with('[') {
        let (host, rest) = place.split_at_checked(place.find(']')? + 1)?;
        return if rest.is_empty() { Some((host, None)) } else { Some((host, Some(rest.strip_prefix(':')?))) };
    }
    match place.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((place, None)),
    }
}

fn not_plain<'a>(scheme: String, text: &str) -> UrlFacts<'a> {
    let userinfo = text.contains('@');
    UrlFacts { plain: false, scheme, host: String::new(), address: None, port: None, path: "", userinfo }
}

/// Whether nobody goes up in it, or takes one segment for two: `/a/../b` is `/b` to some readers, before or after they decode it.
fn is_plain_path(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.contains(['.', '%']) {
        return true;
    }
    let lower = path.to_ascii_lowercase();
    let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").as_str(), "." | "..");
    !lower.contains("%2f") && !lower.contains("%5c") && !lower.split('/').any(is_dots)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

const fn is_dropped(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r')
}

const fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = url_facts(text, true).map_or_else(
            || "none".to_owned(),
            |facts| {
                let UrlFacts { plain, scheme, host, address, port, path, userinfo } = facts;
                let port = port.map_or_else(|| "-".to_owned(), |port| port.to_string());
                format!(
                    "{}{scheme} {host}{} {port} {path}{}",
                    if plain { "" } else { "odd " },
                    if address.is_some() { "!" } else { "" },
                    if userinfo { " @" } else { "" }
                )
            },
        );
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn plain_urls_are_taken_apart() {
        check("https://Images.Example:8443/a/b?c#d", "https images.example 8443 /a/b?c#d");
        check("HTTP://images.example", "http images.example - ");
        check("http://images.example./x", "http images.example - /x");
        check("http://user:pw@bmc.example/redfish", "http bmc.example - /redfish @");
        check("http://192.0.2.7/", "http 192.0.2.7! - /");
        check("http://[2001:DB8::1]:80/", "http 2001:db8::1! 80 /");
        check("file:///etc/passwd", "file  - /etc/passwd");
        check("file:/etc/passwd", "file  - /etc/passwd");
        check("nfs://10.0.0.1/share", "nfs 10.0.0.1! - /share");
        check("http://images.example/a@b", "http images.example - /a@b");
    }

    #[test]
    fn addresses_in_disguise_are_addresses() {
        check("http://2130706433/", "http 127.0.0.1! - /");
        check("http://0x7f.1/", "http 127.0.0.1! - /");
        check("http://[::ffff:169.254.169.254]/", "http 169.254.169.254! - /");
    }

    #[test]
    fn odd_urls_tell_their_scheme_only() {
        check("http://good.example\\@evil.example/", "odd http  -  @");
        check(" http://x.example/", "odd http  - ");
        check("\thttp://x.example/", "odd http  - ");
        check("ht\ttp://x.example/", "odd http  - ");
        check("http:\n//x.example/", "odd http  - ");
        check("http://x.exa mple/", "odd http  - ");
        check("http://a@b@c/", "odd http  -  @");
        check("http://%31.2.3.4/", "odd http  - ");
        check("http:///x", "odd http  - ");
        check("http://9../x", "odd http  - ");
        check("http://a..example/x", "odd http  - ");
        check("http://x.example:/", "odd http  - ");
        check("http://x.example:99999/", "odd http  - ");
        check("http://é.example/", "odd http  - ");
        check("file://", "file  - ");
        check("file:etc/passwd", "file  - etc/passwd");
        assert_eq!(url_facts("http://x.example/aaaa", false).map(|facts| facts.plain), Some(false));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_odd() {
        for path in [
            "/iso/../evil.iso",
            "/iso/..",
            "/./evil.iso",
            "/iso/%2e%2E/evil.iso",
            "/iso/.%2e?x",
            "/iso/%2e#x",
            "/iso/..%2fevil.iso",
            "/iso/a%2Fb",
            "/iso/..%5cevil.iso",
        ] {
            check(&format!("https://images.example:8443{path}"), "odd https images.example 8443 ");
            check(&format!("https://127.0.0.1{path}"), "odd https 127.0.0.1! - ");
            check(&format!("file://{path}"), "odd file  - ");
        }
        for path in ["/iso/..a", "/iso/.../b", "/iso/a.iso", "/iso/a%20b%2e", "/iso?to=../b%2fc", "/iso#../b", "?.."] {
            check(&format!("https://images.example{path}"), &format!("https images.example - {path}"));
        }
        check("file:../etc/passwd", "odd file  - ");
    }

    #[test]
    fn other_strings_are_not_urls() {
        for text in [
            "",
            "1be26c0b-03f2-4d2e-ae87-c02d7f33c123",
            "52:54:00:12:34:56",
            "bmc.example:8000",
            "::1",
            "a b://c",
            "/x:/",
        ] {
            check(text, "none");
        }
    }
}

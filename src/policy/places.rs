//! Places: named sets of hosts, networks and folders, given by the configuration, that policies speak of by name.
//!
//! Where the BMCs are and where images come from differs between deployments, and a policy cannot go through a list of
//! networks. So the configuration names the places and a policy asks whether a written address is in one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::url::{self, Host, UrlFacts, host_facts};

/// The place that is always there: this machine, its link, and addresses that are nobody's.
pub(super) const LOCAL: &str = "local";

/// Named places. The default has none but `local`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Vec<Entry>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// A host by its name.
    Host(String),
    /// All hosts below a name: kept with its dot in front.
    Domain(String),
    /// An address or network.
    Network(IpNet),
    /// Files below a folder: its path, with a slash at the end.
    Folder(String),
}

/// Why a place cannot be used. `entry` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Its name is not usable.
    #[error("a place's name is 1 to 64 characters of a-z 0-9 _ -, and not \"local\", which is built in")]
    Name,
    /// Nothing could be in it.
    #[error("the place {place} is empty: list hosts and networks, or leave the place out")]
    Empty {
        /// Its name.
        place: String,
    },
    /// An entry that means nothing.
    #[error(
        "entry {entry} of the place {place} is neither a host (images.example), a domain (*.example), an address or \
         network (192.0.2.0/24) nor a folder (file:///shared/html/images/)"
    )]
    Entry {
        /// The place's name.
        place: String,
        /// Which entry.
        entry: usize,
    },
}

impl Places {
    /// Reads the places of a configuration.
    ///
    /// # Errors
    /// The first entry that cannot be used: a place that is misread would be a hole.
    pub fn new(raw: &BTreeMap<String, Vec<String>>) -> Result<Self, PlaceError> {
        let mut places = BTreeMap::new();
        for (name, texts) in raw {
            if !is_name(name) {
                return Err(PlaceError::Name);
            }
            if texts.is_empty() {
                return Err(PlaceError::Empty { place: name.clone() });
            }
            let read = texts.iter().zip(1..).map(|(text, entry)| {
                Entry::parse(text).ok_or_else(|| PlaceError::Entry { place: name.clone(), entry })
            });
            places.insert(name.clone(), read.collect::<Result<_, _>>()?);
        }
        Ok(Self(places))
    }

    /// The names of the configured places, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The places that a written string leads to: its URL's host, the host or address that it is, its file.
    pub(super) fn of<'p>(&'p self, text: &str, facts: Option<&UrlFacts<'_>>) -> Vec<&'p str> {
        let (host, file) = match facts {
            Some(facts) if !facts.plain && facts.host.is_empty() => return Vec::new(),
            Some(facts) if facts.scheme == "file" => (None, Some(facts)),
            Some(facts) => (Some(Host { name: facts.host.clone(), address: facts.address }), None),
            None => (host_facts(text), None),
        };
        let configured = self.0.iter().filter(|(_, entries)| {
            entries.iter().any(|entry| match (&host, file) {
                (_, Some(file)) => entry.holds_file(file),
                (Some(host), None) => entry.holds(host),
                (None, None) => false,
            })
        });
        let local = host.as_ref().is_some_and(is_local).then_some(LOCAL);
        configured.map(|(name, _)| name.as_str()).chain(local).collect()
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file://") {
            return (path.starts_with('/') && path.ends_with('/') && is_clean(path))
                .then(|| Self::Folder(path.to_owned()));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self::Network(network.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Network(address.to_canonical().into()));
        }
        let (domain, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let host = host_facts(name).filter(|host| host.address.is_none() && !name.contains(':'))?;
        Some(if domain { Self::Domain(format!(".{}", host.name)) } else { Self::Host(host.name) })
    }

    fn holds(&self, host: &Host) -> bool {
        match (self, host.address) {
            (Self::Network(network), Some(address)) => network.contains(&address),
            (Self::Host(name), None) => *name == host.name,
            (Self::Domain(domain), None) => host.name.ends_with(domain.as_str()) && host.name.len() > domain.len(),
            (Self::Network(_), None) | (Self::Host(_) | Self::Domain(_), Some(_)) | (Self::Folder(_), _) => false,
        }
    }

    fn holds_file(&self, file: &UrlFacts<'_>) -> bool {
        match self {
            Self::Folder(folder) => {
                file.host.is_empty() && is_clean(file.path) && file.path.starts_with(folder.as_str())
            }
            Self::Host(_) | Self::Domain(_) | Self::Network(_) => false,
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text != LOCAL
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

/// Whether a path has one reading: no escapes, no dot segments, no empty segments, no query.
fn is_clean(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'~');
    path.bytes().all(plain) && !path.contains("//") && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn is_local(host: &Host) -> bool {
    match host.address {
        Some(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.octets().first() == Some(&0)
        }
        Some(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || url::embedded_ipv4(address)
                    .is_some_and(|address| is_local(&Host { name: String::new(), address: Some(address.into()) }))
        }
        None => host.name == "localhost" || host.name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::url::url_facts;
    use super::*;

    fn places() -> Places {
        let raw = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        Places::new(&BTreeMap::from([
            ("images".to_owned(), raw(&["images.example", "*.cdn.example", "192.0.2.0/28", "file:///shared/images/"])),
            ("bmc".to_owned(), raw(&["198.51.100.0/24", "2001:db8::/32"])),
        ]))
        .unwrap()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(places().of(text, url_facts(text, true).as_ref()), expected, "{text}");
    }

    #[test]
    fn hosts_networks_and_folders() {
        check("https://images.example/a", &["images"]);
        check("https://IMAGES.example.:8443/a", &["images"]);
        check("https://a.cdn.example/", &["images"]);
        check("https://cdn.example/", &[]);
        check("https://images.example.evil.example/", &[]);
        check("https://images.example\\@evil.example/", &[]);
        check("https://images.example/a/../b", &["images"]);
        check("file://images.example/shared/images/../a", &[]);
        check("http://192.0.2.7/", &["images"]);
        check("http://3221225991/", &["images"]);
        check("192.0.2.7", &["images"]);
        check("192.0.2.17", &[]);
        check("198.51.100.9:8000", &["bmc"]);
        check("198.51.100.9", &["bmc"]);
        check("[2001:db8::9]:443", &["bmc"]);
        check("2001:db8::9", &["bmc"]);
        check("file:///shared/images/a.qcow2", &["images"]);
        check("file:///shared/images/../../etc/passwd", &[]);
        check("file:///shared/images/%2e%2e/x", &[]);
        check("file://images.example/shared/images/a", &[]);
        check("file:///etc/passwd", &[]);
        check("a text", &[]);
    }

    #[test]
    fn local_is_built_in() {
        for text in [
            "http://localhost/",
            "http://127.0.0.1:6385/",
            "http://127.0.0.1:6385/x/../v1",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://169.254.169.254/latest",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "127.0.0.1",
            "localhost:8000",
            // A number is an address to resolvers.
            "7",
            "1200",
        ] {
            check(text, &["local"]);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let of = |name: &str, entry: &str| Places::new(&BTreeMap::from([(name.to_owned(), vec![entry.to_owned()])]));
        assert_eq!(of("local", "192.0.2.1"), Err(PlaceError::Name));
        assert_eq!(of("A b", "192.0.2.1"), Err(PlaceError::Name));
        for entry in [
            "",
            "*",
            "https://images.example",
            "images.example:80",
            "a b",
            "file:///x",
            "file:///../x/",
            "192.0.2.0/33",
        ] {
            assert_eq!(of("x", entry), Err(PlaceError::Entry { place: "x".to_owned(), entry: 1 }), "{entry}");
        }
    }
}

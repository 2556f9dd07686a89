//! TLS client certificates: who the handshake proved the caller to be.
//!
//! Nothing here reads a header. A certificate is looked at once a connection, after rustls has verified its chain, its
//! dates, its purpose and its revocation; from then on only its names count. A URI (a SPIFFE id, mostly) is preferred;
//! a subject's common name never counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::AuthnError;
use super::identity::Identity;
use super::{Checked, Peer, SchemeName};

/// The longest name, in bytes (SPIFFE ids have this bound).
const NAME_BYTES_MAX: usize = 2048;
/// Names of one certificate.
const NAMES_MAX: usize = 64;
const SPIFFE: &str = "spiffe://";
/// What DNS names have before them, in bindings and as principals.
const DNS: &str = "dns:";

/// A certificate that was verified in a handshake.
pub struct ClientCertificate {
    names: Result<Names, CertificateFault>,
    not_before: i64,
    not_after: i64,
    /// As it came, to be verified again when a reload changes whom to trust.
    chain: Vec<CertificateDer<'static>>,
    /// What verified it last: see [`crate::tls::ClientTrust`].
    trust: AtomicU64,
}

/// The names that count.
struct Names {
    uri: Option<Arc<str>>,
    /// With their prefix, lower case.
    dns: Vec<Arc<str>>,
}

/// Why a verified certificate proves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum CertificateFault {
    /// It cannot be parsed.
    #[error("the client certificate cannot be read")]
    Unreadable,
    /// No URI and no DNS name.
    #[error("the client certificate has neither a URI nor a DNS name")]
    NoName,
    /// More than one URI: which of them is meant?
    #[error("the client certificate has several URIs")]
    SeveralUris,
    /// A URI that could be read in two ways.
    #[error("the client certificate's URI is not written plainly")]
    Uri,
    /// It expired while the connection lasted.
    #[error("the client certificate has expired")]
    Expired,
}

/// Names of certificates, as a binding gives them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum NamePattern {
    /// A whole name: a URI, or `dns:` and a DNS name.
    Exact(Box<str>),
    /// A SPIFFE id's beginning with its last slash: one more segment follows.
    OneBelow(Box<str>),
}

impl ClientCertificate {
    /// From the chain of a handshake, the caller's own first; `trust` says what verified it.
    pub fn new(chain: Vec<CertificateDer<'static>>, trust: u64) -> Option<Self> {
        let leaf = chain.first()?;
        let parsed = X509Certificate::from_der(leaf).ok().map(|(_rest, parsed)| parsed);
        let (names, not_before, not_after) = match &parsed {
            None => (Err(CertificateFault::Unreadable), i64::MAX, i64::MIN),
            Some(parsed) => {
                let validity = parsed.validity();
                (Names::read(parsed), validity.not_before.timestamp(), validity.not_after.timestamp())
            }
        };
        Some(Self { names, not_before, not_after, chain, trust: AtomicU64::new(trust) })
    }

    /// The chain as it came.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// What verified it last.
    pub fn trust(&self) -> u64 {
        self.trust.load(Ordering::Relaxed)
    }

    /// It was verified again.
    pub fn trusted_by(&self, trust: u64) {
        self.trust.store(trust, Ordering::Relaxed);
    }

    /// Whether it is valid at this second since 1970. Connections, and resumed sessions, may last longer than it.
    pub fn is_current(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// The name as a principal: the URI, or the first DNS name. `now` is in seconds since 1970.
    fn name(&self, now: i64) -> Result<&Arc<str>, CertificateFault> {
        let names = self.names.as_ref().map_err(|fault| *fault)?;
        if !self.is_current(now) {
            return Err(CertificateFault::Expired);
        }
        names.uri.as_ref().or_else(|| names.dns.first()).ok_or(CertificateFault::NoName)
    }

    /// Whether one of its names is meant.
    pub(super) fn is_named(&self, patterns: &[NamePattern]) -> bool {
        self.names.as_ref().is_ok_and(|names| {
            names.uri.iter().chain(&names.dns).any(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        })
    }
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientCertificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Names {
    fn read(certificate: &X509Certificate<'_>) -> Result<Self, CertificateFault> {
        let alternative = certificate.subject_alternative_name().map_err(|_error| CertificateFault::Unreadable)?;
        let mut names = Self { uri: None, dns: Vec::new() };
        let general = alternative.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        if general.len() > NAMES_MAX {
            return Err(CertificateFault::Unreadable);
        }
        for name in general {
            match name {
                GeneralName::URI(_) if names.uri.is_some() => return Err(CertificateFault::SeveralUris),
                GeneralName::URI(uri) if is_plain_uri(uri) => names.uri = Some((*uri).into()),
                GeneralName::URI(_) => return Err(CertificateFault::Uri),
                GeneralName::DNSName(dns) if is_dns_name(dns) => {
                    names.dns.push(format!("{DNS}{}", dns.to_ascii_lowercase()).into());
                }
                GeneralName::Invalid(..) => return Err(CertificateFault::Unreadable),
                // Wildcards name nobody. Addresses, mail addresses and directory names are not taken for a caller.
                GeneralName::DNSName(_)
                | GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::IPAddress(_)
                | GeneralName::RegisteredID(_) => {}
            }
        }
        if names.uri.is_none() && names.dns.is_empty() { Err(CertificateFault::NoName) } else { Ok(names) }
    }
}

impl NamePattern {
    /// Reads a name as a binding gives it; `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(dns) = text.strip_prefix(DNS) {
            return is_dns_name(dns).then(|| Self::Exact(format!("{DNS}{}", dns.to_ascii_lowercase()).into()));
        }
        if let Some(above) = text.strip_suffix('*') {
            // There must be a trust domain above: a name of every domain is none.
            let domain = above.strip_prefix(SPIFFE).is_some_and(|rest| !rest.is_empty() && rest.ends_with('/'));
            let one_below = domain && is_plain_uri(&format!("{above}x"));
            return one_below.then(|| Self::OneBelow(above.into()));
        }
        (text.contains(':') && is_plain_uri(text)).then(|| Self::Exact(text.into()))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::OneBelow(above) => {
                name.strip_prefix(&**above).is_some_and(|last| !last.is_empty() && !last.contains('/'))
            }
        }
    }
}

/// The scheme `certificate`.
pub(super) fn check(peer: &Peer) -> Checked {
    let Some(certificate) = &peer.certificate else { return Checked::NotRequested };
    match certificate.name(jiff::Timestamp::now().as_second()) {
        Ok(name) => Checked::Authenticated(Identity {
            certificate: Some(Arc::clone(certificate)),
            ..Identity::named(SchemeName::Certificate, Arc::clone(name))
        }),
        Err(fault) => Checked::Failed(AuthnError::Certificate(fault)),
    }
}

impl CertificateFault {
    /// The stable word for records and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable | Self::NoName | Self::SeveralUris | Self::Uri => "certificate_name",
            Self::Expired => "certificate_expired",
        }
    }

    /// What the caller hears.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Unreadable | Self::NoName | Self::SeveralUris | Self::Uri => {
                "the client certificate must have one URI, or a DNS name, as alternative name"
            }
            Self::Expired => "the client certificate has expired",
        }
    }
}

/// A SPIFFE id as its standard has it, or another URI of visible ASCII.
fn is_plain_uri(uri: &str) -> bool {
    if uri.len() > NAME_BYTES_MAX || uri.starts_with(DNS) {
        return false;
    }
    let word = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
    };
    let Some(id) = uri.strip_prefix(SPIFFE) else {
        let spiffe_oddly = uri.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("spiffe:"));
        return !spiffe_oddly
            && uri.split_once(':').is_some_and(|(scheme, rest)| word(scheme, b"+.-") && !rest.is_empty())
            && uri
                .bytes()
                .all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'*'));
    };
    let mut parts = id.split('/');
    parts.next().is_some_and(|domain| word(domain, b"._-") && !domain.bytes().any(|byte| byte.is_ascii_uppercase()))
        && parts.all(|segment| word(segment, b"._-") && segment != "." && segment != "..")
}

fn is_dns_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests;

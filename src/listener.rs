//! What a listener takes at all: from where, with which certificates, and which operations.

use std::sync::Arc;

use http::Method;
use http::request::Parts;

use crate::authenticate::{Peer, SchemeName};
use crate::catalog::{Operation, catalog};
use crate::networks::Networks;
use crate::route;
use crate::tls::ClientTrust;

/// What of a listener may change while it listens.
#[derive(Debug)]
pub struct ListenerState {
    /// Its place in the configuration.
    pub index: usize,
    /// Connections at once, if it has a bound of its own.
    pub connections_max: Option<usize>,
    /// Its name in records and policies.
    pub name: Arc<str>,
    /// How callers may authenticate, in order.
    pub schemes: Vec<SchemeName>,
    /// TLS for new connections.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whose certificates are taken, where callers are asked for one.
    pub client_trust: Option<ClientTrust>,
    /// Where callers come from; `None`: anywhere.
    pub source_networks: Option<Networks>,
    /// What it serves.
    pub operations: Served,
    /// Whether answers may be compressed.
    pub compression: bool,
    /// Fixed scheme and authority of links.
    pub public_url: Option<Arc<str>>,
}

/// The operations that a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// All of the catalogue.
    All,
    /// Those whose place in the catalogue is true.
    Some(Vec<bool>),
}

/// Why a listener does not take a request. A variant per misdeed; none holds anything of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ListenerError {
    /// An operation of the catalogue that this listener does not serve.
    #[error("the listener does not serve this operation")]
    NotServedHere,
    /// A connection that was taken before a reload, from a network that is not taken now.
    #[error("the listener takes no callers from this network")]
    Source,
    /// A connection that was taken before a reload, without the certificate that is needed now.
    #[error("the listener needs a client certificate")]
    CertificateMissing,
    /// A connection that was taken before a reload, with a certificate that is not trusted now.
    #[error("the client certificate is not trusted any more")]
    CertificateDistrusted,
    /// A connection that lasted longer than its certificate.
    #[error("the client certificate has expired")]
    CertificateExpired,
}

impl ListenerState {
    /// Whether callers from this peer's network are taken. Callers on a unix socket have none: the socket's mode says who
    /// may call.
    pub fn takes_source(&self, peer: &Peer) -> bool {
        self.source_networks.as_ref().is_none_or(|networks| peer.address.is_none() || networks.contain(peer.address))
    }

    /// Whether the connection would still be taken: a reload holds for connections that last, too.
    ///
    /// # Errors
    /// What changed.
    pub fn take(&self, peer: &Peer) -> Result<(), ListenerError> {
        if !self.takes_source(peer) {
            return Err(ListenerError::Source);
        }
        let Some(trust) = &self.client_trust else { return Ok(()) };
        match &peer.certificate {
            None if trust.required() => Err(ListenerError::CertificateMissing),
            None => Ok(()),
            Some(certificate) if !certificate.is_current(jiff::Timestamp::now().as_second()) => {
                Err(ListenerError::CertificateExpired)
            }
            Some(certificate) if certificate.trust() == trust.id() => Ok(()),
            Some(certificate) if trust.takes(certificate.chain()) => {
                certificate.trusted_by(trust.id());
                Ok(())
            }
            Some(_) => Err(ListenerError::CertificateDistrusted),
        }
    }

    /// Whether the request may be for something that is served here. What is no operation at all goes on: the router
    /// says what is wrong with it.
    ///
    /// # Errors
    /// [`ListenerError::NotServedHere`].
    pub fn serve(&self, head: &Parts) -> Result<(), ListenerError> {
        let Served::Some(_) = &self.operations else { return Ok(()) };
        let there = route::operations_at(head);
        let meant = there.iter().find(|(_, reached)| *reached);
        let served = match meant {
            Some((operation, _)) if head.method != Method::OPTIONS => self.operations.includes(operation),
            // A method that is not known there, or OPTIONS: as if the path were not known, unless something is served.
            Some(_) | None => {
                there.is_empty() || there.iter().any(|(operation, _)| self.operations.includes(operation))
            }
        };
        if served { Ok(()) } else { Err(ListenerError::NotServedHere) }
    }
}

impl Served {
    /// Reads operations and groups; `all` is all.
    ///
    /// # Errors
    /// The word that is neither.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let operations = catalog().operations();
        let mut served = vec![false; operations.len()];
        let mut all = false;
        for word in words {
            all |= word == "all";
            let mut known = word == "all";
            for (place, operation) in served.iter_mut().zip(operations) {
                if operation.id == *word || operation.groups.iter().any(|group| group.as_str() == word) {
                    (*place, known) = (true, true);
                }
            }
            if !known {
                return Err(word.clone());
            }
        }
        Ok(if all { Self::All } else { Self::Some(served) })
    }

    /// Whether this operation is served.
    pub fn includes(&self, operation: &Operation) -> bool {
        match self {
            Self::All => true,
            Self::Some(served) => served.get(operation.index).copied().unwrap_or(false),
        }
    }
}

impl ListenerError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotServedHere => 404,
            Self::Source | Self::CertificateMissing | Self::CertificateDistrusted | Self::CertificateExpired => 403,
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotServedHere => "not_served_here",
            Self::Source => "source_not_admitted",
            Self::CertificateMissing => "certificate_missing",
            Self::CertificateDistrusted => "certificate_distrusted",
            Self::CertificateExpired => "certificate_expired",
        }
    }

    /// What the caller hears. What is not served here sounds as what is nowhere.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::NotServedHere => "the path is not known",
            Self::Source => "this service is not for callers from this network",
            Self::CertificateMissing => "this service needs a client certificate: connect again",
            Self::CertificateDistrusted => "the client certificate is not trusted: connect again with another",
            Self::CertificateExpired => "the client certificate has expired: connect again with another",
        }
    }
}

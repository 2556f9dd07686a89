//! Credentials → [`Principal`]. Each scheme answers *not requested*, *authenticated* or *failed*; failed ends the search.

use std::net::IpAddr;
use std::sync::Arc;

/// Who a credential proved the caller to be, with the irongate roles that the bindings give.
/// Only this module makes one.
#[derive(Debug)]
pub struct Principal {
    scheme: SchemeName,
    name: Arc<str>,
    roles: Vec<Arc<str>>,
    bindings: Vec<Arc<str>>,
}

/// How a principal was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemeName {
    /// Nobody tried.
    Anonymous,
    /// HTTP basic (RFC 7617).
    Basic,
    /// A Keystone token.
    Keystone,
    /// A JSON web token of an OIDC issuer.
    Jwt,
    /// A TLS client certificate.
    Certificate,
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` on a unix socket.
    pub address: Option<IpAddr>,
    /// Whether the connection is TLS.
    pub tls: bool,
}

impl SchemeName {
    /// The word used in configuration, policies and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Basic => "basic",
            Self::Keystone => "keystone",
            Self::Jwt => "jwt",
            Self::Certificate => "certificate",
        }
    }
}

impl Principal {
    /// The scheme that proved it.
    pub fn scheme(&self) -> SchemeName {
        self.scheme
    }

    /// The name within its scheme: a basic user's name, `anonymous`, …
    pub fn name(&self) -> &str {
        &self.name
    }

    /// irongate roles, sorted, without repetition.
    pub fn roles(&self) -> &[Arc<str>] {
        &self.roles
    }

    /// The names of the bindings that gave the roles.
    pub fn bindings(&self) -> &[Arc<str>] {
        &self.bindings
    }

    /// For unit tests of other modules, which need a principal without a credential.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, roles: &[&str]) -> Self {
        Self {
            scheme: SchemeName::Basic,
            name: name.into(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            bindings: Vec::new(),
        }
    }
}

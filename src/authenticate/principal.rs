//! Who somebody was proved to be.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificate::ClientCertificate;
use super::error::AuthnError;
use super::identity::{self, Identity, KeystoneFacts, ProvedToken};
use super::keystone::{self, KeystoneError};
use crate::call::Route;
use crate::catalog::Group;

/// The name of the principal that nobody proved to be.
pub(super) const ANONYMOUS: &str = "anonymous";

/// Who a credential proved the caller to be, with the irongate roles that the bindings give.
/// Only `authenticate` makes one.
#[derive(Debug)]
pub struct Principal {
    scheme: SchemeName,
    name: Arc<str>,
    roles: Vec<Arc<str>>,
    bindings: Vec<Arc<str>>,
    shadow: bool,
    keystone: Option<Arc<KeystoneFacts>>,
    token: Option<ProvedToken>,
}

/// Roles, and the names of the bindings that give them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Sorted, without repetition.
    pub roles: Vec<Arc<str>>,
    /// In the order of the configuration.
    pub bindings: Vec<Arc<str>>,
    /// Whether one of them says `mode = "shadow"`.
    pub shadow: bool,
}

/// How a principal was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
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
    /// The certificate that it proved itself with in the handshake.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl SchemeName {
    /// The word used in configuration, policies and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => ANONYMOUS,
            Self::Basic => "basic",
            Self::Keystone => "keystone",
            Self::Jwt => "jwt",
            Self::Certificate => "certificate",
        }
    }
}

impl Principal {
    /// The only maker of a principal that serves requests: of what a scheme proved and the bindings give.
    pub(super) fn new(identity: Identity, granted: Granted) -> Self {
        let Identity { scheme, name, keystone, token, jwt: _, certificate: _ } = identity;
        let Granted { roles, bindings, shadow } = granted;
        Self { scheme, name, roles, bindings, shadow, keystone, token }
    }

    /// The scheme that proved it.
    pub fn scheme(&self) -> SchemeName {
        self.scheme
    }

    /// The name within its scheme: a basic user's name, a Keystone user's id, `anonymous`, …
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

    /// Whether a binding that matched says `mode = "shadow"`: denials of this principal are recorded only.
    pub const fn in_shadow(&self) -> bool {
        self.shadow
    }

    /// Somebody who is only talked about: for `policy test` and its like, which ask what would be decided. Nothing that
    /// serves requests may call this; a test searches the sources for it.
    pub(crate) fn supposed(scheme: SchemeName, name: &str, roles: &[String]) -> Self {
        let mut roles: Vec<Arc<str>> = roles.iter().map(|role| Arc::from(role.as_str())).collect();
        roles.sort_unstable();
        roles.dedup();
        Self { scheme, name: name.into(), roles, bindings: Vec::new(), shadow: false, keystone: None, token: None }
    }

    /// The same, of whom Keystone said that the token is scoped to this project, or to the system.
    pub(crate) fn supposed_within(
        scheme: SchemeName,
        name: &str,
        roles: &[String],
        project: Option<&str>,
        system: bool,
    ) -> Self {
        let project = project.map(|id| identity::ProjectFacts {
            id: id.into(),
            name: id.into(),
            domain_id: "default".into(),
            domain_name: "Default".into(),
        });
        let facts =
            KeystoneFacts { user_id: name.into(), user_name: name.into(), project, system, ..Default::default() };
        let keystone = (scheme == SchemeName::Keystone).then(|| Arc::new(facts));
        Self { keystone, ..Self::supposed(scheme, name, roles) }
    }

    /// What Keystone said of the token, if that is how the principal was proved.
    pub(crate) fn keystone(&self) -> Option<&KeystoneFacts> {
        self.keystone.as_deref()
    }

    /// The token that proved it, if one did: the only one that may be passed to Ironic.
    pub fn token(&self) -> Option<&ProvedToken> {
        self.token.as_ref()
    }

    /// Whether the credential is for this request at all: an application credential may be limited to some by access rules.
    /// Discovery is for everybody, as at Ironic. Asked once the route is known, before any policy.
    ///
    /// # Errors
    /// [`KeystoneError::AccessRule`].
    pub fn may_ask(&self, route: &Route<'_>) -> Result<(), AuthnError> {
        let operation = route.operation();
        let open = operation.public && operation.groups.contains(&Group::Discover);
        match &self.keystone {
            Some(facts)
                if !open && !keystone::access::admits(facts, operation.method.as_str(), route.target().path()) =>
            {
                Err(AuthnError::Keystone(KeystoneError::AccessRule))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// For unit tests of other modules, which need a principal without a credential.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, roles: &[&str]) -> Self {
        Self {
            scheme: SchemeName::Basic,
            name: name.into(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            bindings: Vec::new(),
            keystone: None,
            token: None,
            shadow: false,
        }
    }
}

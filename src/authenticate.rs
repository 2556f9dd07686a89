//! Credentials → [`Principal`]. Each scheme answers *not requested*, *authenticated* or *failed*; failed ends the search.
//!
//! The way: the credentials of the headers are read once, and every doubt about them (repeated, contradicting) ends it.
//! The listener's schemes are asked in their order. A credential that none of them serves is refused: a caller who tried
//! to be somebody is never taken for nobody. Only who sent no credential can be `anonymous`, and only where the listener
//! lists it. Roles come from the [`Binding`]s alone.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use basic::Basic;
use credential::Presented;

pub use basic::BasicConfig;
pub use binding::{Binding, BindingError, BindingMode, RawBinding, check_bindings};
pub use error::{AuthenticatorError, AuthnError, Malformed};
pub use htpasswd::{HashError, HtpasswdError, HtpasswdFault, hash};

mod basic;
mod binding;
mod credential;
mod error;
mod htpasswd;

#[cfg(test)]
mod tests;

/// The name of the principal that nobody proved to be.
const ANONYMOUS: &str = "anonymous";

/// Who a credential proved the caller to be, with the irongate roles that the bindings give.
/// Only this module makes one.
#[derive(Debug)]
pub struct Principal {
    scheme: SchemeName,
    name: Arc<str>,
    roles: Vec<Arc<str>>,
    bindings: Vec<Arc<str>>,
    shadow: bool,
}

/// How a principal was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
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
}

/// What an [`Authenticator`] is made of. It holds password hashes and so cannot be printed.
#[derive(Default)]
pub struct AuthenticatorConfig {
    /// HTTP basic; `None`: not served on any listener.
    pub basic: Option<BasicConfig>,
    /// Which principals have which roles: [`check_bindings`] makes them.
    pub bindings: Vec<Binding>,
}

/// Tells who is calling. Part of a snapshot: a reload makes a new one, whose caches are empty.
pub struct Authenticator {
    schemes: Vec<Scheme>,
    bindings: Vec<Binding>,
    anonymous: Arc<str>,
}

/// One way to prove who one is. A new scheme is a variant here and a file beside `basic.rs`.
enum Scheme {
    Basic(Arc<Basic>),
}

/// What one scheme found.
enum Outcome {
    /// The request holds no credential for this scheme.
    NotRequested,
    /// The credential is good.
    Authenticated(Identity),
    /// There is a credential and it is not good, or could not be checked: no other scheme is asked.
    Failed(AuthnError),
}

/// What a credential proves, before any role: what the conditions of a [`Binding`] look at.
struct Identity {
    scheme: SchemeName,
    name: Arc<str>,
}

impl Authenticator {
    /// Checks what the configuration names and prepares every scheme.
    ///
    /// # Errors
    /// An htpasswd line or a realm that cannot be used.
    pub fn new(config: AuthenticatorConfig) -> Result<Self, AuthenticatorError> {
        let AuthenticatorConfig { basic, bindings } = config;
        let mut schemes = Vec::new();
        if let Some(basic) = basic {
            schemes.push(Scheme::Basic(Arc::new(Basic::new(basic)?)));
        }
        Ok(Self { schemes, bindings, anonymous: ANONYMOUS.into() })
    }

    /// Whether a listener can list this scheme: it is configured, or needs no configuration.
    pub fn serves(&self, name: SchemeName) -> bool {
        name == SchemeName::Anonymous || self.scheme(name).is_some()
    }

    /// What an operator should look at although it is not wrong enough to refuse the configuration. Removing a user from
    /// the htpasswd file must take effect even while a binding still names the user, so this is no error.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let Some(Scheme::Basic(basic)) = self.scheme(SchemeName::Basic) else { return warnings };
        if basic.is_empty() {
            warnings.push(format!("{} names no user: nobody can log in with HTTP basic", basic.file()));
        }
        for binding in &self.bindings {
            for user in binding.users().filter(|user| !basic.knows(user)) {
                warnings.push(format!("binding {}: {} has no user {user:?}", binding.name(), basic.file()));
            }
        }
        warnings
    }

    /// Finds out who sent these headers.
    ///
    /// `schemes` are the listener's, in its order. Waits where a password has to be checked for the first time; the
    /// check itself runs on a blocking thread.
    ///
    /// # Errors
    /// The first misdeed found; see [`AuthnError`]. Whoever answers it adds [`Authenticator::challenges`] to a 401.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        schemes: &[SchemeName],
    ) -> Result<Principal, AuthnError> {
        let presented = Presented::read(headers)?;
        for scheme in schemes.iter().filter_map(|name| self.scheme(*name)) {
            match scheme.check(&presented).await {
                Outcome::NotRequested => {}
                Outcome::Authenticated(identity) => return Ok(self.principal(identity, peer)),
                Outcome::Failed(error) => return Err(error),
            }
        }
        let open = schemes.contains(&SchemeName::Anonymous);
        if presented.is_some() {
            let challenged = self.challenges(schemes).next().is_some();
            return Err(if challenged { AuthnError::NotServed } else { AuthnError::Unwanted });
        }
        if !open {
            return Err(AuthnError::Missing);
        }
        Ok(self.principal(Identity { scheme: SchemeName::Anonymous, name: Arc::clone(&self.anonymous) }, peer))
    }

    /// The `WWW-Authenticate` values of a 401: one for each of the listener's schemes that has a challenge.
    pub fn challenges(&self, schemes: &[SchemeName]) -> impl Iterator<Item = HeaderValue> {
        schemes.iter().filter_map(|name| self.scheme(*name)).map(Scheme::challenge)
    }

    /// How often a password was hashed since this authenticator was made: what a metric shows, and what a test counts.
    pub fn password_checks(&self) -> u64 {
        self.schemes.iter().map(|Scheme::Basic(basic)| basic.password_checks()).sum()
    }

    fn scheme(&self, name: SchemeName) -> Option<&Scheme> {
        self.schemes.iter().find(|scheme| scheme.name() == name)
    }

    /// The only place where a principal is made.
    fn principal(&self, identity: Identity, peer: &Peer) -> Principal {
        let mut roles: Vec<Arc<str>> = Vec::new();
        let mut bindings = Vec::new();
        let mut shadow = false;
        for binding in self.bindings.iter().filter(|binding| binding.matches(&identity, peer)) {
            roles.extend(binding.roles().iter().cloned());
            bindings.push(Arc::clone(binding.name()));
            shadow |= binding.is_shadow();
        }
        roles.sort_unstable();
        roles.dedup();
        Principal { scheme: identity.scheme, name: identity.name, roles, bindings, shadow }
    }
}

impl Scheme {
    const fn name(&self) -> SchemeName {
        match self {
            Self::Basic(_) => SchemeName::Basic,
        }
    }

    async fn check(&self, presented: &Presented<'_>) -> Outcome {
        match self {
            Self::Basic(basic) => basic.check(presented).await,
        }
    }

    fn challenge(&self) -> HeaderValue {
        match self {
            Self::Basic(basic) => basic.challenge(),
        }
    }
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
        Self { scheme, name: name.into(), roles, bindings: Vec::new(), shadow: false }
    }

    /// For unit tests of other modules, which need a principal without a credential.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, roles: &[&str]) -> Self {
        Self {
            scheme: SchemeName::Basic,
            name: name.into(),
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            bindings: Vec::new(),
            shadow: false,
        }
    }
}

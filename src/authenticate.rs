//! Credentials → [`Principal`]. Each scheme answers *not requested*, *authenticated* or *failed*; failed ends the search.
//!
//! The way: the credentials of the headers are read once, and every doubt about them (repeated, contradicting) ends it.
//! The listener's schemes are asked in their order. A credential that none of them serves is refused: a caller who tried
//! to be somebody is never taken for nobody. Only who sent no credential can be `anonymous`, and only where the listener
//! lists it. Roles come from the [`Binding`]s alone.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use basic::Basic;
use credential::Presented;
use identity::Identity;
use jwt::{Jwt, JwtFacts};
use keystone::Keystone;
use principal::ANONYMOUS;

pub use basic::BasicConfig;
pub use binding::{Binding, BindingError, BindingMode, KeystoneScope, RawBinding, RawClaim, check_bindings};
pub use certificate::{CertificateFault, ClientCertificate};
pub use error::{AuthenticatorError, AuthnError, Malformed};
pub use htpasswd::{HashError, HtpasswdError, HtpasswdFault, hash};
pub(crate) use identity::KeystoneFacts;
pub use identity::ProvedToken;
pub use jwt::{JwksUrl, JwtAlgorithm, JwtConfig, JwtFault, JwtIssuer, JwtKeyError, JwtKeys, KeySet};
pub use keystone::{
    JwsKey, JwsKeyError, KeystoneConfig, KeystoneError, KeystoneUrlError, ServiceCredential, ServiceCredentialError,
};
pub use principal::{Granted, Peer, Principal, SchemeName};

mod basic;
mod binding;
mod certificate;
mod credential;
mod error;
mod fingerprint;
mod flights;
mod htpasswd;
mod identity;
mod jwt;
mod keystone;
mod principal;

#[cfg(test)]
mod tests;

/// What an [`Authenticator`] is made of. It holds password hashes and so cannot be printed.
#[derive(Default)]
pub struct AuthenticatorConfig {
    /// HTTP basic; `None`: not served on any listener.
    pub basic: Option<BasicConfig>,
    /// Tokens of issuers; `None`: not served on any listener.
    pub jwt: Option<JwtConfig>,
    /// Keystone tokens; `None`: not served on any listener.
    pub keystone: Option<KeystoneConfig>,
    /// Which principals have which roles: [`check_bindings`] makes them.
    pub bindings: Vec<Binding>,
}

/// Tells who is calling. Part of a snapshot: a reload makes a new one, with empty caches but for what
/// [`Authenticator::inherit`] takes over. It cannot be printed.
pub struct Authenticator {
    schemes: Vec<Scheme>,
    bindings: Vec<Binding>,
    anonymous: Arc<str>,
}

/// One way to prove who one is. A new scheme is a variant here and a file beside `basic.rs`.
enum Scheme {
    Basic(Arc<Basic>),
    Jwt(Box<Jwt>),
    /// It needs no configuration: TLS verified the certificate.
    Certificate,
    Keystone(Arc<Keystone>),
}

/// What one scheme found.
enum Checked {
    /// The request holds no credential for this scheme.
    NotRequested,
    /// The credential is good.
    Authenticated(Identity),
    /// There is a credential and it is not good, or could not be checked: no other scheme is asked.
    Failed(AuthnError),
}

impl Authenticator {
    /// Checks what the configuration names and prepares every scheme.
    ///
    /// # Errors
    /// An htpasswd line, a realm or a URI that cannot be used.
    pub fn new(config: AuthenticatorConfig) -> Result<Self, AuthenticatorError> {
        let AuthenticatorConfig { basic, keystone, jwt, bindings } = config;
        let mut schemes = vec![Scheme::Certificate];
        if let Some(basic) = basic {
            schemes.push(Scheme::Basic(Arc::new(Basic::new(basic)?)));
        }
        if let Some(keystone) = keystone {
            schemes.push(Scheme::Keystone(Arc::new(Keystone::new(keystone)?)));
        }
        if let Some(jwt) = jwt {
            schemes.push(Scheme::Jwt(Box::new(Jwt::new(jwt)?)));
        }
        Ok(Self { schemes, bindings, anonymous: ANONYMOUS.into() })
    }

    /// Whether a listener can list this scheme: it is configured, or needs no configuration.
    pub fn serves(&self, name: SchemeName) -> bool {
        name == SchemeName::Anonymous || self.scheme(name).is_some()
    }

    /// Whether a binding gives this role.
    pub fn gives(&self, role: &str) -> bool {
        self.bindings.iter().any(|binding| binding.roles().iter().any(|given| **given == *role))
    }

    /// What an operator should look at although it is not wrong enough to refuse the configuration. Removing a user from
    /// the htpasswd file must take effect even while a binding still names the user, so this is no error.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for binding in &self.bindings {
            if let Some(issuer) = binding.issuer().filter(|issuer| !self.jwt().is_some_and(|jwt| jwt.knows(issuer))) {
                warnings
                    .push(format!("binding {}: no [[authentication.jwt]] has the issuer {issuer:?}", binding.name()));
            }
        }
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

    /// The bindings whose callers no listener takes: `served` tells whether one has the scheme.
    pub fn unreached(&self, served: impl Fn(SchemeName) -> bool) -> impl Iterator<Item = String> {
        self.bindings.iter().filter_map(move |binding| {
            let scheme = binding.scheme().filter(|scheme| !served(*scheme))?.as_str();
            Some(format!("binding {}: no listener has the scheme {scheme:?}: it matches nobody", binding.name()))
        })
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
        // Where certificates are credentials, another credential beside one is a second one, whoever it is for.
        if presented.is_some() && peer.certificate.is_some() && schemes.contains(&SchemeName::Certificate) {
            return Err(AuthnError::Contradicting);
        }
        for scheme in schemes.iter().filter_map(|name| self.scheme(*name)) {
            match scheme.check(&presented, peer).await {
                Checked::NotRequested => {}
                Checked::Authenticated(identity) => return Ok(self.principal(identity, peer)),
                Checked::Failed(error) => return Err(error),
            }
        }
        let open = schemes.contains(&SchemeName::Anonymous);
        if presented.is_some() {
            return Err(self.unserved(schemes));
        }
        if !open {
            return Err(AuthnError::Missing);
        }
        Ok(self.principal(Identity::named(SchemeName::Anonymous, Arc::clone(&self.anonymous)), peer))
    }

    /// The `WWW-Authenticate` values of a 401: one for each of the listener's schemes that has a challenge. `tried` is
    /// what is wrong with the credential that came.
    pub fn challenges(&self, schemes: &[SchemeName], tried: Option<AuthnError>) -> impl Iterator<Item = HeaderValue> {
        schemes.iter().filter_map(|name| self.scheme(*name)).filter_map(move |scheme| scheme.challenge(tried))
    }

    /// After a reload: what was fetched from elsewhere, and is the same with this configuration, is taken over.
    pub fn inherit(&mut self, before: &Self) {
        if let (Some(jwt), Some(before)) = (self.jwt(), before.jwt()) {
            jwt.inherit(before);
        }
        if let Some(before) = before.keystone()
            && let Some(Scheme::Keystone(keystone)) =
                self.schemes.iter_mut().find(|scheme| scheme.name() == SchemeName::Keystone)
            // Nobody else has it before it is in force.
            && let Some(keystone) = Arc::get_mut(keystone)
        {
            keystone.inherit(before);
        }
    }

    /// What a basic user of this name would have with a good password, where a listener has these schemes: the roles, and the
    /// bindings that would give them. No principal is made: nobody proved anything.
    ///
    /// # Errors
    /// Why even the right password would be refused there.
    pub fn assumed_user(&self, name: &str, peer: &Peer, schemes: &[SchemeName]) -> Result<Granted, AuthnError> {
        if peer.certificate.is_some() && schemes.contains(&SchemeName::Certificate) {
            return Err(AuthnError::Contradicting);
        }
        match self.scheme(SchemeName::Basic) {
            Some(Scheme::Basic(basic)) if schemes.contains(&SchemeName::Basic) => {
                let known =
                    basic.knows(name).then(|| self.granted(&Identity::named(SchemeName::Basic, name.into()), peer));
                known.ok_or(AuthnError::Wrong)
            }
            Some(_) | None => Err(self.unserved(schemes)),
        }
    }

    /// A credential that none of these schemes is for.
    fn unserved(&self, schemes: &[SchemeName]) -> AuthnError {
        let challenged = self.challenges(schemes, None).next().is_some();
        if challenged { AuthnError::NotServed } else { AuthnError::Unwanted }
    }

    /// How often a password was hashed since this authenticator was made: what a metric shows, and what a test counts.
    pub fn password_checks(&self) -> u64 {
        match self.scheme(SchemeName::Basic) {
            Some(Scheme::Basic(basic)) => basic.password_checks(),
            Some(_) | None => 0,
        }
    }

    /// How often Keystone was asked about a token since this authenticator was made.
    pub fn token_validations(&self) -> u64 {
        self.keystone().map_or(0, |keystone| keystone.calls())
    }

    /// How often a Keystone token was remembered, and how often not, for as long as the memory lasts.
    pub fn token_recalls(&self) -> (u64, u64) {
        self.keystone().map_or((0, 0), |keystone| keystone.recalls())
    }

    /// How often a token's signature was checked since this authenticator was made.
    pub fn signature_checks(&self) -> u64 {
        self.jwt().map_or(0, Jwt::signature_checks)
    }

    fn jwt(&self) -> Option<&Jwt> {
        if let Some(Scheme::Jwt(jwt)) = self.scheme(SchemeName::Jwt) { Some(jwt) } else { None }
    }

    fn keystone(&self) -> Option<&Keystone> {
        if let Some(Scheme::Keystone(keystone)) = self.scheme(SchemeName::Keystone) { Some(keystone) } else { None }
    }

    fn scheme(&self, name: SchemeName) -> Option<&Scheme> {
        self.schemes.iter().find(|scheme| scheme.name() == name)
    }

    fn principal(&self, identity: Identity, peer: &Peer) -> Principal {
        let granted = self.granted(&identity, peer);
        Principal::new(identity, granted)
    }

    fn granted(&self, identity: &Identity, peer: &Peer) -> Granted {
        let mut roles: Vec<Arc<str>> = Vec::new();
        let mut bindings = Vec::new();
        let mut shadow = false;
        for binding in self.bindings.iter().filter(|binding| binding.matches(identity, peer)) {
            roles.extend(binding.roles().iter().cloned());
            bindings.push(Arc::clone(binding.name()));
            shadow |= binding.is_shadow();
        }
        roles.sort_unstable();
        roles.dedup();
        Granted { roles, bindings, shadow }
    }
}

impl Scheme {
    const fn name(&self) -> SchemeName {
        match self {
            Self::Basic(_) => SchemeName::Basic,
            Self::Jwt(_) => SchemeName::Jwt,
            Self::Certificate => SchemeName::Certificate,
            Self::Keystone(_) => SchemeName::Keystone,
        }
    }

    async fn check(&self, presented: &Presented<'_>, peer: &Peer) -> Checked {
        match self {
            Self::Basic(basic) => basic.check(presented).await,
            Self::Jwt(jwt) => jwt.check(presented).await,
            Self::Certificate => certificate::check(peer),
            Self::Keystone(keystone) => keystone.check(presented).await,
        }
    }

    /// What a 401 asks for; a certificate cannot be asked for once the handshake is over.
    fn challenge(&self, tried: Option<AuthnError>) -> Option<HeaderValue> {
        match self {
            Self::Basic(basic) => Some(basic.challenge()),
            Self::Keystone(keystone) => Some(keystone.challenge()),
            Self::Jwt(jwt) => jwt.challenge(tried),
            Self::Certificate => None,
        }
    }
}

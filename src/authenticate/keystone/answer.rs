//! Keystone's answer to a validation → what the token says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::super::identity::{AccessRule, ApplicationCredentialFacts, DomainFacts, KeystoneFacts, ProjectFacts};
use super::KeystoneError;

/// The longest id or name that is believed, in bytes. Keystone's own are at most 255 characters.
const NAME_BYTES_MAX: usize = 1024;
/// Roles and access rules that one token may have.
const LIST_MAX: usize = 1000;

/// A token that Keystone vouched for.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) facts: Arc<KeystoneFacts>,
    pub(super) expires_at: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Document {
    token: RawToken,
}

#[derive(Deserialize)]
struct RawToken {
    user: RawUser,
    expires_at: jiff::Timestamp,
    project: Option<RawProject>,
    domain: Option<RawDomain>,
    system: Option<RawSystem>,
    #[serde(default)]
    roles: Vec<RawRole>,
    /// Keystone tells it only where an admin project is configured; unsaid counts as no.
    #[serde(default)]
    is_admin_project: bool,
    application_credential: Option<RawApplicationCredential>,
    #[serde(rename = "OS-TRUST:trust")]
    trust: Option<RawTrust>,
    /// A certificate's thumbprint (OAuth 2 mTLS).
    oauth2_credential: Option<serde::de::IgnoredAny>,
    /// Kerberos and the like, from older Keystones.
    bind: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct RawUser {
    id: Arc<str>,
    name: Arc<str>,
    domain: RawDomain,
}

#[derive(Deserialize)]
struct RawProject {
    id: Arc<str>,
    name: Arc<str>,
    domain: RawDomain,
}

#[derive(Deserialize)]
struct RawDomain {
    id: Arc<str>,
    name: Arc<str>,
}

#[derive(Deserialize)]
struct RawSystem {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct RawRole {
    name: Arc<str>,
}

#[derive(Deserialize)]
struct RawTrust {
    id: Arc<str>,
}

#[derive(Deserialize)]
struct RawApplicationCredential {
    id: Arc<str>,
    access_rules: Option<Vec<RawAccessRule>>,
}

#[derive(Deserialize)]
struct RawAccessRule {
    service: Box<str>,
    method: Box<str>,
    path: Box<str>,
}

/// Reads the body of a 200 that came `now`. `grace` is for how long after its expiry the token is accepted.
///
/// # Errors
/// [`KeystoneError::Nonsense`] for what is no token, two scopes at once, a scope or name that is empty; and the refusals
/// that follow from what the token says.
pub(super) fn read(body: &[u8], grace: Duration, now: SystemTime) -> Result<Token, KeystoneError> {
    let Document { token } = serde_json::from_slice(body).map_err(|_error| KeystoneError::Nonsense)?;
    if token.oauth2_credential.is_some() || token.bind.is_some() {
        return Err(KeystoneError::Bound);
    }
    let system = match &token.system {
        Some(RawSystem { all: true }) => true,
        // A part of the system is something that neither Keystone nor irongate knows.
        Some(RawSystem { all: false }) => return Err(KeystoneError::Nonsense),
        None => false,
    };
    let scopes = usize::from(token.project.is_some()) + usize::from(token.domain.is_some()) + usize::from(system);
    if scopes > 1 || !token.is_sound() {
        return Err(KeystoneError::Nonsense);
    }
    if scopes == 0 {
        return Err(KeystoneError::Unscoped);
    }
    let ends_at = SystemTime::from(token.expires_at).checked_add(grace).ok_or(KeystoneError::Nonsense)?;
    if ends_at <= now {
        return Err(KeystoneError::Rejected);
    }
    let rule = |rule: RawAccessRule| AccessRule { service: rule.service, method: rule.method, path: rule.path };
    let facts = KeystoneFacts {
        user_id: token.user.id,
        user_name: token.user.name,
        user_domain_id: token.user.domain.id,
        user_domain_name: token.user.domain.name,
        project: token.project.map(|project| ProjectFacts {
            id: project.id,
            name: project.name,
            domain_id: project.domain.id,
            domain_name: project.domain.name,
        }),
        domain: token.domain.map(|domain| DomainFacts { id: domain.id, name: domain.name }),
        system,
        roles: token.roles.into_iter().map(|role| role.name).collect(),
        is_admin_project: token.is_admin_project,
        application_credential: token.application_credential.map(|credential| ApplicationCredentialFacts {
            id: credential.id,
            access_rules: credential.access_rules.map(|rules| rules.into_iter().map(rule).collect()),
        }),
        trust_id: token.trust.map(|trust| trust.id),
        service_roles: Vec::new(),
    };
    Ok(Token { facts: Arc::new(facts), expires_at: token.expires_at })
}

impl RawToken {
    /// Whether every id and name says something and is of a believable length, and no list is endless.
    fn is_sound(&self) -> bool {
        let domains =
            [Some(&self.user.domain), self.project.as_ref().map(|project| &project.domain), self.domain.as_ref()];
        let project = self.project.iter().flat_map(|project| [&project.id, &project.name]);
        let credential = self.application_credential.as_ref();
        let rules = credential.and_then(|credential| credential.access_rules.as_ref()).map_or(0, Vec::len);
        [&self.user.id, &self.user.name]
            .into_iter()
            .chain(domains.into_iter().flatten().flat_map(|domain| [&domain.id, &domain.name]))
            .chain(project)
            .chain(self.roles.iter().map(|role| &role.name))
            .chain(credential.map(|credential| &credential.id))
            .chain(self.trust.as_ref().map(|trust| &trust.id))
            .all(|name| (1..=NAME_BYTES_MAX).contains(&name.len()))
            && self.roles.len() <= LIST_MAX
            && rules <= LIST_MAX
    }
}

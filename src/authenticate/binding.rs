//! `[[binding]]`: which principals have which irongate roles.
//!
//! A binding's conditions must all hold; a list holds where one of its members does. A principal has the roles of every
//! binding that matches. Whom it is about ([`caller`]) is of one scheme, or of none in particular.

mod caller;
mod error;

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::{Peer, SchemeName};
use crate::networks::{NetworkError, Networks};
use caller::{Caller, RawClaims};

pub use caller::{KeystoneScope, RawClaim};
pub use error::BindingError;

/// Names of roles and bindings, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A `[[binding]]` as written.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawBinding {
    /// What records call it; default: its first role and its place in the file, `admin-1`.
    pub name: Option<String>,
    /// One role; or `roles`.
    pub role: Option<String>,
    /// Several roles; or `role`.
    pub roles: Option<Vec<String>>,
    /// Names of HTTP basic users.
    pub users: Option<Vec<String>>,
    /// Names of TLS client certificates: URIs, `spiffe://…/*` for one more segment, `dns:NAME`.
    pub certificates: Option<Vec<String>>,
    /// The issuer (`iss`) of tokens.
    pub issuer: Option<String>,
    /// What claims of these tokens must be, by name or by JSON Pointer; all of them.
    pub claims: Option<RawClaims>,
    /// Keystone users: an id, or `name@domain`.
    pub keystone_users: Option<Vec<String>>,
    /// Keystone domains of users: an id or a name.
    pub keystone_domains: Option<Vec<String>>,
    /// Keystone projects that a token is scoped to: an id, or `name@domain`.
    pub keystone_projects: Option<Vec<String>>,
    /// What a Keystone token is scoped to.
    pub keystone_scope: Option<KeystoneScope>,
    /// Keystone roles, of which one is enough.
    pub keystone_roles: Option<Vec<String>>,
    /// `true`: callers without a credential.
    pub anonymous: Option<bool>,
    /// `true`: every caller with a good credential, of any scheme.
    pub authenticated: Option<bool>,
    /// Networks (`192.0.2.0/24`, `2001:db8::/32`) or addresses that the caller must come from. A caller on a unix socket
    /// comes from none.
    pub source_networks: Option<Vec<String>>,
    /// `"shadow"`: denials of whoever matches are recorded and not enforced. Default `"enforce"`.
    pub mode: Option<BindingMode>,
}

/// What becomes of denials of a principal that a binding matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingMode {
    /// They are enforced, unless another binding that matches says otherwise.
    #[default]
    Enforce,
    /// They are recorded, and the request goes on.
    Shadow,
}

/// A binding, checked.
#[derive(Debug, Clone)]
pub struct Binding {
    name: Arc<str>,
    roles: Vec<Arc<str>>,
    conditions: Conditions,
    mode: BindingMode,
}

/// What must hold; `None` asks nothing.
#[derive(Debug, Clone)]
struct Conditions {
    caller: Caller,
    source_networks: Option<Networks>,
}

/// Checks all bindings of a configuration, in their order.
///
/// # Errors
/// The first binding that cannot be used, with its name or its place from 1.
pub fn check_bindings(raw: Vec<RawBinding>) -> Result<Vec<Binding>, BindingError> {
    let mut names = HashSet::new();
    let mut bindings = Vec::new();
    for (place, raw) in (1..).zip(raw) {
        let binding = raw.check(place)?;
        if !names.insert(Arc::clone(&binding.name)) {
            return Err(BindingError::Duplicate(binding.name.to_string()));
        }
        bindings.push(binding);
    }
    Ok(bindings)
}

impl RawBinding {
    /// Checks one binding; `place` is its number in the file, from 1.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(mut self, place: usize) -> Result<Binding, BindingError> {
        let called = self.name.clone().unwrap_or_else(|| place.to_string());
        let roles = match (self.role.take(), self.roles.take()) {
            (Some(role), None) => vec![role],
            (None, Some(roles)) if !roles.is_empty() => roles,
            (Some(_), Some(_)) | (None, Some(_) | None) => return Err(BindingError::Roles(called)),
        };
        let name = self.name.take().unwrap_or_else(|| format!("{}-{place}", roles.first().map_or("", String::as_str)));
        for word in roles.iter().chain([&name]) {
            if !is_name(word) {
                return Err(BindingError::Name(called, word.clone()));
            }
        }
        let caller = Caller::read(&called, &mut self)?;
        let source_networks = self.source_networks.map(|networks| source_networks(&called, &networks)).transpose()?;
        Ok(Binding {
            name: name.into(),
            roles: roles.into_iter().map(Arc::from).collect(),
            conditions: Conditions { caller, source_networks },
            mode: self.mode.unwrap_or_default(),
        })
    }
}

impl Binding {
    /// What records call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether denials of whoever matches are only recorded.
    pub fn is_shadow(&self) -> bool {
        self.mode == BindingMode::Shadow
    }

    /// The roles it gives.
    pub fn roles(&self) -> &[Arc<str>] {
        &self.roles
    }

    /// The basic users that it names.
    pub fn users(&self) -> impl Iterator<Item = &str> {
        self.conditions.caller.users()
    }

    /// The issuer of tokens that it names.
    pub fn issuer(&self) -> Option<&str> {
        self.conditions.caller.issuer()
    }

    /// The scheme whose callers it is about; `None`: of any.
    pub fn scheme(&self) -> Option<SchemeName> {
        self.conditions.caller.scheme()
    }

    /// Whether all conditions hold.
    pub(super) fn matches(&self, identity: &Identity, peer: &Peer) -> bool {
        let Conditions { caller, source_networks } = &self.conditions;
        caller.is(identity) && source_networks.as_ref().is_none_or(|networks| networks.contain(peer.address))
    }
}

/// A list that somebody can match.
fn filled(called: &str, name: &'static str, texts: Vec<String>) -> Result<Vec<String>, BindingError> {
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(BindingError::Empty(called.to_owned(), name));
    }
    Ok(texts)
}

fn source_networks(called: &str, texts: &[String]) -> Result<Networks, BindingError> {
    let called = || called.to_owned();
    Networks::parse(texts).map_err(|error| match error {
        NetworkError::Empty => BindingError::Empty(called(), "source_networks"),
        NetworkError::Network(text) => BindingError::Network(called(), text),
        NetworkError::HostBits(text, network) => BindingError::HostBits(called(), text, network),
    })
}

fn is_name(word: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

//! `[[binding]]`: which principals have which irongate roles.
//!
//! A binding's conditions must all hold; a list holds where one of its members does. A principal has the roles of every
//! binding that matches. A new matcher (Keystone user, domain, project, scope and roles, issuer and claims, certificate
//! names) is a key of [`RawBinding`], a field of [`Conditions`] and a line of [`Binding::matches`].

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;
use thiserror::Error;

use super::{Identity, Peer, SchemeName};

/// Names of roles and bindings, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A `[[binding]]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
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
    source_networks: Option<Vec<IpNet>>,
}

/// Whom a binding is about. Every binding says it.
#[derive(Debug, Clone)]
enum Caller {
    Anonymous,
    Authenticated,
    BasicUsers(HashSet<Box<str>>),
}

/// Why a binding cannot be used. The texts are of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BindingError {
    /// Neither `role` nor `roles`, both, or an empty list.
    #[error("binding {0}: give it `role = \"…\"` or `roles = [\"…\"]`, one of the two")]
    Roles(String),
    /// A role's or binding's name that is no word.
    #[error("binding {0}: {1:?} is no name: use 1 to 64 of a-z A-Z 0-9 . _ -")]
    Name(String, String),
    /// Two bindings of one name.
    #[error("binding {0}: the name is used twice: give one of them another `name`")]
    Duplicate(String),
    /// Nothing says whom it is about.
    #[error(
        "binding {0}: it does not say whom it is about: add `users = [\"…\"]`, `authenticated = true` or `anonymous = true`"
    )]
    NoCaller(String),
    /// `anonymous` with `users` or `authenticated`: nobody is both.
    #[error("binding {0}: nobody is anonymous and authenticated: make two bindings")]
    Contradiction(String),
    /// `anonymous = false` or `authenticated = false`.
    #[error("binding {0}: `{1} = false` says nothing: remove it")]
    False(String, &'static str),
    /// An empty list of users or networks, which nobody could match.
    #[error("binding {0}: `{1}` is empty and would match nobody: fill it or remove the binding")]
    Empty(String, &'static str),
    /// Text that is no network.
    #[error("binding {0}: {1:?} is no network: write it as 192.0.2.0/24 or 2001:db8::/32")]
    Network(String, String),
    /// A network with host bits.
    #[error("binding {0}: {1:?} has bits past its prefix: write {2}")]
    HostBits(String, String, IpNet),
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
    pub fn check(self, place: usize) -> Result<Binding, BindingError> {
        let called = self.name.clone().unwrap_or_else(|| place.to_string());
        let roles = match (self.role, self.roles) {
            (Some(role), None) => vec![role],
            (None, Some(roles)) if !roles.is_empty() => roles,
            (Some(_), Some(_)) | (None, Some(_) | None) => return Err(BindingError::Roles(called)),
        };
        let name = self.name.unwrap_or_else(|| format!("{}-{place}", roles.first().map_or("", String::as_str)));
        for word in roles.iter().chain([&name]) {
            if !is_name(word) {
                return Err(BindingError::Name(called, word.clone()));
            }
        }
        let caller = caller(&called, self.users, self.anonymous, self.authenticated)?;
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
        let users = match &self.conditions.caller {
            Caller::BasicUsers(users) => Some(users),
            Caller::Anonymous | Caller::Authenticated => None,
        };
        users.into_iter().flatten().map(AsRef::as_ref)
    }

    /// Whether all conditions hold.
    pub(super) fn matches(&self, identity: &Identity, peer: &Peer) -> bool {
        let Conditions { caller, source_networks } = &self.conditions;
        let caller = match caller {
            Caller::Anonymous => identity.scheme == SchemeName::Anonymous,
            Caller::Authenticated => identity.scheme != SchemeName::Anonymous,
            // A user of another scheme who has the same name is somebody else.
            Caller::BasicUsers(users) => identity.scheme == SchemeName::Basic && users.contains(&*identity.name),
        };
        caller && source_networks.as_ref().is_none_or(|networks| comes_from(networks, peer.address))
    }
}

fn caller(
    called: &str,
    users: Option<Vec<String>>,
    anonymous: Option<bool>,
    authenticated: Option<bool>,
) -> Result<Caller, BindingError> {
    let called = || called.to_owned();
    if anonymous == Some(false) {
        return Err(BindingError::False(called(), "anonymous"));
    }
    if authenticated == Some(false) {
        return Err(BindingError::False(called(), "authenticated"));
    }
    match (users, anonymous.is_some(), authenticated.is_some()) {
        (Some(users), ..) if users.is_empty() => Err(BindingError::Empty(called(), "users")),
        (Some(_), true, _) | (None, true, true) => Err(BindingError::Contradiction(called())),
        // A basic user is authenticated, so `authenticated` adds nothing here.
        (Some(users), false, _) => Ok(Caller::BasicUsers(users.into_iter().map(String::into_boxed_str).collect())),
        (None, true, false) => Ok(Caller::Anonymous),
        (None, false, true) => Ok(Caller::Authenticated),
        (None, false, false) => Err(BindingError::NoCaller(called())),
    }
}

fn source_networks(called: &str, texts: &[String]) -> Result<Vec<IpNet>, BindingError> {
    if texts.is_empty() {
        return Err(BindingError::Empty(called.to_owned(), "source_networks"));
    }
    let network = |text: &String| {
        let network: IpNet = text
            .parse()
            .or_else(|_error| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_error| BindingError::Network(called.to_owned(), text.clone()))?;
        if network.trunc() == network {
            Ok(network)
        } else {
            Err(BindingError::HostBits(called.to_owned(), text.clone(), network.trunc()))
        }
    };
    texts.iter().map(network).collect()
}

/// IPv4 callers of a dual-stack socket (`::ffff:192.0.2.1`) count as IPv4.
fn comes_from(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    address.is_some_and(|address| networks.iter().any(|network| network.contains(&address.to_canonical())))
}

fn is_name(word: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

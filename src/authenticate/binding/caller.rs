//! Whom a binding is about, by scheme.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::BindingError;
use super::{RawBinding, filled};
use crate::authenticate::certificate::NamePattern;
use crate::authenticate::identity::{Identity, KeystoneFacts};
use crate::authenticate::{JwtFacts, SchemeName};
use crate::json::Pointer;

/// Whom a binding is about. Every binding says it.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Anonymous,
    Authenticated,
    BasicUsers(BTreeSet<Box<str>>),
    Certificates(Vec<NamePattern>),
    Token(TokenConditions),
    Keystone(KeystoneConditions),
}

/// What a token must say; all of it.
#[derive(Debug, Clone)]
pub(super) struct TokenConditions {
    issuer: Box<str>,
    claims: Vec<(Pointer, RawClaim)>,
}

/// What a Keystone token must say; all of it, and of each list one.
#[derive(Debug, Clone)]
pub(super) struct KeystoneConditions {
    users: Option<Vec<String>>,
    domains: Option<Vec<String>>,
    projects: Option<Vec<String>>,
    scope: Option<KeystoneScope>,
    roles: Option<Vec<String>>,
}

/// What a claim must be.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "a claim is compared with a string, a list of strings, true or false")]
pub enum RawClaim {
    /// This text, or a list that holds it.
    Text(String),
    /// One of these texts, or a list that holds one of them.
    Texts(Vec<String>),
    /// `true` or `false`.
    Boolean(bool),
}

/// What a Keystone token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeystoneScope {
    /// The whole deployment.
    System,
    /// A domain.
    Domain,
    /// A project.
    Project,
}

impl Caller {
    /// Takes the keys about callers out of a binding; `called` is its name or place.
    pub(super) fn read(called: &str, raw: &mut RawBinding) -> Result<Self, BindingError> {
        let of = || called.to_owned();
        for (flag, name) in [(raw.anonymous, "anonymous"), (raw.authenticated, "authenticated")] {
            if flag == Some(false) {
                return Err(BindingError::False(of(), name));
            }
        }
        let mut found: Vec<(&'static str, Self)> = Vec::new();
        if let Some(users) = raw.users.take() {
            let users = filled(called, "users", users)?.into_iter().map(String::into_boxed_str).collect();
            found.push(("users", Self::BasicUsers(users)));
        }
        if let Some(certificates) = raw.certificates.take() {
            let pattern =
                |text: String| NamePattern::parse(&text).ok_or_else(|| BindingError::Certificate(of(), text.clone()));
            let names = filled(called, "certificates", certificates)?.into_iter().map(pattern);
            found.push(("certificates", Self::Certificates(names.collect::<Result<_, _>>()?)));
        }
        if let Some(token) = TokenConditions::read(called, raw)? {
            found.push(("issuer", Self::Token(token)));
        }
        if let Some((key, keystone)) = KeystoneConditions::read(called, raw)? {
            found.push((key, Self::Keystone(keystone)));
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(_), _) if raw.anonymous.is_some() => Err(BindingError::Contradiction(of())),
            (Some((first, _)), Some((second, _))) => Err(BindingError::Schemes(of(), first, second)),
            // Whoever a scheme knows is authenticated, so `authenticated` adds nothing here.
            (Some((_, caller)), None) => Ok(caller),
            (None, _) => match (raw.anonymous, raw.authenticated) {
                (Some(_), Some(_)) => Err(BindingError::Contradiction(of())),
                (Some(_), None) => Ok(Self::Anonymous),
                (None, Some(_)) => Ok(Self::Authenticated),
                (None, None) => Err(BindingError::NoCaller(of())),
            },
        }
    }

    /// A name counts within its scheme only: a user of another scheme who has the same name is somebody else.
    pub(super) fn is(&self, identity: &Identity) -> bool {
        match self {
            Self::Anonymous => identity.scheme == SchemeName::Anonymous,
            Self::Authenticated => identity.scheme != SchemeName::Anonymous,
            Self::BasicUsers(users) => identity.scheme == SchemeName::Basic && users.contains(&*identity.name),
            Self::Certificates(patterns) => {
                identity.certificate.as_ref().is_some_and(|certificate| certificate.is_named(patterns))
            }
            Self::Token(conditions) => identity.jwt.as_ref().is_some_and(|facts| conditions.hold(facts)),
            Self::Keystone(conditions) => identity.keystone.as_ref().is_some_and(|facts| conditions.hold(facts)),
        }
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &str> {
        let users = if let Self::BasicUsers(users) = self { Some(users) } else { None };
        users.into_iter().flatten().map(AsRef::as_ref)
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        if let Self::Token(conditions) = self { Some(&conditions.issuer) } else { None }
    }

    /// The scheme that it needs, if it needs one.
    pub(super) const fn scheme(&self) -> Option<SchemeName> {
        match self {
            Self::Anonymous => Some(SchemeName::Anonymous),
            Self::Authenticated => None,
            Self::BasicUsers(_) => Some(SchemeName::Basic),
            Self::Certificates(_) => Some(SchemeName::Certificate),
            Self::Token(_) => Some(SchemeName::Jwt),
            Self::Keystone(_) => Some(SchemeName::Keystone),
        }
    }
}

impl TokenConditions {
    fn read(called: &str, raw: &mut RawBinding) -> Result<Option<Self>, BindingError> {
        let claims = raw.claims.take();
        let Some(issuer) = raw.issuer.take() else {
            let orphaned = claims.map(|_claims| BindingError::ClaimsWithoutIssuer(called.to_owned()));
            return orphaned.map_or(Ok(None), Err);
        };
        if issuer.is_empty() {
            return Err(BindingError::Empty(called.to_owned(), "issuer"));
        }
        let claims = claims.unwrap_or_default().into_iter().map(|(name, claim)| {
            if let RawClaim::Texts(texts) = &claim {
                filled(called, "claims", texts.clone())?;
            }
            let pointer = pointer(&name).ok_or_else(|| BindingError::Claim(called.to_owned(), name))?;
            Ok((pointer, claim))
        });
        Ok(Some(Self { issuer: issuer.into(), claims: claims.collect::<Result<_, _>>()? }))
    }

    fn hold(&self, facts: &JwtFacts) -> bool {
        *facts.issuer() == *self.issuer
            && self
                .claims
                .iter()
                .all(|(pointer, expected)| facts.claim(pointer).is_some_and(|found| expected.matches(found)))
    }
}

impl RawClaim {
    fn matches(&self, found: &Value) -> bool {
        match (self, found) {
            (Self::Boolean(expected), found) => found.as_bool() == Some(*expected),
            (_, Value::Array(items)) => items.iter().filter_map(Value::as_str).any(|item| self.is(item)),
            (_, found) => found.as_str().is_some_and(|text| self.is(text)),
        }
    }

    fn is(&self, text: &str) -> bool {
        match self {
            Self::Text(expected) => expected == text,
            Self::Texts(several) => several.iter().any(|expected| expected == text),
            Self::Boolean(_) => false,
        }
    }
}

impl KeystoneConditions {
    /// The conditions and the first key that was there.
    fn read(called: &str, raw: &mut RawBinding) -> Result<Option<(&'static str, Self)>, BindingError> {
        let list =
            |name: &'static str, list: Option<Vec<String>>| list.map(|texts| filled(called, name, texts)).transpose();
        let conditions = Self {
            users: list("keystone_users", raw.keystone_users.take())?,
            domains: list("keystone_domains", raw.keystone_domains.take())?,
            projects: list("keystone_projects", raw.keystone_projects.take())?,
            scope: raw.keystone_scope.take(),
            roles: list("keystone_roles", raw.keystone_roles.take())?,
        };
        let there = [
            ("keystone_users", conditions.users.is_some()),
            ("keystone_domains", conditions.domains.is_some()),
            ("keystone_projects", conditions.projects.is_some()),
            ("keystone_scope", conditions.scope.is_some()),
            ("keystone_roles", conditions.roles.is_some()),
        ];
        Ok(there.into_iter().find(|(_, there)| *there).map(|(name, _)| (name, conditions)))
    }

    fn hold(&self, facts: &KeystoneFacts) -> bool {
        let any = |list: &Option<Vec<String>>, matches: &dyn Fn(&str) -> bool| {
            list.as_ref().is_none_or(|texts| texts.iter().any(|text| matches(text)))
        };
        let user = |text: &str| {
            is_object(text, &facts.user_id, &facts.user_name, &facts.user_domain_id, &facts.user_domain_name)
        };
        let domain = |text: &str| *text == *facts.user_domain_id || *text == *facts.user_domain_name;
        let project = |text: &str| {
            facts.project.as_ref().is_some_and(|project| {
                is_object(text, &project.id, &project.name, &project.domain_id, &project.domain_name)
            })
        };
        // Keystone, and Ironic's own policies, do not tell roles apart by case.
        let role = |text: &str| facts.roles.iter().any(|role| role.eq_ignore_ascii_case(text));
        let scope = match self.scope {
            None => true,
            Some(KeystoneScope::System) => facts.system,
            Some(KeystoneScope::Domain) => facts.domain.is_some(),
            Some(KeystoneScope::Project) => facts.project.is_some(),
        };
        scope
            && any(&self.users, &user)
            && any(&self.domains, &domain)
            && any(&self.projects, &project)
            && any(&self.roles, &role)
    }
}

/// Whether `text` is the object's id, or its name, `@`, and its domain's name or id. Names may hold `@`, domains may not.
fn is_object(text: &str, id: &Arc<str>, name: &str, domain_id: &str, domain_name: &str) -> bool {
    let named = text.rsplit_once('@').is_some_and(|(said, domain)| {
        !said.is_empty() && said == name && !domain.is_empty() && (domain == domain_name || domain == domain_id)
    });
    (!id.is_empty() && *text == **id) || named
}

/// A claim's plain name, dots and all, or a pointer.
fn pointer(name: &str) -> Option<Pointer> {
    if name.is_empty() || name == "/" {
        return None;
    }
    if name.starts_with('/') { Pointer::parse(name).ok() } else { Some(Pointer::from_segments([name])) }
}

/// Claims as written, in one order whatever the file's.
pub(super) type RawClaims = BTreeMap<String, RawClaim>;

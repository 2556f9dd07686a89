//! What a credential proves, before any role: what the conditions of a [`super::Binding`] look at.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::{ClientCertificate, JwtFacts, SchemeName};

/// Who somebody is, by one scheme. It holds the token and so cannot be printed.
pub(super) struct Identity {
    /// The scheme that proved it.
    pub(super) scheme: SchemeName,
    /// The name within the scheme.
    pub(super) name: Arc<str>,
    /// What Keystone told of a token; there only for [`SchemeName::Keystone`].
    pub(super) keystone: Option<Arc<KeystoneFacts>>,
    /// What a token says; there only for [`SchemeName::Jwt`].
    pub(super) jwt: Option<Arc<JwtFacts>>,
    /// The certificate's names; there only for [`SchemeName::Certificate`].
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    /// The token itself, for Ironic.
    pub(super) token: Option<ProvedToken>,
}

/// The token that proved somebody, with the service token that came along: what may be passed to Ironic. Only the Keystone
/// scheme makes one. What is printed of it is its type's name.
pub struct ProvedToken {
    user: HeaderValue,
    service: Option<HeaderValue>,
}

/// What a validated Keystone token says. Ids and names as Keystone spells them; roles are Keystone's, not irongate's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KeystoneFacts {
    pub(crate) user_id: Arc<str>,
    pub(crate) user_name: Arc<str>,
    pub(crate) user_domain_id: Arc<str>,
    pub(crate) user_domain_name: Arc<str>,
    /// Project scope.
    pub(crate) project: Option<ProjectFacts>,
    /// Domain scope: the domain's id and name.
    pub(crate) domain: Option<DomainFacts>,
    /// System scope (`{"all": true}`).
    pub(crate) system: bool,
    /// Names of the roles on the scope.
    pub(crate) roles: Vec<Arc<str>>,
    /// Whether the project is the one that the deployment calls its admin project.
    pub(crate) is_admin_project: bool,
    /// The application credential that the token was made with.
    pub(crate) application_credential: Option<ApplicationCredentialFacts>,
    /// The trust that the token was made with.
    pub(crate) trust_id: Option<Arc<str>>,
    /// Names of the roles of the service token that came along; empty: none came.
    pub(crate) service_roles: Vec<Arc<str>>,
}

/// The project of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectFacts {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) domain_id: Arc<str>,
    pub(crate) domain_name: Arc<str>,
}

/// The domain of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DomainFacts {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// The application credential of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApplicationCredentialFacts {
    pub(crate) id: Arc<str>,
    /// The requests it is for; `None`: it has no access rules and is not limited by any. An empty list admits nothing.
    pub(crate) access_rules: Option<Vec<AccessRule>>,
}

/// One access rule of an application credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessRule {
    /// The service type, such as `baremetal`.
    pub(crate) service: Box<str>,
    /// `GET`, `POST`, …
    pub(crate) method: Box<str>,
    /// A path pattern with `*`, `**` and `{name}`.
    pub(crate) path: Box<str>,
}

impl KeystoneFacts {
    /// The kind of scope: `project`, `domain` or `system`. A token without one proves nobody.
    pub(crate) const fn scope(&self) -> &'static str {
        if self.system {
            "system"
        } else if self.domain.is_some() {
            "domain"
        } else {
            "project"
        }
    }
}

impl Identity {
    /// For a scheme that proves a name and nothing more.
    pub(super) const fn named(scheme: SchemeName, name: Arc<str>) -> Self {
        Self { scheme, name, keystone: None, jwt: None, certificate: None, token: None }
    }
}

impl ProvedToken {
    pub(crate) fn new(user: &HeaderValue, service: Option<&HeaderValue>) -> Self {
        let sensitive = |value: &HeaderValue| {
            let mut value = value.clone();
            value.set_sensitive(true);
            value
        };
        Self { user: sensitive(user), service: service.map(sensitive) }
    }

    /// For `X-Auth-Token`; marked sensitive.
    pub(crate) fn user(&self) -> &HeaderValue {
        &self.user
    }

    /// For `X-Service-Token`; marked sensitive.
    pub(crate) fn service(&self) -> Option<&HeaderValue> {
        self.service.as_ref()
    }
}

impl fmt::Debug for ProvedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProvedToken").finish_non_exhaustive()
    }
}

//! What a credential proves, before any role: what the conditions of a [`super::Binding`] look at.

use std::sync::Arc;

use super::{ClientCertificate, JwtFacts, SchemeName};

/// Who somebody is, by one scheme.
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
}

/// What a validated Keystone token says. Ids and names as Keystone spells them; roles are Keystone's, not irongate's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeystoneFacts {
    pub(super) user_id: Arc<str>,
    pub(super) user_name: Arc<str>,
    pub(super) user_domain_id: Arc<str>,
    pub(super) user_domain_name: Arc<str>,
    /// Project scope.
    pub(super) project: Option<ProjectFacts>,
    /// Domain scope: the domain's id and name.
    pub(super) domain: Option<DomainFacts>,
    /// System scope (`{"all": true}`).
    pub(super) system: bool,
    /// Names of the roles on the scope.
    pub(super) roles: Vec<Arc<str>>,
    /// Whether the project is the one that the deployment calls its admin project.
    pub(super) is_admin_project: bool,
    /// The application credential that the token was made with.
    pub(super) application_credential: Option<ApplicationCredentialFacts>,
    /// The trust that the token was made with.
    pub(super) trust_id: Option<Arc<str>>,
    /// Names of the roles of the service token that came along; empty: none came.
    pub(super) service_roles: Vec<Arc<str>>,
}

/// The project of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectFacts {
    pub(super) id: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) domain_id: Arc<str>,
    pub(super) domain_name: Arc<str>,
}

/// The domain of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainFacts {
    pub(super) id: Arc<str>,
    pub(super) name: Arc<str>,
}

/// The application credential of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApplicationCredentialFacts {
    pub(super) id: Arc<str>,
    /// The requests it is for; `None`: it has no access rules and is not limited by any. An empty list admits nothing.
    pub(super) access_rules: Option<Vec<AccessRule>>,
}

/// One access rule of an application credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccessRule {
    /// The service type, such as `baremetal`.
    pub(super) service: Box<str>,
    /// `GET`, `POST`, …
    pub(super) method: Box<str>,
    /// A path pattern with `*`, `**` and `{name}`.
    pub(super) path: Box<str>,
}

impl Identity {
    /// For a scheme that proves a name and nothing more.
    pub(super) const fn named(scheme: SchemeName, name: Arc<str>) -> Self {
        Self { scheme, name, keystone: None, jwt: None, certificate: None }
    }
}

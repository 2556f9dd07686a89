//! irongate's own user in Keystone, where tokens are to be validated by it and not by themselves.

use std::sync::Arc;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A user with a password, or an application credential. It cannot be printed.
#[derive(Clone)]
pub struct ServiceCredential {
    /// The body of `POST /v3/auth/tokens`.
    request: Arc<SecretString>,
}

/// Why a file holds no credential. Nothing of the file is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the file is TOML with username, user_domain_name, password, project_name and project_domain_name, or with \
     application_credential_id and application_credential_secret, and nothing else"
)]
pub struct ServiceCredentialError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Password {
    username: String,
    user_domain_name: String,
    password: SecretString,
    project_name: String,
    project_domain_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplicationCredential {
    application_credential_id: String,
    application_credential_secret: SecretString,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Request<'a> {
    auth: Auth<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    identity: Identity<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope<'a>>,
}

#[derive(Serialize)]
struct Scope<'a> {
    project: Owned<'a>,
}

#[derive(Serialize)]
struct Owned<'a> {
    name: &'a str,
    domain: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

#[derive(Serialize)]
struct Identity<'a> {
    methods: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_credential: Option<Secret<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    user: Owned<'a>,
}

#[derive(Serialize)]
struct Secret<'a> {
    id: &'a str,
    secret: &'a str,
}

impl ServiceCredential {
    /// Reads the text of a credential file.
    ///
    /// # Errors
    /// A text that is no credential.
    pub fn read(text: &SecretString) -> Result<Self, ServiceCredentialError> {
        let text = text.expose_secret();
        if let Ok(credential) = toml::from_str::<ApplicationCredential>(text) {
            return Self::new(Auth {
                identity: Identity {
                    methods: ["application_credential"],
                    password: None,
                    application_credential: Some(Secret {
                        id: &credential.application_credential_id,
                        secret: credential.application_credential_secret.expose_secret(),
                    }),
                },
                scope: None,
            });
        }
        let user = toml::from_str::<Password>(text).map_err(|_error| ServiceCredentialError)?;
        let of = |name, domain, password| Owned { name, domain: Named { name: domain }, password };
        Self::new(Auth {
            identity: Identity {
                methods: ["password"],
                password: Some(User {
                    user: of(&user.username, &user.user_domain_name, Some(user.password.expose_secret())),
                }),
                application_credential: None,
            },
            scope: Some(Scope { project: of(&user.project_name, &user.project_domain_name, None) }),
        })
    }

    fn new(auth: Auth<'_>) -> Result<Self, ServiceCredentialError> {
        let text = serde_json::to_string(&Request { auth });
        let text = Zeroizing::new(text.map_err(|_error| ServiceCredentialError)?);
        Ok(Self { request: Arc::new(SecretString::from(text.as_str())) })
    }

    /// The body of a request for a token.
    pub(super) fn request(&self) -> &str {
        self.request.expose_secret()
    }
}

//! Why a Keystone token is refused, or could not be checked.

use http::StatusCode;
use thiserror::Error;

/// A variant per misdeed. None holds anything of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum KeystoneError {
    /// Neither a Fernet nor a JWS token by its looks, or longer than any.
    #[error("the token is neither a Fernet nor a JWS token")]
    Shape,
    /// The signature of a JWS token is of no configured key, or the token has expired.
    #[error("the token's signature is not Keystone's, or the token has expired")]
    Signature,
    /// Keystone does not know the token (any more), or it has expired.
    #[error("Keystone does not accept the token")]
    Rejected,
    /// A token without a scope: it says who, and not as what.
    #[error("the token has no scope")]
    Unscoped,
    /// The token is bound to something that irongate does not check, such as a client certificate.
    #[error("the token is bound to a certificate or ticket, which irongate does not check")]
    Bound,
    /// `X-Service-Token` without `X-Auth-Token`.
    #[error("there is a service token and no user token")]
    ServiceTokenAlone,
    /// The service token is not accepted.
    #[error("the service token is not accepted")]
    ServiceToken,
    /// The service token is good, and has none of the service roles.
    #[error("the service token has none of the configured service roles")]
    ServiceRole,
    /// No access rule of the application credential is about this request.
    #[error("no access rule of the application credential admits the request")]
    AccessRule,
    /// Too many tokens wait to be validated.
    #[error("too many tokens wait to be validated")]
    Busy,
    /// No connection to Keystone, or it ended without an answer.
    #[error("Keystone cannot be reached")]
    Unreachable,
    /// Keystone's certificate is not one that is expected.
    #[error("no trusted connection to Keystone could be made")]
    Untrusted,
    /// No answer in time.
    #[error("Keystone did not answer in time")]
    TimedOut,
    /// Keystone accepts irongate's own credential no more.
    #[error("Keystone does not accept irongate's own credential")]
    OwnCredential,
    /// An answer with a status that says nothing about the token.
    #[error("Keystone answered with an unexpected status")]
    Status,
    /// An answer that is no token, or too large.
    #[error("Keystone's answer cannot be understood")]
    Nonsense,
}

impl KeystoneError {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Shape
            | Self::Signature
            | Self::Rejected
            | Self::Bound
            | Self::ServiceTokenAlone
            | Self::ServiceToken
            | Self::ServiceRole
            | Self::AccessRule => StatusCode::UNAUTHORIZED,
            // As Ironic does: another token of the same user may help, authenticating again would not.
            Self::Unscoped => StatusCode::FORBIDDEN,
            Self::Busy
            | Self::Unreachable
            | Self::Untrusted
            | Self::TimedOut
            | Self::OwnCredential
            | Self::Status
            | Self::Nonsense => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The stable word for records and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Shape => "token_malformed",
            Self::Signature => "token_signature",
            Self::Rejected => "token_rejected",
            Self::Unscoped => "token_unscoped",
            Self::Bound => "token_bound",
            Self::ServiceTokenAlone => "service_token_alone",
            Self::ServiceToken => "service_token_rejected",
            Self::ServiceRole => "service_token_role",
            Self::AccessRule => "access_rule_missing",
            Self::Busy => "keystone_busy",
            Self::Unreachable => "keystone_unreachable",
            Self::Untrusted => "keystone_untrusted",
            Self::TimedOut => "keystone_timeout",
            Self::OwnCredential => "keystone_credential",
            Self::Status => "keystone_status",
            Self::Nonsense => "keystone_nonsense",
        }
    }

    /// What the caller hears.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Shape => "the token cannot be read",
            Self::Signature | Self::Rejected | Self::Bound => "the token is not valid",
            Self::Unscoped => "the token has no scope: use one for a project, a domain or the system",
            Self::ServiceTokenAlone => "a service token comes with a user's token only",
            Self::ServiceToken | Self::ServiceRole => "the service token is not valid",
            Self::AccessRule => "the application credential's access rules do not admit this request",
            Self::Busy
            | Self::Unreachable
            | Self::Untrusted
            | Self::TimedOut
            | Self::OwnCredential
            | Self::Status
            | Self::Nonsense => "the token cannot be checked now: try again",
        }
    }

    /// For a 503: the seconds after which trying again makes sense.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Busy => Some(1),
            Self::Unreachable
            | Self::Untrusted
            | Self::TimedOut
            | Self::OwnCredential
            | Self::Status
            | Self::Nonsense => Some(2),
            Self::Shape
            | Self::Signature
            | Self::Rejected
            | Self::Unscoped
            | Self::Bound
            | Self::ServiceTokenAlone
            | Self::ServiceToken
            | Self::ServiceRole
            | Self::AccessRule => None,
        }
    }

    /// Whether it says something about the token itself and so may be remembered.
    pub(super) const fn is_verdict(self) -> bool {
        matches!(self, Self::Rejected | Self::Unscoped | Self::Bound)
    }
}

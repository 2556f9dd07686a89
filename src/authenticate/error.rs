//! Why a caller, or a configuration, is refused.

use http::StatusCode;
use thiserror::Error;

use super::certificate::CertificateFault;
use super::htpasswd::HtpasswdError;
use super::jwt::JwtFault;
use super::keystone::KeystoneError;

/// Why a request's caller is not known. A variant per misdeed; none holds anything of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum AuthnError {
    /// No credential, on a listener that does not take anonymous callers.
    #[error("the request has no credential and the listener takes no anonymous callers")]
    Missing,
    /// A credential that cannot be read.
    #[error("the credential cannot be read: {0}")]
    Malformed(Malformed),
    /// A bearer token that is not good, or cannot be checked.
    #[error(transparent)]
    Token(JwtFault),
    /// A client certificate that proves nobody.
    #[error(transparent)]
    Certificate(CertificateFault),
    /// Unknown user or wrong password: the two are one to the caller.
    #[error("the user is unknown or the password is wrong")]
    Wrong,
    /// A credential of a scheme that the listener does not list.
    #[error("the credential is for a scheme that the listener does not serve")]
    NotServed,
    /// A credential, on a listener where only anonymous callers are served: there is nothing to challenge for.
    #[error("the request has a credential and the listener serves anonymous callers only")]
    Unwanted,
    /// A credential header occurs twice.
    #[error("a credential header is repeated")]
    Repeated,
    /// Two credentials of different schemes.
    #[error("the request has two credentials")]
    Contradicting,
    /// Too many passwords wait to be checked.
    #[error("too many passwords wait to be checked")]
    Overloaded,
    /// irongate stopped before the password was checked.
    #[error("the password check was cut short")]
    Interrupted,
    /// A Keystone token that is not good, or could not be checked.
    #[error(transparent)]
    Keystone(KeystoneError),
}

/// What is wrong with the text of a basic credential (RFC 7617).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum Malformed {
    /// Not canonical base64, or nothing at all.
    #[error("it is not base64")]
    Base64,
    /// No colon between user and password.
    #[error("it has no colon")]
    Colon,
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Utf8,
    /// A control character; NUL would end a bcrypt password early.
    #[error("it holds a control character")]
    ControlCharacter,
    /// No user or no password.
    #[error("its user or its password is empty")]
    Empty,
    /// Longer than the longest user name and the longest password together; not decoded.
    #[error("it is longer than any user and password can be")]
    Long,
    /// More than 1 KiB of user name.
    #[error("its user name is longer than 1024 bytes")]
    LongUser,
    /// bcrypt sees 72 bytes and would ignore the rest.
    #[error("its password is longer than 72 bytes")]
    LongPassword,
}

/// Why no [`super::Authenticator`] can be made of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthenticatorError {
    /// A line of the htpasswd file.
    #[error(transparent)]
    Htpasswd(#[from] HtpasswdError),
    /// A realm that cannot stand between quotes in a header.
    #[error("realm {0:?} cannot stand in a header: use visible ASCII and spaces, without quotes and backslashes")]
    Realm(String),
    /// A URI that cannot stand between quotes in a header.
    #[error("www_authenticate_uri {0:?} cannot stand in a header: use a plain URL")]
    KeystoneUri(String),
    /// No random bytes for the key of the caches.
    #[error("the system gives no random bytes")]
    Random,
}

impl AuthnError {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Malformed(_) | Self::Wrong | Self::NotServed => StatusCode::UNAUTHORIZED,
            Self::Token(fault) => fault.status(),
            // Another credential on the same connection would be the second one: asking for it makes no sense.
            Self::Certificate(_) => StatusCode::FORBIDDEN,
            Self::Unwanted | Self::Repeated | Self::Contradicting => StatusCode::BAD_REQUEST,
            Self::Overloaded | Self::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            Self::Keystone(error) => error.status(),
        }
    }

    /// The stable word for records and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "credential_missing",
            Self::Malformed(_) => "credential_malformed",
            Self::Token(fault) => fault.code(),
            Self::Certificate(fault) => fault.code(),
            Self::Wrong => "credential_wrong",
            Self::NotServed => "credential_not_served",
            Self::Unwanted => "credential_unwanted",
            Self::Repeated => "credential_repeated",
            Self::Contradicting => "credentials_contradict",
            Self::Overloaded => "authentication_overloaded",
            Self::Interrupted => "authentication_interrupted",
            Self::Keystone(error) => error.code(),
        }
    }

    /// What the caller hears. Whether the user exists is not told.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Missing => "this service needs a credential",
            Self::Malformed(_) => "the credential cannot be read",
            Self::Token(fault) => fault.public_message(),
            Self::Certificate(fault) => fault.public_message(),
            Self::Wrong => "the credential is not valid",
            Self::NotServed => "this service does not take this kind of credential",
            Self::Unwanted => "this service takes no credential: send none",
            Self::Repeated => "a header that holds a credential is repeated",
            Self::Contradicting => "the request has two credentials: send one",
            Self::Overloaded | Self::Interrupted => "the credential cannot be checked now: try again",
            Self::Keystone(error) => error.public_message(),
        }
    }

    /// For a 503: the seconds after which trying again makes sense.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Overloaded | Self::Interrupted => Some(1),
            Self::Token(JwtFault::KeysUnavailable) => Some(5),
            Self::Keystone(error) => error.retry_after(),
            Self::Missing
            | Self::Malformed(_)
            | Self::Token(_)
            | Self::Certificate(_)
            | Self::Wrong
            | Self::NotServed
            | Self::Unwanted
            | Self::Repeated
            | Self::Contradicting => None,
        }
    }
}

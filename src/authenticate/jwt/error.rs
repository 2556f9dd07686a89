//! Why a token is refused, and why keys cannot be used.

use http::StatusCode;
use thiserror::Error;

/// What is wrong with a bearer token. None holds anything of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum JwtFault {
    /// Longer than 8 KiB; not looked at.
    #[error("the token is longer than 8192 bytes")]
    Long,
    /// Not three parts of base64url with dots between them.
    #[error("the token is not three parts of base64url")]
    Compact,
    /// A header that is no JSON object, or whose members are of the wrong type.
    #[error("the token's header is not one of a signed token")]
    Header,
    /// A header that names extensions which must be understood.
    #[error("the token's header names a critical extension")]
    Critical,
    /// An algorithm that the issuer does not sign with.
    #[error("the token's algorithm is not one that the issuer is configured with")]
    Algorithm,
    /// Claims that are no JSON object, or ambiguous JSON.
    #[error("the token's claims are not a JSON object")]
    Claims,
    /// A registered claim of the wrong type.
    #[error("a claim of the token is of the wrong type")]
    ClaimType,
    /// No `iss`, `aud`, `exp` or name.
    #[error("the token lacks a claim that is needed")]
    ClaimMissing,
    /// No configured issuer.
    #[error("the token's issuer is not configured")]
    Issuer,
    /// No key of the issuer fits, or too many do.
    #[error("the issuer has no key for the token")]
    Key,
    /// Not signed with the issuer's key.
    #[error("the token's signature is not the issuer's")]
    Signature,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Too old.
    #[error("the token has expired")]
    Expired,
    /// Too young.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A name that is empty, longer than 512 bytes, or holds control characters.
    #[error("the token's name cannot be a principal's name")]
    Name,
    /// The issuer's keys could not be fetched, or not for too long.
    #[error("the issuer's keys are not known now")]
    KeysUnavailable,
}

/// Why a key or a set of keys cannot be used. The texts are of the configuration; none shows a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JwtKeyError {
    /// Not JSON with a `keys` array.
    #[error("this is no JWK set: it must be a JSON object with the array \"keys\"")]
    NoSet,
    /// More keys than anybody signs with.
    #[error("the JWK set holds more than {0} keys: keep those that sign")]
    Many(usize),
    /// A private or symmetric key where public ones belong.
    #[error("key {0} is private or symmetric: publish public keys only, and replace this one")]
    Private(usize),
    /// No key that fits the issuer's algorithms.
    #[error(
        "no key can be used: give RSA keys of 2048 to 8192 bits, P-256, P-384 or Ed25519 keys that fit `algorithms`"
    )]
    NoUsable,
    /// Not PEM.
    #[error("the file holds no public key: it must have a PEM block named PUBLIC KEY")]
    NoPem,
    /// PEM of something else.
    #[error(
        "a public key cannot be used: use RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519, and list its algorithm"
    )]
    BadPem,
}

impl JwtFault {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::KeysUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Long
            | Self::Compact
            | Self::Header
            | Self::Critical
            | Self::Algorithm
            | Self::Claims
            | Self::ClaimType
            | Self::ClaimMissing
            | Self::Issuer
            | Self::Key
            | Self::Signature
            | Self::Audience
            | Self::Expired
            | Self::NotYetValid
            | Self::Name => StatusCode::UNAUTHORIZED,
        }
    }

    /// The stable word for records and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Long | Self::Compact | Self::Header | Self::Claims => "token_malformed",
            Self::Critical => "token_critical",
            Self::Algorithm => "token_algorithm",
            Self::ClaimType | Self::ClaimMissing => "token_claims",
            Self::Issuer => "token_issuer",
            Self::Key => "token_key_unknown",
            Self::Signature => "token_signature",
            Self::Audience => "token_audience",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Name => "token_name",
            Self::KeysUnavailable => "token_keys_unavailable",
        }
    }

    /// What the caller hears.
    pub const fn public_message(self) -> &'static str {
        match self {
            Self::Long | Self::Compact | Self::Header | Self::Critical | Self::Claims => "the token cannot be read",
            Self::Algorithm | Self::Issuer | Self::Key | Self::Signature => "the token is not valid",
            Self::ClaimType | Self::ClaimMissing | Self::Name => "the token lacks a usable claim",
            Self::Audience => "the token is for another audience",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::KeysUnavailable => "the token cannot be checked now: try again",
        }
    }
}

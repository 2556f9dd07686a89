//! Why a binding cannot be used.

use ipnet::IpNet;
use thiserror::Error;

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
        "binding {0}: it does not say whom it is about: add `users`, `certificates`, `issuer`, a `keystone_…` key, \
         `authenticated = true` or `anonymous = true`"
    )]
    NoCaller(String),
    /// `anonymous` with a key about somebody: nobody is both.
    #[error("binding {0}: nobody is anonymous and authenticated: make two bindings")]
    Contradiction(String),
    /// Keys of two schemes.
    #[error("binding {0}: nobody is `{1}` and `{2}`, they are of two schemes: make two bindings")]
    Schemes(String, &'static str, &'static str),
    /// `anonymous = false` or `authenticated = false`.
    #[error("binding {0}: `{1} = false` says nothing: remove it")]
    False(String, &'static str),
    /// An empty list, which nobody could match, or an empty text in one.
    #[error("binding {0}: `{1}` is empty and would match nobody: fill it or remove the binding")]
    Empty(String, &'static str),
    /// Text that is no network.
    #[error("binding {0}: {1:?} is no network: write it as 192.0.2.0/24 or 2001:db8::/32")]
    Network(String, String),
    /// A network with host bits.
    #[error("binding {0}: {1:?} has bits past its prefix: write {2}")]
    HostBits(String, String, IpNet),
    /// Text that names no certificate.
    #[error(
        "binding {0}: {1:?} names no certificate: write a URI (spiffe://DOMAIN/PATH, with /* at its end for one more \
         segment) or dns:NAME"
    )]
    Certificate(String, String),
    /// Claims of no issuer.
    #[error("binding {0}: `claims` are an issuer's: add `issuer = \"…\"`")]
    ClaimsWithoutIssuer(String),
    /// A pointer to a claim that is none.
    #[error(
        "binding {0}: {1:?} points to no claim: write the claim's name, or a JSON Pointer such as \
         \"/kubernetes.io/namespace\""
    )]
    Claim(String, String),
}

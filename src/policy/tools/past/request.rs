//! A request as its record tells it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::authenticate::SchemeName;
use crate::call::WriteOp;
use crate::catalog::Operation;

/// What a record tells of one fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Told<T> {
    /// Nothing.
    #[default]
    Unknown,
    /// That the request had none.
    Absent,
    /// This.
    Is(T),
}

/// A request as its record tells it.
#[derive(Debug, Clone)]
pub struct PastRequest {
    /// How the caller was authenticated.
    pub scheme: SchemeName,
    /// The caller's name within the scheme.
    pub name: String,
    /// irongate's roles.
    pub roles: Vec<Arc<str>>,
    /// What Keystone said of the token.
    pub keystone: PastKeystone,
    /// What was asked.
    pub operation: &'static Operation,
    /// The resource's identifier as the caller wrote it; `None` for collections and the API itself.
    pub resource_id: Option<String>,
    /// Whether a policy about one object would have known the resource by this identifier and no other.
    pub resource_certain: bool,
    /// The path's parameters beside the resource's.
    pub parameters: Vec<(String, String)>,
    /// `N` of `1.N`.
    pub microversion: Option<u16>,
    /// The listener's name.
    pub listener: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub now: Option<i64>,
    /// The caller's address.
    pub source: Told<IpAddr>,
    /// The names of the query parameters.
    pub query_names: Vec<String>,
    /// Their values, of those that were recorded.
    pub query: Vec<(String, String)>,
    /// The names of the configured places.
    pub places: Option<Vec<String>>,
    /// The writes; empty where the request has no body.
    pub writes: Vec<PastWrite>,
    /// Whether these are all the writes.
    pub writes_complete: bool,
}

/// What Keystone said of a caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PastKeystone {
    /// The user's domain.
    pub user_domain_id: Told<String>,
    /// The project of the scope.
    pub project_id: Told<String>,
    /// That project's domain.
    pub project_domain_id: Told<String>,
    /// The domain of the scope.
    pub domain_id: Told<String>,
    /// Whether the scope is the system.
    pub system: Told<bool>,
    /// Keystone's roles.
    pub roles: Told<Vec<String>>,
}

/// One write of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastWrite {
    /// What was done.
    pub op: WriteOp,
    /// To which place.
    pub path: String,
    /// The step that it was, or was an argument of.
    pub step: Told<PastStep>,
    /// Whether the value is a secret.
    pub secret: Option<bool>,
    /// What was written.
    pub value: Told<PastValue>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PastStep {
    /// `deploy`, `raid`, …
    pub interface: String,
    /// Its name.
    pub step: String,
    /// The argument's name.
    pub argument: Told<String>,
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PastValue {
    /// `string`, `object`, …
    pub kind: Option<String>,
    /// As policies have it.
    pub length: Option<i64>,
    /// The text, where it is one of a closed list of words.
    pub string: Told<String>,
    /// The number.
    pub integer: Told<i64>,
    /// The truth.
    pub boolean: Told<bool>,
    /// How plainly the text is written.
    pub spelling: Told<String>,
    /// The places that it is in.
    pub places: Option<Vec<String>>,
    /// Its parts, if it looks like a URL.
    pub url: Told<PastUrl>,
}

/// The recorded parts of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PastUrl {
    /// Whether all readers agree about it.
    pub plain: Option<bool>,
    /// `https`, …
    pub scheme: Option<String>,
    /// In lower case.
    pub host: Option<String>,
    /// The host, if it is an address.
    pub address: Told<IpAddr>,
    /// The port.
    pub port: Told<u16>,
    /// Whether there is a user's name or a password in it.
    pub userinfo: Option<bool>,
}

//! Every way to refuse, as the caller sees it.
//!
//! Each stage has a small error enum of its own; here they meet. Status, code and text are chosen where the misdeed is
//! known; this module only gives them Ironic's shape. The caller hears a status, a stable code and a text without a
//! value of the request; everything else is for the record.

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::audit::AuditFull;
use crate::authenticate::AuthnError;
use crate::authorize::Refusal;
use crate::body::{Body, BodyError};
use crate::forward::UpstreamError;
use crate::framing::FramingError;
use crate::header::{X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION, X_OPENSTACK_IRONIC_API_MINIMUM_VERSION};
use crate::limits::LimitError;
use crate::listener::ListenerError;
use crate::microversion::{self, Ceiling};
use crate::policy::{Denial, DenialReason};
use crate::route::RouteError;
use crate::snapshot::DenialDetail;
use crate::validate::InvalidRequest;

mod missing;
#[cfg(test)]
mod tests;

pub use missing::Missing;

/// The rule that denies where no policy says anything.
pub const DEFAULT_DENY: &str = "default-deny";

/// `Retry-After` while records cannot be written.
const AUDIT_RETRY_SECONDS: &str = "5";
/// After which a caller may try again whose resource could not be looked up.
const LOOKUP_RETRY_SECONDS: &str = "5";

/// A refusal by any stage.
#[derive(Debug)]
pub enum Rejection {
    /// The head is not plain.
    Framing(FramingError),
    /// Not from there, not any more, or not here.
    Listener(ListenerError),
    /// Nobody, or not who they say. The challenges are those of the listener's schemes.
    Authentication(AuthnError, Vec<HeaderValue>),
    /// Nobody in particular, and the policy says no: being somebody may help.
    Unauthenticated(Refusal, Vec<HeaderValue>),
    /// No operation of the catalogue, or spelled oddly.
    Route(RouteError, Ceiling),
    /// The policy says no.
    Denied(Refusal),
    /// Too many at once, or too often.
    Limit(LimitError),
    /// The body did not come.
    Body(BodyError),
    /// The request is not one that Ironic takes.
    Invalid(InvalidRequest, Ceiling),
    /// It could not be recorded, and so is not carried out.
    Audit(AuditFull),
    /// Ironic did not answer as it should.
    Upstream(UpstreamError),
    /// A bug here; the panic has been caught.
    Internal,
}

/// The object that is added to Ironic's error shape; clients ignore it, people and tests read it.
#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
}

#[derive(Serialize)]
struct Fault<'a> {
    faultcode: &'a str,
    faultstring: &'a str,
    debuginfo: Option<()>,
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    irongate: Option<Detail<'a>>,
}

impl Rejection {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        let status = match self {
            Self::Framing(error) => error.status(),
            Self::Listener(error) => error.status(),
            Self::Authentication(error, _) => error.status().as_u16(),
            Self::Unauthenticated(..) => 401,
            Self::Route(error, _) => error.status(),
            Self::Denied(refusal) => match &refusal.missing {
                Some(missing) => missing.status,
                None if refusal.denial.reason == DenialReason::Unavailable => 503,
                None => 403,
            },
            Self::Limit(error) => error.status(),
            Self::Body(error) => error.status(),
            Self::Invalid(error, _) => error.status(),
            Self::Audit(_) => 503,
            Self::Upstream(error) => error.status(),
            Self::Internal => 500,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable word for answers, records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Framing(error) => error.code(),
            Self::Listener(error) => error.code(),
            Self::Authentication(error, _) => error.code(),
            Self::Unauthenticated(..) => "credential_missing",
            Self::Route(error, _) => error.code(),
            Self::Denied(refusal) => refusal.denial.reason.as_str(),
            Self::Limit(error) => error.code(),
            Self::Body(error) => error.code(),
            Self::Invalid(error, _) => error.code(),
            Self::Audit(_) => "audit_full",
            Self::Upstream(error) => error.code(),
            Self::Internal => "internal",
        }
    }

    /// The stage that refused.
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::Framing(_) => "framing",
            Self::Listener(_) => "listener",
            Self::Authentication(..) => "authenticate",
            Self::Route(..) => "route",
            Self::Denied(_) | Self::Unauthenticated(..) => "authorize",
            Self::Limit(_) => "limit",
            Self::Body(_) | Self::Invalid(..) => "validate",
            Self::Audit(_) => "audit",
            Self::Upstream(_) => "forward",
            Self::Internal => "internal",
        }
    }

    /// What the caller is told.
    pub fn message(&self) -> String {
        match self {
            Self::Framing(error) => error.to_string(),
            Self::Listener(error) => error.public_message().to_owned(),
            Self::Authentication(error, _) => error.public_message().to_owned(),
            Self::Unauthenticated(..) => AuthnError::Missing.public_message().to_owned(),
            Self::Route(error, _) => error.to_string(),
            Self::Denied(refusal) => match &refusal.missing {
                Some(missing) => missing.text.clone(),
                None => denied(refusal),
            },
            Self::Limit(error) => error.to_string(),
            Self::Body(error) => error.to_string(),
            Self::Invalid(error, _) => error.to_string(),
            Self::Audit(_) => {
                "the request cannot be recorded at present and was not carried out; try again later".to_owned()
            }
            Self::Upstream(error) => error.to_string(),
            Self::Internal => "irongate failed to answer; the request was not completed".to_owned(),
        }
    }

    /// The answer, in Ironic's error shape.
    pub fn response(&self) -> Response<Body> {
        let status = self.status();
        let code = match self {
            // As Ironic's own, to the letter.
            Self::Denied(refusal) if refusal.missing.is_some() || refusal.detail == DenialDetail::None => None,
            Self::Denied(refusal) if refusal.denial.reason == DenialReason::Unavailable => Some((self.code(), None)),
            Self::Denied(refusal) => Some((self.code(), Some(rule(&refusal.denial)))),
            Self::Framing(_)
            | Self::Listener(_)
            | Self::Authentication(..)
            | Self::Unauthenticated(..)
            | Self::Route(..)
            | Self::Limit(_)
            | Self::Body(_)
            | Self::Invalid(..)
            | Self::Audit(_)
            | Self::Upstream(_)
            | Self::Internal => Some((self.code(), None)),
        };
        let mut response = error_response(status, &self.message(), code);
        let headers = response.headers_mut();
        match self {
            // What follows a head that was not plain is not read as a request.
            Self::Framing(_) => set(headers, CONNECTION, "close"),
            Self::Listener(ListenerError::NotServedHere) => {}
            // A new connection is judged anew.
            Self::Listener(
                ListenerError::Source
                | ListenerError::CertificateMissing
                | ListenerError::CertificateDistrusted
                | ListenerError::CertificateExpired,
            ) => set(headers, CONNECTION, "close"),
            Self::Authentication(error, challenges) => {
                if let Some(seconds) = error.retry_after() {
                    set(headers, RETRY_AFTER, &seconds.to_string());
                }
                if status == StatusCode::UNAUTHORIZED {
                    challenge(headers, challenges);
                }
            }
            Self::Unauthenticated(_, challenges) => challenge(headers, challenges),
            Self::Route(error, ceiling) => {
                if let RouteError::MethodNotAllowed { allow } | RouteError::Options { allow } = error {
                    set(headers, ALLOW, &allow.to_string());
                }
                versions(headers, status, *ceiling);
            }
            Self::Invalid(_, ceiling) => versions(headers, status, *ceiling),
            Self::Audit(_) => set(headers, RETRY_AFTER, AUDIT_RETRY_SECONDS),
            Self::Upstream(error) => {
                if let Some(seconds) = error.retry_after() {
                    set(headers, RETRY_AFTER, &seconds.to_string());
                }
            }
            Self::Denied(refusal) => {
                if let Some(missing) = &refusal.missing {
                    set(headers, microversion::HEADER, &missing.microversion.to_string());
                    set(headers, X_OPENSTACK_IRONIC_API_MINIMUM_VERSION, &missing.ceiling.lowest().to_string());
                    set(headers, X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION, &missing.ceiling.highest().to_string());
                } else if refusal.denial.reason == DenialReason::Unavailable {
                    set(headers, RETRY_AFTER, LOOKUP_RETRY_SECONDS);
                }
            }
            Self::Limit(error) => set(headers, RETRY_AFTER, &error.retry_after().to_string()),
            Self::Body(error) => {
                if let Some(seconds) = error.retry_after() {
                    set(headers, RETRY_AFTER, &seconds.to_string());
                }
            }
            Self::Internal => {}
        }
        response
    }
}

/// Ironic's error shape: JSON text inside JSON, as its clients expect. `code` is irongate's own word, absent where the
/// refusal is Ironic's.
pub fn error_response(status: StatusCode, message: &str, code: Option<(&str, Option<&str>)>) -> Response<Body> {
    let faultcode = if status.is_server_error() { "Server" } else { "Client" };
    let fault = serde_json::to_string(&Fault { faultcode, faultstring: message, debuginfo: None }).unwrap_or_default();
    let document = ErrorDocument { error_message: &fault, irongate: code.map(|(code, rule)| Detail { code, rule }) };
    let mut response = Response::new(Body::whole(serde_json::to_vec(&document).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// With a 406: which microversions there are.
fn versions(headers: &mut HeaderMap, status: StatusCode, ceiling: Ceiling) {
    if status == StatusCode::NOT_ACCEPTABLE {
        set(headers, X_OPENSTACK_IRONIC_API_MINIMUM_VERSION, &ceiling.lowest().to_string());
        set(headers, X_OPENSTACK_IRONIC_API_MAXIMUM_VERSION, &ceiling.highest().to_string());
    }
}

fn challenge(headers: &mut HeaderMap, challenges: &[HeaderValue]) {
    for challenge in challenges {
        headers.append(WWW_AUTHENTICATE, challenge.clone());
    }
}

/// The policy that denied; that nothing permits is a rule too, and has a name.
fn rule(denial: &Denial) -> &str {
    denial.policies.first().map_or(DEFAULT_DENY, |policy| policy)
}

fn denied(Refusal { denial, operation, write, missing: _, detail }: &Refusal) -> String {
    match detail {
        DenialDetail::None if denial.reason == DenialReason::Unavailable => return "not available now".to_owned(),
        DenialDetail::None => return "access is denied".to_owned(),
        DenialDetail::Rule => return format!("access is denied by {}", rule(denial)),
        DenialDetail::Full => {}
    }
    let asked = match write {
        Some(path) if path.is_empty() => format!("{} with this body", operation.id),
        Some(path) => format!("{} writing {path}", operation.id),
        None => operation.id.clone(),
    };
    let why = match (&denial.explanation, denial.reason) {
        (Some(explanation), _) => explanation,
        (None, DenialReason::NoPermit) => "no policy permits it to this caller",
        (None, DenialReason::Forbidden) => "a policy forbids it",
        (None, DenialReason::Indeterminate) => "a policy could not be evaluated",
        (None, DenialReason::Unavailable) => "an object that policies decide by could not be looked up",
    };
    format!("{asked} is denied by {}: {why}", rule(denial))
}

macro_rules! from {
    ($($error:ident => $variant:ident),*) => {$(
        impl From<$error> for Rejection {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )*};
}

from!(FramingError => Framing, ListenerError => Listener, BodyError => Body, LimitError => Limit, AuditFull => Audit, UpstreamError => Upstream);

//! The configuration file: `RawConfig` is what was written, [`Config`] what it means, checked and immutable.
//!
//! Configuration is TOML. Unknown keys are errors with a line number. A variable `IRONGATE_UPSTREAM__ENDPOINT` overrides
//! `endpoint` in `[upstream]`; `IRONGATE_LISTENER__0__ADDRESS` the address of the first listener. Secrets are only ever
//! named by file. Paths are relative to the configuration file.

mod check;
mod decides;
mod files;
mod limits;
mod overrides;
mod raw;
mod source;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use crate::audit::AuditTerms;
use crate::authenticate::{BasicConfig, Binding, JwtConfig, KeystoneConfig, SchemeName};
use crate::forward::Ejection;
use crate::listener::Served;
use crate::networks::Networks;
use crate::scrub::Treatments;
use crate::tls::{CertificateExpiry, ClientTls, ServerTls};
use crate::validate::ShadowChecks;

pub use check::{effective, load, load_noting, mistake, policy_sources_below};
pub use decides::Decides;
pub use files::Files;
pub use limits::{ClassLimits, ClassesLimits, Limits, RoleLimits};

/// Everything that `serve` needs, read from files and checked. It holds keys and hashes and so cannot be printed.
pub struct Config {
    /// Whether denials are enforced or only recorded.
    pub mode: Mode,
    /// When dry-run ends, of the whole and of bindings.
    pub shadow_until: Option<jiff::Timestamp>,
    /// Worker threads, each with its own runtime, listeners and upstream connections.
    pub workers: usize,
    /// Where callers come in; at least one.
    pub listeners: Vec<Listener>,
    /// Where health is told.
    pub admin: Option<SocketAddr>,
    /// HTTP basic, if a listener uses it.
    pub basic: Option<BasicConfig>,
    /// Keystone, if a listener uses it.
    pub keystone: Option<KeystoneConfig>,
    /// Tokens of issuers, if there are any.
    pub jwt: Option<JwtConfig>,
    /// Who gets which roles.
    pub bindings: Vec<Binding>,
    /// Where Ironic is.
    pub upstream: Upstream,
    /// The policies' names and texts.
    pub policies: Vec<crate::policy::PolicySource>,
    /// What policies call places.
    pub places: Arc<crate::policy::Places>,
    /// The secret map with the operator's additions, for every role.
    pub scrub: Arc<Treatments>,
    /// The checks of bodies that are only tried out.
    pub shadow_checks: ShadowChecks,
    /// Policies that are asked beside the active ones: how the configuration calls each set, and its files.
    pub candidates: Vec<(String, Vec<crate::policy::PolicySource>)>,
    /// How long a looked-up object is remembered; zero: never.
    pub resource_cache: Duration,
    /// How much callers are told of a denial.
    pub denial_detail: crate::snapshot::DenialDetail,
    /// Where records go.
    pub audit: AuditConfig,
    /// The highest microversion to admit (the minor number of `1.N`).
    pub microversion_max: u16,
    /// The only microversion to admit, if it is pinned.
    pub microversion_pin: Option<u16>,
    /// Where traces go, if anywhere.
    pub tracing: Option<Tracing>,
    /// Bounds.
    pub limits: Limits,
    /// What of all this decides about requests, beside the policies.
    pub decides: Decides,
    /// Whether a changed file is a reason to reload.
    pub watch: bool,
    /// The file itself and what it names, as they were before they were read.
    pub files: Files,
    /// The certificates among the files that were read, and until when they hold.
    pub certificates: Vec<CertificateExpiry>,
}

/// The two global modes; policies have modes of their own besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Denials are refused.
    Enforce,
    /// Dry run: denials are recorded and the request is forwarded. Authentication, framing, validation and limits stay.
    Shadow,
}

impl Mode {
    /// The word in configuration and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        }
    }
}

/// One place where callers come in. It holds a key and so cannot be printed.
pub struct Listener {
    /// Its name in records and policies.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: ListenAddress,
    /// How callers may authenticate, in order.
    pub schemes: Vec<SchemeName>,
    /// TLS; without it, only loopback addresses and unix sockets are taken.
    pub tls: Option<ServerTls>,
    /// Whether answers may be compressed.
    pub compression: bool,
    /// Scheme and authority that links in answers get; by default those of the request.
    pub public_url: Option<Arc<str>>,
    /// What it serves at all.
    pub operations: Served,
    /// Where callers may come from; `None`: anywhere.
    pub source_networks: Option<Networks>,
    /// Connections at once; `None`: as many as `[limits]` says for all.
    pub connections_max: Option<usize>,
    /// Requests under way; `None`: as many as `[limits]` says for all.
    pub requests_max: Option<usize>,
    /// Whether it may speak without TLS to other machines.
    pub insecure_plaintext: bool,
}

/// A socket address or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix socket; created with mode 0660.
    Unix(PathBuf),
    /// A socket that the service manager opened.
    Inherited {
        /// The name that it was given there.
        name: String,
        /// Whether it is a unix socket; TCP otherwise.
        unix: bool,
    },
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Inherited { name, unix } => write!(formatter, "{}:{name}", if *unix { "fd-unix" } else { "fd" }),
        }
    }
}

/// How Ironic is reached.
pub struct Upstream {
    /// Where; at least one, at most [`ENDPOINTS_MAX`].
    pub endpoints: Vec<UpstreamEndpoint>,
    /// TLS towards `https` endpoints.
    pub tls: Option<ClientTls>,
    /// As whom irongate asks.
    pub identity: UpstreamIdentity,
    /// To connect, TLS handshake included.
    pub connect_timeout: Duration,
    /// To hand a request's body over.
    pub send_timeout: Duration,
    /// From the sent request to the head of the answer. Ironic's own synchronous calls take up to 60 s.
    pub answer_timeout: Duration,
    /// Between two pieces of the answer's body.
    pub idle_timeout: Duration,
    /// From the head of an answer to its end.
    pub transfer_timeout: Duration,
    /// When an endpoint that fails is left alone.
    pub ejection: Ejection,
    /// Between two probes of an endpoint.
    pub probe_interval: Duration,
    /// Kept connections to one endpoint, all workers together. Ironic's own server keeps 10.
    pub connections_idle_max: usize,
    /// How long a connection is kept unused. Ironic's own server closes after 10 s.
    pub connection_idle_timeout: Duration,
}

/// Endpoints that one Ironic may have.
pub const ENDPOINTS_MAX: usize = 16;

/// One of Ironic's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamEndpoint {
    /// As it was written.
    pub name: String,
    /// Where.
    pub endpoint: Endpoint,
    /// The `Host` that Ironic sees.
    pub authority: String,
}

/// Where traces go.
pub struct Tracing {
    /// The collector (OTLP over HTTP).
    pub endpoint: Endpoint,
    /// The `Host` that it sees.
    pub authority: String,
    /// TLS towards an `https` endpoint.
    pub tls: Option<ClientTls>,
    /// Of requests without a trusted parent, the part that is sampled: 0 to 1.
    pub ratio: f64,
    /// Listeners whose callers' `traceparent` is followed.
    pub trusted_listeners: Vec<Arc<str>>,
}

/// As whom irongate asks Ironic.
#[derive(Clone, Default)]
pub enum UpstreamIdentity {
    /// As nobody: Ironic trusts the way to it.
    #[default]
    None,
    /// As the caller, with the token that Keystone vouched for. Callers of other schemes are nobody to Ironic.
    Token,
    /// As itself: the value of `Authorization`, marked sensitive.
    Basic(HeaderValue),
}

impl std::fmt::Debug for UpstreamIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Token => "Token",
            Self::Basic(_) => "Basic(…)",
        })
    }
}

/// Ironic's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// Host and port, with TLS or without.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether the scheme is `https`.
        tls: bool,
    },
}

/// Where records go, and what happens if they cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// Where to.
    pub sink: AuditSink,
    /// Where the same goes as CADF events.
    pub cadf: Option<AuditSink>,
    /// Records that may wait for a sink, in bytes.
    pub queue_bytes_max: usize,
    /// What happens if it is full, and which reads are left out.
    pub terms: AuditTerms,
}

impl AuditConfig {
    /// To this sink, with the defaults.
    pub fn to(sink: AuditSink) -> Self {
        Self { sink, cadf: None, queue_bytes_max: crate::audit::QUEUE_BYTES_MAX, terms: AuditTerms::default() }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Tcp { host, port, tls } => {
                write!(formatter, "{}://{host}:{port}", if *tls { "https" } else { "http" })
            }
        }
    }
}

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditSink {
    /// Standard output.
    Stdout,
    /// A file, appended to, mode 0600 when made.
    File(PathBuf),
}

/// A mistake in the configuration or in a file that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file with the mistake.
    pub file: PathBuf,
    /// 1-based, where known.
    pub line: Option<usize>,
    /// What is wrong and what to change.
    pub message: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(crate) fn new(file: &Path, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

#[cfg(test)]
mod tests;

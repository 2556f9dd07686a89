//! `irongate whoami`: which principal a credential proves, which roles it gets, and through which bindings.
//!
//! It builds the snapshot that `serve` would build and asks its authenticator; nothing is forwarded, and the credential
//! is never printed.

use std::fmt::Write;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::zeroize::Zeroizing;
use serde::Serialize;

use super::{ConfigFile, FINDINGS, Format, USAGE, complain, load, print, say};
use crate::authenticate::{AuthnError, ClientCertificate, Granted, Peer, Principal, SchemeName};
use crate::listener::ListenerState;
use crate::plain::plain;
use crate::snapshot::Snapshot;
use crate::tls::CertificatePem;

/// The longest file of headers, in bytes.
const HEADERS_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub(super) struct Whoami {
    #[command(flatten)]
    config: ConfigFile,
    /// The listener that is called; default: the first.
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The address that the call comes from; default: none, as on a unix socket.
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// A file with header lines (`Authorization: …`); `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    header_file: Option<PathBuf>,
    /// A header line. Others on this machine can see it: prefer --header-file.
    #[arg(long = "header", value_name = "LINE", conflicts_with_all = ["user", "header_file"])]
    headers: Vec<HeaderLine>,
    /// A client certificate (PEM, with its intermediates; no key is needed) that the listener would be shown.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Instead of a credential: what the HTTP basic user of this name would get there with a good password.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// A header line of the command line: it may hold a credential and so does not print.
#[derive(Clone)]
struct HeaderLine(Zeroizing<String>);

impl std::fmt::Debug for HeaderLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HeaderLine")
    }
}

impl std::str::FromStr for HeaderLine {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// What is told.
#[derive(Serialize)]
struct Told<'a> {
    listener: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// False where nobody proved anything (`--user`).
    #[serde(skip_serializing_if = "Option::is_none")]
    proved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [Arc<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bindings: Option<&'a [Arc<str>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Serialize)]
struct Failure {
    status: u16,
    code: &'static str,
    reason: String,
}

pub(super) fn run(asked: &Whoami) -> ExitCode {
    let config = match load(&asked.config.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let snapshot = match Snapshot::build(&config, &asked.config.config) {
        Ok(snapshot) => snapshot,
        Err(errors) => return complain(&errors),
    };
    match answer(asked, &snapshot) {
        Ok(code) => code,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::from(USAGE)
        }
    }
}

fn answer(asked: &Whoami, snapshot: &Snapshot) -> Result<ExitCode, String> {
    let listener = match &asked.listener {
        None => snapshot.listeners.first(),
        Some(name) => snapshot.listeners.iter().find(|listener| *listener.name == **name),
    };
    let names = || snapshot.listeners.iter().map(|listener| &*listener.name).collect::<Vec<_>>().join(", ");
    let listener = listener.ok_or_else(|| format!("there is no such listener: name one of {}", names()))?;
    if !asked.headers.is_empty() {
        say("warning: others on this machine can see --header while this runs: prefer --header-file");
    }
    let certificate = asked.certificate.as_deref().map(|file| certificate(file, listener)).transpose()?;
    let peer = Peer { address: asked.source, tls: listener.tls.is_some(), certificate: certificate.map(Arc::new) };
    let mut told = Told {
        listener: &listener.name,
        scheme: None,
        name: None,
        proved: None,
        roles: None,
        bindings: None,
        mode: None,
        failure: None,
    };
    let headers = headers(asked)?;
    if let Err(error) = listener.take(&peer) {
        let failure = Failure { status: error.status(), code: error.code(), reason: error.to_string() };
        told.failure = Some(failure);
        return Ok(tell(&told, asked.format));
    }
    if let Some(user) = &asked.user {
        let Granted { roles, bindings, shadow } =
            match snapshot.authenticator.assumed_user(user, &peer, &listener.schemes) {
                Ok(granted) => granted,
                Err(error) => return Ok(tell(&refused(told, error), asked.format)),
            };
        let told = Told {
            scheme: Some("basic"),
            name: Some(user),
            proved: Some(false),
            roles: Some(&roles),
            bindings: Some(&bindings),
            mode: shadow.then_some("shadow"),
            ..told
        };
        return Ok(tell(&told, asked.format));
    }
    match authenticate(snapshot, listener, &headers, &peer)? {
        Ok(principal) => {
            let told = Told {
                scheme: Some(principal.scheme().as_str()),
                name: Some(principal.name()),
                proved: Some(true),
                roles: Some(principal.roles()),
                bindings: Some(principal.bindings()),
                mode: principal.in_shadow().then_some("shadow"),
                ..told
            };
            Ok(tell(&told, asked.format))
        }
        Err(error) => Ok(tell(&refused(told, error), asked.format)),
    }
}

fn refused(told: Told<'_>, error: AuthnError) -> Told<'_> {
    let failure = Failure { status: error.status().as_u16(), code: error.code(), reason: error.to_string() };
    Told { failure: Some(failure), ..told }
}

fn authenticate(
    snapshot: &Snapshot,
    listener: &ListenerState,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<Result<Principal, AuthnError>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the system refuses a runtime: {error}"))?;
    Ok(runtime.block_on(snapshot.authenticator.authenticate(headers, peer, &listener.schemes)))
}

/// As the handshake would: verified with the listener's CAs, then its names.
fn certificate(file: &Path, listener: &ListenerState) -> Result<ClientCertificate, String> {
    let trust = listener.client_trust.as_ref().ok_or_else(|| {
        format!("the listener {} asks for no client certificate: see client_certificates", listener.name)
    })?;
    let chain = CertificatePem::read(file).and_then(|pem| pem.certificates()).map_err(|error| error.to_string())?;
    // Not verified by anybody yet, so that the listener's own check does it.
    ClientCertificate::new(chain, !trust.id()).ok_or_else(|| format!("{} holds no certificate", file.display()))
}

fn headers(asked: &Whoami) -> Result<HeaderMap, String> {
    let mut text = Zeroizing::new(String::new());
    match asked.header_file.as_deref() {
        None => {
            for line in &asked.headers {
                text.push_str(&line.0);
                text.push('\n');
            }
        }
        Some(file) => {
            let failed = |error: std::io::Error| format!("{}: cannot be read: {error}", file.display());
            let source: Box<dyn Read> = if file == Path::new("-") {
                Box::new(std::io::stdin())
            } else {
                Box::new(std::fs::File::open(file).map_err(failed)?)
            };
            source.take(HEADERS_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        }
    }
    let mut headers = HeaderMap::new();
    for (place, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let bad = || format!("header line {place} is not NAME: VALUE");
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_error| bad())?;
        if name == CONNECTION {
            continue;
        }
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_error| bad())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Exit 0 for somebody with roles, 1 for a failure and for somebody without any.
fn tell(told: &Told<'_>, format: Format) -> ExitCode {
    let text = match format {
        Format::Json => serde_json::to_string_pretty(told).unwrap_or_default() + "\n",
        Format::Text => text(told),
    };
    let printed = print(&text);
    if told.failure.is_some() || told.roles.is_none_or(<[_]>::is_empty) { ExitCode::from(FINDINGS) } else { printed }
}

fn text(told: &Told<'_>) -> String {
    let mut text = format!("listener   {}\n", told.listener);
    if let Some(Failure { status, code, reason }) = &told.failure {
        write_line(&mut text, "refused", &format!("{status} {code}: {reason}"));
        return text;
    }
    let proved = if told.proved == Some(false) { " (assumed, nothing was proved)" } else { "" };
    let (scheme, name) = (told.scheme.unwrap_or_default(), told.name.unwrap_or_default());
    // As a policy names them: nobody's name is nothing beside the scheme.
    let name = if scheme == SchemeName::Anonymous.as_str() { String::new() } else { format!(":{name}") };
    write_line(&mut text, "principal", &format!("{scheme}{name}{proved}"));
    let list = |words: Option<&[Arc<str>]>, none: &str| match words {
        Some(words) if !words.is_empty() => words.join(", "),
        Some(_) | None => none.to_owned(),
    };
    write_line(&mut text, "roles", &list(told.roles, "none: no [[binding]] matches"));
    write_line(&mut text, "bindings", &list(told.bindings, "none"));
    if let Some(mode) = told.mode {
        write_line(&mut text, "mode", &format!("{mode}: denials are recorded only"));
    }
    text
}

fn write_line(text: &mut String, name: &str, value: &str) {
    let _written = writeln!(text, "{name:<10} {}", plain(value));
}

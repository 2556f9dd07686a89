//! `[[authentication.jwt]]`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::Endpoint;
use super::super::raw::unwritten;
use super::Checker;
use crate::authenticate::{JwksUrl, JwtAlgorithm, JwtConfig, JwtIssuer, JwtKeys, KeySet};
use crate::forward::Connector;
use crate::json::Pointer;
use crate::tls::{CertificatePem, ClientTls, TlsVersion};

/// By how much clocks may differ unless the configuration says otherwise, and at most.
const LEEWAY_SECONDS: u64 = 30;
const LEEWAY_SECONDS_MAX: u64 = 60;
/// Keys are fetched at least once a day.
const DAY_SECONDS: u64 = 86_400;
/// When fetched keys are fetched again, and how long after a fetch because of a key that is not known.
const REFRESH_SECONDS: u64 = 300;
const REFETCH_SECONDS: u64 = 10;
/// To connect to where keys are fetched from, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// An issuer as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawJwt {
    pub issuer: Spanned<String>,
    pub audiences: Spanned<Vec<String>>,
    #[serde(default = "algorithms")]
    pub algorithms: Spanned<Vec<JwtAlgorithm>>,
    pub jwks_url: Option<Spanned<String>>,
    pub ca_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub min_version: TlsVersion,
    pub jwks_file: Option<Spanned<PathBuf>>,
    pub public_key_file: Option<Spanned<PathBuf>>,
    pub refresh_seconds: Option<Spanned<u64>>,
    pub refetch_seconds: Option<Spanned<u64>>,
    pub stale_seconds: Option<Spanned<u64>>,
    #[serde(default = "leeway_seconds")]
    pub leeway_seconds: Spanned<u64>,
    #[serde(default = "name_claim")]
    pub name_claim: Spanned<String>,
    #[serde(default)]
    pub name_prefix: String,
}

fn algorithms() -> Spanned<Vec<JwtAlgorithm>> {
    unwritten(JwtAlgorithm::DEFAULT.to_vec())
}
fn leeway_seconds() -> Spanned<u64> {
    unwritten(LEEWAY_SECONDS)
}
fn name_claim() -> Spanned<String> {
    unwritten("sub".to_owned())
}

impl RawJwt {
    /// The defaults of what goes with a URL only.
    pub(in crate::config) fn fill(&mut self) {
        if self.jwks_url.is_some() {
            self.refresh_seconds.get_or_insert(unwritten(REFRESH_SECONDS));
            self.refetch_seconds.get_or_insert(unwritten(REFETCH_SECONDS));
            self.stale_seconds.get_or_insert(unwritten(DAY_SECONDS));
        }
    }
}

impl Checker<'_> {
    /// All issuers; `None` where there is none.
    pub(super) fn jwt(&mut self, raw: &[RawJwt]) -> Option<JwtConfig> {
        let mut issuers: Vec<JwtIssuer> = Vec::new();
        for raw in raw {
            let at = raw.issuer.span().start;
            if issuers.iter().any(|known| known.issuer == *raw.issuer.get_ref()) {
                self.push(Some(at), "two [[authentication.jwt]] have this issuer: make them one".to_owned());
            }
            issuers.extend(self.issuer(raw));
        }
        (!issuers.is_empty()).then(|| JwtConfig::new(issuers))
    }

    fn issuer(&mut self, raw: &RawJwt) -> Option<JwtIssuer> {
        let at = raw.issuer.span().start;
        let (issuer, audiences) = (raw.issuer.get_ref(), raw.audiences.get_ref());
        if issuer.is_empty() {
            self.push(Some(at), "issuer is what the claim `iss` of its tokens says, mostly a URL".to_owned());
        }
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            let message = "audiences names what tokens for irongate have in the claim `aud`: at least one";
            self.push(Some(raw.audiences.span().start), message.to_owned());
        }
        let algorithms = raw.algorithms.get_ref().clone();
        if algorithms.is_empty() {
            let message = "algorithms is empty: name at least one, or leave it out";
            self.push(Some(raw.algorithms.span().start), message.to_owned());
            return None;
        }
        let name_claim = match raw.name_claim.get_ref().as_str() {
            "" | "/" => None,
            pointer if pointer.starts_with('/') => Pointer::parse(pointer).ok(),
            name => Some(Pointer::from_segments([name])),
        };
        if name_claim.is_none() {
            let message = "name_claim is a claim's name, or a JSON Pointer such as \"/user/name\"";
            self.push(Some(raw.name_claim.span().start), message.to_owned());
        }
        if raw.name_prefix.chars().any(char::is_control) {
            self.push(Some(at), "name_prefix holds a control character: remove it".to_owned());
        }
        let leeway = self.bounded(Some(&raw.leeway_seconds), "leeway_seconds", LEEWAY_SECONDS, 0, LEEWAY_SECONDS_MAX);
        let keys = self.keys(raw, &algorithms);
        Some(JwtIssuer {
            issuer: issuer.clone(),
            audiences: audiences.clone(),
            keys: keys?,
            leeway,
            name_claim: name_claim?,
            name_prefix: raw.name_prefix.clone(),
        })
    }

    fn keys(&mut self, raw: &RawJwt, algorithms: &[JwtAlgorithm]) -> Option<JwtKeys> {
        let at = raw.issuer.span().start;
        let remote = [
            raw.ca_file.as_ref().map(Spanned::span),
            raw.refresh_seconds.as_ref().map(Spanned::span),
            raw.refetch_seconds.as_ref().map(Spanned::span),
            raw.stale_seconds.as_ref().map(Spanned::span),
        ];
        let stray = if raw.jwks_url.is_none() { remote.into_iter().flatten().next() } else { None };
        if let Some(stray) = stray {
            let message = "ca_file, refresh_seconds, refetch_seconds and stale_seconds go with jwks_url";
            self.push(Some(stray.start), message.to_owned());
        }
        let (file, is_set) = match (&raw.jwks_url, &raw.jwks_file, &raw.public_key_file) {
            (Some(url), None, None) => {
                return self.jwks_url(raw, url, algorithms).map(Box::new).map(JwtKeys::Url);
            }
            (None, Some(file), None) => (file, true),
            (None, None, Some(file)) => (file, false),
            (_, _, _) => {
                let message = "say where the issuer's keys are: one of jwks_url, jwks_file and public_key_file";
                self.push(Some(at), message.to_owned());
                return None;
            }
        };
        let text = self.read_deciding(file)?;
        let read = if is_set { KeySet::from_jwks(&text, algorithms) } else { KeySet::from_pem(&text, algorithms) };
        match read {
            Ok(keys) => Some(JwtKeys::Fixed(keys)),
            Err(error) => {
                let name = self.noted(file.get_ref());
                self.push(Some(file.span().start), format!("{}: {error}", name.display()));
                None
            }
        }
    }

    fn jwks_url(&mut self, raw: &RawJwt, url: &Spanned<String>, algorithms: &[JwtAlgorithm]) -> Option<JwksUrl> {
        let at = url.span().start;
        let refresh = self.bounded(raw.refresh_seconds.as_ref(), "refresh_seconds", REFRESH_SECONDS, 1, DAY_SECONDS);
        let refetch = self.bounded(raw.refetch_seconds.as_ref(), "refetch_seconds", REFETCH_SECONDS, 1, 3600);
        let stale = self.bounded(raw.stale_seconds.as_ref(), "stale_seconds", DAY_SECONDS, 1, 30 * DAY_SECONDS);
        if stale <= refresh {
            self.push(Some(at), "stale_seconds must be longer than refresh_seconds".to_owned());
        }
        let parsed = url::Url::parse(url.get_ref()).ok().filter(|parsed| {
            matches!(parsed.scheme(), "http" | "https")
                && parsed.username().is_empty()
                && parsed.password().is_none()
                && parsed.fragment().is_none()
        });
        let Some((parsed, host, port)) = parsed.and_then(|parsed| {
            let (host, port) = (parsed.host_str()?.to_owned(), parsed.port_or_known_default()?);
            Some((parsed, host, port))
        }) else {
            self.push(Some(at), "jwks_url is a plain URL: https://issuer.example/keys".to_owned());
            return None;
        };
        let https = parsed.scheme() == "https";
        let loopback = match parsed.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if !https && !loopback {
            let message = "whoever is on the way could answer with keys of their own: use https:// with ca_file";
            self.push(Some(at), message.to_owned());
        }
        let mut source = url.get_ref().clone();
        let tls = match (&raw.ca_file, https) {
            (None, false) => None,
            (Some(ca), true) => {
                let ca = self.authority(ca)?;
                // Another CA is another source: keys that one vouched for say nothing for the other.
                source = format!("{source}#{}", fingerprint(&ca));
                let settings = ClientTls { ca, certificate: None, min_version: raw.min_version };
                match crate::tls::client_config(&settings) {
                    Ok(config) => Some(Arc::new(config)),
                    Err(error) => {
                        self.push(Some(at), error.to_string());
                        return None;
                    }
                }
            }
            (None, true) => {
                self.push(Some(at), "an https:// jwks_url needs ca_file: the CA of its server".to_owned());
                return None;
            }
            (Some(ca), false) => {
                self.push(Some(ca.span().start), "ca_file goes with an https:// jwks_url".to_owned());
                return None;
            }
        };
        let target = match parsed.query() {
            Some(query) => format!("{}?{query}", parsed.path()),
            None => parsed.path().to_owned(),
        };
        let authority = format!("{host}:{port}");
        let endpoint = Endpoint::Tcp { host, port, tls: https };
        match Connector::to(&endpoint, tls, CONNECT_TIMEOUT) {
            Ok(connector) => Some(JwksUrl {
                url: url.get_ref().clone(),
                source,
                connector,
                authority,
                target,
                algorithms: algorithms.to_vec(),
                refresh,
                refetch,
                stale_max: stale,
            }),
            Err(error) => {
                self.push(Some(at), error.to_string());
                None
            }
        }
    }

    fn bounded(&mut self, given: Option<&Spanned<u64>>, name: &str, default: u64, min: u64, max: u64) -> Duration {
        let Some(given) = given else { return Duration::from_secs(default) };
        if !(min..=max).contains(given.get_ref()) {
            self.push(Some(given.span().start), format!("{name} is between {min} and {max}"));
        }
        Duration::from_secs(*given.get_ref())
    }
}

fn fingerprint(ca: &CertificatePem) -> String {
    let digest = digest::digest(&digest::SHA256, &ca.pem);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

//! `[authentication.keystone]` and the identity towards Ironic.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::ExposeSecret;
use secrecy::zeroize::Zeroizing;
use toml::Spanned;

use super::super::UpstreamIdentity;
use super::super::raw::{RawIdentity, RawKeystone, RawUpstream};
use super::{Checker, Configured};
use crate::authenticate::{JwsKey, KeystoneConfig, ServiceCredential};
use crate::tls::ClientTls;

/// The longest time that a token may be believed without asking: a day.
const REVOCATION_SECONDS_MAX: u64 = 86_400;
/// The longest time that a bad token is remembered.
const REJECTED_SECONDS_MAX: u64 = 60;
/// The longest wait for Keystone.
const TIMEOUT_SECONDS_MAX: u64 = 60;
/// The longest time after its expiry for which a token may be accepted: a week.
const ALLOW_EXPIRED_SECONDS_MAX: u64 = 604_800;
/// Tokens to remember; one takes about 1 KiB.
const TOKENS_MAX: u64 = 1_000_000;
/// Calls at a time, and tokens under validation.
const VALIDATIONS_MAX: u64 = 10_000;

impl Checker<'_> {
    pub(super) fn keystone(&mut self, raw: &RawKeystone) -> Option<KeystoneConfig> {
        let at = raw.url.span().start;
        let url = raw.url.get_ref();
        let https = url.starts_with("https://");
        let mut trusted = Vec::new();
        let tls = match (&raw.ca_file, https) {
            (Some(ca), true) => {
                let settings = ClientTls { ca: self.authority(ca)?, certificate: None, min_version: raw.min_version };
                let built = crate::tls::client_config(&settings);
                trusted.extend_from_slice(format!("{:?}", raw.min_version).as_bytes());
                trusted.extend_from_slice(&settings.ca.pem);
                Some(Arc::new(built.map_err(|error| self.push(Some(ca.span().start), error.to_string())).ok()?))
            }
            (None, true) => {
                let message = "an https:// url needs ca_file: the CA that signed Keystone's certificate";
                self.push(Some(at), message.to_owned());
                return None;
            }
            (Some(ca), false) => {
                self.push(Some(ca.span().start), "ca_file goes with an https:// url".to_owned());
                return None;
            }
            (None, false) => None,
        };
        let connect = self.seconds(&raw.connect_timeout_seconds, "connect_timeout_seconds", TIMEOUT_SECONDS_MAX);
        let mut config =
            KeystoneConfig::new(url, tls, connect).map_err(|error| self.push(Some(at), error.to_string())).ok()?;
        config.trusted = trusted;
        if !https && !raw.insecure_plaintext && !loopback(url) {
            let message = "tokens would cross the network in the open, and whoever is on the way could vouch for anybody: \
                           use https:// with ca_file, or insecure_plaintext = true where something else encrypts";
            self.push(Some(at), message.to_owned());
        }
        if let Some(uri) = &raw.www_authenticate_uri {
            if !uri.get_ref().starts_with("https://") && !uri.get_ref().starts_with("http://")
                || uri.get_ref().bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'"' | b'\\'))
            {
                let message = "www_authenticate_uri must be a URL, such as https://keystone.example:5000, where callers get tokens";
                self.push(Some(uri.span().start), message.to_owned());
            }
            config.www_authenticate_uri.clone_from(uri.get_ref());
        }
        config.revocation_window = self.seconds(&raw.revocation_seconds, "revocation_seconds", REVOCATION_SECONDS_MAX);
        config.rejected_for = self.seconds(&raw.rejected_seconds, "rejected_seconds", REJECTED_SECONDS_MAX);
        config.timeout = self.seconds(&raw.timeout_seconds, "timeout_seconds", TIMEOUT_SECONDS_MAX);
        config.remembered_max = self.count(&raw.tokens_max, "tokens_max", TOKENS_MAX);
        config.connections_max = self.count(&raw.connections_max, "connections_max", VALIDATIONS_MAX);
        config.validations_max = self.count(&raw.validations_max, "validations_max", VALIDATIONS_MAX);
        config.jws_keys = raw
            .jws_public_key_files
            .iter()
            .filter_map(|file| {
                let pem = self.read_deciding(file)?;
                JwsKey::from_pem(&pem).map_err(|error| self.push(Some(file.span().start), error.to_string())).ok()
            })
            .collect();
        config.service = raw.service_credential_file.as_ref().and_then(|file| {
            let text = self.secret(file)?;
            ServiceCredential::read(&text).map_err(|error| self.push(Some(file.span().start), error.to_string())).ok()
        });
        config.service_roles_required = raw.service_token_roles_required;
        let allow_expired = &raw.allow_expired_seconds;
        if *allow_expired.get_ref() > ALLOW_EXPIRED_SECONDS_MAX {
            let message = format!("allow_expired_seconds is between 0 and {ALLOW_EXPIRED_SECONDS_MAX}");
            self.push(Some(allow_expired.span().start), message);
        }
        config.allow_expired = Duration::from_secs(*allow_expired.get_ref());
        let roles = &raw.service_roles;
        if roles.get_ref().iter().any(String::is_empty) || roles.get_ref().is_empty() {
            let message = "service_roles names at least one Keystone role, such as \"service\"";
            self.push(Some(roles.span().start), message.to_owned());
        }
        config.service_roles.clone_from(roles.get_ref());
        Some(config)
    }

    pub(super) fn identity(&mut self, raw: &RawUpstream, configured: Configured) -> UpstreamIdentity {
        let at = Some(raw.identity.span().start);
        match (*raw.identity.get_ref(), &raw.credential_file) {
            (RawIdentity::None | RawIdentity::Token, Some(file)) => {
                self.push(Some(file.span().start), "credential_file goes with identity = \"basic\"".to_owned());
                UpstreamIdentity::None
            }
            (RawIdentity::None, None) => UpstreamIdentity::None,
            (RawIdentity::Token, None) if configured.keystone => UpstreamIdentity::Token,
            (RawIdentity::Token, None) => {
                let message =
                    "identity = \"token\" passes tokens that Keystone vouched for: add [authentication.keystone]";
                self.push(at, message.to_owned());
                UpstreamIdentity::None
            }
            (RawIdentity::Basic, None) => {
                let message = "identity = \"basic\" needs credential_file: a file with USER:PASSWORD";
                self.push(at, message.to_owned());
                UpstreamIdentity::None
            }
            (RawIdentity::Basic, Some(file)) => {
                let Some(text) = self.secret(file) else { return UpstreamIdentity::None };
                let credential = authorization(text.expose_secret());
                if credential.is_none() {
                    let message = "the file holds one line USER:PASSWORD, without control characters";
                    self.push(Some(file.span().start), message.to_owned());
                }
                credential.map_or(UpstreamIdentity::None, UpstreamIdentity::Basic)
            }
        }
    }

    fn seconds(&mut self, given: &Spanned<u64>, name: &str, max: u64) -> Duration {
        if !(1..=max).contains(given.get_ref()) {
            self.push(Some(given.span().start), format!("{name} is between 1 and {max}"));
        }
        Duration::from_secs(*given.get_ref())
    }

    fn count(&mut self, given: &Spanned<usize>, name: &str, max: u64) -> usize {
        if !(1..=max).contains(&(*given.get_ref() as u64)) {
            self.push(Some(given.span().start), format!("{name} is between 1 and {max}"));
        }
        *given.get_ref()
    }
}

/// `USER:PASSWORD` and perhaps a line's end → the value of `Authorization`.
fn authorization(text: &str) -> Option<HeaderValue> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let (user, password) = line.split_once(':')?;
    if user.is_empty() || password.is_empty() || line.chars().any(char::is_control) {
        return None;
    }
    let value = Zeroizing::new(format!("Basic {}", Zeroizing::new(STANDARD.encode(line)).as_str()));
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a URL leads nowhere but to this machine.
fn loopback(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

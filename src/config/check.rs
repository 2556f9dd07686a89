//! `RawConfig` → [`Config`]: every mistake at once, each with its line and what to change.

mod address;
mod audit;
mod jwt;
mod keystone;
mod listener;
mod policy;
mod scrub;
mod shown;
mod tracing;
mod upstream;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use toml::Spanned;

pub(super) use self::tracing::RawTracing;
pub(super) use jwt::RawJwt;
pub use policy::policy_sources_below;
pub use shown::effective;

use super::decides::Decides;
use super::limits::{CONNECTIONS_MAX, REQUESTS_MAX, SECONDS_MAX, beyond};
use super::raw::{RawConfig, RawListener, RawServerTls};
use super::source::Source;
use super::{Config, ConfigError, Files, Limits, ListenAddress, Listener, Mode, files};
use crate::authenticate::{BasicConfig, Binding, SchemeName};
use crate::catalog;
use crate::microversion;
use crate::tls::{CertificateExpiry, CertificatePem, KeyPem, ServerTls};

/// Workers that one process may have.
const WORKERS_MAX: usize = 256;

/// Reads a configuration file and everything that it names.
pub fn load(file: &Path) -> Result<Config, Vec<ConfigError>> {
    load_noting(file, &mut Files::default())
}

/// The same, and notes in `files` what it reads, whatever becomes of it.
pub fn load_noting(file: &Path, files: &mut Files) -> Result<Config, Vec<ConfigError>> {
    files.note(file);
    let (source, raw) = read(file)?;
    let directory = file.parent().unwrap_or(Path::new("")).to_owned();
    let decides =
        Decides::new(&raw).ok_or_else(|| vec![ConfigError::new(file, None, "cannot be put into a revision")])?;
    Checker { file, source: &source, directory, errors: Vec::new(), certificates: Vec::new(), decides, files }
        .check(raw)
}

/// The text with its overrides, and what it says.
fn read(file: &Path) -> Result<(Source, RawConfig), Vec<ConfigError>> {
    let text = super::files::read_text(file)
        .map_err(|error| vec![ConfigError::new(file, None, format!("cannot be read: {error}"))])?;
    let source = Source::new(text, std::env::vars()).map_err(|message| vec![ConfigError::new(file, None, message)])?;
    let mut raw: RawConfig = toml::from_str(source.text()).map_err(|error| {
        let offset = error.span().map(|span| span.start);
        let message = shown::without_value(&error.message().trim().replace('\n', "; "));
        vec![source.error(file, offset, format!("{message}{}", named(&source, offset)))]
    })?;
    raw.fill();
    Ok((source, raw))
}

/// A mistake that is found when what was configured is used, with the line of its key.
pub fn mistake(file: &Path, key: &[&str], message: String) -> ConfigError {
    match read(file) {
        Ok((source, _)) => source.error(file, source.place(key), message),
        Err(_) => ConfigError::new(file, None, message),
    }
}

/// The key of the value at this place. It follows the message: what stands behind `htpasswd_file:` looks like a secret.
fn named(source: &Source, at: Option<usize>) -> String {
    at.and_then(|at| source.key(at)).map(|key| format!(" ({key})")).unwrap_or_default()
}

/// Which schemes have a section.
#[derive(Clone, Copy)]
struct Configured {
    basic: bool,
    keystone: bool,
    jwt: bool,
}

struct Checker<'a> {
    file: &'a Path,
    source: &'a Source,
    directory: PathBuf,
    errors: Vec<ConfigError>,
    certificates: Vec<CertificateExpiry>,
    decides: Decides,
    /// What was read.
    files: &'a mut Files,
}

impl Checker<'_> {
    fn check(mut self, raw: RawConfig) -> Result<Config, Vec<ConfigError>> {
        let workers = self.workers(&raw.workers);
        let basic = raw.authentication.basic.as_ref().and_then(|basic| {
            let text = self.secret(&basic.htpasswd_file)?;
            self.decides.add(text.expose_secret().as_bytes());
            let mut config = BasicConfig::new(self.path(basic.htpasswd_file.get_ref()).display().to_string(), text);
            config.realm.clone_from(basic.realm.get_ref());
            if let Err(error) = config.check_realm() {
                self.push(Some(basic.realm.span().start), error.to_string());
            }
            let seconds = *basic.cache_seconds.get_ref();
            if let Some(mistake) = beyond("authentication.basic.cache_seconds", seconds, 0, SECONDS_MAX) {
                self.push(Some(basic.cache_seconds.span().start), mistake);
            }
            config.verified_for = Duration::from_secs(seconds);
            Some(config)
        });
        let keystone = raw.authentication.keystone.as_ref().and_then(|keystone| self.keystone(keystone));
        let jwt = self.jwt(&raw.authentication.jwt);
        let configured = Configured {
            basic: raw.authentication.basic.is_some(),
            keystone: raw.authentication.keystone.is_some(),
            jwt: !raw.authentication.jwt.is_empty(),
        };
        let admin = self.admin_address(&raw.admin.address);
        let listeners = self.listeners(&raw.listener, configured, admin);
        let bindings = self.bindings(raw.binding);
        let upstream = self.upstream(&raw.upstream, configured);
        let policies = self.policies(&raw.policy.directories);
        let places = self.places(raw.policy.places.as_ref());
        let microversion_max =
            self.microversion(raw.microversion.max.as_ref(), "max").unwrap_or(catalog::MICROVERSION_MAX);
        let microversion_pin = self.microversion(raw.microversion.pin.as_ref(), "pin");
        if let (Some(max), Some(pin)) = (&raw.microversion.max, &raw.microversion.pin) {
            let message = "microversion.pin admits one microversion: leave out microversion.max".to_owned();
            self.push(Some(max.span().start.max(pin.span().start)), message);
        }
        let shadowed = raw.mode == Mode::Shadow || bindings.iter().any(Binding::is_shadow);
        let shadow_until = self.shadow_until(raw.shadow_until.as_ref(), shadowed);
        let scrub = self.scrub(raw.scrub);
        let shadow_checks = self.validation(raw.validation);
        let candidates = self.candidates(&raw.policy.candidates);
        let resource_cache = self.resource_cache(&raw.policy.resource_cache_seconds);
        let tracing = raw.tracing.as_ref().and_then(|tracing| self.tracing(tracing, &listeners));
        let limits = self.limits(raw.limits);
        let audit = self.audit(&raw.audit);
        match (upstream, scrub) {
            (Some(upstream), Some(scrub)) if self.errors.is_empty() => Ok(Config {
                mode: raw.mode,
                shadow_until,
                workers,
                listeners,
                admin,
                basic,
                keystone,
                jwt,
                bindings,
                upstream,
                policies,
                places: Arc::new(places),
                candidates,
                resource_cache,
                denial_detail: raw.policy.explain_denials,
                scrub: Arc::new(scrub),
                shadow_checks,
                audit,
                microversion_max,
                microversion_pin,
                tracing,
                limits,
                certificates: self.certificates,
                files: self.files.clone(),
                watch: raw.reload.watch,
                decides: self.decides,
            }),
            (_, _) => Err(self.errors),
        }
    }

    fn push(&mut self, offset: Option<usize>, message: String) {
        self.errors.push(self.source.error(self.file, offset, message));
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    /// The path of something that is read.
    fn noted(&mut self, path: &Path) -> PathBuf {
        let full = self.path(path);
        self.files.note(&full);
        full
    }

    fn read(&mut self, path: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let full = self.noted(path.get_ref());
        let at = path.span().start;
        let failed = |error| {
            let key = named(self.source, Some(at));
            self.push(Some(at), format!("{} cannot be read: {error}{key}", full.display()));
        };
        files::read(&full).map_err(failed).ok()
    }

    /// Reads a file that decides: another text is another revision. No secret is read so.
    fn read_deciding(&mut self, path: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let bytes = self.read(path)?;
        self.decides.add(&bytes);
        Some(bytes)
    }

    fn secret(&mut self, path: &Spanned<PathBuf>) -> Option<SecretString> {
        let bytes = self.read(path)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text.into()),
            Err(_) => {
                self.push(Some(path.span().start), "the file is not UTF-8 text".to_owned());
                None
            }
        }
    }

    fn shadow_until(&mut self, until: Option<&Spanned<String>>, shadowed: bool) -> Option<jiff::Timestamp> {
        let until = until?;
        let date =
            |text: &str| jiff::civil::Date::strptime("%Y-%m-%d", text).ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        // A date has no offset and is no time; a time without an offset is not taken.
        let parsed = until.get_ref().parse().ok().or_else(|| date(until.get_ref()).map(|zoned| zoned.timestamp()));
        if parsed.is_none() {
            let message = "shadow_until is a date (2026-12-31: its first moment in UTC) or a time with its offset \
                           (2026-12-31T08:00:00+01:00)";
            self.push(Some(until.span().start), message.to_owned());
        } else if !shadowed {
            let message = "shadow_until goes with mode = \"shadow\", here or in a [[binding]]";
            self.push(Some(until.span().start), message.to_owned());
        }
        parsed
    }

    fn workers(&mut self, workers: &Spanned<usize>) -> usize {
        if *workers.get_ref() == 0 || *workers.get_ref() > WORKERS_MAX {
            self.push(Some(workers.span().start), format!("workers must be between 1 and {WORKERS_MAX}"));
        }
        *workers.get_ref()
    }

    fn listeners(
        &mut self,
        raw: &[Spanned<RawListener>],
        configured: Configured,
        admin: Option<SocketAddr>,
    ) -> Vec<Listener> {
        if raw.is_empty() {
            self.push(None, "no [[listener]]: add one with name, address and schemes".to_owned());
        }
        let mut listeners: Vec<Listener> = Vec::new();
        for spanned in raw {
            let listener = spanned.get_ref();
            let name: Arc<str> = listener.name.get_ref().as_str().into();
            if name.is_empty() || listeners.iter().any(|known| known.name == name) {
                self.push(Some(listener.name.span().start), "each listener needs a name of its own".to_owned());
            }
            self.schemes(&listener.schemes, configured);
            let Some(address) = self.listen_address(&listener.address) else { continue };
            self.alone(&listener.address, &address, &listeners, admin);
            self.fitting(listener, &address);
            if let ListenAddress::Tcp(address) = &address
                && listener.tls.is_none()
                && !address.ip().is_loopback()
                && !listener.insecure_plaintext
            {
                let message = "this address is reachable from other machines: add [listener.tls], or \
                               insecure_plaintext = true where something else encrypts";
                self.push(Some(listener.address.span().start), message.to_owned());
            }
            let tls = listener.tls.as_ref().and_then(|tls| self.server_tls(tls));
            let public_url = listener.public_url.as_ref().and_then(|url| self.public_url(url));
            let schemes = listener.schemes.get_ref().clone();
            let operations = self.served(listener.operations.as_ref());
            let source_networks = self.source_networks(listener.source_networks.as_ref());
            let compression = listener.compression;
            let connections_max = self.positive(listener.connections_max.as_ref(), "connections_max", CONNECTIONS_MAX);
            let requests_max = self.positive(listener.requests_max.as_ref(), "requests_max", REQUESTS_MAX);
            listeners.push(Listener {
                name,
                address,
                schemes,
                tls,
                public_url,
                compression,
                operations,
                source_networks,
                connections_max,
                requests_max,
                insecure_plaintext: listener.insecure_plaintext,
            });
        }
        listeners
    }

    fn positive(&mut self, number: Option<&Spanned<usize>>, name: &str, most: u64) -> Option<usize> {
        let number = number?;
        let value = u64::try_from(*number.get_ref()).unwrap_or(u64::MAX);
        if let Some(mistake) = beyond(name, value, 1, most) {
            self.push(Some(number.span().start), mistake);
        }
        Some(*number.get_ref())
    }

    fn schemes(&mut self, schemes: &Spanned<Vec<SchemeName>>, configured: Configured) {
        let at = schemes.span().start;
        if schemes.get_ref().is_empty() {
            self.push(Some(at), "a listener needs at least one scheme, such as \"basic\" or \"anonymous\"".to_owned());
        }
        for scheme in schemes.get_ref() {
            match scheme {
                SchemeName::Anonymous => {}
                SchemeName::Basic if configured.basic => {}
                SchemeName::Keystone if configured.keystone => {}
                SchemeName::Basic => {
                    self.push(Some(at), "\"basic\" needs [authentication.basic] with htpasswd_file".to_owned());
                }
                SchemeName::Keystone => {
                    self.push(Some(at), "\"keystone\" needs [authentication.keystone] with url".to_owned());
                }
                SchemeName::Jwt if configured.jwt => {}
                SchemeName::Jwt => {
                    self.push(
                        Some(at),
                        "\"jwt\" needs [[authentication.jwt]] with issuer, audiences and keys".to_owned(),
                    );
                }
                // TLS has to fit: see `fitting`.
                SchemeName::Certificate => {}
            }
        }
    }

    fn certificate(&mut self, path: &Spanned<PathBuf>) -> Option<CertificatePem> {
        let file = self.path(path.get_ref()).display().to_string();
        let pem = CertificatePem { file, pem: self.read(path)? };
        if let Some(expiry) = pem.expiry(jiff::Timestamp::now())
            && !self.certificates.contains(&expiry)
        {
            self.certificates.push(expiry);
        }
        Some(pem)
    }

    /// Certificates of those who are believed: they decide.
    fn authority(&mut self, path: &Spanned<PathBuf>) -> Option<CertificatePem> {
        let pem = self.certificate(path)?;
        self.decides.add(&pem.pem);
        Some(pem)
    }

    fn key(&mut self, path: &Spanned<PathBuf>) -> Option<KeyPem> {
        let file = self.path(path.get_ref()).display().to_string();
        self.read(path).map(|pem| KeyPem::new(file, pem))
    }

    fn server_tls(&mut self, tls: &RawServerTls) -> Option<ServerTls> {
        let (certificate, key) = (self.certificate(&tls.certificate_file), self.key(&tls.key_file));
        let mut settings = ServerTls::new(certificate?, key?);
        settings.min_version = tls.min_version;
        settings.client_certificates = self.client_certificates(tls);
        // Built once here so that a mistake is found with its line; the snapshot builds it again when it is loaded.
        if let Err(error) = crate::tls::server_config(&settings) {
            self.push(Some(tls.certificate_file.span().start), error.to_string());
        }
        Some(settings)
    }

    fn public_url(&mut self, url: &Spanned<String>) -> Option<Arc<str>> {
        let parsed = url::Url::parse(url.get_ref()).ok().filter(|parsed| {
            matches!(parsed.scheme(), "http" | "https")
                && parsed.has_host()
                && parsed.path() == "/"
                && parsed.query().is_none()
                && parsed.username().is_empty()
        });
        if parsed.is_none() {
            let message = "public_url is scheme, host and port: https://baremetal.example:6385";
            self.push(Some(url.span().start), message.to_owned());
        }
        parsed.map(|parsed| parsed.as_str().trim_end_matches('/').into())
    }

    fn bindings(&mut self, raw: Vec<Spanned<crate::authenticate::RawBinding>>) -> Vec<Binding> {
        let mut bindings = Vec::new();
        for (place, spanned) in raw.into_iter().enumerate() {
            let at = spanned.span().start;
            match spanned.into_inner().check(place + 1) {
                Ok(binding) if bindings.iter().any(|known: &Binding| known.name() == binding.name()) => {
                    self.push(
                        Some(at),
                        format!("two bindings are named {}: give each a name of its own", binding.name()),
                    );
                }
                Ok(binding) => bindings.push(binding),
                Err(error) => self.push(Some(at), error.to_string()),
            }
        }
        bindings
    }

    fn limits(&mut self, limits: Spanned<Limits>) -> Limits {
        let at = limits.span().start;
        let limits = limits.into_inner();
        for (key, mistake) in limits.mistakes() {
            let path: Vec<&str> = std::iter::once("limits").chain(key.split('.')).collect();
            let at = self.source.place(&path).unwrap_or(at);
            self.push(Some(at), mistake);
        }
        limits
    }

    fn microversion(&mut self, text: Option<&Spanned<String>>, key: &str) -> Option<u16> {
        let text = text?;
        let known = microversion::minor(text.get_ref())
            .filter(|minor| (catalog::MICROVERSION_MIN..=catalog::MICROVERSION_MAX).contains(minor));
        if known.is_none() {
            let message = format!("microversion.{key} is between \"1.1\" and \"1.{}\"", catalog::MICROVERSION_MAX);
            self.push(Some(text.span().start), message);
        }
        known
    }
}

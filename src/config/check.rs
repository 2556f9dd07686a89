//! `RawConfig` → [`Config`]: every mistake at once, each with its line and what to change.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use toml::Spanned;

use super::raw::{RawConfig, RawListener, RawServerTls, RawUpstream};
use super::{AuditSink, Config, ConfigError, Endpoint, Limits, ListenAddress, Listener, Upstream, overrides};
use crate::authenticate::{BasicConfig, Binding, SchemeName};
use crate::catalog;
use crate::microversion;
use crate::policy::PolicySource;
use crate::scrub::{ScrubAdditions, ScrubRules};
use crate::tls::{CertificatePem, ClientTls, KeyPem, ServerTls};

/// Workers that one process may have.
const WORKERS_MAX: usize = 256;

/// How long a looked-up object is remembered unless the configuration says otherwise, and at most.
const RESOURCE_CACHE_SECONDS: u64 = 1;
const RESOURCE_CACHE_SECONDS_MAX: u64 = 60;

/// Reads a configuration file and everything that it names.
pub fn load(file: &Path) -> Result<Config, Vec<ConfigError>> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| vec![ConfigError::new(file, None, format!("cannot be read: {error}"))])?;
    let overridden =
        overrides::apply(&text, std::env::vars()).map_err(|message| vec![ConfigError::new(file, None, message)])?;
    let text = overridden.as_deref().unwrap_or(&text);
    let raw: RawConfig = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| line(text, span.start));
        vec![ConfigError::new(file, line, error.message().trim().replace('\n', "; "))]
    })?;
    Checker { file, text, directory: file.parent().unwrap_or(Path::new("")).to_owned(), errors: Vec::new() }.check(raw)
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Checker<'a> {
    file: &'a Path,
    text: &'a str,
    directory: PathBuf,
    errors: Vec<ConfigError>,
}

impl Checker<'_> {
    fn check(mut self, raw: RawConfig) -> Result<Config, Vec<ConfigError>> {
        let workers = self.workers(raw.workers.as_ref());
        let basic = raw.authentication.basic.as_ref().and_then(|basic| {
            let text = self.secret(&basic.htpasswd_file)?;
            let mut config = BasicConfig::new(self.path(basic.htpasswd_file.get_ref()).display().to_string(), text);
            config.realm.clone_from(&basic.realm);
            if let Some(seconds) = basic.cache_seconds {
                config.verified_for = Duration::from_secs(seconds);
            }
            Some(config)
        });
        let has_basic = raw.authentication.basic.is_some();
        let listeners = self.listeners(&raw.listener, has_basic);
        let bindings = self.bindings(raw.binding);
        let upstream = self.upstream(&raw.upstream);
        let admin = self.socket_address(&raw.admin.address, "admin.address");
        let policies = self.policies(&raw.policy.directories);
        let candidates = self.candidates(&raw.policy.candidates);
        let resource_cache = self.resource_cache(raw.policy.resource_cache_seconds.as_ref());
        let microversion_max = self.microversion(raw.microversion.max.as_ref());
        let additions = ScrubAdditions { words: raw.scrub.words, fields: raw.scrub.fields, shapes: raw.scrub.shapes };
        let scrub = ScrubRules::new(&additions).map_err(|error| self.push(None, format!("[scrub]: {error}"))).ok();
        let limits = self.limits(raw.limits);
        let audit = if raw.audit.file == Path::new("-") {
            AuditSink::Stdout
        } else {
            AuditSink::File(self.path(&raw.audit.file))
        };
        match (upstream, scrub) {
            (Some(upstream), Some(scrub)) if self.errors.is_empty() => Ok(Config {
                mode: raw.mode,
                workers,
                listeners,
                admin,
                basic,
                bindings,
                upstream,
                policies,
                candidates,
                resource_cache,
                denial_detail: raw.policy.explain_denials,
                scrub: Arc::new(scrub),
                audit,
                microversion_max,
                limits,
            }),
            (_, _) => Err(self.errors),
        }
    }

    fn push(&mut self, offset: Option<usize>, message: String) {
        let line = offset.map(|offset| line(self.text, offset));
        self.errors.push(ConfigError::new(self.file, line, message));
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    fn read(&mut self, path: &Spanned<PathBuf>) -> Option<Vec<u8>> {
        let full = self.path(path.get_ref());
        match std::fs::read(&full) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.push(Some(path.span().start), format!("{} cannot be read: {error}", full.display()));
                None
            }
        }
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

    fn workers(&mut self, workers: Option<&Spanned<usize>>) -> usize {
        let Some(workers) = workers else {
            return std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        };
        if *workers.get_ref() == 0 || *workers.get_ref() > WORKERS_MAX {
            self.push(Some(workers.span().start), format!("workers must be between 1 and {WORKERS_MAX}"));
        }
        *workers.get_ref()
    }

    fn listeners(&mut self, raw: &[Spanned<RawListener>], has_basic: bool) -> Vec<Listener> {
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
            self.schemes(&listener.schemes, has_basic);
            let Some(address) = self.listen_address(&listener.address) else { continue };
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
            listeners.push(Listener { name, address, schemes, tls, public_url });
        }
        listeners
    }

    fn schemes(&mut self, schemes: &Spanned<Vec<SchemeName>>, has_basic: bool) {
        let at = schemes.span().start;
        if schemes.get_ref().is_empty() {
            self.push(Some(at), "a listener needs at least one scheme, such as \"basic\" or \"anonymous\"".to_owned());
        }
        for scheme in schemes.get_ref() {
            match scheme {
                SchemeName::Anonymous => {}
                SchemeName::Basic if has_basic => {}
                SchemeName::Basic => {
                    self.push(Some(at), "\"basic\" needs [authentication.basic] with htpasswd_file".to_owned());
                }
                SchemeName::Keystone | SchemeName::Jwt | SchemeName::Certificate => {
                    self.push(Some(at), format!("the scheme \"{}\" is not served by this version", scheme.as_str()));
                }
            }
        }
    }

    fn listen_address(&mut self, address: &Spanned<String>) -> Option<ListenAddress> {
        if let Some(path) = address.get_ref().strip_prefix("unix:") {
            return Some(ListenAddress::Unix(self.path(Path::new(path))));
        }
        self.socket_address(address, "address").map(ListenAddress::Tcp)
    }

    fn socket_address(&mut self, address: &Spanned<String>, name: &str) -> Option<SocketAddr> {
        let parsed = address.get_ref().parse().ok();
        if parsed.is_none() {
            let message = format!("{name} is an IP address with a port (127.0.0.1:6385, [::]:6385) or unix:PATH");
            self.push(Some(address.span().start), message);
        }
        parsed
    }

    fn certificate(&mut self, path: &Spanned<PathBuf>) -> Option<CertificatePem> {
        let read = CertificatePem::read(&self.path(path.get_ref()));
        read.map_err(|error| self.push(Some(path.span().start), error.to_string())).ok()
    }

    fn key(&mut self, path: &Spanned<PathBuf>) -> Option<KeyPem> {
        let read = KeyPem::read(&self.path(path.get_ref()));
        read.map_err(|error| self.push(Some(path.span().start), error.to_string())).ok()
    }

    fn server_tls(&mut self, tls: &RawServerTls) -> Option<ServerTls> {
        let (certificate, key) = (self.certificate(&tls.certificate_file), self.key(&tls.key_file));
        let mut settings = ServerTls::new(certificate?, key?);
        settings.min_version = tls.min_version;
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

    fn upstream(&mut self, raw: &RawUpstream) -> Option<Upstream> {
        let (endpoint, authority) = self.endpoint(&raw.endpoint)?;
        let https = matches!(&endpoint, Endpoint::Tcp { tls: true, .. });
        let tls = if https { self.client_tls(raw) } else { None };
        if !https && (raw.ca_file.is_some() || raw.client_certificate_file.is_some()) {
            let at = raw.endpoint.span().start;
            self.push(Some(at), "ca_file and client_certificate_file go with an https:// endpoint".to_owned());
        }
        Some(Upstream {
            endpoint,
            authority,
            tls,
            connect_timeout: Duration::from_secs(raw.connect_timeout_seconds),
            answer_timeout: Duration::from_secs(raw.answer_timeout_seconds),
            idle_timeout: Duration::from_secs(raw.idle_timeout_seconds),
            connections_idle_max: raw.connections_idle_max,
            connection_idle_timeout: Duration::from_secs(raw.connection_idle_timeout_seconds),
        })
    }

    fn endpoint(&mut self, endpoint: &Spanned<String>) -> Option<(Endpoint, String)> {
        if let Some(path) = endpoint.get_ref().strip_prefix("unix:") {
            return Some((Endpoint::Unix(self.path(Path::new(path))), "localhost".to_owned()));
        }
        let parsed = url::Url::parse(endpoint.get_ref()).ok().filter(|parsed| {
            matches!(parsed.scheme(), "http" | "https")
                && parsed.path() == "/"
                && parsed.query().is_none()
                && parsed.username().is_empty()
                && parsed.password().is_none()
        });
        let found = parsed.and_then(|parsed| {
            let host = parsed.host_str()?.to_owned();
            let port = parsed.port_or_known_default()?;
            let authority = format!("{host}:{port}");
            Some((Endpoint::Tcp { host, port, tls: parsed.scheme() == "https" }, authority))
        });
        if found.is_none() {
            let message = "endpoint is unix:PATH, http://HOST:PORT or https://HOST:PORT, without a path";
            self.push(Some(endpoint.span().start), message.to_owned());
        }
        found
    }

    fn client_tls(&mut self, raw: &RawUpstream) -> Option<ClientTls> {
        let Some(ca) = &raw.ca_file else {
            let at = raw.endpoint.span().start;
            self.push(
                Some(at),
                "an https:// endpoint needs ca_file: the CA that signed Ironic's certificate".to_owned(),
            );
            return None;
        };
        let certificate = match (&raw.client_certificate_file, &raw.client_key_file) {
            (Some(certificate), Some(key)) => self.certificate(certificate).zip(self.key(key)),
            (None, None) => None,
            (Some(given), None) | (None, Some(given)) => {
                let at = given.span().start;
                self.push(Some(at), "client_certificate_file and client_key_file go together".to_owned());
                None
            }
        };
        let settings = ClientTls { ca: self.certificate(ca)?, certificate, min_version: raw.min_version };
        if let Err(error) = crate::tls::client_config(&settings) {
            self.push(Some(raw.endpoint.span().start), error.to_string());
        }
        Some(settings)
    }

    fn policies(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<PolicySource> {
        let mut sources = Vec::new();
        for directory in directories {
            match policy_sources(&self.path(directory.get_ref())) {
                Ok(found) => sources.extend(found),
                Err(message) => self.push(Some(directory.span().start), message),
            }
        }
        sources
    }

    fn candidates(&mut self, directories: &[Spanned<PathBuf>]) -> Vec<(String, Vec<PolicySource>)> {
        let mut candidates = Vec::new();
        for directory in directories {
            match policy_sources(&self.path(directory.get_ref())) {
                Ok(found) => candidates.push((directory.get_ref().display().to_string(), found)),
                Err(message) => self.push(Some(directory.span().start), message),
            }
        }
        candidates
    }

    fn resource_cache(&mut self, seconds: Option<&Spanned<u64>>) -> Duration {
        let Some(seconds) = seconds else { return Duration::from_secs(RESOURCE_CACHE_SECONDS) };
        if *seconds.get_ref() > RESOURCE_CACHE_SECONDS_MAX {
            let message = format!(
                "resource_cache_seconds is 0 (never) to {RESOURCE_CACHE_SECONDS_MAX}: decisions would be about old attributes"
            );
            self.push(Some(seconds.span().start), message);
        }
        Duration::from_secs(*seconds.get_ref())
    }

    fn limits(&mut self, limits: Option<Spanned<Limits>>) -> Limits {
        let Some(limits) = limits else { return Limits::default() };
        let at = limits.span().start;
        let limits = limits.into_inner();
        if let Some(name) = limits.zero() {
            self.push(Some(at), format!("{name} = 0 would refuse everything: give a positive number"));
        }
        limits
    }

    fn microversion(&mut self, max: Option<&Spanned<String>>) -> u16 {
        let Some(max) = max else { return catalog::MICROVERSION_MAX };
        match microversion::minor(max.get_ref()) {
            Some(minor) if (catalog::MICROVERSION_MIN..=catalog::MICROVERSION_MAX).contains(&minor) => minor,
            Some(_) | None => {
                let message = format!("microversion.max is between \"1.1\" and \"1.{}\"", catalog::MICROVERSION_MAX);
                self.push(Some(max.span().start), message);
                catalog::MICROVERSION_MAX
            }
        }
    }
}

/// The `*.cedar` files of a directory, by name; or of one file.
pub fn policy_sources(path: &Path) -> Result<Vec<PolicySource>, String> {
    let failed = |path: &Path, error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(|error| failed(path, error))? {
            let file = entry.map_err(|error| failed(path, error))?.path();
            if file.extension().is_some_and(|extension| extension == "cedar") {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(format!("{} holds no *.cedar file", path.display()));
        }
    } else {
        files.push(path.to_owned());
    }
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).map_err(|error| failed(&file, error))?;
        Ok(PolicySource { name: file.display().to_string(), text })
    };
    files.into_iter().map(read).collect()
}

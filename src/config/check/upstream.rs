//! `[upstream]`: where Ironic is and how it is reached.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::super::raw::RawUpstream;
use super::super::{Endpoint, Upstream};
use super::{Checker, Configured};
use crate::tls::ClientTls;

impl Checker<'_> {
    pub(super) fn upstream(&mut self, raw: &RawUpstream, configured: Configured) -> Option<Upstream> {
        let (endpoint, authority) = self.endpoint(&raw.endpoint)?;
        let https = matches!(&endpoint, Endpoint::Tcp { tls: true, .. });
        let tls = if https { self.client_tls(raw) } else { None };
        if !https && (raw.ca_file.is_some() || raw.client_certificate_file.is_some()) {
            let at = raw.endpoint.span().start;
            self.push(Some(at), "ca_file and client_certificate_file go with an https:// endpoint".to_owned());
        }
        let identity = self.identity(raw, configured);
        Some(Upstream {
            endpoint,
            authority,
            tls,
            identity,
            connect_timeout: Duration::from_secs(raw.connect_timeout_seconds),
            answer_timeout: Duration::from_secs(raw.answer_timeout_seconds),
            idle_timeout: Duration::from_secs(raw.idle_timeout_seconds),
            connections_idle_max: raw.connections_idle_max,
            connection_idle_timeout: Duration::from_secs(raw.connection_idle_timeout_seconds),
        })
    }

    pub(super) fn endpoint(&mut self, endpoint: &Spanned<String>) -> Option<(Endpoint, String)> {
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
}

//! `[upstream]`: where Ironic is and how it is reached.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::super::limits::{CONNECTIONS_MAX, REQUESTS_MAX, SECONDS_MAX, beyond};
use super::super::raw::RawUpstream;
use super::super::{ENDPOINTS_MAX, Endpoint, Upstream, UpstreamEndpoint};
use super::{Checker, Configured};
use crate::forward::Ejection;
use crate::tls::ClientTls;

impl Checker<'_> {
    pub(super) fn upstream(&mut self, raw: &RawUpstream, configured: Configured) -> Option<Upstream> {
        let (at, endpoints) = self.endpoints(raw)?;
        let https = endpoints.iter().any(|target| matches!(&target.endpoint, Endpoint::Tcp { tls: true, .. }));
        let tls = if https { self.client_tls(raw, at) } else { None };
        let of_tls = [&raw.ca_file, &raw.client_certificate_file, &raw.client_key_file];
        if let Some(stray) = of_tls.into_iter().flatten().next().filter(|_| !https) {
            let message = "ca_file, client_certificate_file and client_key_file go with an https:// endpoint";
            self.push(Some(stray.span().start), message.to_owned());
        }
        for (name, value, least, most) in [
            ("ejection_failures", u64::from(raw.ejection_failures), 1, CONNECTIONS_MAX),
            ("ejection_seconds", raw.ejection_seconds, 1, SECONDS_MAX),
            ("probe_seconds", raw.probe_seconds, 1, SECONDS_MAX),
            ("connect_timeout_seconds", raw.connect_timeout_seconds, 1, SECONDS_MAX),
            ("send_timeout_seconds", raw.send_timeout_seconds, 1, SECONDS_MAX),
            ("answer_timeout_seconds", raw.answer_timeout_seconds, 1, SECONDS_MAX),
            ("idle_timeout_seconds", raw.idle_timeout_seconds, 1, SECONDS_MAX),
            ("transfer_timeout_seconds", raw.transfer_timeout_seconds, 1, SECONDS_MAX),
            ("connections_idle_max", u64::try_from(raw.connections_idle_max).unwrap_or(u64::MAX), 0, REQUESTS_MAX),
            ("connection_idle_timeout_seconds", raw.connection_idle_timeout_seconds, 0, SECONDS_MAX),
        ] {
            if let Some(mistake) = beyond(&format!("upstream.{name}"), value, least, most) {
                let at = self.source.place(&["upstream", name]).unwrap_or(at);
                self.push(Some(at), mistake);
            }
        }
        let identity = self.identity(raw, configured);
        Some(Upstream {
            endpoints,
            tls,
            identity,
            connect_timeout: Duration::from_secs(raw.connect_timeout_seconds),
            send_timeout: Duration::from_secs(raw.send_timeout_seconds),
            transfer_timeout: Duration::from_secs(raw.transfer_timeout_seconds),
            ejection: Ejection { failures: raw.ejection_failures, base: Duration::from_secs(raw.ejection_seconds) },
            probe_interval: Duration::from_secs(raw.probe_seconds),
            answer_timeout: Duration::from_secs(raw.answer_timeout_seconds),
            idle_timeout: Duration::from_secs(raw.idle_timeout_seconds),
            connections_idle_max: raw.connections_idle_max,
            connection_idle_timeout: Duration::from_secs(raw.connection_idle_timeout_seconds),
        })
    }

    /// All endpoints, and where the first of them stands.
    fn endpoints(&mut self, raw: &RawUpstream) -> Option<(usize, Vec<UpstreamEndpoint>)> {
        let written: Vec<&Spanned<String>> = match (&raw.endpoint, &raw.endpoints) {
            (Some(one), None) => vec![one],
            (None, Some(several)) => several.get_ref().iter().collect(),
            (Some(one), Some(_)) => {
                let message = "give either endpoint or endpoints";
                self.push(Some(one.span().start), message.to_owned());
                return None;
            }
            (None, None) => Vec::new(),
        };
        let Some(first) = written.first().filter(|_| written.len() <= ENDPOINTS_MAX) else {
            let at = raw.endpoints.as_ref().map(|endpoints| endpoints.span().start);
            let at = at.or_else(|| self.source.place(&["upstream"]));
            let message = format!("upstream has no endpoint, or more than {ENDPOINTS_MAX}: endpoint = \"unix:PATH\"");
            self.push(at, message);
            return None;
        };
        let mut endpoints: Vec<UpstreamEndpoint> = Vec::new();
        for text in &written {
            let Some((endpoint, authority)) = self.endpoint(text) else { continue };
            if endpoints.iter().any(|known| known.endpoint == endpoint) {
                self.push(Some(text.span().start), "the endpoint is listed twice".to_owned());
            }
            endpoints.push(UpstreamEndpoint { name: endpoint.to_string(), endpoint, authority });
        }
        (endpoints.len() == written.len()).then_some((first.span().start, endpoints))
    }

    pub(super) fn endpoint(&mut self, endpoint: &Spanned<String>) -> Option<(Endpoint, String)> {
        if let Some(path) = endpoint.get_ref().strip_prefix("unix:") {
            self.given_path(endpoint, path);
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

    fn client_tls(&mut self, raw: &RawUpstream, at: usize) -> Option<ClientTls> {
        let Some(ca) = &raw.ca_file else {
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
        let settings = ClientTls { ca: self.authority(ca)?, certificate, min_version: raw.min_version };
        if let Err(error) = crate::tls::client_config(&settings) {
            self.push(Some(at), error.to_string());
        }
        Some(settings)
    }
}

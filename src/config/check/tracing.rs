//! `[tracing]`: where traces go.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::{Endpoint, Listener, Tracing};
use super::Checker;
use crate::tls::{ClientTls, TlsVersion};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTracing {
    endpoint: Spanned<String>,
    ca_file: Option<Spanned<PathBuf>>,
    #[serde(default = "ratio")]
    ratio: Spanned<f64>,
    trusted_listeners: Option<Spanned<Vec<String>>>,
}

fn ratio() -> Spanned<f64> {
    Spanned::new(0..0, 0.1)
}

impl Checker<'_> {
    pub(super) fn tracing(&mut self, raw: &RawTracing, listeners: &[Listener]) -> Option<Tracing> {
        let at = raw.endpoint.span().start;
        let (endpoint, authority) = self.endpoint(&raw.endpoint)?;
        let https = matches!(&endpoint, Endpoint::Tcp { tls: true, .. });
        let tls = match (&raw.ca_file, https) {
            (Some(ca), true) => {
                let settings =
                    ClientTls { ca: self.certificate(ca)?, certificate: None, min_version: TlsVersion::default() };
                if let Err(error) = crate::tls::client_config(&settings) {
                    self.push(Some(ca.span().start), error.to_string());
                }
                Some(settings)
            }
            (None, true) => {
                let message = "an https:// endpoint needs ca_file: the CA that signed the collector's certificate";
                self.push(Some(at), message.to_owned());
                None
            }
            (Some(ca), false) => {
                self.push(Some(ca.span().start), "ca_file goes with an https:// endpoint".to_owned());
                None
            }
            (None, false) => None,
        };
        let ratio = *raw.ratio.get_ref();
        if !(0.0..=1.0).contains(&ratio) {
            self.push(Some(raw.ratio.span().start), "tracing.ratio is between 0.0 and 1.0".to_owned());
        }
        let mut trusted: Vec<Arc<str>> = Vec::new();
        if let Some(names) = &raw.trusted_listeners {
            for name in names.get_ref() {
                match listeners.iter().find(|listener| *listener.name == **name) {
                    Some(listener) => trusted.push(Arc::clone(&listener.name)),
                    None => {
                        let message =
                            "trusted_listeners names a listener that does not exist: use the name of a [[listener]]";
                        self.push(Some(names.span().start), message.to_owned());
                    }
                }
            }
        }
        Some(Tracing { endpoint, authority, tls, ratio, trusted_listeners: trusted })
    }
}

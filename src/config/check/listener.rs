//! What of a `[[listener]]` says whom and what it serves.

use toml::Spanned;

use super::super::ListenAddress;
use super::super::raw::{ClientCertificateUse, RawListener, RawServerTls};
use super::Checker;
use crate::authenticate::SchemeName;
use crate::listener::Served;
use crate::networks::Networks;
use crate::tls::ClientCertificates;

impl Checker<'_> {
    /// The operations that a listener serves; all where it does not say.
    pub(super) fn served(&mut self, words: Option<&Spanned<Vec<String>>>) -> Served {
        let Some(words) = words else { return Served::All };
        let at = Some(words.span().start);
        if words.get_ref().is_empty() {
            self.push(at, "operations is empty: name what is served, or leave it out for all".to_owned());
        }
        Served::parse(words.get_ref()).unwrap_or_else(|word| {
            let message = format!(
                "{word:?} is no operation and no group: see `irongate routes`, or name a group such as \"ramdisk\", \
                 \"discover\" or \"read\", or \"all\""
            );
            self.push(at, message);
            Served::All
        })
    }

    /// Where callers may come from.
    pub(super) fn source_networks(&mut self, texts: Option<&Spanned<Vec<String>>>) -> Option<Networks> {
        let texts = texts?;
        let read = Networks::parse(texts.get_ref());
        read.map_err(|error| self.push(Some(texts.span().start), error.to_string())).ok()
    }

    /// The certificates that callers are asked for.
    pub(super) fn client_certificates(&mut self, tls: &RawServerTls) -> Option<ClientCertificates> {
        let Some(asked) = &tls.client_certificates else {
            for file in [&tls.client_ca_file, &tls.client_crl_file].into_iter().flatten() {
                let message = "client_ca_file and client_crl_file go with client_certificates = \"optional\" or \
                               \"required\"";
                self.push(Some(file.span().start), message.to_owned());
            }
            return None;
        };
        let Some(ca) = &tls.client_ca_file else {
            let message = "client_certificates needs client_ca_file: the CAs that issue them";
            self.push(Some(asked.span().start), message.to_owned());
            return None;
        };
        let crl = match &tls.client_crl_file {
            Some(file) => Some(self.authority(file)?),
            None => None,
        };
        let required = *asked.get_ref() == ClientCertificateUse::Required;
        Some(ClientCertificates { ca: self.authority(ca)?, crl, required })
    }

    /// Schemes, TLS and address have to fit each other.
    pub(super) fn fitting(&mut self, listener: &RawListener, address: &ListenAddress) {
        let schemes = listener.schemes.get_ref();
        let at = Some(listener.schemes.span().start);
        let asked = listener.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref()).map(Spanned::get_ref);
        let listed = schemes.contains(&SchemeName::Certificate);
        match asked {
            None if listed => {
                let message = "\"certificate\" needs [listener.tls] with client_certificates and client_ca_file";
                self.push(at, message.to_owned());
            }
            Some(ClientCertificateUse::Required) if listed && schemes.len() > 1 => {
                let message = "every caller has a certificate here, so no scheme beside \"certificate\" is ever used: \
                               remove the others, or say client_certificates = \"optional\"";
                self.push(at, message.to_owned());
            }
            Some(ClientCertificateUse::Optional) if listed && schemes.len() == 1 => {
                let message = "without a certificate nobody could be served here: say client_certificates = \
                               \"required\", or add a scheme";
                self.push(at, message.to_owned());
            }
            None | Some(ClientCertificateUse::Required | ClientCertificateUse::Optional) => {}
        }
        if matches!(address, ListenAddress::Unix(_) | ListenAddress::Inherited { unix: true, .. }) {
            let at = Some(listener.address.span().start);
            if listener.tls.is_some() {
                self.push(at, "a unix socket speaks no TLS: remove [listener.tls]".to_owned());
            }
            if listener.source_networks.is_some() {
                self.push(at, "callers on a unix socket come from no network: remove source_networks".to_owned());
            }
        }
        for (place, scheme) in schemes.iter().enumerate() {
            if schemes.iter().take(place).any(|earlier| earlier == scheme) {
                self.push(at, format!("the scheme \"{}\" is listed twice", scheme.as_str()));
            }
        }
    }
}

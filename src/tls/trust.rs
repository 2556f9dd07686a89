//! Which client certificates a listener takes.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::error::TlsError;
use super::{CertificatePem, provider, roots};

/// The certificates that a listener asks its callers for.
#[derive(Clone)]
pub struct ClientCertificates {
    /// The CAs that issue them.
    pub ca: CertificatePem,
    /// Lists of those that were revoked. With them, each certificate of a chain must be covered by a list that has not
    /// expired: what nobody vouches for is taken for revoked.
    pub crl: Option<CertificatePem>,
    /// Whether a caller without one is refused in the handshake.
    pub required: bool,
}

/// The same, ready: what verifies again, after a reload, the certificates of connections that last.
pub struct ClientTrust {
    verifier: Arc<dyn ClientCertVerifier>,
    id: u64,
    required: bool,
}

impl ClientCertificates {
    pub(super) fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&self.ca)?), provider);
        if let Some(crl) = &self.crl {
            builder = builder.with_crls(crl.revocation_lists()?).enforce_revocation_expiration();
        }
        let builder = if self.required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|_error| match &self.crl {
            Some(crl) => TlsError::BadCrl { file: crl.file.clone() },
            None => TlsError::bad(&self.ca),
        })
    }
}

impl ClientTrust {
    /// Reads the CAs and the lists.
    ///
    /// # Errors
    /// Files that cannot be used, with their names.
    pub fn new(asked: &ClientCertificates) -> Result<Self, TlsError> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&asked.ca.pem);
        context.update(&[0]);
        context.update(asked.crl.as_ref().map_or(&[], |crl| crl.pem.as_slice()));
        let id = context.finish().as_ref().iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte));
        Ok(Self { verifier: asked.verifier(provider())?, id, required: asked.required })
    }

    /// Tells these CAs and lists from others.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether every caller has to have a certificate.
    pub const fn required(&self) -> bool {
        self.required
    }

    /// Whether a chain, the caller's own certificate first, would be taken now.
    pub fn takes(&self, chain: &[CertificateDer<'_>]) -> bool {
        chain.split_first().is_some_and(|(leaf, intermediates)| {
            self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).is_ok()
        })
    }
}

impl std::fmt::Debug for ClientTrust {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientTrust").field("required", &self.required).finish_non_exhaustive()
    }
}

//! Certificates and keys as they are in PEM files.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretSlice};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::TlsError;

/// The text of a file of certificates, or of revocation lists.
#[derive(Clone)]
pub struct CertificatePem {
    /// The file's name, for errors.
    pub file: String,
    /// Its text.
    pub pem: Vec<u8>,
}

/// A file of certificates, and when the first of them that still holds ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateExpiry {
    /// The file's name.
    pub file: Arc<str>,
    /// The last moment at which all of what holds now still holds.
    pub not_after: Timestamp,
}

/// The text of a file with one private key (PKCS #8, SEC 1 or PKCS #1). It cannot be printed.
pub struct KeyPem {
    file: String,
    pem: SecretSlice<u8>,
}

impl CertificatePem {
    /// Reads a file. Blocks: not on a worker.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        Ok(Self { file: path.display().to_string(), pem: read(path)? })
    }

    /// The chain to present: every certificate must be valid now.
    pub(super) fn chain(&self, now: Timestamp) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = self.certificates()?;
        for certificate in &chain {
            self.check_validity(certificate, now)?;
        }
        Ok(chain)
    }

    /// CAs to trust: of a bundle, those that are valid now. Verification does not look at a root's own dates, so what has
    /// expired must not come in. None left is an error.
    pub(super) fn bundle(&self, now: Timestamp) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let mut last = TlsError::bad(self);
        let mut valid = Vec::new();
        for certificate in self.certificates()? {
            match self.check_validity(&certificate, now) {
                Ok(()) => valid.push(certificate),
                Err(error) => last = error,
            }
        }
        if valid.is_empty() { Err(last) } else { Ok(valid) }
    }

    /// Revocation lists, at least one.
    pub(super) fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
        let bad = || TlsError::BadCrl { file: self.file.clone() };
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&self.pem)
            .collect::<Result<_, _>>()
            .map_err(|_error| bad())?;
        if lists.is_empty() { Err(bad()) } else { Ok(lists) }
    }

    /// Its certificates as they are, the first one first.
    ///
    /// # Errors
    /// No certificate, or damaged PEM.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&self.pem)
            .collect::<Result<_, _>>()
            .map_err(|_error| TlsError::BadPem { file: self.file.clone() })?;
        if certificates.is_empty() {
            return Err(TlsError::NoCertificate { file: self.file.clone() });
        }
        Ok(certificates)
    }

    /// When the first of its certificates that still hold ends; `None` if there is none.
    pub fn expiry(&self, now: Timestamp) -> Option<CertificateExpiry> {
        let certificates = self.certificates().ok()?;
        let ends = certificates.iter().filter_map(|certificate| {
            let (_rest, certificate) = X509Certificate::from_der(certificate).ok()?;
            Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
        });
        let not_after = ends.filter(|end| *end >= now).min()?;
        Some(CertificateExpiry { file: self.file.as_str().into(), not_after })
    }

    fn check_validity(&self, certificate: &[u8], now: Timestamp) -> Result<(), TlsError> {
        let (_rest, certificate) = X509Certificate::from_der(certificate).map_err(|_error| TlsError::bad(self))?;
        let validity = certificate.validity();
        let time = |second| Timestamp::from_second(second).map_err(|_error| TlsError::bad(self));
        let (not_before, not_after) = (time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?);
        if now < not_before {
            return Err(TlsError::NotYetValid { file: self.file.clone(), not_before });
        }
        if now > not_after {
            return Err(TlsError::Expired { file: self.file.clone(), not_after });
        }
        Ok(())
    }
}

impl KeyPem {
    /// From text that was read already.
    pub fn new(file: impl Into<String>, pem: Vec<u8>) -> Self {
        Self { file: file.into(), pem: pem.into() }
    }

    /// Reads a file. Blocks: not on a worker.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        Ok(Self::new(path.display().to_string(), read(path)?))
    }

    /// The file's name, for errors.
    pub fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let file = || self.file.clone();
        let pem = self.pem.expose_secret();
        let mut keys = PrivateKeyDer::pem_slice_iter(pem);
        let key = match keys.next() {
            Some(key) => key.map_err(|_error| TlsError::BadPem { file: file() })?,
            None if memchr::memmem::find(pem, b"ENCRYPTED").is_some() => {
                return Err(TlsError::EncryptedKey { file: file() });
            }
            None => return Err(TlsError::NoKey { file: file() }),
        };
        match keys.next() {
            None => Ok(key),
            Some(second) => {
                if let Ok(mut second) = second {
                    second.zeroize();
                }
                Err(TlsError::SeveralKeys { file: file() })
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| TlsError::Unreadable { file: path.display().to_string(), kind: error.kind() })
}

/// A key's text, to show in tests that no error holds any of it.
#[cfg(test)]
pub(super) fn text(key: &KeyPem) -> &[u8] {
    key.pem.expose_secret()
}

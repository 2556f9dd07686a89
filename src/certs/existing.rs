//! Certificates that are there already: whether they are ours, and whether they are good.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rcgen::{KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::zeroize::Zeroizing;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{CA_NAME, CertsError, io_error};

/// Whoever makes certificates is about to use them: what ends within the hour is made anew.
const LEFT_SECONDS: i64 = 3600;

/// The two files of one certificate.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// A pair that was made here. It holds a key and so cannot be printed.
pub(super) struct Existing {
    certificate: String,
    der: Vec<u8>,
    key: KeyPair,
    not_before: i64,
    not_after: i64,
}

#[cfg(test)]
crate::telemetry::unprintable!(Existing);

impl Pair {
    pub(super) fn new(directory: &Path, name: &str) -> Self {
        let file = |extension: &str| directory.join(format!("{name}.{extension}"));
        Self { certificate: file("crt"), key: file("key") }
    }

    /// Reads the pair; `None`: neither file is there.
    pub(super) fn read(&self) -> Result<Option<Existing>, CertsError> {
        let half = |present: &PathBuf, missing: &PathBuf| {
            Err(CertsError::Half { present: present.clone(), missing: missing.clone() })
        };
        match (read(&self.certificate)?, read(&self.key)?) {
            (None, None) => Ok(None),
            (Some(_), None) => half(&self.certificate, &self.key),
            (None, Some(_)) => half(&self.key, &self.certificate),
            (Some(certificate), Some(key)) => self.parse(&certificate, &key).map(Some),
        }
    }

    fn parse(&self, certificate: &str, key: &str) -> Result<Existing, CertsError> {
        let foreign = |file: &PathBuf| CertsError::Foreign(file.clone());
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_error| foreign(&self.certificate))?
            .to_vec();
        let key = KeyPair::from_pem(key).map_err(|_error| foreign(&self.key))?;
        let mut there = Existing { certificate: certificate.to_owned(), der, key, not_before: 0, not_after: 0 };
        let parsed = there.parsed().ok_or_else(|| foreign(&self.certificate))?;
        if !parsed.issuer().iter_common_name().any(|name| name.as_str().is_ok_and(|name| name.starts_with(CA_NAME))) {
            return Err(foreign(&self.certificate));
        }
        let validity = parsed.validity();
        (there.not_before, there.not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
        Ok(there)
    }
}

impl Existing {
    /// Whether it is valid now and for a while, and the key is its own.
    pub(super) fn is_good(&self, now: Timestamp) -> bool {
        let valid = (self.not_before..self.not_after.saturating_sub(LEFT_SECONDS)).contains(&now.as_second());
        valid && self.parsed().is_some_and(|own| own.public_key().subject_public_key.data == self.key.public_key_raw())
    }

    /// Whether the CA signed it. That a CA's certificate is one is not asked: it was made here.
    pub(super) fn is_issued_by(&self, ca: &Self) -> bool {
        let (Some(own), Some(ca)) = (self.parsed(), ca.parsed()) else { return false };
        own.issuer().as_raw() == ca.subject().as_raw() && own.verify_signature(Some(ca.public_key())).is_ok()
    }

    /// Whether it is for all of these names.
    pub(super) fn is_for(&self, names: &[SanType]) -> bool {
        let Some(own) = self.parsed() else { return false };
        let Ok(Some(extension)) = own.subject_alternative_name() else { return false };
        let there = |wanted: &SanType| extension.value.general_names.iter().any(|name| same(name, wanted));
        names.iter().all(there)
    }

    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The end of its validity, in seconds since 1970.
    pub(super) fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Its key, once more.
    pub(super) fn key(&self) -> Result<KeyPair, CertsError> {
        KeyPair::try_from(self.key.serialized_der()).map_err(|_error| CertsError::Generate)
    }

    fn parsed(&self) -> Option<X509Certificate<'_>> {
        X509Certificate::from_der(&self.der).ok().map(|(_rest, certificate)| certificate)
    }
}

fn same(name: &GeneralName<'_>, wanted: &SanType) -> bool {
    match (name, wanted) {
        (GeneralName::DNSName(name), SanType::DnsName(wanted)) => *name == wanted.as_str(),
        (GeneralName::URI(name), SanType::URI(wanted)) => *name == wanted.as_str(),
        (GeneralName::IPAddress(bytes), SanType::IpAddress(IpAddr::V4(wanted))) => *bytes == wanted.octets(),
        (GeneralName::IPAddress(bytes), SanType::IpAddress(IpAddr::V6(wanted))) => *bytes == wanted.octets(),
        _ => false,
    }
}

/// A file's text; `None`: it is not there.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, CertsError> {
    match fs::read(path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let text = str::from_utf8(&bytes).map_err(|_error| CertsError::Foreign(path.to_owned()))?;
            Ok(Some(Zeroizing::new(text.to_owned())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(path, &error)),
    }
}

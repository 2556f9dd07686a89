//! Why TLS cannot be set up, and why a handshake fails.

use std::io;

use jiff::Timestamp;
use thiserror::Error;

use super::{CertificatePem, KeyPem};

/// Why a certificate or key cannot be used. Names files, never shows what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are the file's name and what the message says about it")]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{file}: cannot be read ({kind}): make it readable for irongate")]
    Unreadable { file: String, kind: io::ErrorKind },
    /// PEM that ends early or is not base64.
    #[error("{file}: a PEM block is damaged: every BEGIN line needs its END line and base64 between them")]
    BadPem { file: String },
    /// No certificate in the file.
    #[error("{file}: holds no certificate: it must have a PEM block named CERTIFICATE")]
    NoCertificate { file: String },
    /// A certificate that cannot be parsed or used.
    #[error("{file}: a certificate cannot be used: look at it with `openssl x509 -noout -text`")]
    BadCertificate { file: String },
    /// No revocation list in the file, or one that cannot be used.
    #[error("{file}: holds no usable revocation list: it must have a PEM block named X509 CRL")]
    BadCrl { file: String },
    /// No key in the file.
    #[error("{file}: holds no private key: it must have a PEM block named PRIVATE KEY")]
    NoKey { file: String },
    /// A key under a passphrase.
    #[error("{file}: the key is encrypted: decrypt it with `openssl pkey` and protect the file with its mode")]
    EncryptedKey { file: String },
    /// More than one key.
    #[error("{file}: holds more than one private key: keep the certificate's only")]
    SeveralKeys { file: String },
    /// A key of a kind that TLS does not use.
    #[error("{file}: the key cannot be used: use ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits or more")]
    BadKey { file: String },
    /// The key is not the first certificate's.
    #[error("{key}: is not the key of the first certificate in {certificate}")]
    Mismatch { certificate: String, key: String },
    /// Too old.
    #[error("{file}: a certificate expired at {not_after}: renew it")]
    Expired { file: String, not_after: Timestamp },
    /// Too young.
    #[error("{file}: a certificate is valid from {not_before} on: check the clock or wait")]
    NotYetValid { file: String, not_before: Timestamp },
    /// The cryptographic library failed.
    #[error("the cryptographic library cannot be set up")]
    Provider,
}

/// Why a handshake fails.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum HandshakeError {
    /// Not done in time.
    #[error("the handshake was not done in time")]
    Deadline,
    /// The caller went away.
    #[error("the caller went away during the handshake")]
    Closed,
    /// No agreement; what was offered, or what was presented, was not good.
    #[error("no agreement: {0}")]
    Tls(rustls::Error),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
}

impl TlsError {
    pub(super) fn bad(certificate: &CertificatePem) -> Self {
        Self::BadCertificate { file: certificate.file.clone() }
    }

    /// What rustls says about a certificate and its key.
    pub(super) fn of_pair(error: &rustls::Error, certificate: &CertificatePem, key: &KeyPem) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "rustls's enum is open; the rest is about the key's kind")]
        match error {
            rustls::Error::InconsistentKeys(_) => {
                Self::Mismatch { certificate: certificate.file.clone(), key: key.file().to_owned() }
            }
            rustls::Error::InvalidCertificate(_) => Self::bad(certificate),
            _ => Self::BadKey { file: key.file().to_owned() },
        }
    }
}

impl HandshakeError {
    /// The stable word for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Deadline => "handshake_deadline",
            Self::Closed => "handshake_closed",
            Self::Tls(_) => "handshake_refused",
            Self::Io(_) => "handshake_io",
        }
    }

    /// A fixed text for logs: without anything that the peer sent.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Deadline => "not done in time",
            Self::Closed => "the peer went away",
            Self::Tls(error) => super::reason(error),
            Self::Io(_) => "the connection failed",
        }
    }

    pub(super) fn of(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.clone());
        }
        let kind = error.kind();
        let gone = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        if gone.contains(&kind) { Self::Closed } else { Self::Io(kind) }
    }
}

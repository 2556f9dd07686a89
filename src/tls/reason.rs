//! Why a handshake failed, as words of the program: what rustls says may hold names of a peer's certificate.

use rustls::{CertificateError, Error};

/// A fixed text for logs.
#[expect(clippy::wildcard_enum_match_arm, reason = "rustls's enums are open")]
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the peer's certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the peer's certificate is not valid yet"
            }
            CertificateError::Revoked => "the peer's certificate is revoked",
            CertificateError::UnknownIssuer => "the peer's certificate comes from an unknown issuer",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the peer's certificate is for another name"
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "the peer's certificate is for another purpose"
            }
            CertificateError::BadSignature => "the peer's certificate has a bad signature",
            _ => "the peer's certificate is not good",
        },
        Error::NoCertificatesPresented => "the peer presented no certificate",
        Error::AlertReceived(_) => "the peer refused the handshake",
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => "no version, cipher or protocol in common",
        Error::PeerMisbehaved(_) => "the peer does not follow the protocol",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "the peer does not speak TLS"
        }
        _ => "the handshake failed",
    }
}

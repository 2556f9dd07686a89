//! Certificates for tests.

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::{CertificatePem, ClientTls, KeyPem, ServerTls, TlsVersion};

/// A CA and what it issues.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn ca(&self) -> CertificatePem {
        certificate("ca.crt", &self.0.pem())
    }

    /// A certificate for `localhost` that is valid in these years, and its key.
    pub(crate) fn issue(&self, from: i32, to: i32) -> (CertificatePem, KeyPem) {
        self.issue_for("localhost", from, to)
    }

    /// The same for another name.
    fn issue_for(&self, name: &str, from: i32, to: i32) -> (CertificatePem, KeyPem) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let issued = params.signed_by(&key, &self.0).unwrap();
        (certificate("server.crt", &issued.pem()), self::key(&key.serialize_pem()))
    }

    pub(crate) fn server(&self) -> ServerTls {
        self.server_named("localhost")
    }

    /// A server with a certificate for this name.
    pub(crate) fn server_named(&self, name: &str) -> ServerTls {
        let (certificate, key) = self.issue_for(name, 2020, 2090);
        ServerTls::new(certificate, key)
    }

    pub(crate) fn client(&self) -> ClientTls {
        ClientTls { ca: self.ca(), certificate: None, min_version: TlsVersion::V1_3 }
    }
}

pub(crate) fn certificate(file: &str, pem: &str) -> CertificatePem {
    CertificatePem { file: file.to_owned(), pem: pem.as_bytes().to_vec() }
}

pub(crate) fn key(pem: &str) -> KeyPem {
    KeyPem::new("server.key", pem.as_bytes().to_vec())
}

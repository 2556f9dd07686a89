//! TLS towards callers and towards Ironic: rustls with aws-lc.
//!
//! TLS 1.3 unless 1.2 is configured, X25519MLKEM768 preferred, HTTP/2 and HTTP/1.1 offered to callers. What is loaded is
//! checked at once: a certificate that is expired, not yet valid or of another key is an error of the configuration, not
//! of the first handshake. Keys are in types that cannot print, and no error shows a byte of a file.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer, kx_group};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use error::{HandshakeError, TlsError};
pub use pem::{CertificateExpiry, CertificatePem, KeyPem};
pub use reason::reason;
pub use trust::{ClientCertificates, ClientTrust};

mod error;
mod pem;
mod reason;
mod trust;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;

/// A listener's TLS. It holds a key and so cannot be printed.
pub struct ServerTls {
    /// The listener's certificate first, then its intermediates.
    pub certificate: CertificatePem,
    /// The certificate's key.
    pub key: KeyPem,
    /// The lowest version served.
    pub min_version: TlsVersion,
    /// Which client certificates are asked for; `None`: none.
    pub client_certificates: Option<ClientCertificates>,
    /// The protocols offered, preferred first; at least one.
    pub alpn: Vec<Alpn>,
}

/// TLS towards Ironic. It may hold a key and so cannot be printed.
pub struct ClientTls {
    /// The CAs that Ironic's certificate may come from. There is no other root: neither the system's nor a built-in list
    /// is ever asked, unless it is the file named here.
    pub ca: CertificatePem,
    /// irongate's own certificate, with its intermediates, and its key.
    pub certificate: Option<(CertificatePem, KeyPem)>,
    /// The lowest version spoken.
    pub min_version: TlsVersion,
}

/// The lowest version of TLS that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub enum TlsVersion {
    /// 1.2 and 1.3; 1.2 only with extended master secret and forward secrecy.
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3 only.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

/// The protocol above TLS (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2.
    H2,
    /// HTTP/1.1; also for callers who do not name a protocol.
    Http11,
}

impl ServerTls {
    /// With the defaults: TLS 1.3, no client certificates, HTTP/2 and HTTP/1.1.
    pub fn new(certificate: CertificatePem, key: KeyPem) -> Self {
        let min_version = TlsVersion::default();
        Self { certificate, key, min_version, client_certificates: None, alpn: vec![Alpn::H2, Alpn::Http11] }
    }
}

/// Makes a listener's configuration. Session tickets are encrypted with keys that rotate and that never leave it: a
/// reload ends all of them.
///
/// # Errors
/// Files that cannot be used, with their names.
pub fn server_config(tls: &ServerTls) -> Result<ServerConfig, TlsError> {
    let chain = tls.certificate.chain(jiff::Timestamp::now())?;
    let key = tls.key.key()?;
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(tls.min_version.protocols())
        .map_err(|_error| TlsError::Provider)?;
    let builder = match &tls.client_certificates {
        None => builder.with_no_client_auth(),
        Some(asked) => builder.with_client_cert_verifier(asked.verifier(provider)?),
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| TlsError::of_pair(&error, &tls.certificate, &tls.key))?;
    config.alpn_protocols = tls.alpn.iter().map(|alpn| alpn.wire().to_vec()).collect();
    config.ticketer = Ticketer::new().map_err(|_error| TlsError::Provider)?;
    config.require_ems = true;
    Ok(config)
}

/// Makes the configuration of connections to Ironic, which speak HTTP/1.1.
///
/// # Errors
/// Files that cannot be used, with their names.
pub fn client_config(tls: &ClientTls) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(tls.min_version.protocols())
        .map_err(|_error| TlsError::Provider)?
        .with_root_certificates(roots(&tls.ca)?);
    let mut config = match &tls.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(certificate.chain(jiff::Timestamp::now())?, key.key()?)
            .map_err(|error| TlsError::of_pair(&error, certificate, key))?,
    };
    config.alpn_protocols = vec![Alpn::Http11.wire().to_vec()];
    config.require_ems = true;
    Ok(config)
}

/// Shakes hands with a caller, in the connection's own task.
///
/// # Errors
/// The deadline, a caller who goes away, or one with whom there is no agreement.
pub async fn accept<Stream>(
    acceptor: &TlsAcceptor,
    stream: Stream,
    deadline: Duration,
) -> Result<(TlsStream<Stream>, Alpn), HandshakeError>
where
    Stream: AsyncRead + AsyncWrite + Unpin,
{
    let stream = timeout(deadline, acceptor.accept(stream)).await.map_err(|_elapsed| HandshakeError::Deadline)?;
    let stream = stream.map_err(|error: io::Error| HandshakeError::of(&error))?;
    let (_, connection) = stream.get_ref();
    // rustls agreed to nothing that was not offered.
    let alpn = if connection.alpn_protocol() == Some(Alpn::H2.wire()) { Alpn::H2 } else { Alpn::Http11 };
    Ok((stream, alpn))
}

impl TlsVersion {
    const fn protocols(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
        static FROM_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
        match self {
            Self::V1_2 => FROM_1_2,
            Self::V1_3 => FROM_1_3,
        }
    }
}

impl Alpn {
    /// As it stands in a handshake.
    pub const fn wire(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http11 => b"http/1.1",
        }
    }
}

/// aws-lc with its cipher suites, and the key exchange groups in irongate's own order.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    })
}

fn roots(ca: &CertificatePem) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(ca.bundle(jiff::Timestamp::now())?);
    if added == 0 { Err(TlsError::bad(ca)) } else { Ok(roots) }
}

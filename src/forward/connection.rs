//! Connections to Ironic and Keystone: unix socket, TCP, TLS.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::config::Endpoint;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Refused, no such socket, no route.
    #[error("unreachable")]
    Unreachable,
    /// Not in time.
    #[error("timed out")]
    TimedOut,
    /// The TLS handshake failed.
    #[error("untrusted")]
    Untrusted,
}

/// The TLS configuration for new connections; a reload swaps it.
pub type ClientTlsInForce = Arc<ArcSwap<rustls::ClientConfig>>;

/// Makes connections to one endpoint.
#[derive(Clone)]
pub struct Connector {
    target: Target,
    timeout: Duration,
}

#[derive(Clone)]
enum Target {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<(ClientTlsInForce, ServerName<'static>)> },
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connector").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The endpoint's host is not a name or address that a certificate can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint's host is neither a DNS name nor an address")]
pub struct HostError;

impl Connector {
    /// For any endpoint; `tls` is there for `https`, `timeout` is for the connection with its TLS handshake.
    pub fn to(
        endpoint: &Endpoint,
        tls: Option<Arc<rustls::ClientConfig>>,
        timeout: Duration,
    ) -> Result<Self, HostError> {
        Self::following(endpoint, tls.map(|tls| Arc::new(ArcSwap::new(tls))).as_ref(), timeout)
    }

    /// The same with a TLS configuration that others may swap. It is not looked at for an endpoint without TLS.
    pub fn following(
        endpoint: &Endpoint,
        tls: Option<&ClientTlsInForce>,
        timeout: Duration,
    ) -> Result<Self, HostError> {
        let target = match endpoint {
            Endpoint::Unix(path) => Target::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls: https } => {
                let tls = match tls.filter(|_| *https) {
                    Some(tls) => {
                        let name =
                            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| HostError)?;
                        Some((Arc::clone(tls), name))
                    }
                    None => None,
                };
                Target::Tcp { host: host.clone(), port: *port, tls }
            }
        };
        Ok(Self { target, timeout })
    }

    /// One new connection, within the deadline.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        tokio::time::timeout(self.timeout, self.open()).await.unwrap_or(Err(ConnectError::TimedOut))
    }

    async fn open(&self) -> Result<Connection, ConnectError> {
        match &self.target {
            Target::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|_| ConnectError::Unreachable)?;
                Ok(Connection::Unix(stream))
            }
            Target::Tcp { host, port, tls } => {
                let host = host.trim_matches(['[', ']']);
                let stream = TcpStream::connect((host, *port)).await.map_err(|_| ConnectError::Unreachable)?;
                stream.set_nodelay(true).map_err(|_| ConnectError::Unreachable)?;
                let Some((tls, name)) = tls else { return Ok(Connection::Tcp(stream)) };
                let connector = TlsConnector::from(tls.load_full());
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
                    let tls = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
                    let reason = tls.map_or("the connection failed", crate::tls::reason);
                    tracing::warn!(reason, host, "no TLS connection");
                    ConnectError::Untrusted
                })?;
                Ok(Connection::Tls(Box::new(stream)))
            }
        }
    }
}

/// A connection of any kind.
#[derive(Debug)]
pub enum Connection {
    /// To a socket in the file system.
    Unix(UnixStream),
    /// Plain.
    Tcp(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Connection::Unix($stream) => $call,
            Connection::Tcp($stream) => $call,
            Connection::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}

//! One connection: handshake, protocol, the layers around the pipeline.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::{ServiceBuilder, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use super::{Phase, compression};
use crate::audit::{Opening, Record};
use crate::authenticate::{ClientCertificate, Peer};
use crate::body::Body;
use crate::framing::FramingError;
use crate::header::{X_AUTH_TOKEN, X_SERVICE_TOKEN};
use crate::listener::ListenerState;
use crate::pipeline::Pipeline;
use crate::rejection::Rejection;
use crate::request_id::RequestIds;
use crate::snapshot::{Current, Snapshot};
use crate::tls::{self, Alpn};

/// hyper's own bounds are above ours, so that a request over ours is still answered in Ironic's shape with a record.
const ABOVE: usize = 4;
/// What is kept for a connection in each direction, at the least: a caller who reads slowly holds no more than this.
const BUFFER_BYTES_MIN: usize = 64 * 1024;

/// One listener of one worker.
pub(super) struct Door {
    pub(super) index: usize,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) current: Arc<Current>,
    pub(super) phase: watch::Receiver<Phase>,
    /// Connections that were closed because of where they came from.
    pub(super) turned_away: AtomicU64,
}

/// An accepted stream.
pub(super) enum Stream {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Door {
    /// Serves a connection to its end.
    pub(super) async fn serve(self: Arc<Self>, stream: Stream) {
        let _open = self.pipeline.metrics.connection(self.index);
        let snapshot = self.current.load();
        let Some(listener) = snapshot.listeners.get(self.index) else { return };
        let deadline = Duration::from_secs(snapshot.limits.handshake_timeout_seconds);
        let address = if let Stream::Tcp(_, address) = &stream { Some(*address) } else { None };
        let mut peer = Peer { address, tls: false, certificate: None };
        if !listener.admits_source(&peer) {
            self.turn_away(&listener.name, address);
            return;
        }
        match (stream, listener.tls.clone()) {
            (Stream::Tcp(stream, address), Some(tls)) => {
                match tls::accept(&TlsAcceptor::from(tls), stream, deadline).await {
                    Ok((stream, alpn)) => {
                        peer.tls = true;
                        peer.certificate = certificate(stream.get_ref().1, listener);
                        self.speak(stream, peer, alpn == Alpn::H2, &snapshot).await;
                    }
                    Err(error) => tracing::info!(%address, reason = error.reason(), "no TLS connection"),
                }
            }
            (Stream::Tcp(stream, _), None) => self.speak(stream, peer, false, &snapshot).await,
            (Stream::Unix(stream), _) => self.speak(stream, peer, false, &snapshot).await,
        }
    }

    /// Whoever is not meant to be here can come often: the log tells of the first, the second, the fourth, …
    fn turn_away(&self, listener: &Arc<str>, address: Option<IpAddr>) {
        let count = self.turned_away.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if count.is_power_of_two() {
            let address = address.map(|address| address.to_string());
            tracing::warn!(%listener, address, count, "a connection from outside of source_networks was closed");
        }
    }

    async fn speak<S>(self: Arc<Self>, stream: S, peer: Peer, http2: bool, snapshot: &Snapshot)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limits = &snapshot.limits;
        let compress = snapshot.listeners.get(self.index).is_some_and(|listener| listener.compression);
        let address = peer.address;
        let door = Arc::clone(&self);
        let pipeline = service_fn(move |request: Request<Incoming>| {
            let door = Arc::clone(&door);
            let peer = peer.clone();
            async move { Ok::<_, Infallible>(door.answer(request, &peer).await) }
        });
        // Only what would be the same in any proxy is a layer; every step that makes or needs a security fact is a line
        // of the pipeline. Outermost first.
        let service = ServiceBuilder::new()
            .layer(CatchPanicLayer::custom(panicked))
            .layer(SetSensitiveRequestHeadersLayer::from_shared(sensitive()))
            .map_request(move |request| compression::settle(request, compress))
            .layer(compression::layer())
            .service(pipeline);
        let service = TowerToHyperService::new(service);
        let mut phase = self.phase.clone();
        // The guard that `wait_for` gives must not live on.
        let drain = async move { drop(phase.wait_for(|phase| *phase == Phase::Drain).await) };
        let io = TokioIo::new(stream);
        let ended = if http2 {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.streams_max)
                .max_header_list_size(u32::try_from(limits.header_bytes_max.saturating_mul(ABOVE)).unwrap_or(u32::MAX))
                .max_pending_accept_reset_streams(Some(20))
                .keep_alive_interval(Some(Duration::from_secs(60)))
                .serve_connection(io, service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = drain => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(limits.header_timeout_seconds))
                .max_headers(limits.headers_max.saturating_mul(ABOVE))
                .max_header_size(limits.header_bytes_max.saturating_mul(ABOVE))
                .max_buf_size(limits.header_bytes_max.saturating_mul(ABOVE).max(BUFFER_BYTES_MIN))
                .serve_connection(io, service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = drain => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = ended {
            self.broken(&error, address);
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: &Peer) -> Response<Body> {
        let snapshot = self.current.load();
        let Some(listener) = snapshot.listeners.get(self.index) else { return Rejection::Internal.response() };
        self.pipeline.handle(request, &snapshot, listener, peer).await
    }

    /// What hyper refused by itself never became a request; it gets a record all the same.
    fn broken(&self, error: &hyper::Error, address: Option<IpAddr>) {
        tracing::debug!(%error, "connection ended with an error");
        if !error.is_parse() {
            return;
        }
        let snapshot: Arc<Snapshot> = self.current.load();
        let Some(listener) = snapshot.listeners.get(self.index) else { return };
        let opening = Opening {
            listener: Arc::clone(&listener.name),
            source: address,
            http: "unknown",
            mode: snapshot.mode,
            revision: Arc::clone(&snapshot.revision),
        };
        let too_large = error.is_parse_too_large();
        let rejection =
            Rejection::Framing(if too_large { FramingError::HeadersTooLarge } else { FramingError::Malformed });
        let mut record = Record::open(&self.pipeline.audit, opening, &RequestIds::minted());
        record.measure(self.pipeline.metrics.request(self.index));
        record.reject(&rejection);
        record.status(rejection.status());
        record.complete();
    }
}

/// The certificate that rustls verified, parsed once for the connection.
fn certificate(connection: &rustls::ServerConnection, listener: &ListenerState) -> Option<Arc<ClientCertificate>> {
    let trust = listener.client_trust.as_ref()?;
    let chain = connection.peer_certificates()?.iter().map(|certificate| certificate.clone().into_owned()).collect();
    ClientCertificate::new(chain, trust.id()).map(Arc::new)
}

fn sensitive() -> Arc<[HeaderName]> {
    Arc::new([AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, X_AUTH_TOKEN, X_SERVICE_TOKEN])
}

/// The panic's text is not looked at: it may hold anything. Its place is logged by the panic hook.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let response = Rejection::Internal.response();
    debug_assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    response
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use http_body_util::BodyExt;
    use tower::{Service, ServiceBuilder, service_fn};
    use tower_http::catch_panic::CatchPanicLayer;

    use super::{Body, panicked};

    #[tokio::test]
    async fn a_panic_is_answered_without_its_text() {
        let mut service = ServiceBuilder::new().layer(CatchPanicLayer::custom(panicked)).service(service_fn(
            |request: Request<()>| async move {
                assert!(request.uri().path().is_empty(), "S3cret");
                Ok::<_, std::convert::Infallible>(Response::new(Body::whole("")))
            },
        ));
        let answer = service.call(Request::get("/v1").body(()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 500);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("\"code\":\"internal\"") && !text.contains("S3cret"), "{text}");
    }
}

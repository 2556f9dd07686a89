//! One connection: handshake, protocol, the layers around the pipeline.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
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

use super::gate::{Gate, Seat, TurnedAway};
use super::pulse::{Closing, Pulse, Working};
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
const ABOVE: usize = 2;
/// What is kept for an HTTP/1.1 connection in each direction, at the least: a caller who reads slowly holds no more.
const BUFFER_BYTES_MIN: usize = 32 * 1024;
/// What an HTTP/2 caller may send before it is read, for a stream and for its connection.
const WINDOW_BYTES: u32 = 64 * 1024;
/// What is kept of an HTTP/2 stream's answer that its caller does not read.
const SEND_BYTES_MAX: usize = 32 * 1024;

/// So long an idle HTTP/1.1 connection waits for its last request when irongate leaves.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// How a connection ended.
enum Ended {
    Itself(Result<(), hyper::Error>),
    Closed(Closing),
}

/// Serves a connection until it ends, is told to drain and has drained, or is closed because of what it does. hyper's two
/// kinds of connections share no trait.
macro_rules! until_closed {
    ($connection:ident, $drain:ident, $closing:ident) => {{
        let mut connection = std::pin::pin!($connection);
        let mut closing = std::pin::pin!($closing);
        tokio::select! {
            ended = connection.as_mut() => Ended::Itself(ended),
            reason = closing.as_mut() => Ended::Closed(reason),
            () = $drain => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => Ended::Itself(ended),
                    reason = closing => Ended::Closed(reason),
                }
            }
        }
    }};
}

/// One listener of one worker.
pub(super) struct Door {
    pub(super) index: usize,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) current: Arc<Current>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) gate: Arc<Gate>,
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
        let address = if let Stream::Tcp(_, address) = &stream { Some(*address) } else { None };
        let mut peer = Peer { address, tls: false, certificate: None };
        if !listener.takes_source(&peer) {
            self.gate.turn_away(TurnedAway::Source, &listener.name, address);
            return;
        }
        let seat = match self.gate.seat(self.index, listener.connections_max, address, &snapshot.limits) {
            Ok(seat) => seat,
            Err(reason) => {
                self.gate.turn_away(reason, &listener.name, address);
                return;
            }
        };
        match (stream, listener.tls.clone()) {
            (Stream::Tcp(stream, address), Some(tls)) => {
                let Ok(turn) = self.gate.handshake(&seat, &snapshot.limits).await else {
                    self.gate.turn_away(TurnedAway::HandshakesFull, &listener.name, Some(address));
                    return;
                };
                let shaken = tls::accept(&TlsAcceptor::from(tls), stream, turn.deadline).await;
                drop(turn);
                match shaken {
                    Ok((stream, alpn)) => {
                        peer.tls = true;
                        peer.certificate = certificate(stream.get_ref().1, listener);
                        self.speak(stream, peer, alpn == Alpn::H2, snapshot, seat).await;
                    }
                    Err(error) => {
                        self.gate.turn_away(TurnedAway::Handshake, &listener.name, Some(address));
                        tracing::debug!(%address, reason = error.reason(), "no TLS connection");
                    }
                }
            }
            (Stream::Tcp(stream, _), None) => self.speak(stream, peer, false, snapshot, seat).await,
            (Stream::Unix(stream), _) => self.speak(stream, peer, false, snapshot, seat).await,
        }
    }

    async fn speak<S>(self: Arc<Self>, stream: S, peer: Peer, http2: bool, snapshot: Arc<Snapshot>, seat: Seat)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let limits = &snapshot.limits;
        let Some(listener) = snapshot.listeners.get(self.index) else { return };
        let (compress, name) = (listener.compression, Arc::clone(&listener.name));
        let address = peer.address;
        let door = Arc::clone(&self);
        let pulse = Pulse::new(limits, Arc::clone(&self.gate));
        let beating = Arc::clone(&pulse);
        let pipeline = service_fn(move |request: Request<Incoming>| {
            let door = Arc::clone(&door);
            let peer = peer.clone();
            let working = beating.work();
            // hyper keeps room for this future in every connection, idle ones included: boxed, it takes none of it.
            Box::pin(async move { Ok::<_, Infallible>(door.answer(request, &peer, working).await) })
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
        let leaving = Arc::clone(&pulse);
        let drain = async move {
            // The guards that `wait_for` gives must not live on.
            drop(phase.wait_for(|phase| *phase != Phase::Serve).await);
            leaving.leave();
            drop(phase.wait_for(Phase::is_drain).await);
            // HTTP/2 tells callers which requests were not looked at. On HTTP/1.1 one may be on its way: it is answered, and
            // told that it was the last.
            if !http2 {
                tokio::time::sleep(LAST_REQUEST).await;
            }
        };
        let closing = pulse.watch(&seat);
        let io = TokioIo::new(stream);
        let ended = if http2 {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(limits.streams_max)
                .max_header_list_size(u32::try_from(limits.header_bytes_max.saturating_mul(ABOVE)).unwrap_or(u32::MAX))
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
                .max_send_buf_size(SEND_BYTES_MAX)
                // Streams that are cancelled before they are looked at; `Pulse` counts those that are cancelled later.
                .max_pending_accept_reset_streams(Some(20))
                .max_local_error_reset_streams(Some(usize::try_from(limits.resets_max).unwrap_or(usize::MAX)))
                .keep_alive_interval(Some(Duration::from_secs(60)))
                .serve_connection(io, service);
            // A connection may last longer than many snapshots.
            drop(snapshot);
            until_closed!(connection, drain, closing)
        } else {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(limits.header_timeout_seconds))
                .max_headers(limits.headers_max.saturating_mul(ABOVE))
                .max_header_size(limits.header_bytes_max.saturating_mul(ABOVE))
                .max_buf_size(limits.header_bytes_max.saturating_mul(ABOVE).max(BUFFER_BYTES_MIN))
                .serve_connection(io, service);
            drop(snapshot);
            until_closed!(connection, drain, closing)
        };
        match ended {
            Ended::Closed(reason) => self.gate.close(reason, &name, address),
            Ended::Itself(Err(error)) => {
                if let Some(reason) = Closing::of(&error, http2) {
                    self.gate.close(reason, &name, address);
                }
                self.broken(&error, address);
            }
            Ended::Itself(Ok(())) => {}
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: &Peer, working: Working) -> Response<Body> {
        let snapshot = self.current.load();
        let Some(listener) = snapshot.listeners.get(self.index) else { return Rejection::Internal.response() };
        let http2 = request.version() == Version::HTTP_2;
        let mut answer = self.pipeline.handle(request, &snapshot, listener, peer).await;
        if !http2 && working.pulse().leaving() {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let answer = answer.map(|body| body.with_pulse(working.pulse(), http2));
        working.answered();
        answer
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
            mode: snapshot.mode(),
            terms: snapshot.audit,
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

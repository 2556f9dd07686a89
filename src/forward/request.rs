//! The new request.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::UpstreamError;
use crate::authenticate::ProvedToken;
use crate::authorize::PermittedCall;
use crate::catalog::Method;
use crate::config::UpstreamIdentity;
use crate::header::{X_AUTH_TOKEN, X_OPENSTACK_REQUEST_ID, X_SERVICE_TOKEN};
use crate::json::Canonical;
use crate::microversion;
use crate::request_id::RequestId;
use crate::trace::TRACEPARENT;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// So much of a body is handed over at once.
const PIECE_BYTES_MAX: usize = 32 * 1024;

/// What Ironic is told of the caller's side.
#[derive(Debug)]
pub struct Forwarded<'a> {
    /// The id that goes into Ironic's log.
    pub request_id: RequestId,
    /// The caller's address.
    pub source: Option<IpAddr>,
    /// irongate's own scheme and authority as the caller sees it: `https://irongate.example:6385`.
    pub origin: &'a str,
    /// The token that proved the caller, if one did. It is sent only where the upstream's identity is the caller's token.
    pub token: Option<&'a ProvedToken>,
    /// As whom irongate asks.
    pub identity: &'a UpstreamIdentity,
    /// The header of irongate's own trace, if the request is sampled.
    pub traceparent: Option<HeaderValue>,
}

/// The body's pieces, sent as they are.
#[derive(Debug, Default)]
pub struct RequestBody {
    pieces: VecDeque<Bytes>,
    left: usize,
    sent: Option<Sent>,
}

/// Tells that a body was handed over; where there is none, that has happened already.
#[derive(Debug)]
struct Sent(#[expect(dead_code, reason = "its drop tells")] oneshot::Sender<()>);

impl RequestBody {
    /// What becomes ready when the last piece is handed over, or the body is gone; `None` if there is nothing to send.
    pub(super) fn sent(&mut self) -> Option<oneshot::Receiver<()>> {
        if self.pieces.is_empty() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.sent = Some(Sent(sender));
        Some(receiver)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = match self.pieces.front_mut() {
            // A large piece handed over in one would look as if it had been sent.
            Some(large) if large.len() > PIECE_BYTES_MAX => Some(large.split_to(PIECE_BYTES_MAX)),
            Some(_) | None => self.pieces.pop_front(),
        };
        self.left = self.left.saturating_sub(piece.as_ref().map_or(0, Bytes::len));
        if self.pieces.is_empty() {
            self.sent = None;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

/// Writes the request: the call, an allow-list of headers, and nothing else.
pub(super) fn write(
    call: &PermittedCall<'_>,
    body: Option<Canonical>,
    forwarded: &Forwarded<'_>,
    authority: &HeaderValue,
) -> Result<Request<RequestBody>, UpstreamError> {
    let route = call.call().route();
    let method = match route.operation().method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    };
    let (proto, host) = forwarded.origin.split_once("://").unwrap_or(("http", forwarded.origin));
    let mut request = Request::builder()
        .method(method)
        .uri(route.target())
        .header(HOST, authority)
        .header(USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json")
        .header(microversion::HEADER, route.microversion().header_value())
        .header(X_OPENSTACK_REQUEST_ID, forwarded.request_id.to_string())
        .header(X_FORWARDED_PROTO, proto)
        .header(X_FORWARDED_HOST, host);
    if let Some(source) = forwarded.source {
        request = request.header(X_FORWARDED_FOR, source.to_string());
    }
    if let Some(traceparent) = &forwarded.traceparent {
        request = request.header(TRACEPARENT, traceparent);
    }
    request = identify(request, forwarded.identity, forwarded.token);
    let body = match body {
        Some(canonical) => {
            request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_LENGTH, canonical.length);
            RequestBody { pieces: canonical.pieces.into(), left: canonical.length, sent: None }
        }
        None => {
            if !matches!(route.operation().method, Method::Get) {
                request = request.header(CONTENT_LENGTH, 0);
            }
            RequestBody::default()
        }
    };
    // Everything above is made of checked parts; a failure would be a bug, and is answered as one.
    request.body(body).map_err(|_| UpstreamError::Unreachable)
}

/// Says who asks. `token` is the one that proved the caller, if one did.
pub(super) fn identify(
    request: http::request::Builder,
    identity: &UpstreamIdentity,
    token: Option<&ProvedToken>,
) -> http::request::Builder {
    match (identity, token) {
        (UpstreamIdentity::Token, Some(token)) => {
            let request = request.header(X_AUTH_TOKEN, token.user());
            match token.service() {
                Some(service) => request.header(X_SERVICE_TOKEN, service),
                None => request,
            }
        }
        (UpstreamIdentity::Basic(credential), _) => request.header(AUTHORIZATION, credential),
        (UpstreamIdentity::None, _) | (UpstreamIdentity::Token, None) => request,
    }
}

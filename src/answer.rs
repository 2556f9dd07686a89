//! Ironic's answer → irongate's answer: an allow-list of headers, errors rebuilt from their known parts, JSON scrubbed
//! while it passes. What cannot be scrubbed is withheld.

mod discovery;
mod headers;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::audit::Record;
use crate::body::{Body, Cut};
use crate::catalog::{Answer, Operation};
use crate::forward::{Lease, UpstreamError};
use crate::header::{OPENSTACK_REQUEST_ID, X_OPENSTACK_REQUEST_ID};
use crate::microversion::Ceiling;
use crate::rejection::error_response;
use crate::request_id::RequestId;
use crate::scrub::{self, ScrubError, ScrubRules, Scrubber, ShadowCount};

/// So much of an answer is scrubbed before its head is sent: a failure up to here is a clean 502.
const PREFETCH_BYTES: usize = 64 * 1024;
/// So much of an error is read; its text is far shorter.
const ERROR_BYTES_MAX: usize = 256 * 1024;

/// What is needed to write the answer.
#[derive(Debug)]
pub struct Terms<'a> {
    /// The operation that was asked.
    pub operation: &'static Operation,
    /// The snapshot's secret map.
    pub rules: &'a Arc<ScrubRules>,
    /// irongate's own scheme and authority as the caller sees it.
    pub origin: &'a Arc<str>,
    /// The longest wait for the next piece, while nothing of it is there.
    pub idle_timeout: Duration,
    /// For the whole body.
    pub transfer_timeout: Duration,
    /// The highest microversion that callers may learn of.
    pub ceiling: Ceiling,
}

/// Marks an answer that holds a secret on purpose: it is never compressed, because its length would tell of the secret.
#[derive(Debug, Clone, Copy)]
pub struct HoldsSecret;

/// Writes the answer.
pub async fn write(
    response: Response<Incoming>,
    lease: Lease,
    terms: &Terms<'_>,
    record: &mut Record,
    asked: Instant,
) -> Result<Response<Body>, UpstreamError> {
    let (head, incoming) = response.into_parts();
    record.upstream(head.status, request_id(&head.headers), asked);
    if head.status.is_informational() || head.status.is_redirection() {
        return Err(UpstreamError::UnexpectedStatus);
    }
    let mut answer = if head.status.is_success() {
        success(head.status, &head.headers, incoming, lease, terms, record).await?
    } else {
        error(head.status, &head.headers, incoming, lease, terms).await?
    };
    headers::copy(&head.headers, answer.headers_mut(), terms);
    if terms.operation.answer == Answer::Lookup || terms.rules.keeps() {
        answer.extensions_mut().insert(HoldsSecret);
    }
    Ok(answer)
}

async fn success(
    status: StatusCode,
    headers: &HeaderMap,
    incoming: Incoming,
    lease: Lease,
    terms: &Terms<'_>,
    record: &mut Record,
) -> Result<Response<Body>, UpstreamError> {
    let mut body = AnswerBody::new(incoming, lease, terms);
    let content = if terms.operation.answer == Answer::Empty || body.incoming.is_end_stream() {
        body.discard().await?;
        Body::whole(Bytes::new())
    } else if !is_json(headers) {
        return Err(UpstreamError::NotJson);
    } else if body.prefetch().await? {
        record.masked(body.masked);
        record.would_mask(body.would_mask);
        let whole = std::mem::take(&mut body.ready);
        if terms.operation.answer == Answer::Discovery {
            Body::whole(discovery::adapt(&whole, terms.ceiling).ok_or(UpstreamError::Malformed)?)
        } else {
            Body::whole(whole)
        }
    } else if terms.operation.answer == Answer::Discovery {
        // A version document is a few kilobytes; one that must be adapted whole is not sent in pieces.
        return Err(UpstreamError::Malformed);
    } else {
        Body::stream(body)
    };
    let has_body = content.length() != Some(0);
    let mut answer = Response::new(content);
    *answer.status_mut() = status;
    if has_body {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(answer)
}

async fn error(
    status: StatusCode,
    headers: &HeaderMap,
    incoming: Incoming,
    lease: Lease,
    terms: &Terms<'_>,
) -> Result<Response<Body>, UpstreamError> {
    let mut body = AnswerBody::new(incoming, lease, terms);
    let mut text = Vec::new();
    while let Some(piece) = body.piece().await? {
        text.extend_from_slice(&piece);
        if text.len() > ERROR_BYTES_MAX {
            // No text of Ironic's: the connection is not kept, the status says enough.
            text.clear();
            break;
        }
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let message = scrub::rebuild(status.as_u16(), content_type, &text, terms.rules);
    Ok(error_response(status, &message, None))
}

fn is_json(headers: &HeaderMap) -> bool {
    let plain = headers.get(CONTENT_ENCODING).is_none_or(|value| value.as_bytes() == b"identity");
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    plain && essence.eq_ignore_ascii_case("application/json")
}

fn request_id(headers: &HeaderMap) -> Option<RequestId> {
    [X_OPENSTACK_REQUEST_ID, OPENSTACK_REQUEST_ID]
        .iter()
        .find_map(|name| headers.get(name))
        .and_then(|value| value.to_str().ok())
        .and_then(RequestId::parse)
}

/// The rest of an answer, scrubbed while it is sent.
pub struct AnswerBody {
    incoming: Incoming,
    scrubber: Option<Scrubber>,
    lease: Option<Lease>,
    ready: Vec<u8>,
    masked: u64,
    /// There if scrub rules are tried out.
    shadow: Option<Box<ShadowCount>>,
    would_mask: u64,
    /// A body that comes in drops ends here.
    deadline: tokio::time::Instant,
    patience: Patience,
}

/// How long the next piece is waited for: from the moment at which nothing is there, not from the piece before, which a slow
/// reader may have taken long ago, nor from the head.
struct Patience {
    idle_timeout: Duration,
    /// For the whole body.
    deadline: tokio::time::Instant,
    idle: Pin<Box<Sleep>>,
    /// Something is waited for, until `idle` ends.
    waits: bool,
}

impl Patience {
    fn new(idle_timeout: Duration, deadline: tokio::time::Instant) -> Self {
        Self { idle_timeout, deadline, idle: Box::pin(tokio::time::sleep_until(deadline)), waits: false }
    }

    /// Nothing is there. Ready: it is over.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.waits {
            self.wait(tokio::time::Instant::now());
        }
        self.idle.as_mut().poll(context)
    }

    fn wait(&mut self, now: tokio::time::Instant) {
        if !std::mem::replace(&mut self.waits, true) {
            self.idle.as_mut().reset(self.deadline.min(now + self.idle_timeout));
        }
    }

    /// Something has come.
    const fn renew(&mut self) {
        self.waits = false;
    }
}

impl std::fmt::Debug for AnswerBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AnswerBody").field("masked", &self.masked).finish_non_exhaustive()
    }
}

impl AnswerBody {
    fn new(incoming: Incoming, lease: Lease, terms: &Terms<'_>) -> Self {
        let deadline = tokio::time::Instant::now() + terms.transfer_timeout;
        Self {
            incoming,
            scrubber: Some(Scrubber::new(Arc::clone(terms.rules), terms.operation, Arc::clone(terms.origin))),
            lease: Some(lease),
            ready: Vec::new(),
            masked: 0,
            shadow: ShadowCount::new(terms.rules, terms.operation, terms.origin),
            would_mask: 0,
            deadline,
            patience: Patience::new(terms.idle_timeout, deadline),
        }
    }

    /// Values masked so far, of what was made ready; final once the body has ended.
    pub const fn masked(&self) -> u64 {
        self.masked
    }

    /// Values so far that rules in shadow would have masked; final once the body has ended.
    pub const fn would_mask(&self) -> u64 {
        self.would_mask
    }

    /// What was just made ready, from `from` on, goes to the rules in shadow too.
    fn shadow(&mut self, from: usize) {
        if let Some(shadow) = &mut self.shadow {
            shadow.push(self.ready.get(from..).unwrap_or_default());
        }
    }

    /// The answer is over.
    fn finish(&mut self, scrubber: Scrubber) -> Result<(), ScrubError> {
        let from = self.ready.len();
        self.masked = scrubber.finish(&mut self.ready)?.masked;
        self.shadow(from);
        self.would_mask = self.shadow.take().map_or(0, |mut shadow| shadow.finish());
        Ok(())
    }

    /// The next piece as it came; `None` at the end, when the connection is given back.
    async fn piece(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        std::future::poll_fn(|context| self.poll_piece(context)).await
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, UpstreamError>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) else {
                ready!(self.patience.poll_end(context));
                return Poll::Ready(Err(UpstreamError::AnswerTimeout));
            };
            self.patience.renew();
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Poll::Ready(Ok(Some(piece)));
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(UpstreamError::Incomplete)),
                None => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// Reads what should be nothing; of more than a little the connection is not kept.
    async fn discard(&mut self) -> Result<(), UpstreamError> {
        let mut bytes = 0;
        while let Some(piece) = self.piece().await? {
            bytes += piece.len();
            if bytes > PREFETCH_BYTES {
                break;
            }
        }
        Ok(())
    }

    /// Scrubs the beginning; true if that was the whole answer.
    async fn prefetch(&mut self) -> Result<bool, UpstreamError> {
        while self.ready.len() < PREFETCH_BYTES {
            match self.piece().await? {
                Some(piece) => {
                    let scrubber = self.scrubber.as_mut().ok_or(UpstreamError::Incomplete)?;
                    let from = self.ready.len();
                    scrubber.push(&piece, &mut self.ready).map_err(|_| UpstreamError::Malformed)?;
                    self.masked = scrubber.masked();
                    self.shadow(from);
                }
                None => {
                    let scrubber = self.scrubber.take().ok_or(UpstreamError::Incomplete)?;
                    self.finish(scrubber).map_err(|_| UpstreamError::Malformed)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The next scrubbed piece.
    pub(crate) fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        // A reader that takes a piece now and then keeps Ironic's connection no longer than Ironic may take.
        if this.scrubber.is_some() && tokio::time::Instant::now() >= this.deadline {
            this.scrubber = None;
            this.ready.clear();
            return Poll::Ready(Some(Err(Cut("transfer_timeout"))));
        }
        loop {
            if !this.ready.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.ready).into()))));
            }
            if this.scrubber.is_none() {
                return Poll::Ready(None);
            }
            let piece = ready!(this.poll_piece(context));
            let Some(scrubber) = this.scrubber.as_mut() else { return Poll::Ready(None) };
            match piece {
                Ok(Some(piece)) => {
                    this.ready.reserve(piece.len() + 64);
                    if scrubber.push(&piece, &mut this.ready).is_err() {
                        this.scrubber = None;
                        this.ready.clear();
                        return Poll::Ready(Some(Err(Cut("upstream_malformed"))));
                    }
                    this.masked = scrubber.masked();
                    this.shadow(0);
                }
                Ok(None) => {
                    let Some(scrubber) = this.scrubber.take() else { return Poll::Ready(None) };
                    if this.finish(scrubber).is_err() {
                        this.ready.clear();
                        return Poll::Ready(Some(Err(Cut("upstream_malformed"))));
                    }
                }
                Err(error) => {
                    this.scrubber = None;
                    return Poll::Ready(Some(Err(Cut(error.code()))));
                }
            }
        }
    }
}

/// HEAD is GET without the body.
pub fn without_body(answer: Response<Body>) -> Response<Body> {
    let (mut head, body) = answer.into_parts();
    if let Some(length) = body.length() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Body::whole(Bytes::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_waited_for_takes_patience() {
        let begun = tokio::time::Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut patience = Patience::new(Duration::from_secs(2), at(60));
        assert_eq!(patience.idle.deadline(), at(60), "nothing is waited for");
        // Asked again and again, it waits no longer. A piece that came before makes no difference: its reader takes his time.
        for (asked, until) in [(1, 3), (5, 7), (6, 8), (30, 32), (59, 60), (61, 60)] {
            patience.wait(at(asked));
            patience.wait(at(asked + 1));
            assert_eq!(patience.idle.deadline(), at(until), "{asked}");
            patience.renew();
        }
    }
}

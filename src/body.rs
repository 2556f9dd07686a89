//! Body types and bounded reading.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use hyper::body::Incoming;

use crate::answer::AnswerBody;
use crate::audit::Record;
use crate::limits::{NoRoom, Room, SMALL_BYTES, Ticket};
use crate::server::{Pulse, Sending};

/// What irongate answers with. It carries the request's record, which is written when the body is gone, whether it was
/// sent to its end or not.
#[derive(Debug)]
pub struct Body {
    content: Content,
    record: Option<Box<Record>>,
    /// Its place among the requests under way. A refusal has none.
    ticket: Option<Ticket>,
    /// What the connection is told of it; it takes the ticket along.
    sending: Option<Arc<Sending>>,
    /// What is left of the request's body: it is dropped, which ends the request's stream, after the answer is sent.
    unread: Option<Box<Incoming>>,
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Stream(Box<AnswerBody>),
}

impl Body {
    /// A body that is known as a whole.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            content: Content::Whole((!bytes.is_empty()).then_some(bytes)),
            record: None,
            ticket: None,
            sending: None,
            unread: None,
        }
    }

    /// An answer of Ironic, scrubbed while it passes.
    pub fn stream(answer: AnswerBody) -> Self {
        Self { content: Content::Stream(Box::new(answer)), record: None, ticket: None, sending: None, unread: None }
    }

    /// Hands over the record.
    #[must_use]
    pub fn with_record(mut self, record: Box<Record>) -> Self {
        self.record = Some(record);
        self
    }

    /// Hands over the place among the requests under way.
    #[must_use]
    pub fn with_ticket(mut self, ticket: Option<Ticket>) -> Self {
        self.ticket = ticket;
        self
    }

    /// Tells the connection how it is read. A refusal to who reads none, while many are not read, has only its head.
    #[must_use]
    pub fn with_pulse(mut self, pulse: &Arc<Pulse>, http2: bool) -> Self {
        if http2 && self.ticket.is_none() && pulse.hoards() {
            self.content = Content::Whole(None);
        }
        self.sending = Some(Arc::new(Sending::new(Arc::clone(pulse), self.ticket.take(), http2)));
        self
    }

    /// Keeps what was not read of the request's body until this answer is sent.
    #[must_use]
    pub fn with_unread(mut self, incoming: Incoming) -> Self {
        self.unread = (!incoming.is_end_stream()).then(|| Box::new(incoming));
        self
    }

    /// Length where known.
    pub fn length(&self) -> Option<usize> {
        match &self.content {
            Content::Whole(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len)),
            Content::Stream(_) => None,
        }
    }

    fn sent(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.answer_bytes(bytes);
        }
    }

    fn ended(&mut self) {
        self.told();
        if let Some(mut record) = self.record.take() {
            record.complete();
        }
    }

    /// The record learns what became of a stream so far.
    fn told(&mut self) {
        if let (Some(record), Content::Stream(answer)) = (&mut self.record, &self.content) {
            record.masked(answer.masked());
            record.would_mask(answer.would_mask());
        }
    }
}

/// An answer that had to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut: {0}")]
pub struct Cut(pub &'static str);

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let frame = match &mut self.content {
            Content::Whole(bytes) => Poll::Ready(piece(bytes).map(|bytes| Ok(Frame::data(bytes)))),
            Content::Stream(answer) => Pin::new(answer.as_mut()).poll_frame(context),
        };
        let frame = match &self.sending {
            Some(sending) => {
                sending.polled(frame.is_ready());
                frame.map_ok(|frame| frame.map_data(|piece| sending.piece(piece)))
            }
            None => frame,
        };
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.sent(bytes);
                if self.is_end_stream() {
                    self.ended();
                }
            }
            Poll::Ready(Some(Err(cut))) => {
                let Cut(reason) = *cut;
                self.told();
                if let Some(record) = &mut self.record {
                    record.cut(reason);
                }
            }
            Poll::Ready(None) => self.ended(),
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::new, |length| SizeHint::with_exact(length as u64))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // hyper drops an empty body without asking for a frame: that is complete too.
        if matches!(self.content, Content::Whole(None)) {
            self.ended();
        }
        // It was cut off or left by its reader; or there is no record any more.
        self.told();
    }
}

/// The next piece of an answer that is known as a whole. Handed over in one, it would lie in the connection's buffers,
/// where nothing counts it.
fn piece(bytes: &mut Option<Bytes>) -> Option<Bytes> {
    let whole = bytes.as_mut()?;
    if whole.len() <= PIECE_BYTES_MAX { bytes.take() } else { Some(whole.split_to(PIECE_BYTES_MAX)) }
}

/// So much of a whole answer is handed over at once.
const PIECE_BYTES_MAX: usize = 32 * 1024;

/// Why a request's body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than the operation takes.
    #[error("the body is larger than this operation takes")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the body did not arrive in time")]
    TimedOut,
    /// The caller went away or broke the framing.
    #[error("the body ended before its declared length")]
    Aborted,
    /// Trailers, which nothing here has a use for.
    #[error("trailers are not taken")]
    Trailers,
    /// `body_bytes_max` of all bodies is reached, and nothing of it came free in time.
    #[error("too many large requests are under way; try again shortly")]
    NoRoom,
}

impl BodyError {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge => 413,
            Self::TimedOut => 408,
            Self::Aborted | Self::Trailers => 400,
            Self::NoRoom => 503,
        }
    }

    /// Seconds after which trying again makes sense.
    pub const fn retry_after(self) -> Option<u64> {
        match self {
            Self::NoRoom => Some(5),
            Self::TooLarge | Self::TimedOut | Self::Aborted | Self::Trailers => None,
        }
    }

    /// The stable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLarge => "body_too_large",
            Self::TimedOut => "body_timeout",
            Self::Aborted => "body_aborted",
            Self::Trailers => "trailers",
            Self::NoRoom => "bodies_busy",
        }
    }
}

/// Deadlines of reading.
#[derive(Debug, Clone, Copy)]
pub struct ReadDeadlines {
    /// Between two pieces.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
}

/// Reads a request's body as a whole, at most `bytes_max` of it, into one buffer. `room` holds its place among all bodies
/// and must live as long as the buffer.
pub async fn read<B>(
    body: B,
    bytes_max: usize,
    deadlines: ReadDeadlines,
    room: &mut Room<'_>,
) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    // Most requests have none.
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(deadlines.whole, collect(body, bytes_max, deadlines.idle, Some(room)))
        .await
        .unwrap_or(Err(BodyError::TimedOut))
}

/// So much of a refused request's body is let in before the refusal is sent, and for so long.
const DISCARD_BYTES_MAX: usize = 64 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Lets in what is left of a refused request's body, if it is small. Whoever calls has bounded how many do.
pub async fn discard<B>(body: &mut B)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    if usize::try_from(body.size_hint().lower()).is_ok_and(|declared| declared <= DISCARD_BYTES_MAX) {
        // In time or not, small or not: the refusal is sent next.
        drop(tokio::time::timeout(DISCARD_TIMEOUT, collect(body, DISCARD_BYTES_MAX, DISCARD_TIMEOUT, None)).await);
    }
}

async fn collect<B>(
    mut body: B,
    bytes_max: usize,
    idle: Duration,
    mut room: Option<&mut Room<'_>>,
) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > bytes_max {
        return Err(BodyError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A large body gets its room before it is sent; a small one takes it as it comes, so that announcing holds nothing.
    let announced = if declared > SMALL_BYTES { declared } else { 0 };
    if let Some(room) = &mut room {
        room.hold(announced).await.map_err(|NoRoom| BodyError::NoRoom)?;
    }
    let mut first = None;
    let mut whole = BytesMut::new();
    while let Some(frame) = tokio::time::timeout(idle, body.frame()).await.map_err(|_| BodyError::TimedOut)? {
        let piece = frame.map_err(|_| BodyError::Aborted)?.into_data().map_err(|_| BodyError::Trailers)?;
        let length = whole.len().saturating_add(piece.len()).saturating_add(first.as_ref().map_or(0, Bytes::len));
        if length > bytes_max {
            return Err(BodyError::TooLarge);
        }
        // A small body, or one without a declared length (HTTP/2 permits it).
        if let Some(room) = &mut room {
            room.hold(length).await.map_err(|NoRoom| BodyError::NoRoom)?;
        }
        match first.take() {
            // Most bodies come in one piece, which is used as it is.
            None if whole.is_empty() => first = Some(piece),
            Some(earlier) => {
                // A large body's length is reserved once: growing by doubling would hold it twice.
                whole.reserve(announced.max(length));
                whole.extend_from_slice(&earlier);
                whole.extend_from_slice(&piece);
            }
            None => whole.extend_from_slice(&piece),
        }
    }
    Ok(first.unwrap_or_else(|| whole.freeze()))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::Full;

    use super::{BodyError, ReadDeadlines, read};
    use crate::limits::BodyBudget;

    const DEADLINES: ReadDeadlines =
        ReadDeadlines { idle: Duration::from_millis(50), whole: Duration::from_millis(200) };

    async fn whole(body: impl http_body::Body<Data = Bytes> + Unpin, bytes_max: usize) -> Result<Bytes, BodyError> {
        let budget = BodyBudget::default();
        let read = read(body, bytes_max, DEADLINES, &mut budget.room(1000, Duration::ZERO, None)).await;
        assert_eq!(budget.bytes(), 0);
        read
    }

    async fn pieces(pieces: &[&'static str], bytes_max: usize) -> Result<Bytes, BodyError> {
        whole(Pieces(pieces.iter().copied().collect()), bytes_max).await
    }

    struct Pieces(VecDeque<&'static str>);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(
                self.0.pop_front().map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes())))),
            )
        }
    }

    #[tokio::test]
    async fn bodies_are_bounded() {
        assert_eq!(whole(Full::new(Bytes::from_static(b"12345")), 4).await, Err(BodyError::TooLarge));
        assert_eq!(whole(Full::new(Bytes::from_static(b"1234")), 4).await.unwrap(), "1234");
        assert_eq!(whole(Full::new(Bytes::new()), 4).await.unwrap(), "");
        assert_eq!(pieces(&["12", "34"], 4).await.unwrap(), "1234");
        assert_eq!(pieces(&["12", "34", "5"], 4).await, Err(BodyError::TooLarge));
        assert_eq!(pieces(&["1", "2", "3", "4"], 4).await.unwrap(), "1234");
    }
}

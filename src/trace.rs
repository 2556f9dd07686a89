//! Traces, where they are configured: one trace of a request goes to a collector as OTLP over HTTP.
//!
//! A sampled request carries a [`Trace`] in its record: a few times, no text of the request. When its record is written,
//! the trace is put into a bounded queue; a thread of its own makes spans of it (`spans`) and sends them in batches
//! (`export`). A full queue or a dead collector loses traces and counts them; no request waits for either. Without
//! `[tracing]`, or for a request that is not sampled, there is nothing but a comparison.

mod context;
mod export;
mod spans;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::config;
use crate::forward::HostError;
use crate::request_id::RequestId;
use crate::tls::TlsError;

pub use context::{Parent, TRACEPARENT};
pub use spans::ATTRIBUTES;

/// Traces that may wait for the exporter.
const QUEUE_LENGTH: usize = 2_048;

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// TLS towards the collector.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The endpoint.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A thread or a runtime.
    #[error("the system refuses a thread or a runtime: {0}")]
    Thread(std::io::Error),
}

/// Begins traces. Shared by all workers.
#[derive(Debug)]
pub struct Tracer {
    queue: mpsc::Sender<Message>,
    /// A request is sampled if a random number is not above it; `None`: none is, unless its parent was.
    threshold: Option<u64>,
    trusted: Vec<Arc<str>>,
    counts: Arc<Counts>,
}

/// What became of traces.
#[derive(Debug, Default)]
pub struct Counts {
    /// The collector took them.
    pub exported: AtomicU64,
    /// The queue was full.
    pub dropped: AtomicU64,
    /// The collector did not take them.
    pub failed: AtomicU64,
}

enum Message {
    Finished(Box<Finished>),
    /// Everything before it was sent, or given up, when its answer comes.
    Flush(std::sync::mpsc::SyncSender<()>),
}

/// The parts of a request that are spans of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Who asks.
    Authenticate,
    /// Whether the request as a whole is permitted; then whether its writes are.
    Decide,
    /// From asking Ironic to the head of its answer.
    Upstream,
}

/// One sampled request's trace, in the making.
#[derive(Debug)]
pub struct Trace {
    tracer: Arc<Tracer>,
    context: Context,
    opened: Instant,
    started: SystemTime,
    /// In their order, with beginning and end.
    phases: Vec<(Phase, Duration, Duration)>,
    running: Option<(Phase, Duration)>,
}

/// The ids of a trace.
#[derive(Debug, Clone, Copy)]
struct Context {
    trace: [u8; 16],
    parent: Option<[u8; 8]>,
    request: [u8; 8],
    upstream: [u8; 8],
}

/// What is known of a request at its end. None of it is a caller's text.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "docs/tracing.md documents the attributes")]
pub struct Facts {
    pub request_id: RequestId,
    pub listener: Arc<str>,
    pub operation: Option<&'static str>,
    pub http: &'static str,
    pub mode: &'static str,
    pub scheme: Option<&'static str>,
    pub decision: &'static str,
    pub rule: Option<Arc<str>>,
    pub stage: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub status: Option<u16>,
    pub upstream_status: Option<u16>,
    pub outcome: &'static str,
}

struct Finished {
    context: Context,
    started: SystemTime,
    duration: Duration,
    phases: Vec<(Phase, Duration, Duration)>,
    facts: Facts,
}

impl Tracer {
    /// Starts the exporter.
    ///
    /// # Errors
    /// TLS towards the collector, or no thread.
    pub fn start(config: &config::Tracing) -> Result<Arc<Self>, TraceError> {
        let (queue, received) = mpsc::channel(QUEUE_LENGTH);
        let counts = Arc::new(Counts::default());
        export::start(config, received, Arc::clone(&counts))?;
        let trusted = config.trusted_listeners.clone();
        Ok(Arc::new(Self { queue, threshold: threshold(config.ratio), trusted, counts }))
    }

    /// Begins a trace of a request that came in just now, if it is sampled. A caller's `traceparent` is looked at only on
    /// a listener whose callers are trusted with it; a sampled parent is followed.
    pub fn begin(self: &Arc<Self>, listener: &str, headers: &HeaderMap) -> Option<Box<Trace>> {
        let trusted = self.trusted.iter().any(|name| **name == *listener);
        let parent = if trusted { Parent::read(headers) } else { None };
        let sampled = match parent {
            Some(parent) => parent.sampled,
            None => self.threshold.is_some_and(|threshold| random() <= threshold),
        };
        if !sampled {
            return None;
        }
        let context = Context {
            trace: parent.map_or_else(|| Uuid::new_v4().into_bytes(), |parent| parent.trace),
            parent: parent.map(|parent| parent.span),
            request: random().max(1).to_be_bytes(),
            upstream: random().max(1).to_be_bytes(),
        };
        Some(Box::new(Trace {
            tracer: Arc::clone(self),
            context,
            opened: Instant::now(),
            started: SystemTime::now(),
            phases: Vec::with_capacity(4),
            running: None,
        }))
    }

    /// What became of traces until now.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Waits until what was queued before is sent, no longer than `wait`. Blocks.
    pub fn flush(&self, wait: Duration) {
        let (answer, sent) = std::sync::mpsc::sync_channel(1);
        if self.queue.try_send(Message::Flush(answer)).is_ok() {
            // A collector that does not answer in time loses what is left.
            sent.recv_timeout(wait).ok();
        }
    }
}

impl Trace {
    /// The header that tells Ironic of this trace.
    pub fn header(&self) -> HeaderValue {
        context::write(&self.context.trace, &self.context.upstream)
    }

    /// A part begins; the one before it, if it still ran, ends.
    pub fn begin_phase(&mut self, phase: Phase) {
        self.end_phase();
        self.running = Some((phase, self.opened.elapsed()));
    }

    /// The part that runs ends.
    pub fn end_phase(&mut self) {
        if let Some((phase, from)) = self.running.take() {
            self.phases.push((phase, from, self.opened.elapsed()));
        }
    }

    /// Hands the trace over to the exporter.
    pub fn finish(mut self, facts: Facts) {
        self.end_phase();
        let finished = Box::new(Finished {
            context: self.context,
            started: self.started,
            duration: self.opened.elapsed(),
            phases: std::mem::take(&mut self.phases),
            facts,
        });
        if self.tracer.queue.try_send(Message::Finished(finished)).is_err() {
            self.tracer.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().1 ^ Uuid::new_v4().as_u64_pair().0.rotate_left(32)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a ratio between 0 and 1 of all numbers; casts saturate"
)]
fn threshold(ratio: f64) -> Option<u64> {
    (ratio > 0.0).then_some((ratio * u64::MAX as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::{random, threshold};

    #[test]
    fn the_ratio_is_kept() {
        assert_eq!(threshold(0.0), None);
        assert_eq!(threshold(1.0), Some(u64::MAX));
        let threshold = threshold(0.25).unwrap();
        let sampled = (0..10_000).filter(|_| random() <= threshold).count();
        assert!((2_000..3_000).contains(&sampled), "{sampled}");
    }
}

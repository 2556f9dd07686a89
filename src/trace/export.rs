//! Sends traces to the collector, from a thread of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::sync::mpsc;

use super::{Counts, Finished, Message, TraceError, spans};
use crate::config;
use crate::forward::Connector;

/// Traces sent at once.
const BATCH_LENGTH: usize = 256;
/// So long a batch is waited for.
const INTERVAL: Duration = Duration::from_secs(1);
/// To connect, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For one batch, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So much of a collector's answer is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const PATH: &str = "/v1/traces";

struct Collector {
    connector: Connector,
    authority: HeaderValue,
}

/// Starts the thread. It ends when the last [`super::Tracer`] is gone.
pub(super) fn start(
    config: &config::Tracing,
    received: mpsc::Receiver<Message>,
    counts: Arc<Counts>,
) -> Result<(), TraceError> {
    let tls = config.tls.as_ref().map(crate::tls::client_config).transpose()?.map(Arc::new);
    let collector = Collector {
        connector: Connector::to(&config.endpoint, tls, CONNECT_TIMEOUT)?,
        authority: HeaderValue::from_str(&config.authority).unwrap_or(HeaderValue::from_static("localhost")),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TraceError::Thread)?;
    let thread = std::thread::Builder::new().name("traces".to_owned());
    thread.spawn(move || runtime.block_on(run(collector, received, &counts))).map_err(TraceError::Thread)?;
    Ok(())
}

async fn run(collector: Collector, mut received: mpsc::Receiver<Message>, counts: &Counts) {
    let mut failures = 0_u64;
    let mut batch: Vec<Box<Finished>> = Vec::with_capacity(BATCH_LENGTH);
    while let Some(first) = received.recv().await {
        let deadline = tokio::time::Instant::now() + INTERVAL;
        let mut next = Some(first);
        let mut flushed = None;
        while let Some(message) = next.take() {
            match message {
                Message::Finished(finished) => batch.push(finished),
                Message::Flush(answer) => {
                    flushed = Some(answer);
                    break;
                }
            }
            if batch.len() < BATCH_LENGTH {
                next = tokio::time::timeout_at(deadline, received.recv()).await.unwrap_or_default();
            }
        }
        let count = batch.len() as u64;
        if count > 0 {
            let sent = tokio::time::timeout(TIMEOUT, collector.send(body(&batch))).await;
            if matches!(sent, Ok(Some(()))) {
                counts.exported.fetch_add(count, Ordering::Relaxed);
                failures = 0;
            } else {
                counts.failed.fetch_add(count, Ordering::Relaxed);
                failures += 1;
                if failures.is_power_of_two() {
                    tracing::warn!(count = failures, "traces are lost: the collector does not take them");
                }
            }
            batch.clear();
        }
        if let Some(answer) = flushed {
            answer.send(()).ok();
        }
    }
}

fn body(batch: &[Box<Finished>]) -> Bytes {
    let mut all = Vec::with_capacity(batch.len() * 4);
    for finished in batch {
        spans::of(finished, &mut all);
    }
    ExportTraceServiceRequest { resource_spans: vec![spans::batch(all)] }.encode_to_vec().into()
}

impl Collector {
    /// `None` if it did not take them, for whatever reason: its answer's text is nobody's business.
    async fn send(&self, body: Bytes) -> Option<()> {
        let mut link = self.connector.http1().await.ok()?;
        let request = Request::post(PATH)
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("irongate/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(Full::new(body))
            .ok()?;
        let answer = link.send(request).await.ok()?;
        let taken = answer.status().is_success();
        // To its end, so that the collector is not cut off.
        drop(Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await);
        taken.then_some(())
    }
}

//! Where records go: a thread of its own writes them, so that no worker waits for a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::output::{AuditError, Output};
use super::queue::{Batch, Queue, Work};
use super::terms::{AuditTerms, OnFull, RecordOf};
use crate::config::{AuditConfig, AuditSink};

/// Before a sink that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Before a pipe that takes nothing at the moment is tried again.
const RETRY_PIPE: Duration = Duration::from_millis(10);
/// Records that may wait for the writer, in bytes, unless the configuration says otherwise.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The sending side, shared by all workers. The writer ends when the last of them is gone.
#[derive(Clone)]
pub struct Audit {
    records: Arc<Sink>,
    /// The same as CADF events, if the configuration asks for them.
    cadf: Option<Arc<Sink>>,
    /// What is not answered by now never will be.
    cutting: Arc<AtomicBool>,
}

struct Sink {
    queue: Arc<Queue>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    written: AtomicU64,
    lost_full: AtomicU64,
    lost_at_end: AtomicU64,
    lost_unwritable: AtomicU64,
    sampled_out: AtomicU64,
    waited: AtomicU64,
    refused: AtomicU64,
    reopened: AtomicU64,
    reopen_failed: AtomicU64,
    failing: AtomicBool,
}

/// What has become of records since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditCounts {
    /// Records that were written.
    pub written: u64,
    /// Records that were lost because the queue was full.
    pub lost_full: u64,
    /// Records that were still in the queue at the end.
    pub lost_at_end: u64,
    /// Records that could not be put into JSON; there should be none.
    pub lost_unwritable: u64,
    /// Reads that were left out on purpose.
    pub sampled_out: u64,
    /// Requests that waited for room.
    pub waited: u64,
    /// Calls that were refused because they could not be recorded.
    pub refused: u64,
    /// How often the file was opened anew.
    pub reopened: u64,
    /// How often that failed, and the old file stayed.
    pub reopen_failed: u64,
    /// Bytes of the records that wait.
    pub queue_bytes: u64,
    /// Records that wait to be written.
    pub queue_lines: u64,
    /// Whether the sink could not be written at the last try.
    pub failing: bool,
}

/// A call that may change something cannot be recorded, and so is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue of records is full")]
pub struct AuditFull;

impl Audit {
    /// Opens the sinks and starts their writers.
    pub fn open(config: &AuditConfig) -> Result<Self, AuditError> {
        let open = |sink: &AuditSink| Sink::open(sink, config.queue_bytes_max).map(Arc::new);
        Ok(Self {
            records: open(&config.sink)?,
            cadf: config.cadf.as_ref().map(open).transpose()?,
            cutting: Arc::default(),
        })
    }

    /// From now on, a request that ends without its answer was cut by irongate, which itself ends.
    pub fn cut(&self) {
        self.cutting.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cutting(&self) -> bool {
        self.cutting.load(Ordering::Relaxed)
    }

    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        std::iter::once(&*self.records).chain(self.cadf.as_deref())
    }
    /// Asked before a call is carried out, or its refusal answered: waits for room where such are to wait.
    ///
    /// # Errors
    /// The queue is full, and such calls are refused then.
    pub async fn room(&self, of: RecordOf, terms: &AuditTerms) -> Result<(), AuditFull> {
        if !self.sinks().any(|sink| sink.queue.is_full()) {
            return Ok(());
        }
        match terms.on_full(of) {
            OnFull::Block => {
                self.records.counts.waited.fetch_add(1, Ordering::Relaxed);
                for sink in self.sinks() {
                    sink.queue.room().await;
                }
                Ok(())
            }
            OnFull::DenyWrites => {
                self.records.counts.refused.fetch_add(1, Ordering::Relaxed);
                Err(AuditFull)
            }
            OnFull::Drop => Ok(()),
        }
    }

    /// Queues one record's line. Never blocks.
    pub(super) fn send(&self, line: Vec<u8>, on_full: OnFull) {
        self.records.send(line, on_full);
    }

    /// Queues one record's event, if events are wanted. Never blocks.
    pub(super) fn send_event(&self, event: impl FnOnce() -> Option<Vec<u8>>, on_full: OnFull) {
        let Some(sink) = &self.cadf else { return };
        match event() {
            Some(event) => sink.send(event, on_full),
            None => _ = sink.counts.lost_unwritable.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Counts a record that cannot be put into JSON.
    pub(super) fn unwritable(&self) {
        self.records.counts.lost_unwritable.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a read that is left out on purpose.
    pub(super) fn sampled_out(&self) {
        self.records.counts.sampled_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens the files anew, soon: they were moved away. Standard output stays as it is.
    pub fn reopen(&self) {
        self.sinks().for_each(|sink| sink.queue.reopen());
    }

    /// Waits until every record that was queued before is written, or a sink has taken nothing for 5 seconds; returns how
    /// many are left then. Blocks.
    pub fn flush(&self) -> u64 {
        self.sinks().map(|sink| sink.queue.flush()).sum()
    }

    /// Whether the sinks take records, and there is room for more.
    pub fn is_well(&self) -> bool {
        !self.sinks().any(|sink| sink.counts.failing.load(Ordering::Relaxed) || sink.queue.is_full())
    }

    /// What has become of records since the start.
    pub fn counts(&self) -> AuditCounts {
        self.records.counts()
    }

    /// What has become of CADF events; `None` where none are wanted.
    pub fn cadf_counts(&self) -> Option<AuditCounts> {
        self.cadf.as_deref().map(Sink::counts)
    }
}

impl Sink {
    fn open(sink: &AuditSink, queue_bytes_max: usize) -> Result<Self, AuditError> {
        let output = Output::open(sink)?;
        let queue = Arc::new(Queue::new(queue_bytes_max));
        let counts = Arc::new(Counts::default());
        let spawned = std::thread::Builder::new().name("audit".to_owned()).spawn({
            let (queue, counts) = (Arc::clone(&queue), Arc::clone(&counts));
            move || write(output, &queue, &counts)
        });
        spawned.map_err(|source| AuditError { path: "(its thread)".to_owned(), source })?;
        Ok(Self { queue, counts })
    }

    fn send(&self, line: Vec<u8>, on_full: OnFull) {
        if self.queue.push(line, on_full == OnFull::Drop).is_err() {
            self.counts.lost_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counts(&self) -> AuditCounts {
        let Self { queue, counts } = self;
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AuditCounts {
            written: of(&counts.written),
            lost_full: of(&counts.lost_full),
            lost_at_end: of(&counts.lost_at_end),
            lost_unwritable: of(&counts.lost_unwritable),
            sampled_out: of(&counts.sampled_out),
            waited: of(&counts.waited),
            refused: of(&counts.refused),
            reopened: of(&counts.reopened),
            reopen_failed: of(&counts.reopen_failed),
            queue_bytes: queue.bytes() as u64,
            queue_lines: queue.lines(),
            failing: counts.failing.load(Ordering::Relaxed),
        }
    }
}

impl AuditCounts {
    /// Records that are lost, whatever the reason.
    pub const fn lost(&self) -> u64 {
        self.lost_full + self.lost_at_end + self.lost_unwritable
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Audit").field(&self.counts()).finish()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The writer. A sink that fails keeps its records: they wait, and the queue fills up.
fn write(mut output: Output, queue: &Queue, counts: &Counts) {
    let mut batch = Batch::default();
    loop {
        match queue.work(&mut batch) {
            Work::End => return,
            Work::Reopen => reopen(&mut output, &mut batch, counts),
            Work::Write => match output.write(batch.rest()) {
                Ok(bytes) => {
                    let (lines, text) = batch.advance(bytes);
                    counts.written.fetch_add(lines as u64, Ordering::Relaxed);
                    if counts.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("audit records are written again");
                    }
                    queue.written(lines, text);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let is_slow = error.kind() == std::io::ErrorKind::WouldBlock;
                    if !is_slow && !counts.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(kind = ?error.kind(), "audit records cannot be written; they wait in memory");
                    }
                    if queue.pause(if is_slow { RETRY_PIPE } else { RETRY }) {
                        let left = queue.abandon(&batch);
                        counts.lost_at_end.fetch_add(left, Ordering::Relaxed);
                        return;
                    }
                }
            },
        }
    }
}

fn reopen(output: &mut Output, batch: &mut Batch, counts: &Counts) {
    match output.reopen() {
        Ok(()) => {
            batch.restart_line();
            counts.reopened.fetch_add(1, Ordering::Relaxed);
            tracing::info!("the audit file is opened anew");
        }
        Err(error) => {
            counts.reopen_failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(kind = ?error.kind(), "the audit file cannot be opened anew; the old one stays in use");
        }
    }
}

#[cfg(test)]
mod tests;

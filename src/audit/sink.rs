//! Where records go: a thread of its own writes them, so that no worker waits for a disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::config::AuditSink;

/// Records that may wait for the writer. A full queue makes the sender wait: a record is not lost to a slow disk.
const QUEUE_LENGTH: usize = 16_384;

/// Lines written at once.
const BATCH_BYTES: usize = 64 * 1024;

/// The sending side, shared by all workers.
#[derive(Debug, Clone)]
pub struct Audit {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    /// Everything before it has been written when its answer comes.
    Flush(SyncSender<()>),
}

/// The sink cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the audit file {path} cannot be opened: {source}")]
pub struct AuditError {
    path: String,
    source: std::io::Error,
}

impl Audit {
    /// Opens the sink and starts its writer.
    pub fn open(sink: &AuditSink) -> Result<Self, AuditError> {
        let output: Box<dyn Write + Send> = match sink {
            AuditSink::Stdout => Box::new(std::io::stdout()),
            AuditSink::File(path) => Box::new(append(path)?),
        };
        let (sender, receiver) = sync_channel(QUEUE_LENGTH);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        let spawned =
            std::thread::Builder::new().name("audit".to_owned()).spawn(move || write(output, &receiver, &counter));
        // The thread ends when the last sender is gone.
        spawned.map_err(|source| AuditError { path: "(its thread)".to_owned(), source })?;
        Ok(Self { sender, lost })
    }

    /// Queues one line.
    pub(super) fn send(&self, line: Vec<u8>) {
        match self.sender.try_send(Message::Line(line)) {
            Ok(()) => {}
            // Blocking here is the back-pressure: deciding without a record is worse than waiting.
            Err(TrySendError::Full(line)) => {
                if self.sender.send(line).is_err() {
                    self.lost();
                }
            }
            Err(TrySendError::Disconnected(_)) => self.lost(),
        }
    }

    /// Waits until every record that was queued before is written. Blocks.
    pub fn flush(&self) {
        let (answer, written) = sync_channel(1);
        if self.sender.send(Message::Flush(answer)).is_ok() {
            // An error means that the writer is gone, and nothing is left to wait for.
            written.recv().ok();
        }
    }

    /// Counts a record that could not be written.
    pub(super) fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that could not be written since the start: a full disk, for example.
    pub fn lost_records(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn append(path: &Path) -> Result<File, AuditError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| AuditError { path: path.display().to_string(), source })
}

fn write(mut output: Box<dyn Write + Send>, receiver: &Receiver<Message>, lost: &AtomicU64) {
    let mut failing = false;
    let mut batch = Vec::with_capacity(BATCH_BYTES);
    while let Ok(message) = receiver.recv() {
        let mut next = Some(message);
        let mut count = 0_u64;
        let mut flushed = None;
        // A line may have been cut by a failure: the next one starts on a line of its own.
        if failing {
            batch.push(b'\n');
        }
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    batch.extend_from_slice(&line);
                    count += 1;
                }
                Message::Flush(answer) => {
                    flushed = Some(answer);
                    break;
                }
            }
            if batch.len() < BATCH_BYTES {
                next = receiver.try_recv().ok();
            }
        }
        match output.write_all(&batch).and_then(|()| output.flush()) {
            Ok(()) => failing = false,
            Err(error) => {
                lost.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(kind = ?error.kind(), "audit records cannot be written and are lost");
                }
            }
        }
        batch.clear();
        if let Some(answer) = flushed {
            answer.send(()).ok();
        }
    }
}

//! The bounded queue between workers and the thread that writes.
//!
//! It is bounded in bytes, because records differ in size. Workers never block on it: a request waits for room before it
//! is carried out ([`Queue::room`]), and a record that comes when there is none is lost or, where its class may not be
//! lost, taken beyond the bound. The requests under way when the queue fills up have such records; twice the bound is the end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Lines that are written at once, in bytes; one more line may follow.
const BATCH_BYTES: usize = 64 * 1024;
/// What a line costs beside its text, in bytes.
const LINE_OVERHEAD: usize = 64;
/// A flush gives up when nothing has been written for so long.
const FLUSH_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Queue {
    state: Mutex<State>,
    /// Of all lines that are not written yet. Changed under the lock, read without it.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// The writer has something to do.
    work: Condvar,
    /// Something was written.
    progress: Condvar,
    /// There is room again.
    room: Notify,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Lines that ever came, and those that are written or given up.
    come: u64,
    gone: u64,
    reopen: bool,
    closed: bool,
}

/// Lines on their way to the file.
#[derive(Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    /// Where each line ends; the first is the one that is being written.
    ends: VecDeque<usize>,
    start: usize,
    written: usize,
}

/// The line was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Why the writer was woken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Write,
    Reopen,
    End,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            work: Condvar::new(),
            progress: Condvar::new(),
            room: Notify::new(),
        }
    }

    /// Takes a line. One that `may_be_lost` needs room; any other is taken up to twice the bound.
    pub(super) fn push(&self, line: Vec<u8>, may_be_lost: bool) -> Result<(), Full> {
        let size = line.len() + LINE_OVERHEAD;
        let bound = if may_be_lost { self.bytes_max } else { self.bytes_max.saturating_mul(2) };
        let mut state = self.lock();
        let waiting = self.bytes.load(Ordering::Relaxed);
        if state.closed || waiting + size > bound {
            return Err(Full);
        }
        state.lines.push_back(line);
        state.come += 1;
        self.bytes.store(waiting + size, Ordering::Relaxed);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    /// Lines that wait.
    pub(super) fn lines(&self) -> u64 {
        let state = self.lock();
        state.come.saturating_sub(state.gone)
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// Waits until the queue is not full.
    pub(super) async fn room(&self) {
        loop {
            let notified = self.room.notified();
            if !self.is_full() {
                return;
            }
            notified.await;
        }
    }

    /// Waits for work. A batch that is not empty is work; an empty one gets the lines that wait.
    pub(super) fn work(&self, batch: &mut Batch) -> Work {
        let mut state = self.lock();
        loop {
            if std::mem::take(&mut state.reopen) {
                return Work::Reopen;
            }
            if batch.is_empty() {
                batch.clear();
                while batch.text.len() < BATCH_BYTES {
                    let Some(line) = state.lines.pop_front() else { break };
                    batch.push(&line);
                }
            }
            if !batch.is_empty() {
                return Work::Write;
            }
            if state.closed {
                return Work::End;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// These lines are written: their bytes are free.
    pub(super) fn written(&self, lines: usize, text: usize) {
        let mut state = self.lock();
        state.gone += lines as u64;
        let size = text + lines * LINE_OVERHEAD;
        self.bytes.store(self.bytes.load(Ordering::Relaxed).saturating_sub(size), Ordering::Relaxed);
        drop(state);
        self.progress.notify_all();
        if !self.is_full() {
            self.room.notify_waiters();
        }
    }

    /// The writer waits before it tries again; not if there is something else to do. Returns whether all is over.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let woken = self.work.wait_timeout_while(state, time, |state| !state.reopen && !state.closed);
        woken.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// The writer opens its file anew.
    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.work.notify_one();
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Lines that nobody will write any more.
    pub(super) fn abandon(&self, batch: &Batch) -> u64 {
        let mut state = self.lock();
        let left = (state.lines.len() + batch.ends.len()) as u64;
        state.lines.clear();
        state.gone += left;
        drop(state);
        self.progress.notify_all();
        left
    }

    /// Waits until what is here now is written, or nothing has been written for 5 seconds; returns how many lines are
    /// left then. Blocks.
    pub(super) fn flush(&self) -> u64 {
        let mut state = self.lock();
        let (until, mut gone) = (state.come, state.gone);
        while state.gone < until {
            let (next, waited) =
                self.progress.wait_timeout(state, FLUSH_PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if waited.timed_out() && state.gone == gone {
                return until - state.gone;
            }
            gone = state.gone;
        }
        0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.ends.push_back(self.text.len());
    }

    fn clear(&mut self) {
        self.text.clear();
        (self.start, self.written) = (0, 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// What is to be written.
    pub(super) fn rest(&self) -> &[u8] {
        self.text.get(self.written..).unwrap_or_default()
    }

    /// So many bytes were written; returns how many lines, and bytes, were finished by that.
    pub(super) fn advance(&mut self, bytes: usize) -> (usize, usize) {
        self.written += bytes;
        let (mut lines, from) = (0, self.start);
        while let Some(end) = self.ends.front().copied().filter(|end| *end <= self.written) {
            self.ends.pop_front();
            self.start = end;
            lines += 1;
        }
        (lines, self.start - from)
    }

    /// A line that was begun is written again from its start: the file is another one.
    pub(super) fn restart_line(&mut self) {
        self.written = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_lost_is_lost_first_and_twice_the_bound_is_the_end() {
        let queue = Queue::new(1000);
        let line = || vec![b'x'; 336];
        assert_eq!(queue.push(line(), true), Ok(()));
        assert_eq!(queue.push(line(), true), Ok(()));
        assert!(!queue.is_full());
        assert_eq!(queue.push(line(), true), Err(Full));
        for _ in 0..3 {
            assert_eq!(queue.push(line(), false), Ok(()));
        }
        assert!(queue.is_full());
        assert_eq!(queue.push(line(), false), Err(Full));
        assert_eq!((queue.bytes(), queue.lines()), (2000, 5));
    }

    #[test]
    fn a_batch_keeps_count_of_whole_lines() {
        let queue = Queue::new(1000);
        let mut batch = Batch::default();
        for text in ["one\n", "three\n", "five\n"] {
            queue.push(text.as_bytes().to_vec(), false).unwrap();
        }
        assert_eq!(queue.work(&mut batch), Work::Write);
        assert_eq!(batch.rest(), b"one\nthree\nfive\n");
        assert_eq!(batch.advance(6), (1, 4));
        assert_eq!(batch.rest(), b"ree\nfive\n");
        batch.restart_line();
        assert_eq!(batch.rest(), b"three\nfive\n");
        assert_eq!(batch.advance(6), (1, 6));
        queue.written(2, 10);
        assert_eq!((queue.bytes(), queue.lines()), (5 + LINE_OVERHEAD, 1));
        assert_eq!(queue.abandon(&batch), 1);
        assert_eq!(queue.lines(), 0);
        assert_eq!(queue.flush(), 0);
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_there_is_some() {
        let queue = std::sync::Arc::new(Queue::new(100));
        queue.push(vec![b'x'; 200], true).unwrap_err();
        queue.push(vec![b'x'; 100], false).unwrap();
        let waits = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { queue.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        let mut batch = Batch::default();
        queue.work(&mut batch);
        let (lines, text) = batch.advance(100);
        queue.written(lines, text);
        waits.await.unwrap();
        assert_eq!(queue.bytes(), 0);
    }
}

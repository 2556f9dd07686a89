//! Answers on their way out, each with the time when it last moved.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Pulse;
use crate::limits::Ticket;

/// Nobody's place.
const FREE: u64 = u64::MAX;
/// Of an answer that waits for Ironic and not for its reader.
const WAITS: u64 = u64::MAX - 1;

/// When each answer of a connection last moved, in milliseconds. The lock is only ever taken by the connection's own worker.
#[derive(Debug, Default)]
pub(super) struct Answers(Mutex<Vec<u64>>);

impl Answers {
    fn with<T>(&self, does: impl FnOnce(&mut Vec<u64>) -> T) -> T {
        does(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self, now: u64) -> usize {
        self.with(|moved| {
            if let Some((place, free)) = moved.iter_mut().enumerate().find(|(_, moved)| **moved == FREE) {
                *free = now;
                return place;
            }
            moved.push(now);
            moved.len() - 1
        })
    }

    fn set(&self, place: usize, to: u64) {
        self.with(|moved| {
            if let Some(moved) = moved.get_mut(place) {
                *moved = to;
            }
        });
    }

    fn refresh(&self, place: usize, now: u64) {
        self.with(|moved| {
            if let Some(moved) = moved.get_mut(place).filter(|moved| **moved != WAITS) {
                *moved = now;
            }
        });
    }

    /// Those that are not read to their end.
    pub(super) fn count(&self) -> usize {
        self.with(|moved| moved.iter().filter(|moved| **moved != FREE).count())
    }

    /// When the one moved that has not moved for longest, of those that wait for their reader.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.with(|moved| moved.iter().copied().filter(|moved| *moved < WAITS).min())
    }
}

/// An answer on its way out. On HTTP/2 it lives until its last piece is written to the connection: what HTTP/2's flow
/// control holds back is as unread as what was not asked for.
#[derive(Debug)]
pub struct Sending {
    pulse: Arc<Pulse>,
    place: usize,
    http2: bool,
    #[expect(dead_code, reason = "its drop gives back a place among the requests under way")]
    ticket: Option<Ticket>,
}

impl Sending {
    pub(crate) fn new(pulse: Arc<Pulse>, ticket: Option<Ticket>, http2: bool) -> Self {
        let place = pulse.answers.begin(pulse.now());
        pulse.gate.answer_begins();
        Self { pulse, place, http2, ticket }
    }

    /// Its reader took more: a piece was ready, or Ironic has to send one first.
    pub(crate) fn polled(&self, ready: bool) {
        self.pulse.beat();
        self.pulse.answers.set(self.place, if ready { self.pulse.now() } else { WAITS });
    }

    /// A piece of it was written. Whether Ironic has to send the next one is as it was.
    fn moved(&self) {
        self.pulse.beat();
        self.pulse.answers.refresh(self.place, self.pulse.now());
    }

    /// A piece as it is handed over.
    pub(crate) fn piece(self: &Arc<Self>, piece: Bytes) -> Bytes {
        if self.http2 { Bytes::from_owner(Self::unsent(self, piece)) } else { piece }
    }

    pub(super) fn unsent(sending: &Arc<Self>, piece: Bytes) -> Unsent {
        Unsent { piece, sending: Arc::clone(sending) }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.pulse.answers.set(self.place, FREE);
        self.pulse.gate.answer_ends();
        self.pulse.beat();
    }
}

/// A piece of an answer; dropped when it is written, or when its stream ends.
#[derive(Debug)]
pub(super) struct Unsent {
    piece: Bytes,
    sending: Arc<Sending>,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.sending.moved();
    }
}

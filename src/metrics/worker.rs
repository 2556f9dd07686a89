//! What one worker counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::histogram::Histogram;
use super::request::RequestMeter;
use super::rules::Rules;
use super::words::Words;
use crate::catalog::catalog;

/// Statuses that are told apart; of others, their class is.
const STATUSES: [(u16, &str); 28] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (300, "300"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (411, "411"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (417, "417"),
    (421, "421"),
    (422, "422"),
    (423, "423"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
];
/// Behind them: the classes 1 to 5, and no status at all (the caller went away).
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
pub(super) const CODES: usize = STATUSES.len() + CLASSES.len();

/// Sets of words, such as stage and reason: there are about a hundred.
const REJECTIONS_MAX: usize = 512;
const FAULTS_MAX: usize = 1024;
const AUTHENTICATIONS_MAX: usize = 128;

/// One worker's own numbers: nobody else writes them.
#[derive(Debug)]
pub struct WorkerMetrics {
    pub(super) index: usize,
    pub(super) rules: Arc<Rules>,
    /// By listener, operation (the last: none) and status.
    requests: Box<[AtomicU64]>,
    /// By operation; the last: none.
    pub(super) durations: Box<[Histogram]>,
    /// By operation; the last: none.
    pub(super) upstream: Box<[Histogram]>,
    /// By listener.
    pub(super) connections: Box<[Connections]>,
    pub(super) inflight: AtomicI64,
    pub(super) masked: AtomicU64,
    pub(super) would_mask: AtomicU64,
    pub(super) records: AtomicU64,
    /// Stage and reason.
    pub(super) rejections: Words<2>,
    /// Operation and reason.
    pub(super) faults: Words<2>,
    /// Scheme and result.
    pub(super) authentications: Words<2>,
}

/// The connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) open: AtomicI64,
    pub(super) accepted: AtomicU64,
}

/// A connection that counts as open until this is dropped.
#[derive(Debug)]
pub struct OpenConnection {
    worker: Arc<WorkerMetrics>,
    listener: usize,
}

impl WorkerMetrics {
    pub(super) fn new(index: usize, listeners: usize, rules: Arc<Rules>) -> Self {
        let operations = operations();
        Self {
            index,
            rules,
            requests: (0..listeners * operations * CODES).map(|_| AtomicU64::new(0)).collect(),
            durations: (0..operations).map(|_| Histogram::default()).collect(),
            upstream: (0..operations).map(|_| Histogram::default()).collect(),
            connections: (0..listeners).map(|_| Connections::default()).collect(),
            inflight: AtomicI64::new(0),
            masked: AtomicU64::new(0),
            would_mask: AtomicU64::new(0),
            records: AtomicU64::new(0),
            rejections: Words::new(REJECTIONS_MAX),
            faults: Words::new(FAULTS_MAX),
            authentications: Words::new(AUTHENTICATIONS_MAX),
        }
    }

    /// A request has come in at this listener.
    pub fn request(self: &Arc<Self>, listener: usize) -> RequestMeter {
        RequestMeter::new(Arc::clone(self), listener)
    }

    /// A connection has come in at this listener.
    pub fn connection(self: &Arc<Self>, listener: usize) -> OpenConnection {
        if let Some(connections) = self.connections.get(listener) {
            connections.open.fetch_add(1, Ordering::Relaxed);
            connections.accepted.fetch_add(1, Ordering::Relaxed);
        }
        OpenConnection { worker: Arc::clone(self), listener }
    }

    /// The counter of requests at this listener, for this operation (`None`: none was found), with this status.
    pub(super) fn requests(&self, listener: usize, operation: Option<usize>, code: usize) -> Option<&AtomicU64> {
        let operations = operations();
        let operation = operation.unwrap_or(operations - 1);
        self.requests.get((listener * operations + operation) * CODES + code)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(connections) = self.worker.connections.get(self.listener) {
            connections.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The operations of the catalogue, and none.
pub(super) fn operations() -> usize {
    catalog().operations().len() + 1
}

/// A status' place among the codes.
pub(super) fn code(status: Option<u16>) -> usize {
    let Some(status) = status else { return STATUSES.len() };
    match STATUSES.binary_search_by_key(&status, |(status, _)| *status) {
        Ok(place) => place,
        Err(_) => STATUSES.len() + usize::from(status / 100).min(CLASSES.len() - 1),
    }
}

/// The text of each code, in their order.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    STATUSES.iter().map(|(_, text)| *text).chain(CLASSES)
}

#[cfg(test)]
mod tests {
    use super::{code, codes};

    #[test]
    fn every_status_has_a_code() {
        for (status, expected) in [
            (Some(200), "200"),
            (Some(504), "504"),
            (Some(418), "4xx"),
            (Some(207), "2xx"),
            (Some(999), "5xx"),
            (None, "none"),
        ] {
            assert_eq!(codes().nth(code(status)), Some(expected), "{status:?}");
        }
    }
}

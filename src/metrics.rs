//! What irongate counts, for Prometheus: `docs/metrics.md` lists the names.
//!
//! Two kinds of numbers. What requests count stands in arrays that each worker has of its own
//! ([`WorkerMetrics`]): places are found by index (operation, listener, status), so that counting is an addition to memory
//! that no other worker writes: no lock, no allocation, no shared cache line. Everything else is read from its owner when
//! somebody asks ([`Metrics::counter`], [`Metrics::gauge`], [`Metrics::family`]).
//!
//! INVARIANT: no label's value comes from a request. Labels are ids of the catalogue, words of this source (`&'static
//! str`), names of the configuration and ids of loaded policies; a test sends hostile requests and counts the series.

mod exposition;
mod histogram;
mod request;
mod rules;
mod series;
mod words;
mod worker;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use exposition::{Kind, Number, Samples};
pub use request::{Observation, RequestMeter};
pub use rules::Rules;
pub use worker::{OpenConnection, WorkerMetrics};

/// All numbers of a running irongate.
pub struct Metrics {
    registry: Mutex<Registry>,
    workers: Vec<Arc<WorkerMetrics>>,
    rules: Arc<Rules>,
}

impl Metrics {
    /// For so many workers and these listeners, in the order of the configuration.
    pub fn new(workers: usize, listeners: &[Arc<str>]) -> Self {
        let rules = Arc::new(Rules::new(workers));
        let each = |worker| Arc::new(WorkerMetrics::new(worker, listeners.len(), Arc::clone(&rules)));
        let workers: Vec<_> = (0..workers).map(each).collect();
        let metrics = Self { registry: Mutex::new(Registry::default()), workers, rules };
        series::register(&metrics, listeners);
        metrics
    }

    /// What this worker counts into. Behind the last worker it is numbers that nobody reads.
    pub fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        let alone = || Arc::new(WorkerMetrics::new(index, 0, Arc::clone(&self.rules)));
        self.workers.get(index).map_or_else(alone, Arc::clone)
    }

    /// What is counted for each rule; a reload tells it the new rules.
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    /// Adds a counter that its owner keeps. `name` is without `_total`, which is added.
    pub fn counter(&self, name: &'static str, help: &'static str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.family(name, help, Kind::Counter, &[], move |samples| samples.put(&[], read()));
    }

    /// Adds a gauge that its owner keeps.
    pub fn gauge(&self, name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.family(name, help, Kind::Gauge, &[], move |samples| samples.put(&[], read()));
    }

    /// Adds a family: `read` puts one sample for each set of label values. The values are words of the program or of the
    /// configuration, never of a request.
    pub fn family(
        &self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        read: impl Fn(&mut Samples<'_>) + Send + Sync + 'static,
    ) {
        self.collect(exposition::Family { name, help, kind, labels, read: Box::new(read) });
    }

    fn collect(&self, collector: impl Collector) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(collector));
    }

    /// Everything, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut written = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a text cannot fail; half an exposition would lack its end, which scrapers notice.
        let complete = text::encode(&mut written, &registry);
        debug_assert!(complete.is_ok());
        written
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

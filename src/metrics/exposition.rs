//! Numbers → OpenMetrics, through `prometheus-client`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::histogram::{Counts, bounds};

/// What a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations.
    Histogram,
}

/// A sample's number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Counted.
    Whole(u64),
    /// Measured.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

/// One name with all its label values, read when somebody asks.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) read: Box<dyn Fn(&mut Samples<'_>) + Send + Sync>,
}

impl fmt::Debug for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Family").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Family {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        let encoder = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        let mut samples = Samples { encoder, kind: self.kind, labels: self.labels, written: Ok(()) };
        (self.read)(&mut samples);
        samples.written
    }
}

/// Takes the samples of one family.
pub struct Samples<'a> {
    encoder: MetricEncoder<'a>,
    kind: Kind,
    labels: &'static [&'static str],
    written: fmt::Result,
}

impl fmt::Debug for Samples<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Samples").field("labels", &self.labels).finish_non_exhaustive()
    }
}

impl Samples<'_> {
    /// One sample; `values` are those of the family's labels, in their order.
    pub fn put(&mut self, values: &[&str], number: impl Into<Number>) {
        let number = number.into();
        let kind = self.kind;
        self.with(values, |encoder| match (kind, number) {
            (Kind::Counter, Number::Whole(number)) => encoder.encode_counter::<NoLabelSet, _, f64>(&number, None),
            (Kind::Counter, Number::Real(number)) => encoder.encode_counter::<NoLabelSet, _, f64>(&number, None),
            (Kind::Gauge | Kind::Histogram, Number::Whole(number)) => encoder.encode_gauge(&number),
            (Kind::Gauge | Kind::Histogram, Number::Real(number)) => encoder.encode_gauge(&number),
        });
    }

    /// One histogram of durations.
    pub(super) fn durations(&mut self, values: &[&str], counts: &Counts) {
        let buckets: Vec<(f64, u64)> = bounds().zip(counts.buckets.iter().copied()).collect();
        self.with(values, |encoder| {
            encoder.encode_histogram::<NoLabelSet>(counts.seconds(), counts.count(), &buckets, None)
        });
    }

    fn with(&mut self, values: &[&str], write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result) {
        debug_assert_eq!(values.len(), self.labels.len());
        if self.written.is_err() {
            return;
        }
        let labels: Vec<(&str, &str)> = self.labels.iter().copied().zip(values.iter().copied()).collect();
        self.written = if labels.is_empty() {
            write(&mut self.encoder)
        } else {
            self.encoder.encode_family(&labels).and_then(|mut encoder| write(&mut encoder))
        };
    }
}

//! What came back in one phase: how many of what, and how long it took. It must never know which
//! server answered.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use serde::Serialize;

/// The only status that promises anything.
const ACCEPTED: u16 = 202;
/// Nanoseconds; longer is counted as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// So many acknowledged deliveries are remembered, to be sent again.
const REMEMBERED_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    /// Answers other than 202, by status, and connections that broke, by error.
    pub(crate) others: BTreeMap<String, u64>,
    pub(crate) seconds: f64,
    /// Numbers of acknowledged deliveries.
    pub(crate) remembered: Vec<u64>,
    latencies: Latencies,
}

/// Many durations, each to three digits.
#[derive(Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// How long answers took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            accepted: 0,
            others: BTreeMap::new(),
            seconds: 0.0,
            remembered: Vec::new(),
            latencies: Latencies::new()?,
        })
    }

    /// `again` is the number of a delivery that may be sent again.
    pub(crate) fn answered(&mut self, again: Option<u64>, status: u16, took: Duration) {
        if status != ACCEPTED {
            *self.others.entry(status.to_string()).or_default() += 1;
            return;
        }
        self.accepted += 1;
        self.latencies.record(took);
        if self.remembered.len() < REMEMBERED_MAX {
            self.remembered.extend(again);
        }
    }

    /// Nobody knows whether the delivery was stored.
    pub(crate) fn broken(&mut self, error: &std::io::Error) {
        *self.others.entry(format!("broken: {error}")).or_default() += 1;
    }

    pub(crate) fn others(&self) -> u64 {
        self.others.values().sum()
    }

    pub(crate) fn per_second(&self) -> f64 {
        as_float(self.accepted) / self.seconds.max(f64::EPSILON)
    }

    pub(crate) fn latency(&self) -> Latency {
        self.latencies.summary()
    }
}

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let histogram = Histogram::new_with_bounds(1_000, LATENCY_NS_MAX, SIGNIFICANT_DIGITS);
        histogram.map(Self).context("no histogram")
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn summary(&self) -> Latency {
        let at = |quantile| as_float(self.0.value_at_quantile(quantile)) / 1e6;
        Latency {
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: as_float(self.0.max()) / 1e6,
        }
    }
}

/// Counts here are far below the 2^53 up to which this is exact.
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

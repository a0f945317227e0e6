//! Latencies as a histogram of constant size.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

/// In nanoseconds; what takes longer is counted as this.
const NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let histogram = Histogram::new_with_bounds(1_000, NS_MAX, SIGNIFICANT_DIGITS);
        Ok(Self(histogram.context("no histogram")?))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.0.add(&other.0).context("histograms with different bounds")
    }

    pub(crate) fn at_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }

    /// What is shown of most latencies.
    pub(crate) fn figures(&self) -> [(&'static str, f64); 4] {
        [
            ("p50_ms", self.at_ms(0.5)),
            ("p99_ms", self.at_ms(0.99)),
            ("p99.9_ms", self.at_ms(0.999)),
            ("max_ms", self.at_ms(1.0)),
        ]
    }
}

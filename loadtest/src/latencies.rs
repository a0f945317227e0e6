//! Latencies of one stretch, as a histogram of constant size, and what is shown of it. It must
//! never know what was asked.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::tally::{Latency, as_float};

/// Nanoseconds; longer is counted as this.
const NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Points of a curve for each halving of what is above.
const POINTS_PER_HALVING: u32 = 4;

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
        self.0.add(&other.0).context("histograms of two kinds")
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn at_ms(&self, quantile: f64) -> f64 {
        as_float(self.0.value_at_quantile(quantile)) / 1e6
    }

    pub(crate) fn summary(&self) -> Latency {
        Latency {
            p50_ms: self.at_ms(0.5),
            p99_ms: self.at_ms(0.99),
            p999_ms: self.at_ms(0.999),
            max_ms: as_float(self.0.max()) / 1e6,
        }
    }

    /// Denser towards the slowest, as far as it was measured.
    pub(crate) fn curve(&self) -> Curve {
        let points = self
            .0
            .iter_quantiles(POINTS_PER_HALVING)
            .map(|point| [point.quantile_iterated_to(), as_float(point.value_iterated_to()) / 1e6]);
        // The last point is all of them: it lies infinitely far to the right.
        points.filter(|[share, _]| *share < 1.0).collect()
    }
}

/// Shares of all requests, and within how many milliseconds they were answered.
pub(crate) type Curve = Vec<[f64; 2]>;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latencies;

    #[test]
    fn a_curve_rises_to_what_few_waited_for() {
        let mut latencies = Latencies::new().unwrap();
        (1..=10_000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let curve = latencies.curve();
        assert!(curve.is_sorted_by(|one, other| one[0] <= other[0] && one[1] <= other[1]));
        let median = curve.iter().find(|[share, _]| *share >= 0.5).unwrap()[1];
        assert!((median - 5_000.0).abs() < 20.0, "{median}");
        assert!(curve.last().unwrap()[1] > 9_900.0);
    }
}

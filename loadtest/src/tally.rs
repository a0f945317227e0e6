//! What came back in one phase: how many of what, and how long it took. It must never know which
//! server answered.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::latencies::{Curve, Latencies};

/// The only status that promises anything.
const ACCEPTED: u16 = 202;
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

    pub(crate) fn curve(&self) -> Curve {
        self.latencies.curve()
    }

    pub(crate) fn latency(&self) -> Latency {
        self.latencies.summary()
    }
}

/// Counts here are far below the 2^53 up to which this is exact.
pub(crate) fn as_float(count: u64) -> f64 {
    count as f64
}

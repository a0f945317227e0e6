//! The moments of one life, and how far they lie apart in many. It must never know who was asked.

use std::time::Instant;

use serde::Serialize;

use crate::latencies::{Curve, Latencies};
use crate::tally::Latency;

/// One life; nothing where it has not come that far.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) due: Option<Instant>,
    pub(super) accepted: Option<Instant>,
    pub(super) started: Option<Instant>,
    pub(super) reported: Option<Instant>,
    pub(super) answered: Option<Instant>,
    pub(super) on_pull_request: Option<Instant>,
    pub(super) on_commit: Option<Instant>,
}

/// Hops by name, for a chart.
pub(crate) type Curves = Vec<(&'static str, Curve)>;

/// How long each hop took.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Hops {
    /// From the moment the delivery was due to its 202.
    pub(crate) accept: Latency,
    /// From there until the CI was asked to start.
    pub(crate) start: Latency,
    /// From the report to its answer.
    pub(crate) report: Latency,
    /// From the report until both statuses were at Azure DevOps.
    pub(crate) show: Latency,
    /// From the moment the delivery was due until then.
    pub(crate) life: Latency,
}

impl Life {
    /// When both statuses were there.
    pub(super) fn ended(&self) -> Option<Instant> {
        Some(self.on_pull_request?.max(self.on_commit?))
    }
}

impl Hops {
    /// With how that is distributed.
    pub(super) fn of(lives: &[Life]) -> anyhow::Result<(Self, Curves)> {
        let hop = |from: fn(&Life) -> Option<Instant>, to: fn(&Life) -> Option<Instant>| {
            let mut took = Latencies::new()?;
            for life in lives {
                if let (Some(from), Some(to)) = (from(life), to(life)) {
                    // The CI may be asked before the answer to the delivery is read.
                    took.record(to.saturating_duration_since(from));
                }
            }
            anyhow::Ok(took)
        };
        let accept = hop(|life| life.due, |life| life.accepted)?;
        let start = hop(|life| life.accepted, |life| life.started)?;
        let report = hop(|life| life.reported, |life| life.answered)?;
        let show = hop(|life| life.reported, Life::ended)?;
        let life = hop(|life| life.due, Life::ended)?;
        let hops = Self {
            accept: accept.summary(),
            start: start.summary(),
            report: report.summary(),
            show: show.summary(),
            life: life.summary(),
        };
        let drawn = [
            ("due to accepted", accept),
            ("accepted to started", start),
            ("reported to shown", show),
            ("whole life", life),
        ];
        Ok((hops, drawn.map(|(name, took)| (name, took.curve())).into()))
    }
}

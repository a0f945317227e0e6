//! Reports of the CI: planned, to be sent, and answered.
//!
//! Plain values. When a report is planned and sent is decided in `reporting`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

/// One report for the shell to send.
#[derive(Debug, Clone)]
pub struct Report {
    /// Identifies the report for `report_answered`.
    pub token: u64,
    /// The gateway's run id.
    pub run: String,
    /// The URL to send it to, from the trigger.
    pub url: String,
    /// The bearer token, from the trigger.
    pub bearer: String,
    /// The JSON body.
    pub body: Vec<u8>,
}

/// The answer to one attempt to send a report.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The gateway's run id.
    pub run: String,
    /// The state that was reported.
    pub state: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The status of the answer; none when there was no answer.
    pub status: Option<u16>,
    /// The JSON of the answer; null when there was none.
    pub body: Value,
}

#[derive(Debug, Clone)]
pub(super) struct PlannedReport {
    pub(super) run: String,
    pub(super) state: &'static str,
    pub(super) due_ms: i64,
    pub(super) attempts: u32,
    pub(super) is_final: bool,
}

/// The planned reports, and the answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Reports {
    pub(super) planned: BTreeMap<u64, PlannedReport>,
    pub(super) waiting: BTreeMap<String, VecDeque<u64>>,
    pub(super) due: BTreeSet<(i64, u64)>,
    pub(super) in_flight: BTreeSet<u64>,
    pub(super) answered: Vec<Answered>,
    pub(super) finished: BTreeSet<String>,
    pub(super) last_token: u64,
}

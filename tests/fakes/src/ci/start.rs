//! One run as the CI knows it, and the settings of the CI.
//!
//! Plain values, which only the world changes.

use serde_json::Value;

use super::behaviour::Behaviour;

/// Settings of the CI, which a test may change at any time.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long after a start the CI reports `running`; none for a CI that reports only the end.
    pub running_after_ms: Option<i64>,
    /// How long after a start the final report comes.
    pub final_after_ms: i64,
    /// How long a report that was not accepted waits before it is repeated.
    pub report_retry_ms: i64,
    /// How often a report is sent, at most.
    pub report_attempts: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            running_after_ms: Some(0),
            final_after_ms: 20,
            report_retry_ms: 100,
            report_attempts: 1_000,
        }
    }
}

/// One run, as the CI knows it.
#[derive(Debug, Clone)]
pub struct Start {
    /// The gateway's run id, which is the webhook id.
    pub run: String,
    /// Number of the build at the CI.
    pub number: u64,
    /// Name of the check.
    pub check: String,
    /// The commit to build.
    pub commit: String,
    /// The trigger as first received.
    pub trigger: Value,
    /// When it was first triggered.
    pub at_ms: i64,
    /// How often it was triggered, refusals included.
    pub attempts: u32,
    /// Whether the CI accepted it.
    pub is_accepted: bool,
    /// How often it was triggered after it had been accepted.
    pub repeats: u32,
    /// Keys in which a repeated trigger differed from the first.
    pub differences: Vec<String>,
    /// What the CI does with it.
    pub behaviour: Behaviour,
}

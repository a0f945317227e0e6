//! Records refused attempts to link: in the audit log and in the log of the process.
//!
//! Attempts that need no secret are limited, so that nobody can fill the disk with them.

use std::time::Duration;

use parking_lot::Mutex;

use crate::credentials::audit_log::AuditLog;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::time::Timestamp;

/// Recorded attempts of strangers per interval.
const RECORDED_MAX: usize = 30;
const INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// When attempts of strangers were recorded in the last interval.
    recorded_at: Mutex<Vec<Timestamp>>,
}

impl Refusals {
    /// Records a refusal of `actor`, who proved a right to link.
    pub(super) async fn record(&self, audit_log: &AuditLog, actor: &str, reason: &str) {
        self.write(audit_log, &audit_log.organization, actor, reason).await;
    }

    /// Records a refusal of somebody who proved nothing, within the limit. `organization` is empty
    /// where it is not known.
    pub(super) async fn record_stranger(
        &self,
        audit_log: &AuditLog,
        organization: &str,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) {
        if self.is_within_limit(now) {
            self.write(audit_log, organization, actor, reason).await;
        }
    }

    async fn write(&self, audit_log: &AuditLog, organization: &str, actor: &str, reason: &str) {
        tracing::warn!(organization, "a sign-in was refused: {reason}");
        let entry = Entry {
            organization: organization.to_owned(),
            actor: actor.to_owned(),
            detail: reason.to_owned(),
            ..audit_log.entry(Action::Link, Outcome::Refused)
        };
        audit_log.record(vec![entry]).await;
    }

    fn is_within_limit(&self, now: Timestamp) -> bool {
        let mut recorded_at = self.recorded_at.lock();
        recorded_at.retain(|at| now.since(*at) < INTERVAL);
        let is_within_limit = recorded_at.len() < RECORDED_MAX;
        if is_within_limit {
            recorded_at.push(now);
        }
        is_within_limit
    }
}

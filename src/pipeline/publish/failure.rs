//! What becomes of a status whose attempt ended without a post: it is tried again, or given up.

use std::time::Duration;

use super::Poster;
use crate::ado;
use crate::credentials::CallError;
use crate::domain::backoff::Backoff;
use crate::domain::slot::Posting;
use crate::domain::time::Timestamp;
use crate::health::ProblemKind;
use crate::jitter;
use crate::storage::{self, LeasedSlot};

const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 5 * 60_000, retry_after_ms_max: 60 * 60_000 };
/// How long posting a status is tried.
const RETRIES_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Attempts to find something that may be too new for Azure DevOps, such as an iteration.
const NOT_FOUND_MAX: u32 = 8;
/// How long no calls are made after Azure DevOps has refused the credential.
const LOCK_OUT: Duration = Duration::from_secs(30);

/// Why an attempt ended without a post.
pub(super) enum Failure {
    Call(CallError),
    Storage(storage::Error),
    /// No iteration of the pull request has the commit.
    NoIteration,
    /// The attempt took longer than an attempt may.
    TimedOut,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure::Call(error)
    }
}

impl From<storage::Error> for Failure {
    fn from(error: storage::Error) -> Self {
        Failure::Storage(error)
    }
}

impl Poster {
    /// What the failure of an attempt to post the slot means for it.
    pub(super) fn after_failure(&self, slot: &LeasedSlot, failure: Failure) -> Posting {
        let now = self.clock.now();
        let attempts = slot.attempts.saturating_add(1);
        // A slot stays doubtful until Azure DevOps has answered what it shows.
        let later = |retry_after, counts, may_be_posted, reason: String| {
            if now.since(slot.queued_at) > RETRIES_MAX {
                return Posting::Refused(format!("given up after a day: {reason}"));
            }
            let due_at = now.plus(BACKOFF.wait(attempts, jitter::random(), retry_after));
            let doubtful = may_be_posted || slot.doubtful;
            Posting::Later { due_at, counts, doubtful, reason }
        };
        match failure {
            Failure::NoIteration if attempts < NOT_FOUND_MAX => {
                later(None, true, false, "its iteration does not exist yet".into())
            }
            Failure::NoIteration => Posting::Refused(
                "no iteration of the pull request has this commit as its source".into(),
            ),
            Failure::Storage(error) => later(None, false, false, error.to_string()),
            Failure::TimedOut => later(None, true, true, "the attempt took too long".into()),
            // A status does not expire while credentials are missing.
            Failure::Call(CallError::Credential(error)) => Posting::Later {
                due_at: match error.retry_at {
                    Some(retry_at) => shortly_after(retry_at.max(now)),
                    None => now.plus(BACKOFF.wait(attempts, jitter::random(), Some(LOCK_OUT))),
                },
                counts: false,
                doubtful: slot.doubtful,
                reason: error.to_string(),
            },
            Failure::Call(CallError::Ado(error)) => {
                let reason = error.to_string();
                match &error {
                    ado::Error::RateLimited { retry_after, .. } => {
                        later(*retry_after, false, false, reason)
                    }
                    ado::Error::Unauthorized { .. } => {
                        self.lock_out(&slot.status.organization, &reason, now);
                        later(Some(LOCK_OUT), false, false, reason)
                    }
                    ado::Error::Forbidden { .. } => {
                        let organization = &slot.status.organization;
                        tracing::error!(
                            organization,
                            "{reason}; the status waits until the permission is granted"
                        );
                        later(Some(LOCK_OUT), true, false, reason)
                    }
                    ado::Error::NotFound { .. } | ado::Error::WrongIteration { .. }
                        if attempts < NOT_FOUND_MAX =>
                    {
                        later(None, true, false, reason)
                    }
                    ado::Error::Unavailable { doubtful, retry_after, .. } => {
                        later(*retry_after, true, *doubtful, reason)
                    }
                    ado::Error::NotEditable
                    | ado::Error::NotFound { .. }
                    | ado::Error::WrongIteration { .. }
                    | ado::Error::NoPat(_)
                    | ado::Error::Rejected { .. } => Posting::Refused(reason),
                }
            }
        }
    }

    /// Azure DevOps refused the credential: it is not used for a while.
    fn lock_out(&self, organization: &str, reason: &str, now: Timestamp) {
        self.throttle.lock_out(organization, LOCK_OUT, reason, now);
        self.health.raise(organization, ProblemKind::Calls, reason);
        tracing::error!(organization, "{reason} The statuses of the organization wait.");
    }
}

/// Within the second after `at`, so that waiting statuses are not all posted at once.
pub(super) fn shortly_after(at: Timestamp) -> Timestamp {
    at.plus(Duration::from_millis(jitter::random() % 1_000))
}

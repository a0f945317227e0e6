//! Records refused attempts to link: in the audit log and in the log of the process.
//!
//! Attempts of strangers are limited, so that nobody can fill the disk or the log with them. Each
//! kind has a budget of its own, so that guesses do not displace what somebody did with a ticket or
//! a sign-in that exists.

use std::time::Duration;

use parking_lot::Mutex;

use crate::credentials::audit_log::AuditLog;
use crate::domain::audit::{Action, Actor, Entry, Outcome, Via};
use crate::domain::time::Timestamp;

/// Attempts that are recorded at once, and the time after which one more is.
const AT_ONCE_MAX: u32 = 10;
const INTERVAL: Duration = Duration::from_secs(600);

/// What was refused, by somebody who proved no right to link.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    /// `/connect` with a ticket that nobody issued, or that was used.
    UnknownTicket,
    /// `/complete` with a sign-in that nobody began, or that has ended.
    UnknownSignIn,
    /// A ticket or a sign-in that exists: too late, for another organization, in another browser.
    Known,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    unknown_tickets: Mutex<Budget>,
    unknown_sign_ins: Mutex<Budget>,
    known: Mutex<Budget>,
}

impl Refusals {
    /// Records a refusal of `actor`, who proved a right to link.
    pub(super) async fn record(&self, audit_log: &AuditLog, actor: &Actor, reason: &str) {
        write(audit_log, &audit_log.organization, actor.clone(), reason).await;
    }

    /// Records a refusal of somebody who proved nothing, within the budget of the attempt.
    /// `organization` is empty where it is not known.
    pub(super) async fn record_stranger(
        &self,
        audit_log: &AuditLog,
        attempt: Attempt,
        organization: &str,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) {
        let budget = match attempt {
            Attempt::UnknownTicket => &self.unknown_tickets,
            Attempt::UnknownSignIn => &self.unknown_sign_ins,
            Attempt::Known => &self.known,
        };
        let actor = Actor { name: actor.to_owned(), via: Via::Nobody };
        let recorded = budget.lock().take(now);
        match recorded {
            Some(0) => write(audit_log, organization, actor, reason).await,
            Some(omitted) => {
                let reason = format!("{reason} ({omitted} more like this were not recorded)");
                write(audit_log, organization, actor, &reason).await;
            }
            None => {}
        }
    }
}

async fn write(audit_log: &AuditLog, organization: &str, actor: Actor, reason: &str) {
    tracing::warn!(organization, "a sign-in was refused: {reason}");
    let entry = Entry {
        organization: organization.to_owned(),
        detail: reason.to_owned(),
        ..audit_log.entry(Action::Link, Outcome::Refused).by(actor)
    };
    audit_log.record(vec![entry]).await;
}

/// Allows [`AT_ONCE_MAX`] records at once, and one more each [`INTERVAL`].
#[derive(Debug, Default)]
struct Budget {
    /// When the budget will be full again.
    full_at: Timestamp,
    /// Attempts that were not recorded since the last one that was.
    omitted: u64,
}

impl Budget {
    /// Whether the attempt is recorded; if so, how many were omitted before it.
    fn take(&mut self, now: Timestamp) -> Option<u64> {
        let full_at = self.full_at.max(now).plus(INTERVAL);
        if full_at.since(now) > INTERVAL * AT_ONCE_MAX {
            self.omitted += 1;
            return None;
        }
        self.full_at = full_at;
        Some(std::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_recorded_now_and_then_with_its_size() {
        let mut budget = Budget::default();
        let begun = Timestamp::ZERO.plus(Duration::from_secs(1_000_000));
        let count = (0..100).filter(|_| budget.take(begun) == Some(0)).count();
        assert_eq!(count, 10);
        assert_eq!(budget.take(begun.plus(INTERVAL / 2)), None);
        assert_eq!(budget.take(begun.plus(INTERVAL)), Some(91));
        assert_eq!(budget.take(begun.plus(INTERVAL)), None);
        assert_eq!(budget.take(begun.plus(INTERVAL * 20)), Some(1), "and then it is full again");
        assert_eq!(budget.take(begun.plus(INTERVAL * 20)), Some(0));
    }
}

//! The audit_log: every credential that was spent is written down, by whom, for what and how it
//! ended.
//!
//! What is written here is told to the audit log and to a metric. It must never hold a secret.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::ado::{Receipt, Scope, Usage};
use crate::clock::Clock;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::storage::Store;

use super::Purpose;

/// Writes entries of one organization.
#[derive(Clone, Debug)]
pub struct AuditLog {
    pub(super) organization: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    writing: TaskTracker,
}

impl AuditLog {
    /// The audit_log of one organization.
    pub fn new(organization: &str, store: Arc<dyn Store>, clock: Clock) -> Self {
        let organization = organization.to_owned();
        Self { organization, store, clock, writing: TaskTracker::new() }
    }

    /// Writes an entry in the background.
    pub fn record_later(&self, entry: Entry) {
        let audit_log = self.clone();
        self.writing.spawn(async move { audit_log.record(vec![entry]).await });
    }

    /// Waits until everything is written.
    pub async fn written(&self) {
        self.writing.close();
        self.writing.wait().await;
        self.writing.reopen();
    }

    /// An entry that begins now.
    pub fn entry(&self, action: Action, outcome: Outcome) -> Entry {
        Entry::new(self.clock.now(), &self.organization, action, outcome)
    }

    /// Writes entries; where the store does not take them, the log does.
    pub async fn record(&self, entries: Vec<Entry>) {
        entries.iter().for_each(count);
        let told = entries.clone();
        if let Err(error) = self.store.record(entries).await {
            for entry in told {
                let entry = serde_json::to_string(&entry).unwrap_or_default();
                tracing::error!("the audit log does not take an entry ({error}): {entry}");
            }
        }
    }

    /// The entry about a use, as the client told it; none told means that the call was given up.
    pub fn used(&self, scope: Scope, purpose: Purpose, usage: Option<Usage>) -> Entry {
        let (outcome, detail, activity_id) = match usage {
            None => (Outcome::Failed, "given up before the answer came".to_owned(), None),
            Some(Usage { operation, error: None, activity_id }) => {
                (Outcome::Done, operation, activity_id)
            }
            Some(Usage { operation, error: Some(error), activity_id }) => {
                let outcome = match error {
                    crate::ado::Error::Unavailable { .. } => Outcome::Failed,
                    _ => Outcome::Refused,
                };
                (outcome, format!("{operation}: {error}"), activity_id)
            }
        };
        let scope = Some(scope.as_str().to_owned());
        let run = purpose.run;
        Entry { scope, run, activity_id, detail, ..self.entry(Action::Use, outcome) }
    }

    /// A receipt that only writes the use down.
    pub fn receipt(&self, scope: Scope, purpose: Purpose, identity: Option<String>) -> Plain {
        Plain { audit_log: self.clone(), scope, purpose, identity }
    }
}

/// Tells the metric of an entry, also of those that are stored with what they are about.
pub(super) fn count(entry: &Entry) {
    metrics::counter!("azdo_gateway_audit_total",
        "action" => entry.action.as_str(), "outcome" => entry.outcome.as_str())
    .increment(1);
}

/// See [`AuditLog::receipt`].
#[derive(Debug)]
pub struct Plain {
    audit_log: AuditLog,
    scope: Scope,
    purpose: Purpose,
    identity: Option<String>,
}

impl Receipt for Plain {
    fn used(self: Box<Self>, usage: Usage) {
        let entry = self.audit_log.used(self.scope, self.purpose, Some(usage));
        self.audit_log.record_later(Entry { identity: self.identity, ..entry });
    }
}

//! Writes the audit log of one organization: who used which credential for what, and how it ended.
//! A metric counts the entries, and series those of tokens.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::source::Purpose;
use crate::ado::{self, Receipt, Scope, Usage};
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::series::Series;
use crate::storage::Audit;

/// See the module.
#[derive(Clone, Debug)]
pub struct AuditLog {
    pub(super) organization: String,
    store: Arc<dyn Audit>,
    series: Arc<Series>,
    clock: Clock,
    writes: TaskTracker,
}

impl AuditLog {
    /// Writes to the store of `deps`.
    pub fn new(organization: &str, deps: &Deps) -> Self {
        Self {
            organization: organization.to_owned(),
            store: Arc::clone(&deps.store) as Arc<dyn Audit>,
            series: Arc::clone(&deps.series),
            clock: deps.clock.clone(),
            writes: TaskTracker::new(),
        }
    }

    /// A new entry, dated now. Its other fields are empty.
    pub fn entry(&self, action: Action, outcome: Outcome) -> Entry {
        Entry::new(self.clock.now(), &self.organization, action, outcome)
    }

    /// An entry about the use of a credential. Without a `usage` the call was abandoned.
    pub(super) fn use_entry(&self, scope: Scope, purpose: Purpose, usage: Option<Usage>) -> Entry {
        let (outcome, detail, activity_id) = match usage {
            None => (Outcome::Failed, "abandoned before the answer came".to_owned(), None),
            Some(Usage { operation, error: None, activity_id }) => {
                (Outcome::Done, operation, activity_id)
            }
            Some(Usage { operation, error: Some(error), activity_id }) => {
                let outcome = match error {
                    ado::Error::Unavailable { .. } => Outcome::Failed,
                    _ => Outcome::Refused,
                };
                (outcome, format!("{operation}: {error}"), activity_id)
            }
        };
        let scope = Some(scope.as_str().to_owned());
        let run = purpose.run;
        Entry { scope, run, activity_id, detail, ..self.entry(Action::Use, outcome) }
    }

    /// A receipt that records the use of a credential.
    pub(super) fn receipt(
        &self,
        scope: Scope,
        purpose: Purpose,
        identity: Option<String>,
    ) -> UseReceipt {
        UseReceipt { audit_log: self.clone(), scope, purpose, identity }
    }

    /// Stores entries. Those that the store does not take go to the log of the process.
    pub async fn record(&self, entries: Vec<Entry>) {
        entries.iter().for_each(count);
        for entry in entries.iter().filter(|entry| entry.outcome == Outcome::Done) {
            match entry.action {
                Action::Mint => self.series.count("minted", &self.organization, entry.at),
                Action::Revoke => self.series.count("revoked", &self.organization, entry.at),
                _ => {}
            }
        }
        let copies = entries.clone();
        if let Err(error) = self.store.record(entries).await {
            for entry in copies {
                let entry = serde_json::to_string(&entry).unwrap_or_default();
                tracing::error!("an entry of the audit log cannot be stored ({error}): {entry}");
            }
        }
    }

    /// Stores an entry in the background.
    pub(super) fn record_later(&self, entry: Entry) {
        let audit_log = self.clone();
        self.writes.spawn(async move { audit_log.record(vec![entry]).await });
    }

    /// Returns when all entries of [`AuditLog::record_later`] are stored.
    pub(super) async fn written(&self) {
        self.writes.close();
        self.writes.wait().await;
        self.writes.reopen();
    }
}

/// Counts an entry in the metric. For entries that the store takes as part of another change.
pub(super) fn count(entry: &Entry) {
    metrics::counter!("azdo_gateway_audit_total",
        "action" => entry.action.as_str(), "outcome" => entry.outcome.as_str())
    .increment(1);
}

/// See [`AuditLog::receipt`].
#[derive(Debug)]
pub(super) struct UseReceipt {
    audit_log: AuditLog,
    scope: Scope,
    purpose: Purpose,
    identity: Option<String>,
}

impl Receipt for UseReceipt {
    fn used(self: Box<Self>, usage: Usage) {
        let entry = self.audit_log.use_entry(self.scope, self.purpose, Some(usage));
        self.audit_log.record_later(Entry { identity: self.identity, ..entry });
    }
}

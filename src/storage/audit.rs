//! The audit log: appended, read newest first, deleted when it is old.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::page::{Between, Page, Paged};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::id::RunId;

/// An entry and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub id: i64,
    pub entry: Entry,
}

/// Selects entries; an absent field selects all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub organization: Option<String>,
    pub action: Option<Action>,
    pub outcome: Option<Outcome>,
    /// Who did it, compared without case, as Entra compares names.
    pub actor: Option<String>,
    pub run: Option<RunId>,
    /// The authorization id of a personal access token.
    pub pat: Option<String>,
    /// When it was done.
    pub between: Between,
}

/// The audit log.
#[async_trait]
pub trait Audit: Debug + Send + Sync {
    /// Appends entries to the audit log, all or none.
    async fn record(&self, entries: Vec<Entry>) -> Result<(), Error>;

    /// The audit log, newest first.
    async fn audit(&self, filter: AuditFilter, page: Page) -> Result<Paged<AuditRow>, Error>;

    /// One entry of the audit log.
    async fn audit_entry(&self, id: i64) -> Result<Option<AuditRow>, Error>;
}

//! The audit log: appended, read newest first, deleted when it is old.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::Sqlite;
use super::engine::rows::{parsed, time};
use super::engine::search::{Keys, Search, Where};
use super::engine::times::Times;
use crate::domain::audit::{Action, Entry, Outcome, Via};
use crate::domain::id::RunId;
use crate::storage::{Audit, AuditFilter, AuditRow, Error, Page, Paged};

#[async_trait]
impl Audit for Sqlite {
    async fn record(&self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = bytes_of(&entries);
        let insert = move |db: &Connection| entries.iter().try_for_each(|entry| insert(db, entry));
        self.writer.write(bytes, insert).await
    }

    async fn audit(&self, filter: AuditFilter, page: Page) -> Result<Paged<AuditRow>, Error> {
        self.readers.read(move |db| list(db, &filter, page)).await
    }

    async fn audit_entry(&self, id: i64) -> Result<Option<AuditRow>, Error> {
        self.readers.read(move |db| find(db, id)).await
    }
}

/// The memory that entries take, roughly.
pub(super) fn bytes_of(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| size_of::<Entry>() + entry.detail.len() + 256).sum()
}

pub(super) fn insert(db: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO audit (at, organization, action, outcome, identity, actor, run, pat, scope,
            lifetime_s, activity_id, detail, via)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        entry.at.micros(),
        entry.organization,
        entry.action.as_str(),
        entry.outcome.as_str(),
        entry.identity,
        entry.actor,
        entry.run.as_ref().map(|run| run.0.as_bytes()),
        entry.pat,
        entry.scope,
        entry.lifetime_s,
        entry.activity_id,
        entry.detail,
        entry.via.as_str(),
    ])?;
    Ok(())
}

const AUDIT: &str = "SELECT id, at, organization, action, outcome, identity, actor, run, pat,
        scope, lifetime_s, activity_id, detail, via
    FROM audit";

fn audit_row(row: &Row<'_>) -> rusqlite::Result<(i64, AuditRow)> {
    let id = row.get(0)?;
    let (action, outcome): (String, String) = (row.get(3)?, row.get(4)?);
    let via: String = row.get(13)?;
    let run: Option<[u8; 16]> = row.get(7)?;
    let entry = Entry {
        at: time(row, 1)?,
        organization: row.get(2)?,
        action: parsed(3, &action, Action::parse(&action))?,
        outcome: parsed(4, &outcome, Outcome::parse(&outcome))?,
        identity: row.get(5)?,
        actor: row.get(6)?,
        via: parsed(13, &via, Via::parse(&via))?,
        run: run.map(|run| RunId(Uuid::from_bytes(run))),
        pat: row.get(8)?,
        scope: row.get(9)?,
        lifetime_s: row.get(10)?,
        activity_id: row.get(11)?,
        detail: row.get(12)?,
    };
    Ok((id, AuditRow { id, entry }))
}

pub(super) fn find(db: &Connection, id: i64) -> rusqlite::Result<Option<AuditRow>> {
    db.prepare_cached(&format!("{AUDIT} WHERE id = ?"))?
        .query_row([id], |row| audit_row(row).map(|(_, row)| row))
        .optional()
}

pub(super) fn list(
    db: &Connection,
    filter: &AuditFilter,
    page: Page,
) -> rusqlite::Result<Paged<AuditRow>> {
    audit_search(filter).page(db, page, |key| find(db, key))
}

const TIMES: Times = Times { table: "audit", key: "id", at: "at" };

pub(super) fn audit_search(filter: &AuditFilter) -> Search {
    let AuditFilter { organization, action, outcome, actor, run, pat, between } = filter.clone();
    let run = run.map(|run| run.0.as_bytes().to_vec());
    let all = Keys::all("audit", "id");
    let keys = match (pat.clone(), run.clone(), organization.clone()) {
        (Some(pat), _, _) => all.by("pat = ?", pat),
        (_, Some(run), _) => all.by("run = ?", run),
        (_, _, Some(organization)) => all.by("organization = ?", organization),
        (None, None, None) => all,
    };
    let wanted = Where::default()
        .and("organization = ?", organization)
        .and("action = ?", action.map(|action| action.as_str().to_owned()))
        .and("outcome = ?", outcome.map(|outcome| outcome.as_str().to_owned()))
        .and("actor = ? COLLATE NOCASE", actor)
        .and("run = ?", run)
        .and("pat = ?", pat)
        .and("at >= ?", between.since_us())
        .and("at < ?", between.until_us());
    let matches = "SELECT 1 FROM audit WHERE id = ?";
    Search { matches, keys, fallback: None, wanted, times: TIMES, between }
}

//! The audit log: appended, read newest first, deleted when it is old.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, parsed, run_id, time};
use super::engine::search::{Keys, Search, Where};
use super::engine::times::Times;
use crate::domain::audit::{Action, Entry, Outcome, Via};
use crate::storage::{Audit, AuditFilter, AuditRow, Error, Page, Paged};

#[async_trait]
impl Audit for Postgres {
    async fn record(&self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let recorded =
            self.pool.write(entries, |db, entries| async move { insert(&db, &entries).await });
        recorded.await
    }

    async fn audit(&self, filter: AuditFilter, page: Page) -> Result<Paged<AuditRow>, Error> {
        let found = self.pool.read_snapshot((filter, page), |db, args| async move {
            list(&db, &args.0, args.1).await
        });
        found.await
    }

    async fn audit_entry(&self, id: i64) -> Result<Option<AuditRow>, Error> {
        self.pool.read(id, |db, id| async move { find(&db, *id).await }).await
    }
}

pub(super) async fn insert(db: &Db, entries: &[Entry]) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let each = || entries.iter();
    let at: Vec<i64> = each().map(|entry| entry.at.micros()).collect();
    let organizations: Vec<_> = each().map(|entry| text(&entry.organization)).collect();
    let actions: Vec<_> = each().map(|entry| text(entry.action.as_str())).collect();
    let outcomes: Vec<_> = each().map(|entry| text(entry.outcome.as_str())).collect();
    let identities: Vec<_> = each().map(|entry| entry.identity.as_deref().map(text)).collect();
    let actors: Vec<_> = each().map(|entry| text(&entry.actor)).collect();
    let vias: Vec<_> = each().map(|entry| text(entry.via.as_str())).collect();
    let run = |entry: &Entry| entry.run.map(|run| run.0.as_bytes().to_vec());
    let runs: Vec<Option<Vec<u8>>> = each().map(run).collect();
    let pats: Vec<_> = each().map(|entry| entry.pat.as_deref().map(text)).collect();
    let scopes: Vec<_> = each().map(|entry| entry.scope.as_deref().map(text)).collect();
    let lifetimes: Vec<Option<i64>> = each().map(|entry| entry.lifetime_s).collect();
    let activities: Vec<_> = each().map(|entry| entry.activity_id.as_deref().map(text)).collect();
    let details: Vec<_> = each().map(|entry| text(&entry.detail)).collect();
    let sql =
        "INSERT INTO audit (at, organization, action, outcome, identity, actor, via, run, pat,
            scope, lifetime_s, activity_id, detail)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    db.execute(
        sql,
        params![
            at,
            organizations,
            actions,
            outcomes,
            identities,
            actors,
            vias,
            runs,
            pats,
            scopes,
            lifetimes,
            activities,
            details,
        ],
    )
    .await?;
    Ok(())
}

const AUDIT: &str = "SELECT id, at, organization, action, outcome, identity, actor, via, run, pat,
        scope, lifetime_s, activity_id, detail
    FROM audit";

fn audit_row(row: &Row) -> Result<AuditRow, Failure> {
    let (action, outcome): (&str, &str) = (get(row, 3)?, get(row, 4)?);
    let via: &str = get(row, 7)?;
    let entry = Entry {
        at: time(row, 1)?,
        organization: get(row, 2)?,
        action: parsed(action, Action::parse(action))?,
        outcome: parsed(outcome, Outcome::parse(outcome))?,
        identity: get(row, 5)?,
        actor: get(row, 6)?,
        via: parsed(via, Via::parse(via))?,
        run: run_id(row, 8)?,
        pat: get(row, 9)?,
        scope: get(row, 10)?,
        lifetime_s: get(row, 11)?,
        activity_id: get(row, 12)?,
        detail: get(row, 13)?,
    };
    Ok(AuditRow { id: get(row, 0)?, entry })
}

async fn find(db: &Db, id: i64) -> Result<Option<AuditRow>, Failure> {
    let found = db.row(&format!("{AUDIT} WHERE id = $1"), params![id]).await?;
    found.as_ref().map(audit_row).transpose()
}

async fn list(db: &Db, filter: &AuditFilter, page: Page) -> Result<Paged<AuditRow>, Failure> {
    audit_search(filter).page(db, page, audit_row).await
}

const TIMES: Times = Times { table: "audit", key: "id", at: "at" };

/// Names of people are compared like those of organizations, whatever the language of the database.
const IS_ACTOR: &str = "lower(actor COLLATE \"C\") = lower(? COLLATE \"C\")";

fn audit_search(filter: &AuditFilter) -> Search {
    let AuditFilter { organization, action, outcome, actor, run, pat, between } = filter.clone();
    let run = run.map(|run| run.0.as_bytes().to_vec());
    let all = Keys::all("audit", "id");
    let keys = match (pat.clone(), run.clone(), organization.clone()) {
        (Some(pat), _, _) => all.by("pat = ?", pat),
        (_, Some(run), _) => all.by("run = ?", run),
        (_, _, Some(organization)) => all.by("lower(organization) = lower(?)", organization),
        (None, None, None) => all,
    };
    let wanted = Where::default()
        .and("lower(organization) = lower(?)", organization)
        .and("action = ?", action.map(Action::as_str))
        .and("outcome = ?", outcome.map(Outcome::as_str))
        .and(IS_ACTOR, actor)
        .and("run = ?", run)
        .and("pat = ?", pat)
        .and("at >= ?", between.since_us())
        .and("at < ?", between.until_us());
    Search { select: AUDIT, key: "id", keys, fallback: None, wanted, times: TIMES, between }
}

//! Lists of statuses, newest first, a page at a time.

use tokio_postgres::Row;

use crate::domain::id::StatusId;
use crate::domain::slot::StatusOutcome;
use crate::storage::postgres::engine::db::{Db, params};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, parsed, time, time_maybe};
use crate::storage::postgres::engine::search::{Keys, Search, Where};
use crate::storage::postgres::engine::times::Times;
use crate::storage::{Page, Paged, StatusFilter, StatusRow};

const STATUS: &str = "SELECT status.id, body, queued_at, posted_at, outcome, reason FROM status";

pub(in crate::storage::postgres) fn status_row(row: &Row) -> Result<StatusRow, Failure> {
    let outcome: &str = get(row, 4)?;
    Ok(StatusRow {
        id: StatusId(get(row, 0)?),
        status: json(row, 1)?,
        queued_at: time(row, 2)?,
        posted_at: time_maybe(row, 3)?,
        outcome: parsed(outcome, StatusOutcome::parse(outcome))?,
        reason: get(row, 5)?,
    })
}

pub(super) async fn status(db: &Db, id: StatusId) -> Result<Option<StatusRow>, Failure> {
    let found = db.row(&format!("{STATUS} WHERE id = $1"), params![id.0]).await?;
    found.as_ref().map(status_row).transpose()
}

pub(super) async fn statuses(
    db: &Db,
    filter: &StatusFilter,
    page: Page,
) -> Result<Paged<StatusRow>, Failure> {
    status_search(filter).page(db, page, status_row).await
}

/// Statuses that wait, of which there are few: `OFFSET 0` has the database read them by their
/// index, instead of all statuses from the newest one on.
const WAITING: &str = "(SELECT id FROM status WHERE outcome = 'queued' OFFSET 0) AS waiting";

const IS_RARE_OUTCOME: &str = "outcome = ? AND outcome IN ('refused', 'unchanged')";

const TIMES: Times = Times { table: "status", key: "id", at: "queued_at" };

fn status_search(filter: &StatusFilter) -> Search {
    let StatusFilter { organization, run, outcome, between } = filter.clone();
    let run = run.map(|run| run.0.as_bytes().to_vec());
    let all = Keys::all("status", "id");
    let keys = match (&run, outcome.as_deref()) {
        (Some(run), _) => all.by("run = ?", run.clone()),
        (None, Some("queued")) => Keys::all(WAITING, "id"),
        (None, Some(rare @ ("refused" | "unchanged"))) => all.by(IS_RARE_OUTCOME, rare),
        (None, _) => all,
    };
    let wanted = Where::default()
        .and("lower(organization) = lower(?)", organization)
        .and("run = ?", run)
        .and("outcome = ?", outcome)
        .and("queued_at >= ?", between.since_us())
        .and("queued_at < ?", between.until_us());
    Search { select: STATUS, key: "status.id", keys, fallback: None, wanted, times: TIMES, between }
}

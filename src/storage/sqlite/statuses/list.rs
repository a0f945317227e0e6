//! Lists of statuses, newest first, a page at a time.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::id::StatusId;
use crate::domain::slot::StatusOutcome;
use crate::storage::sqlite::engine::rows::{from_json, parsed, time, time_maybe};
use crate::storage::sqlite::engine::search::{Keys, Search, Where};
use crate::storage::sqlite::engine::times::Times;
use crate::storage::{Page, Paged, StatusFilter, StatusRow};

const STATUS: &str = "SELECT id, body, queued_at, posted_at, outcome, reason FROM status";

pub(in crate::storage::sqlite) fn status_row(row: &Row<'_>) -> rusqlite::Result<StatusRow> {
    let (body, outcome): (String, String) = (row.get(1)?, row.get(4)?);
    Ok(StatusRow {
        id: StatusId(row.get(0)?),
        status: from_json(1, &body)?,
        queued_at: time(row, 2)?,
        posted_at: time_maybe(row, 3)?,
        outcome: parsed(4, &outcome, StatusOutcome::parse(&outcome))?,
        reason: row.get(5)?,
    })
}

pub(super) fn status(db: &Connection, id: StatusId) -> rusqlite::Result<Option<StatusRow>> {
    db.prepare_cached(&format!("{STATUS} WHERE id = ?"))?.query_row([id.0], status_row).optional()
}

pub(super) fn statuses(
    db: &Connection,
    filter: &StatusFilter,
    page: Page,
) -> rusqlite::Result<Paged<StatusRow>> {
    status_search(filter).page(db, page, |key| status(db, StatusId(key)))
}

const IS_RARE_OUTCOME: &str = "outcome = ? AND outcome IN ('refused', 'unchanged')";

const TIMES: Times = Times { table: "status", key: "id", at: "queued_at" };

pub(in crate::storage::sqlite) fn status_search(filter: &StatusFilter) -> Search {
    let StatusFilter { organization, run, outcome, between } = filter.clone();
    let run = run.map(|run| run.0.as_bytes().to_vec());
    let all = Keys::all("status", "id");
    let keys = match (&run, outcome.as_deref()) {
        (Some(run), _) => all.by("run = ?", run.clone()),
        (None, Some("queued")) => {
            Keys::all("status INDEXED BY status_queued", "id").being("outcome = 'queued'")
        }
        (None, Some(rare @ ("refused" | "unchanged"))) => all.by(IS_RARE_OUTCOME, rare.to_owned()),
        (None, _) => all,
    };
    let wanted = Where::default()
        .and("organization = ? COLLATE NOCASE", organization)
        .and("run = ?", run)
        .and("outcome = ?", outcome)
        .and("queued_at >= ?", between.since_us())
        .and("queued_at < ?", between.until_us());
    Search {
        matches: "SELECT 1 FROM status WHERE id = ?",
        keys,
        fallback: None,
        wanted,
        times: TIMES,
        between,
    }
}

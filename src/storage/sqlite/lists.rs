//! What people look at: deliveries, runs and statuses, newest first, a page at a time. It must
//! never write.

use rusqlite::{Connection, OptionalExtension, Row};

use super::rows::{from_json, parsed, run, time, time_maybe};
use super::search::{Keys, Search, Where};
use crate::domain::decision::{Outcome, Source};
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::{Run, State};
use crate::domain::time::Timestamp;
use crate::storage::{
    Backlog, Delivery, DeliveryFilter, Page, Paged, RunFilter, StatusFilter, StatusRow,
};

const DELIVERY: &str = "SELECT delivery.id, delivery.organization, hook, source, received_at,
        subscription.guid, notification, event_type, created_at, body_bytes, decision.event,
        decision.outcome, decision.reason, decision.decided_at,
        (SELECT group_concat(hex(run.id)) FROM run WHERE run.delivery = delivery.id)
    FROM delivery LEFT JOIN decision ON decision.delivery = delivery.id
    LEFT JOIN subscription ON subscription.id = delivery.subscription";

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let source: String = row.get(3)?;
    let outcome: Option<String> = row.get(11)?;
    let outcome = outcome.unwrap_or_else(|| Outcome::Pending.as_str().into());
    let runs: Option<String> = row.get(14)?;
    let runs = runs.unwrap_or_default();
    let runs = runs.split(',').filter(|id| !id.is_empty());
    let reason: Option<String> = row.get(12)?;
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        organization: row.get(1)?,
        hook: row.get(2)?,
        source: parsed(3, &source, Source::parse(&source))?,
        received_at: time(row, 4)?,
        subscription: row.get(5)?,
        notification: row.get(6)?,
        event_type: row.get(7)?,
        created_at: time_maybe(row, 8)?,
        body_bytes: row.get(9)?,
        event: row.get(10)?,
        outcome: parsed(11, &outcome, Outcome::parse(&outcome))?,
        reason: reason.unwrap_or_else(|| "waits for a decision".into()),
        decided_at: time_maybe(row, 13)?,
        runs: runs.map(|id| parsed(14, id, id.parse::<RunId>().ok())).collect::<Result<_, _>>()?,
    })
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Delivery>> {
    db.prepare_cached(&format!("{DELIVERY} WHERE delivery.id = ?"))?
        .query_row([id.0], delivery_row)
        .optional()
}

pub(super) fn deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Paged<Delivery>> {
    delivery_search(filter).page(db, page, |key| delivery(db, DeliveryId(key)))
}

/// Of the types of events that checks need there are so many that they are found by looking.
const IS_RARE_TYPE: &str = "event_type = ? AND event_type NOT IN ('git.push',
    'git.pullrequest.created', 'git.pullrequest.updated', 'git.pullrequest.merged',
    'ms.vss-code.git-pullrequest-comment-event')";
const USUAL_TYPES: [&str; 5] = [
    "git.push",
    "git.pullrequest.created",
    "git.pullrequest.updated",
    "git.pullrequest.merged",
    "ms.vss-code.git-pullrequest-comment-event",
];

fn delivery_search(filter: &DeliveryFilter) -> Search {
    let DeliveryFilter { organization, event_type, outcome, source } = filter.clone();
    let all = Keys::all("delivery", "id");
    let is_pending = outcome == Some(Outcome::Pending);
    let rare_source = source.filter(|source| *source != Source::Hook);
    let rare_type = event_type.clone().filter(|name| !USUAL_TYPES.contains(&name.as_str()));
    let keys = match (outcome, rare_source, rare_type) {
        (Some(Outcome::Pending), _, _) => Keys::all("inbox", "delivery"),
        (_, Some(source), _) => {
            all.by("source = ? AND source <> 'hook'", source.as_str().to_owned())
        }
        (_, _, Some(event_type)) => all.by(IS_RARE_TYPE, event_type),
        (Some(outcome), _, _) => {
            Keys::all("decision", "delivery").by("outcome = ?", outcome.as_str().to_owned())
        }
        (None, None, None) => all,
    };
    let decided = outcome.filter(|_| !is_pending).map(|outcome| outcome.as_str().to_owned());
    let wanted = Where::default()
        .and("organization = ? COLLATE NOCASE", organization)
        .and("event_type = ?", event_type)
        .and("(SELECT outcome FROM decision WHERE decision.delivery = delivery.id) = ?", decided)
        .and("source = ?", source.map(|source| source.as_str().to_owned()));
    let look = "SELECT 1 FROM delivery WHERE id = ?";
    Search { look, keys, otherwise: None, wanted }
}

pub(super) fn runs(
    db: &Connection,
    filter: &RunFilter,
    page: Page,
) -> rusqlite::Result<Paged<Run>> {
    let read = |key| {
        db.prepare_cached("SELECT number, revision, body FROM run WHERE number = ?")?
            .query_row([key], run)
            .optional()
    };
    run_search(filter).page(db, page, read)
}

/// Runs by what their subjects begin with: each has its repository in it.
const OF_REPOSITORIES: &str = "repository
    CROSS JOIN (SELECT 'pull_request/' AS name UNION ALL SELECT 'ref/') AS kind
    CROSS JOIN run ON run.organization = repository.organization
        AND run.subject >= kind.name || repository.id || '/'
        AND run.subject < kind.name || repository.id || '0'";
const BY_PULL_REQUEST: &str = "repository CROSS JOIN run
    ON run.organization = repository.organization";
const IS_PULL_REQUEST: &str = "run.subject = 'pull_request/' || repository.id || '/' || ?";
const IS_WITHOUT_SUCCESS: &str = "state = ?
    AND state IN ('failed', 'errored', 'cancelled', 'timed_out', 'superseded')";
const OF_ORGANIZATION: &str = "(SELECT DISTINCT organization AS name FROM repository) AS known
    CROSS JOIN run ON run.organization = known.name";

fn run_search(filter: &RunFilter) -> Search {
    let RunFilter { organization, check, repository, commit, pull_request, state } = filter.clone();
    let all = || Keys::all("run", "number");
    let of = |state: &str| State::parse(state);
    let mut otherwise = None;
    let keys = match (&commit, pull_request, state.as_deref().and_then(of)) {
        (Some(commit), _, _) => all().by("commit_start = substr(?, 1, 16)", commit.clone()),
        (None, Some(id), _) => Keys::all(BY_PULL_REQUEST, "run.number").by(IS_PULL_REQUEST, id),
        (None, None, Some(state)) if !state.is_final() => {
            Keys::all("run INDEXED BY run_by_overdue", "number")
                .by("overdue_at IS NOT NULL AND state = ?", state.as_str().to_owned())
        }
        (None, None, Some(state)) if state != State::Succeeded => {
            all().by(IS_WITHOUT_SUCCESS, state.as_str().to_owned())
        }
        _ => {
            otherwise = match (&repository, &organization) {
                (Some(id), _) => Some(
                    Keys::all(OF_REPOSITORIES, "run.number").by("repository.id = ?", id.clone()),
                ),
                (None, Some(name)) => {
                    let is_it = "known.name = ? COLLATE NOCASE";
                    Some(Keys::all(OF_ORGANIZATION, "run.number").by(is_it, name.clone()))
                }
                (None, None) => None,
            };
            all()
        }
    };
    let wanted = Where::default()
        .and("organization = ? COLLATE NOCASE", organization)
        .and("json_extract(body, '$.check') = ?", check)
        .and("json_extract(body, '$.repository.id') = ?", repository)
        .and("json_extract(body, '$.commit') = ?", commit)
        .and("json_extract(body, '$.pull_request.id') = ?", pull_request)
        .and("state = ?", state);
    Search { look: "SELECT 1 FROM run WHERE number = ?", keys, otherwise, wanted }
}

const STATUS: &str = "SELECT id, body, queued_at, posted_at, outcome, reason FROM status";

fn status_row(row: &Row<'_>) -> rusqlite::Result<StatusRow> {
    let body: String = row.get(1)?;
    Ok(StatusRow {
        id: StatusId(row.get(0)?),
        status: from_json(1, &body)?,
        queued_at: time(row, 2)?,
        posted_at: time_maybe(row, 3)?,
        outcome: row.get(4)?,
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

fn status_search(filter: &StatusFilter) -> Search {
    let StatusFilter { organization, run, outcome } = filter.clone();
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
        .and("outcome = ?", outcome);
    Search { look: "SELECT 1 FROM status WHERE id = ?", keys, otherwise: None, wanted }
}

pub(super) fn backlog(db: &Connection) -> rusqlite::Result<Backlog> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let count: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    let oldest: Option<i64> = db
        .prepare_cached(
            "SELECT received_at FROM delivery WHERE id = (SELECT min(delivery) FROM inbox)",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Backlog {
        undecided: count("SELECT count(*) FROM inbox")?,
        planned: count("SELECT count(*) FROM run WHERE due_at IS NOT NULL")?,
        at_ci: count("SELECT count(*) FROM run WHERE overdue_at IS NOT NULL AND due_at IS NULL")?,
        unposted: count("SELECT count(*) FROM slot WHERE due_at IS NOT NULL")?,
        oldest_undecided: oldest.map(Timestamp::from_micros),
    })
}

#[cfg(test)]
mod tests;

//! Lists of runs, newest first, a page at a time.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::run::{Run, State};
use crate::storage::sqlite::engine::rows::run;
use crate::storage::sqlite::engine::search::{Keys, Search, Where};
use crate::storage::sqlite::engine::times::Times;
use crate::storage::{Page, Paged, RunFilter};

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

/// Runs of repositories, by the beginning of their subjects.
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

/// When a run was planned, in microseconds.
macro_rules! planned_at {
    () => {
        "CAST(round(unixepoch(json_extract(body, '$.created_at'), 'subsec') * 1000) \
         AS INTEGER) * 1000"
    };
}

pub(in crate::storage::sqlite) const TIMES: Times =
    Times { table: "run", key: "number", at: planned_at!() };

pub(in crate::storage::sqlite) fn run_search(filter: &RunFilter) -> Search {
    let RunFilter { organization, check, repository, commit, pull_request, state, ci, between } =
        filter.clone();
    let all = || Keys::all("run", "number");
    let of = |state: &str| State::parse(state);
    let mut fallback = None;
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
            fallback = match (&repository, &organization) {
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
        .and("state = ?", state)
        .and("json_extract(body, '$.ci') = ?", ci)
        .and(concat!(planned_at!(), " >= ?"), between.since_us())
        .and(concat!(planned_at!(), " < ?"), between.until_us());
    Search {
        matches: "SELECT 1 FROM run WHERE number = ?",
        keys,
        fallback,
        wanted,
        times: TIMES,
        between,
    }
}

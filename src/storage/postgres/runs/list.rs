//! Lists of runs, newest first, a page at a time.

use crate::domain::run::{Run, State};
use crate::storage::postgres::engine::db::Db;
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::run;
use crate::storage::postgres::engine::search::{Keys, Search, Where};
use crate::storage::postgres::engine::times::Times;
use crate::storage::{Page, Paged, RunFilter};

pub(super) async fn runs(db: &Db, filter: &RunFilter, page: Page) -> Result<Paged<Run>, Failure> {
    run_search(filter).page(db, page, |row| run(row, 0)).await
}

// `OFFSET 0` keeps a part of a statement apart: the database finds its rows by the index that this
// part needs, instead of reading runs from the newest one on until enough match.

/// Runs of repositories, by the beginning of their subjects.
const OF_REPOSITORIES: &str = "repository
    CROSS JOIN (VALUES ('pull_request/'), ('ref/')) AS kind (name)
    CROSS JOIN LATERAL (SELECT number FROM run WHERE run.organization = repository.organization
        AND run.subject >= kind.name || repository.id || '/'
        AND run.subject < kind.name || repository.id || '0' OFFSET 0) AS run";

const BY_PULL_REQUEST: &str = "repository JOIN run ON run.organization = repository.organization";

const IS_PULL_REQUEST: &str = "run.subject = 'pull_request/' || repository.id || '/' || ?";

/// Runs that have not ended.
const LIVE: &str = "(SELECT number, state FROM run WHERE overdue_at IS NOT NULL OFFSET 0) AS live";

const IS_WITHOUT_SUCCESS: &str = "state = ?
    AND state IN ('failed', 'errored', 'cancelled', 'timed_out', 'superseded')";

const OF_ORGANIZATION: &str = "(SELECT DISTINCT organization AS name FROM repository) AS known
    CROSS JOIN LATERAL
        (SELECT number FROM run WHERE run.organization = known.name OFFSET 0) AS run";

/// When a run was planned, in microseconds.
macro_rules! planned_at {
    () => {
        "(extract(epoch FROM (body::json ->> 'created_at')::timestamptz) * 1000000)::bigint"
    };
}

pub(in crate::storage::postgres) const TIMES: Times =
    Times { table: "run", key: "number", at: planned_at!() };

fn run_search(filter: &RunFilter) -> Search {
    let RunFilter { organization, check, repository, commit, pull_request, state, ci, between } =
        filter.clone();
    let all = || Keys::all("run", "number");
    let of = |state: &str| State::parse(state);
    let mut fallback = None;
    let keys = match (&commit, pull_request, state.as_deref().and_then(of)) {
        (Some(commit), _, _) => all().by("commit_start = substr(?, 1, 16)", commit.clone()),
        (None, Some(id), _) => Keys::all(BY_PULL_REQUEST, "run.number").by(IS_PULL_REQUEST, id),
        (None, None, Some(state)) if !state.is_final() => {
            Keys::all(LIVE, "number").by("state = ?", state.as_str())
        }
        (None, None, Some(state)) if state != State::Succeeded => {
            all().by(IS_WITHOUT_SUCCESS, state.as_str())
        }
        _ => {
            fallback = match (&repository, &organization) {
                (Some(id), _) => Some(
                    Keys::all(OF_REPOSITORIES, "run.number").by("repository.id = ?", id.clone()),
                ),
                (None, Some(name)) => {
                    let is_it = "lower(known.name) = lower(?)";
                    Some(Keys::all(OF_ORGANIZATION, "run.number").by(is_it, name.clone()))
                }
                (None, None) => None,
            };
            all()
        }
    };
    let wanted = Where::default()
        .and("lower(organization) = lower(?)", organization)
        .and("body::json ->> 'check' = ?", check)
        .and("body::json #>> '{repository,id}' = ?", repository)
        .and("body::json ->> 'commit' = ?", commit)
        .and("(body::json #>> '{pull_request,id}')::bigint = ?", pull_request)
        .and("state = ?", state)
        .and("body::json ->> 'ci' = ?", ci)
        .and(concat!(planned_at!(), " >= ?"), between.since_us())
        .and(concat!(planned_at!(), " < ?"), between.until_us());
    let select = "SELECT run.number, revision, body FROM run";
    Search { select, key: "run.number", keys, fallback, wanted, times: TIMES, between }
}

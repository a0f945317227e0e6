//! The state that a decision is based on, and the commit of a decision: all or nothing.

use super::{inbox, names};
use crate::domain::decision::{KnownPullRequest, KnownRef, Remembered, RememberedRef};
use crate::domain::run::Run;
use crate::domain::run_keys::{pull_request_subject, ref_subject};
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, run, time, time_maybe, to_json};
use crate::storage::postgres::runs::{self, RunChanges};
use crate::storage::{Commit, DecisionCommit, Versioned};

/// Runs of one pull request or ref that a decision is based on, newest first.
const RUNS_MAX: i64 = 200;

/// Has to run in a snapshot, so that the pull request and its runs fit together.
pub(super) async fn known_pull_request(
    db: &Db,
    organization: &str,
    repository: &str,
    id: i64,
) -> Result<Versioned<KnownPullRequest>, Failure> {
    let sql = "SELECT revision, as_of, body FROM pull_request
         WHERE organization = $1 AND repository = $2 AND id = $3";
    let subject = pull_request_subject(repository, id);
    let (found, runs) = futures_util::future::try_join(
        async { db.row(sql, params![text(organization), text(repository), id]).await },
        runs_of(db, organization, &subject),
    )
    .await?;
    let Some(row) = found else {
        return Ok(Versioned { value: KnownPullRequest { remembered: None, runs }, revision: 0 });
    };
    let remembered = Remembered { as_of: time(&row, 1)?, pull_request: json(&row, 2)? };
    let value = KnownPullRequest { remembered: Some(remembered), runs };
    Ok(Versioned { value, revision: get(&row, 0)? })
}

/// Has to run in a snapshot, so that the refs and their runs fit together.
pub(super) async fn known_refs(
    db: &Db,
    organization: &str,
    repository: &str,
    wanted: &[String],
) -> Result<Vec<Versioned<KnownRef>>, Failure> {
    let sql = "SELECT revision, body FROM ref
         WHERE organization = $1 AND repository = $2 AND name = $3";
    let mut known = Vec::with_capacity(wanted.len());
    for name in wanted {
        let row = db.row(sql, params![text(organization), text(repository), text(name)]).await?;
        let runs = runs_of(db, organization, &ref_subject(repository, name)).await?;
        let (revision, remembered) = match row {
            Some(row) => (get(&row, 0)?, Some(json(&row, 1)?)),
            None => (0, None),
        };
        known.push(Versioned { value: KnownRef { remembered, runs }, revision });
    }
    Ok(known)
}

pub(super) async fn watched_since(
    db: &Db,
    organization: &str,
    repository: &str,
) -> Result<Option<Timestamp>, Failure> {
    let sql = "SELECT since FROM watched_repository
         WHERE lower(organization) = lower($1) AND repository = $2";
    let row = db.row(sql, params![text(organization), text(repository)]).await?;
    Ok(row.map(|row| time_maybe(&row, 0)).transpose()?.flatten())
}

async fn runs_of(db: &Db, organization: &str, subject: &str) -> Result<Vec<Run>, Failure> {
    let sql = "SELECT number, revision, body FROM run WHERE organization = $1 AND subject = $2
         ORDER BY number DESC LIMIT $3";
    let rows = db.rows(sql, params![text(organization), text(subject), RUNS_MAX]).await?;
    rows.iter().map(|row| run(row, 0)).collect()
}

pub(super) async fn commit(db: &Db, commit: &DecisionCommit) -> Result<Commit, Failure> {
    let DecisionCommit { lease, organization, decision, .. } = commit;
    let held = "DELETE FROM inbox WHERE delivery = $1 AND lease = $2";
    if db.execute(held, params![lease.id.0, lease.number]).await? == 0 {
        return Ok(Commit::LeaseLost);
    }
    if !is_current(db, commit).await? {
        // What was deleted above is taken back.
        return Err(Failure::Conflict);
    }
    let event = Some(decision.event.as_str());
    inbox::decide(db, lease.id, decision.outcome, event, &decision.reason, commit.now).await?;
    if let Some(repository) = &commit.repository {
        let before = commit.former_name.as_deref();
        names::store(db, organization, repository, before).await?;
    }
    let changes = RunChanges {
        planned: &decision.planned,
        ended: &decision.ended,
        shown_again: &decision.shown_again,
        without_run: &decision.without_run,
        delivery: Some(lease.id),
        now: commit.now,
    };
    runs::store(db, &changes).await?;
    Ok(Commit::Committed)
}

/// Whether everything that the decision was based on is unchanged. Rows that it changes are locked
/// and changed already: the pull request first, then refs by name, then runs.
async fn is_current(db: &Db, commit: &DecisionCommit) -> Result<bool, Failure> {
    let DecisionCommit { organization, decision, .. } = commit;
    if let Some(remembered) = &decision.pull_request {
        let revision = commit.pull_request_revision;
        if !remember_pull_request(db, organization, remembered, revision).await? {
            return Ok(false);
        }
    }
    let mut refs: Vec<&RememberedRef> = decision.refs.iter().collect();
    refs.sort_by(|one, other| {
        (&one.repository.id, &one.name).cmp(&(&other.repository.id, &other.name))
    });
    // Of a ref that a push names twice the last one counts.
    refs.reverse();
    refs.dedup_by_key(|one| (one.repository.id.clone(), one.name.clone()));
    for remembered in refs {
        let based_on = commit.ref_revisions.iter().find(|(name, _)| *name == remembered.name);
        let revision = based_on.map_or(0, |(_, revision)| *revision);
        if !remember_ref(db, organization, remembered, revision).await? {
            return Ok(false);
        }
    }
    let looked_at: Vec<&Run> = decision.ended.iter().chain(&decision.shown_again).collect();
    runs::are_current(db, &looked_at).await
}

/// Stores a pull request over the state of that revision, 0 where there was none. False where it is
/// not at that revision any more.
async fn remember_pull_request(
    db: &Db,
    organization: &str,
    Remembered { pull_request, as_of }: &Remembered,
    revision: i64,
) -> Result<bool, Failure> {
    let sql = match revision {
        0 => {
            "INSERT INTO pull_request (organization, repository, id, as_of, revision, body)
             VALUES ($1, $2, $3, $4, $6 + 1, $5) ON CONFLICT DO NOTHING"
        }
        _ => {
            "UPDATE pull_request SET as_of = $4, revision = revision + 1, body = $5
             WHERE organization = $1 AND repository = $2 AND id = $3 AND revision = $6"
        }
    };
    let (organization, repository) = (text(organization), text(&pull_request.repository.id));
    let body = to_json(pull_request)?;
    let (id, as_of, body) = (pull_request.id, as_of.micros(), text(&body));
    let of = params![organization, repository, id, as_of, body, revision];
    Ok(db.execute(sql, of).await? == 1)
}

/// The same for a ref.
async fn remember_ref(
    db: &Db,
    organization: &str,
    remembered: &RememberedRef,
    revision: i64,
) -> Result<bool, Failure> {
    let RememberedRef { repository, name, head, push_id, .. } = remembered;
    let sql = match revision {
        0 => {
            "INSERT INTO ref (organization, repository, name, head, push_id, revision, body)
             VALUES ($1, $2, $3, $4, $5, $7 + 1, $6) ON CONFLICT DO NOTHING"
        }
        _ => {
            "UPDATE ref SET head = $4, push_id = $5, revision = revision + 1, body = $6
             WHERE organization = $1 AND repository = $2 AND name = $3 AND revision = $7"
        }
    };
    let body = to_json(remembered)?;
    let (organization, repository) = (text(organization), text(&repository.id));
    let head = head.as_deref().map(text);
    let changed = db
        .execute(
            sql,
            params![organization, repository, text(name), head, *push_id, text(&body), revision],
        )
        .await?;
    Ok(changed == 1)
}

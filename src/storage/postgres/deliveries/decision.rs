//! The state that a decision is based on, and the commit of a decision: all or nothing.

use std::collections::BTreeMap;

use futures_util::future::try_join4;
use tokio_postgres::Row;

use super::names;
use crate::domain::decision::{Decision, KnownPullRequest, KnownRef, Remembered};
use crate::domain::pull_request::PullRequest;
use crate::domain::run::Run;
use crate::domain::run_keys::{pull_request_subject, ref_subject};
use crate::domain::time::Timestamp;
use crate::storage::postgres::audit;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{count, from_json, get, run, time_maybe, to_json};
use crate::storage::postgres::runs::{self, RunChanges};
use crate::storage::{Commit, DecisionCommit, PULL_REQUESTS_AT_MAX, Versioned};

/// Runs of one pull request or ref that a decision is based on, newest first.
const RUNS_MAX: i64 = 200;

/// One statement reads what is known and the runs, so both are of the same moment: the revision of
/// what is known stands for the runs that were planned until then. It has no number.
pub(super) async fn known_pull_request(
    db: &Db,
    organization: &str,
    repository: &str,
    id: i64,
) -> Result<Versioned<KnownPullRequest>, Failure> {
    let sql = "SELECT as_of, NULL::bigint AS number, revision, body FROM pull_request
            WHERE organization = $1 AND repository = $2 AND id = $3
        UNION ALL SELECT NULL, * FROM (SELECT number, revision, body FROM run
            WHERE organization = $1 AND subject = $4 ORDER BY number DESC LIMIT $5) AS newest
        ORDER BY number DESC";
    let subject = pull_request_subject(repository, id);
    let subject = text(&subject);
    let (organization, repository) = (text(organization), text(repository));
    let of = params![organization, repository, id, subject, RUNS_MAX];
    let (known, runs) = known_and_runs(db.rows(sql, of).await?)?;
    let (remembered, revision) = match known {
        Some(row) => {
            let as_of = time_maybe(&row, 0)?.unwrap_or(Timestamp::ZERO);
            let pull_request = from_json(get(&row, 3)?)?;
            (Some(Remembered { pull_request, as_of }), get(&row, 2)?)
        }
        None => (None, 0),
    };
    Ok(Versioned { value: KnownPullRequest { remembered, runs, ..Default::default() }, revision })
}

pub(super) async fn pull_requests_at(
    db: &Db,
    organization: &str,
    commit: &str,
) -> Result<Vec<PullRequest>, Failure> {
    // The condition is that of the index `pull_request_active` to the letter.
    let sql = "SELECT body FROM pull_request
         WHERE organization = $1 AND body::json ->> 'status' = 'active'
            AND body::json ->> 'source_commit' = $2 ORDER BY repository, id LIMIT $3";
    let (organization, commit) = (text(organization), text(commit));
    let limit = i64::try_from(PULL_REQUESTS_AT_MAX).unwrap_or(i64::MAX);
    let rows = db.rows(sql, params![organization, commit, limit]).await?;
    rows.iter().map(|row| from_json(get(row, 0)?)).collect()
}

/// The row without a number, and the runs in the others. The columns are `…, number, revision,
/// body`.
fn known_and_runs(rows: Vec<Row>) -> Result<(Option<Row>, Vec<Run>), Failure> {
    let (mut known, mut runs) = (None, Vec::new());
    for row in rows {
        match get::<Option<i64>>(&row, 1)? {
            Some(_) => runs.push(run(&row, 1)?),
            None => known = Some(row),
        }
    }
    Ok((known, runs))
}

pub(super) async fn known_refs(
    db: &Db,
    organization: &str,
    repository: &str,
    names: &[String],
) -> Result<Vec<Versioned<KnownRef>>, Failure> {
    let sql = "WITH asked AS (
            SELECT * FROM unnest($3, $4) WITH ORDINALITY AS asked (name, subject, at)
        )
        SELECT at, NULL::bigint AS number, revision, body FROM asked CROSS JOIN LATERAL (
            SELECT revision, body FROM ref WHERE organization = $1 AND repository = $2
                AND ref.name = asked.name LIMIT 1) AS known
        UNION ALL SELECT at, newest.* FROM asked CROSS JOIN LATERAL (
            SELECT number, revision, body FROM run WHERE organization = $1
                AND run.subject = asked.subject ORDER BY number DESC LIMIT $5) AS newest
        ORDER BY number DESC";
    let subjects: Vec<_> = names.iter().map(|name| ref_subject(repository, name)).collect();
    let subjects: Vec<_> = subjects.iter().map(|subject| text(subject)).collect();
    let asked: Vec<_> = names.iter().map(|name| text(name)).collect();
    let (organization, repository) = (text(organization), text(repository));
    let of = params![organization, repository, asked, subjects, RUNS_MAX];
    let mut of_names: BTreeMap<usize, Vec<Row>> = BTreeMap::new();
    for row in db.rows(sql, of).await? {
        of_names.entry(count(&row, 0)?).or_default().push(row);
    }
    let known = |at: usize| {
        let (known, runs) = known_and_runs(of_names.remove(&at).unwrap_or_default())?;
        let (remembered, revision) = match known {
            Some(row) => (Some(from_json(get(&row, 3)?)?), get(&row, 2)?),
            None => (None, 0),
        };
        Ok(Versioned { value: KnownRef { remembered, runs }, revision })
    };
    (1..=names.len()).map(known).collect()
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

/// Everything that the decision was based on is locked and compared first, in the order in which
/// all transactions lock. What is remembered is written by the statement that compares.
pub(super) async fn commit(db: &Db, commit: &DecisionCommit) -> Result<Commit, Failure> {
    let DecisionCommit { lease, organization, decision, now, .. } = commit;
    let Decision { planned, ended, shown_again, polled, without_run, .. } = decision;
    let changed: Vec<&Run> = ended.iter().chain(shown_again).chain(polled).collect();
    let held = "DELETE FROM inbox WHERE delivery = $1 AND lease = $2";
    let (held, is_pull_request_current, are_refs_current, are_runs_current) = try_join4(
        async { db.execute(held, params![lease.id.0, lease.number]).await },
        remember_pull_request(db, commit),
        remember_refs(db, commit),
        runs::are_current(db, &changed),
    )
    .await?;
    if held == 0 {
        db.roll_back().await?;
        return Ok(Commit::LeaseLost);
    }
    if !is_pull_request_current || !are_refs_current || !are_runs_current {
        return Err(Failure::Conflict);
    }
    let delivery = Some(lease.id);
    let now = *now;
    let changes = RunChanges { planned, ended, shown_again, polled, without_run, delivery, now };
    let name = async {
        match &commit.repository {
            Some(repository) => {
                names::store(db, organization, repository, commit.former_name.as_deref()).await
            }
            None => Ok(()),
        }
    };
    let audited = audit::insert(db, &decision.audit);
    try_join4(decide(db, commit), name, runs::store(db, &changes), audited).await?;
    Ok(Commit::Committed)
}

async fn decide(db: &Db, commit: &DecisionCommit) -> Result<(), Failure> {
    let Decision { outcome, event, reason, .. } = &commit.decision;
    // The ids of what it is about are a part of the statement, so that they cost no other one.
    let sql = "WITH about AS (
            INSERT INTO about (delivery, subject) SELECT $1, subject FROM unnest($7) AS subject)
        INSERT INTO decision (delivery, outcome, event, reason, decided_at, checks)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let checks = match commit.decision.checks.as_slice() {
        [] => None,
        checks => Some(to_json(&checks)?),
    };
    let checks = checks.as_deref().map(text);
    let (id, now) = (commit.lease.id.0, commit.now.micros());
    let (outcome, event) = (text(outcome.as_str()), text(event.as_str()));
    let reason = text(reason);
    let row = params![id, outcome, event, reason, now, checks, commit.about];
    db.execute(sql, row).await?;
    Ok(())
}

/// Stores the pull request that the decision remembers, unless its revision has changed. Where none
/// is expected, one that another decision inserts at the same time is waited for, and counts as a
/// change.
async fn remember_pull_request(db: &Db, commit: &DecisionCommit) -> Result<bool, Failure> {
    let Some(Remembered { pull_request, as_of }) = &commit.decision.pull_request else {
        return Ok(true);
    };
    let sql = "INSERT INTO pull_request (organization, repository, id, as_of, revision, body)
        SELECT $1, $2, $3, $4, $6 + 1, $5 WHERE $6 = 0 OR EXISTS (SELECT FROM pull_request
            WHERE organization = $1 AND repository = $2 AND id = $3)
        ON CONFLICT (organization, repository, id) DO UPDATE
        SET as_of = excluded.as_of, revision = excluded.revision, body = excluded.body
        WHERE pull_request.revision = $6";
    let (organization, id) = (text(&commit.organization), pull_request.id);
    let (repository, as_of) = (text(&pull_request.repository.id), as_of.micros());
    let (body, revision) = (to_json(pull_request)?, commit.pull_request_revision);
    let body = text(&body);
    let row = params![organization, repository, id, as_of, body, revision];
    Ok(db.execute(sql, row).await? == 1)
}

/// The same for the refs that the decision remembers, in the order of their names.
async fn remember_refs(db: &Db, commit: &DecisionCommit) -> Result<bool, Failure> {
    let named = commit.decision.refs.iter();
    // A push may name a ref twice: the last one counts.
    let refs: BTreeMap<_, _> =
        named.map(|one| ((text(&one.repository.id), text(&one.name)), one)).collect();
    if refs.is_empty() {
        return Ok(true);
    }
    let sql = "INSERT INTO ref (organization, repository, name, head, push_id, revision, body)
        SELECT $1, repository, name, head, push_id, given.revision + 1, body
        FROM unnest($2, $3, $4, $5, $6, $7)
            AS given (repository, name, head, push_id, revision, body)
        WHERE given.revision = 0 OR EXISTS (SELECT FROM ref WHERE organization = $1
            AND ref.repository = given.repository AND ref.name = given.name)
        ON CONFLICT (organization, repository, name) DO UPDATE
        SET head = excluded.head, push_id = excluded.push_id, revision = excluded.revision,
            body = excluded.body
        WHERE ref.revision = excluded.revision - 1";
    let (repositories, names): (Vec<_>, Vec<_>) = refs.keys().cloned().unzip();
    let heads: Vec<_> = refs.values().map(|one| one.head.as_deref().map(text)).collect();
    let pushes: Vec<_> = refs.values().map(|one| one.push_id).collect();
    let based_on = |name: &str| commit.ref_revisions.iter().find(|(known, _)| known == name);
    let revisions = refs.values().map(|one| based_on(&one.name).map_or(0, |(_, number)| *number));
    let revisions: Vec<i64> = revisions.collect();
    let bodies = refs.values().map(|one| to_json(*one)).collect::<Result<Vec<_>, _>>()?;
    let bodies: Vec<_> = bodies.iter().map(|body| text(body)).collect();
    let organization = text(&commit.organization);
    let rows = params![organization, repositories, names, heads, pushes, revisions, bodies];
    Ok(usize::try_from(db.execute(sql, rows).await?).is_ok_and(|stored| stored == refs.len()))
}

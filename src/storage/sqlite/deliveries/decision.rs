//! The state that a decision is based on, and the commit of a decision: all or nothing.

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{inbox, names};
use crate::domain::decision::{Decision, KnownPullRequest, KnownRef, Remembered, RememberedRef};
use crate::domain::pull_request::PullRequest;
use crate::domain::run::Run;
use crate::domain::run_keys::{pull_request_subject, ref_subject};
use crate::domain::slot::Request;
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{from_json, limit, run, time, time_maybe, to_json};
use crate::storage::sqlite::statuses::slots;
use crate::storage::sqlite::{audit, runs};
use crate::storage::{Commit, DecisionCommit, PULL_REQUESTS_AT_MAX, Versioned};

/// Runs of one pull request or ref that a decision is based on, newest first.
const RUNS_MAX: i64 = 200;

pub(super) fn known_pull_request(
    db: &Connection,
    organization: &str,
    repository: &str,
    id: i64,
) -> rusqlite::Result<Versioned<KnownPullRequest>> {
    let found = db
        .prepare_cached(
            "SELECT revision, as_of, body FROM pull_request
             WHERE organization = ?1 AND repository = ?2 AND id = ?3",
        )?
        .query_row(params![organization, repository, id], |row| {
            let body: String = row.get(2)?;
            let pull_request = from_json(2, &body)?;
            Ok((row.get(0)?, Remembered { pull_request, as_of: time(row, 1)? }))
        })
        .optional()?;
    let runs = runs_of(db, organization, &pull_request_subject(repository, id))?;
    let (revision, remembered) =
        found.map_or((0, None), |(revision, known)| (revision, Some(known)));
    Ok(Versioned { value: KnownPullRequest { remembered, runs, ..Default::default() }, revision })
}

pub(super) fn pull_requests_at(
    db: &Connection,
    organization: &str,
    commit: &str,
) -> rusqlite::Result<Vec<PullRequest>> {
    db.prepare_cached(
        // The condition is that of the index to the letter (see `repositories::known`).
        "SELECT body FROM pull_request INDEXED BY pull_request_active
         WHERE organization = ?1 AND json_extract(body, '$.status') = 'active'
            AND json_extract(body, '$.source_commit') = ?2 ORDER BY repository, id LIMIT ?3",
    )?
    .query_map(params![organization, commit, limit(PULL_REQUESTS_AT_MAX)], |row| {
        let body: String = row.get(0)?;
        from_json(0, &body)
    })?
    .collect()
}

pub(super) fn known_refs(
    db: &Connection,
    organization: &str,
    repository: &str,
    names: &[String],
) -> rusqlite::Result<Vec<Versioned<KnownRef>>> {
    let known = |name: &String| {
        let found = db
            .prepare_cached(
                "SELECT revision, body FROM ref
                 WHERE organization = ?1 AND repository = ?2 AND name = ?3",
            )?
            .query_row(params![organization, repository, name], |row| {
                let body: String = row.get(1)?;
                Ok((row.get(0)?, from_json::<RememberedRef>(1, &body)?))
            })
            .optional()?;
        let runs = runs_of(db, organization, &ref_subject(repository, name))?;
        let (revision, remembered) =
            found.map_or((0, None), |(revision, known)| (revision, Some(known)));
        Ok(Versioned { value: KnownRef { remembered, runs }, revision })
    };
    names.iter().map(known).collect()
}

pub(super) fn watched_since(
    db: &Connection,
    organization: &str,
    repository: &str,
) -> rusqlite::Result<Option<Timestamp>> {
    let since: Option<Option<Timestamp>> = db
        .prepare_cached(
            "SELECT since FROM watched_repository WHERE organization = ?1 AND repository = ?2",
        )?
        .query_row([organization, repository], |row| time_maybe(row, 0))
        .optional()?;
    Ok(since.flatten())
}

fn runs_of(db: &Connection, organization: &str, subject: &str) -> rusqlite::Result<Vec<Run>> {
    db.prepare_cached(
        "SELECT number, revision, body FROM run WHERE organization = ?1 AND subject = ?2
         ORDER BY number DESC LIMIT ?3",
    )?
    .query_map(params![organization, subject, RUNS_MAX], run)?
    .collect()
}

pub(super) fn commit(db: &Connection, commit: &DecisionCommit) -> rusqlite::Result<Commit> {
    let held = db
        .prepare_cached("SELECT 1 FROM inbox WHERE delivery = ?1 AND lease = ?2")?
        .exists(params![commit.lease.id.0, commit.lease.number])?;
    if !held {
        return Ok(Commit::LeaseLost);
    }
    if !is_current(db, commit)? {
        return Ok(Commit::Conflict);
    }
    let decision = &commit.decision;
    db.prepare_cached("DELETE FROM inbox WHERE delivery = ?1")?.execute([commit.lease.id.0])?;
    let checks = match decision.checks.as_slice() {
        [] => None,
        checks => Some(to_json(&checks)?),
    };
    inbox::decide(
        db,
        commit.lease.id,
        decision.outcome,
        Some(decision.event.as_str()),
        &decision.reason,
        checks.as_deref(),
        commit.now,
    )?;
    for subject in &commit.about {
        db.prepare_cached("INSERT INTO about (delivery, subject) VALUES (?1, ?2)")?
            .execute([commit.lease.id.0, *subject])?;
    }
    if let Some(repository) = &commit.repository {
        let before = commit.former_name.as_deref();
        names::store(db, &commit.organization, repository, before)?;
    }
    if let Some(remembered) = &decision.pull_request {
        remember_pull_request(db, &commit.organization, remembered)?;
    }
    for remembered in &decision.refs {
        remember_ref(db, &commit.organization, remembered)?;
    }
    for ended in &decision.ended {
        runs::update(db, ended, None)?;
    }
    for planned in &decision.planned {
        runs::insert(db, planned, Some(commit.lease.id))?;
    }
    for polled in &decision.polled {
        runs::update(db, polled, Some(commit.now))?;
    }
    for run in &decision.shown_again {
        runs::show_again(db, run, commit.now)?;
    }
    for status in &decision.without_run {
        slots::queue(db, status, Request::UnlessRunning, commit.now)?;
    }
    for entry in &decision.audit {
        audit::insert(db, entry)?;
    }
    Ok(Commit::Committed)
}

/// Whether everything that the decision was based on is unchanged.
fn is_current(db: &Connection, commit: &DecisionCommit) -> rusqlite::Result<bool> {
    let organization = &commit.organization;
    if let Some(Remembered { pull_request, .. }) = &commit.decision.pull_request {
        let of_row = "SELECT revision FROM pull_request
             WHERE organization = ?1 AND repository = ?2 AND id = ?3";
        let row = params![organization, pull_request.repository.id, pull_request.id];
        if revision(db, of_row, row)? != commit.pull_request_revision {
            return Ok(false);
        }
    }
    for remembered in &commit.decision.refs {
        let of_row = "SELECT revision FROM ref
             WHERE organization = ?1 AND repository = ?2 AND name = ?3";
        let row = params![organization, remembered.repository.id, remembered.name];
        let based_on = commit.ref_revisions.iter().find(|(name, _)| *name == remembered.name);
        if revision(db, of_row, row)? != based_on.map_or(0, |(_, revision)| *revision) {
            return Ok(false);
        }
    }
    let Decision { ended, shown_again, polled, .. } = &commit.decision;
    for run in ended.iter().chain(shown_again).chain(polled) {
        if !runs::is_at(db, run)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The revision of a row; 0 where there is none.
fn revision(db: &Connection, of_row: &str, row: impl Params) -> rusqlite::Result<i64> {
    let found = db.prepare_cached(of_row)?.query_row(row, |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}

fn remember_pull_request(
    db: &Connection,
    organization: &str,
    remembered: &Remembered,
) -> rusqlite::Result<()> {
    let Remembered { pull_request, as_of } = remembered;
    db.prepare_cached(
        "INSERT INTO pull_request (organization, repository, id, as_of, revision, body)
         VALUES (?1, ?2, ?3, ?4, 1, ?5) ON CONFLICT DO UPDATE
         SET as_of = excluded.as_of, revision = revision + 1, body = excluded.body",
    )?
    .execute(params![
        organization,
        pull_request.repository.id,
        pull_request.id,
        as_of.micros(),
        to_json(pull_request)?
    ])?;
    Ok(())
}

fn remember_ref(
    db: &Connection,
    organization: &str,
    remembered: &RememberedRef,
) -> rusqlite::Result<()> {
    let RememberedRef { repository, name, head, push_id, .. } = remembered;
    db.prepare_cached(
        "INSERT INTO ref (organization, repository, name, head, push_id, revision, body)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6) ON CONFLICT DO UPDATE
         SET head = excluded.head, push_id = excluded.push_id, revision = revision + 1,
             body = excluded.body",
    )?
    .execute(params![
        organization,
        repository.id,
        name,
        head,
        push_id,
        to_json(remembered)?
    ])?;
    Ok(())
}

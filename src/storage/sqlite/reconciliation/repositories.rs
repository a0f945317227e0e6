//! Repositories that catch-up watches: since when, how far they were read, and what is known of
//! them.

use rusqlite::{Connection, params};

use crate::domain::decision::Remembered;
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::sqlite::deliveries::inbox::{self, Inserted, NewRow};
use crate::storage::sqlite::deliveries::names;
use crate::storage::sqlite::engine::rows::{from_json, time, time_maybe};
use crate::storage::{KnownRepository, WatchRow, Watermark};

pub(super) fn watch(
    db: &Connection,
    organization: &str,
    repositories: &[Repository],
    now: Timestamp,
) -> rusqlite::Result<Vec<WatchRow>> {
    let mut rows = Vec::with_capacity(repositories.len());
    for repository in repositories {
        // Most repositories are watched already: nothing is written for them.
        db.prepare_cached(
            "INSERT INTO watched_repository (organization, repository, since) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET since = excluded.since WHERE since IS NULL",
        )?
        .execute(params![organization, repository.id, now.micros()])?;
        names::store(db, organization, repository, None)?;
        names::store_project(db, organization, repository)?;
        let (since, read_until) = db
            .prepare_cached(
                "SELECT since, read_until FROM watched_repository
                 WHERE organization = ?1 AND repository = ?2",
            )?
            .query_row([organization, &repository.id], |row| {
                Ok((time(row, 0)?, time_maybe(row, 1)?))
            })?;
        let former_names = names::former(db, organization, repository)?;
        rows.push(WatchRow { repository: repository.clone(), since, read_until, former_names });
    }
    Ok(rows)
}

pub(super) fn known(
    db: &Connection,
    organization: &str,
    repository: &str,
) -> rusqlite::Result<KnownRepository> {
    // Both queries see the same state.
    let db = db.unchecked_transaction()?;
    let pull_requests = db
        .prepare_cached(
            // The condition is that of the index to the letter. Without statistics and without
            // INDEXED BY, SQLite would read every pull request that is stored.
            "SELECT as_of, body FROM pull_request INDEXED BY pull_request_active
             WHERE organization = ?1 AND repository = ?2
                AND json_extract(body, '$.status') = 'active' ORDER BY id",
        )?
        .query_map([organization, repository], |row| {
            let body: String = row.get(1)?;
            Ok(Remembered { pull_request: from_json(1, &body)?, as_of: time(row, 0)? })
        })?
        .collect::<Result<_, _>>()?;
    let refs = db
        .prepare_cached(
            "SELECT body FROM ref
             WHERE organization = ?1 AND repository = ?2 AND head IS NOT NULL
                AND (name GLOB 'refs/heads/*' OR name GLOB 'refs/tags/*') ORDER BY name",
        )?
        .query_map([organization, repository], |row| {
            let body: String = row.get(0)?;
            from_json(0, &body)
        })?
        .collect::<Result<_, _>>()?;
    Ok(KnownRepository { pull_requests, refs })
}

pub(super) fn commit(
    db: &Connection,
    found: &[NewRow],
    watermarks: &[Watermark],
) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut ids = Vec::with_capacity(found.len());
    for delivery in found {
        // Deliveries of catch-up have no key, so each is new.
        if let Inserted::New(id) = inbox::insert(db, delivery)? {
            ids.push(id);
        }
    }
    for Watermark { organization, repository, read_until } in watermarks {
        db.prepare_cached(
            "INSERT INTO watched_repository (organization, repository, read_until)
             VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET read_until = excluded.read_until
             WHERE read_until IS NULL OR read_until < excluded.read_until",
        )?
        .execute(params![organization, repository, read_until.micros()])?;
    }
    Ok(ids)
}

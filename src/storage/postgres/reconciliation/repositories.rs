//! Repositories that catch-up watches: since when, how far they were read, and what is known of
//! them.

use std::collections::HashMap;

use tokio_postgres::Row;

use crate::domain::decision::Remembered;
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::postgres::deliveries::{inbox, names};
use crate::storage::postgres::engine::db::{Db, Param, param, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, time, time_maybe};
use crate::storage::{CatchUpDelivery, KnownRepository, WatchRow, Watermark};

pub(super) async fn watch(
    db: &Db,
    organization: &str,
    repositories: &[Repository],
    now: Timestamp,
) -> Result<Vec<WatchRow>, Failure> {
    let mut ids: Vec<_> = repositories.iter().map(|one| text(&one.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    // Most repositories are watched already: nothing is written for them.
    let sql = "INSERT INTO watched_repository (organization, repository, since)
         SELECT $1, id, $3 FROM unnest($2::text[]) AS id
         WHERE NOT EXISTS (SELECT 1 FROM watched_repository AS known
            WHERE lower(known.organization) = lower($1) AND known.repository = id
                AND known.since IS NOT NULL)
         ON CONFLICT (lower(organization), repository) DO UPDATE SET since = excluded.since
         WHERE watched_repository.since IS NULL";
    db.execute(sql, params![text(organization), ids, now.micros()]).await?;
    let sql = "SELECT repository, since, read_until FROM watched_repository
         WHERE lower(organization) = lower($1) AND repository = ANY ($2)";
    let rows = db.rows(sql, params![text(organization), ids]).await?;
    let watched = rows.iter().map(|row| Ok((get(row, 0)?, (time(row, 1)?, time_maybe(row, 2)?))));
    let watched: HashMap<&str, _> = watched.collect::<Result<_, Failure>>()?;
    let mut found = Vec::with_capacity(repositories.len());
    for repository in repositories {
        names::store(db, organization, repository, None).await?;
        names::store_project(db, organization, repository).await?;
        let known = watched.get(text(&repository.id).as_ref());
        let (since, read_until) = known.copied().unwrap_or((now, None));
        let former_names = names::former(db, organization, repository).await?;
        found.push(WatchRow { repository: repository.clone(), since, read_until, former_names });
    }
    Ok(found)
}

/// Has to run in a snapshot, so that both queries see the same state.
pub(super) async fn known(
    db: &Db,
    organization: &str,
    repository: &str,
) -> Result<KnownRepository, Failure> {
    // The condition is that of the index `pull_request_active` to the letter.
    let active = "SELECT as_of, body FROM pull_request
         WHERE organization = $1 AND repository = $2 AND body::json ->> 'status' = 'active'
         ORDER BY id";
    let refs = "SELECT body FROM ref
         WHERE organization = $1 AND repository = $2 AND head IS NOT NULL
            AND (starts_with(name, 'refs/heads/') OR starts_with(name, 'refs/tags/'))
         ORDER BY name";
    let (organization, repository) = (text(organization), text(repository));
    let of: &[Param<'_>] = &[param(&organization), param(&repository)];
    let (active, refs) =
        futures_util::future::try_join(db.rows(active, of), db.rows(refs, of)).await?;
    let remembered =
        |row: &Row| Ok(Remembered { as_of: time(row, 0)?, pull_request: json(row, 1)? });
    Ok(KnownRepository {
        pull_requests: active.iter().map(remembered).collect::<Result<_, Failure>>()?,
        refs: refs.iter().map(|row| json(row, 0)).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn commit(
    db: &Db,
    found: &[CatchUpDelivery],
    watermarks: &[Watermark],
) -> Result<Vec<DeliveryId>, Failure> {
    let ids = inbox::insert_found(db, found).await?;
    let mut sorted: Vec<&Watermark> = watermarks.iter().collect();
    sorted.sort_by(|one, other| {
        (&one.organization, &one.repository).cmp(&(&other.organization, &other.repository))
    });
    for Watermark { organization, repository, read_until } in sorted {
        let sql = "INSERT INTO watched_repository (organization, repository, read_until)
             VALUES ($1, $2, $3)
             ON CONFLICT (lower(organization), repository) DO UPDATE
             SET read_until = excluded.read_until
             WHERE watched_repository.read_until IS NULL
                OR watched_repository.read_until < excluded.read_until";
        db.execute(sql, params![text(organization), text(repository), read_until.micros()]).await?;
    }
    Ok(ids)
}

//! Repositories that catch-up watches: since when, how far they were read, and what is known of
//! them.

use futures_util::future::{try_join, try_join_all};
use tokio_postgres::Row;

use crate::domain::decision::Remembered;
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::repository_names::{self, Names};
use crate::domain::time::Timestamp;
use crate::storage::postgres::deliveries::{inbox, names};
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, time, time_maybe};
use crate::storage::{CatchUpDelivery, KnownRepository, WatchRow, Watermark};

pub(super) async fn watch(
    db: &Db,
    organization: &str,
    repositories: &[Repository],
    now: Timestamp,
) -> Result<Vec<WatchRow>, Failure> {
    let stored = load(db, organization, repositories).await?;
    let seen = || repositories.iter().zip(&stored);
    let mut new: Vec<&Repository> =
        seen().filter(|(repository, stored)| stored.is_news(repository)).map(|one| one.0).collect();
    if new.is_empty() {
        // As mostly: all are watched already, and are called as before.
        return Ok(seen().map(|(repository, stored)| stored.row(repository, now)).collect());
    }
    // In one order, so that two transactions do not wait for each other in a circle.
    new.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    new.dedup_by(|one, other| one.id == other.id);
    let ids: Vec<_> = new.iter().map(|repository| text(&repository.id)).collect();
    let sql = "INSERT INTO watched_repository (organization, repository, since)
         SELECT $1, id, $3 FROM unnest($2::text[]) AS id
         ON CONFLICT (lower(organization), repository) DO UPDATE SET since = excluded.since
         WHERE watched_repository.since IS NULL";
    db.execute(sql, params![text(organization), ids, now.micros()]).await?;
    try_join_all(new.iter().map(|one| names::store(db, organization, one, None))).await?;
    new.sort_unstable_by(|one, other| one.project_id.cmp(&other.project_id));
    try_join_all(new.iter().map(|one| names::store_project(db, organization, one))).await?;
    let stored = load(db, organization, repositories).await?;
    Ok(repositories.iter().zip(&stored).map(|(one, stored)| stored.row(one, now)).collect())
}

/// What is stored of a repository that Azure DevOps lists.
struct Stored {
    since: Option<Timestamp>,
    read_until: Option<Timestamp>,
    names: Option<Names>,
    project_id: Option<String>,
    /// The name of the project that it is listed in.
    project: Option<String>,
}

impl Stored {
    /// Whether the list says anything that is not stored.
    fn is_news(&self, listed: &Repository) -> bool {
        self.since.is_none()
            || repository_names::after_seen(self.names.clone(), listed, None).is_some()
            || self.names.is_some() && self.project_id.as_ref() != Some(&listed.project_id)
            || self.project.as_ref() != Some(&listed.project)
    }

    fn row(&self, listed: &Repository, now: Timestamp) -> WatchRow {
        WatchRow {
            repository: listed.clone(),
            since: self.since.unwrap_or(now),
            read_until: self.read_until,
            former_names: repository_names::former(self.names.clone(), listed),
        }
    }
}

/// The stored state of each repository, in the order given. The statement makes the database use an
/// index for each one, even while its statistics say that the table is small.
async fn load(
    db: &Db,
    organization: &str,
    repositories: &[Repository],
) -> Result<Vec<Stored>, Failure> {
    let ids: Vec<_> = repositories.iter().map(|one| text(&one.id)).collect();
    let projects: Vec<_> = repositories.iter().map(|one| text(&one.project_id)).collect();
    let sql = "SELECT watched.since, watched.read_until, repository.name, repository.former,
            repository.project, project.name
         FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS listed (id, project, position)
         LEFT JOIN LATERAL (SELECT since, read_until FROM watched_repository
            WHERE lower(organization) = lower($1) AND repository = listed.id LIMIT 1) AS watched
            ON true
         LEFT JOIN LATERAL (SELECT name, former, project FROM repository
            WHERE organization = $1 AND id = listed.id LIMIT 1) AS repository ON true
         LEFT JOIN LATERAL (SELECT name FROM project
            WHERE organization = $1 AND id = listed.project LIMIT 1) AS project ON true
         ORDER BY listed.position";
    let rows = db.rows(sql, params![text(organization), ids, projects]).await?;
    let stored = |row: &Row| {
        let present: Option<String> = get(row, 2)?;
        let names = |present| Ok::<_, Failure>(Names { present, former: json(row, 3)? });
        Ok(Stored {
            since: time_maybe(row, 0)?,
            read_until: time_maybe(row, 1)?,
            names: present.map(names).transpose()?,
            project_id: get(row, 4)?,
            project: get(row, 5)?,
        })
    };
    rows.iter().map(stored).collect()
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
    let of = params![organization, repository];
    let (active, refs) = try_join(db.rows(active, of), db.rows(refs, of)).await?;
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
    if watermarks.is_empty() {
        return Ok(ids);
    }
    let organizations: Vec<_> = watermarks.iter().map(|one| text(&one.organization)).collect();
    let repositories: Vec<_> = watermarks.iter().map(|one| text(&one.repository)).collect();
    let read_until: Vec<i64> = watermarks.iter().map(|one| one.read_until.micros()).collect();
    // In the order of the keys, so that two transactions do not wait for each other in a circle.
    let sql = "INSERT INTO watched_repository (organization, repository, read_until)
         SELECT max(organization), repository, max(read_until)
         FROM unnest($1::text[], $2::text[], $3::bigint[])
            AS mark (organization, repository, read_until)
         GROUP BY lower(organization), repository
         ORDER BY lower(organization), repository
         ON CONFLICT (lower(organization), repository) DO UPDATE
         SET read_until = excluded.read_until
         WHERE watched_repository.read_until IS NULL
            OR watched_repository.read_until < excluded.read_until";
    db.execute(sql, params![organizations, repositories, read_until]).await?;
    Ok(ids)
}

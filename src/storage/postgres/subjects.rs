//! Finds repositories, pull requests and branches by the names that people have at hand.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::Postgres;
use super::engine::db::{Db, Param, param, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, json, limit, run, time_maybe};
use super::engine::search::{Keys, Search, Where};
use super::runs::list::TIMES;
use super::statuses::list::status_row;
use crate::domain::event::Repository;
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::storage::{
    Between, Error, FOUND_MAX, Named, Page, Paged, RepositoryRow, STATUSES_MAX, StatusRow, Subjects,
};

#[async_trait]
impl Subjects for Postgres {
    async fn repository_called(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<Option<RepositoryRow>, Error> {
        let of = [organization.to_owned(), project.to_owned(), repository.to_owned()];
        self.pool.read(of, |db, of| async move { repository_called(&db, &of).await }).await
    }

    async fn pull_requests_numbered(&self, id: i64) -> Result<Vec<Named<i64>>, Error> {
        let found = self.pool.read(id, |db, id| async move {
            named(&db, PULL_REQUESTS, param(&*id), |row| get(row, 5)).await
        });
        found.await
    }

    async fn refs_named(&self, name: &str) -> Result<Vec<Named<String>>, Error> {
        let found = self.pool.read(name.to_owned(), |db, name| async move {
            named(&db, REFS, param(&text(&name)), |row| get(row, 5)).await
        });
        found.await
    }

    async fn runs_of_commits(&self, beginning: &str) -> Result<Vec<Run>, Error> {
        let beginning = beginning.to_owned();
        self.pool.read(beginning, |db, of| async move { runs_of_commits(&db, &of).await }).await
    }

    async fn newest_runs(
        &self,
        organization: Option<String>,
        repository: Option<String>,
        page: Page,
    ) -> Result<Paged<Run>, Error> {
        let wanted = Where::default()
            .and("lower(organization) = lower(?)", organization)
            .and("body::json #>> '{repository,id}' = ?", repository)
            .and(IS_NEWEST, Some(SUBJECTS_END));
        let (select, keys) =
            ("SELECT run.number, revision, body FROM run", Keys::all("run", "number"));
        let (times, between) = (TIMES, Between::default());
        let search =
            Search { select, key: "run.number", keys, fallback: None, wanted, times, between };
        let found = self.pool.read_snapshot((search, page), |db, of| async move {
            of.0.page(&db, of.1, |row| run(row, 0)).await
        });
        found.await
    }

    async fn runs_of_subjects(
        &self,
        subjects: Vec<(String, String)>,
        each: usize,
    ) -> Result<Vec<Run>, Error> {
        let found = self.pool.read((subjects, each), |db, of| async move {
            runs_of_subjects(&db, &of.0, of.1).await
        });
        found.await
    }

    async fn statuses_of_runs(&self, runs: Vec<RunId>) -> Result<Vec<StatusRow>, Error> {
        self.pool.read(runs, |db, runs| async move { statuses_of_runs(&db, &runs).await }).await
    }
}

/// The names of a repository, and those of its project, as far as they are known.
const REPOSITORY: &str = "SELECT repository.organization, repository.id, repository.name,
        repository.project, project.name";
const PROJECT: &str = "LEFT JOIN project ON project.organization = repository.organization
        AND project.id = repository.project";

fn repository(row: &Row) -> Result<Repository, Failure> {
    let full_name: &str = get(row, 2)?;
    let (project, name) = full_name.split_once('/').unwrap_or(("", full_name));
    let listed: Option<String> = get(row, 4)?;
    let project_id: Option<String> = get(row, 3)?;
    Ok(Repository {
        id: get(row, 1)?,
        name: name.to_owned(),
        project_id: project_id.unwrap_or_default(),
        project: listed.unwrap_or_else(|| project.to_owned()),
    })
}

async fn repository_called(
    db: &Db,
    [organization, project, name]: &[String; 3],
) -> Result<Option<RepositoryRow>, Failure> {
    let sql = format!(
        "{REPOSITORY}, repository.former, watched.since, watched.read_until FROM repository
         {PROJECT} LEFT JOIN watched_repository AS watched
            ON lower(watched.organization) = lower($1) AND watched.repository = repository.id
         WHERE repository.organization = $1 AND (repository.id = lower($2)
            OR lower(split_part(repository.name, '/', 2)) = lower($2))
         ORDER BY repository.id"
    );
    for row in db.rows(&sql, params![text(organization), text(name)]).await? {
        let repository = repository(&row)?;
        if repository.is_meant_by(project, name) {
            return Ok(Some(RepositoryRow {
                repository,
                former_names: json(&row, 5)?,
                since: time_maybe(&row, 6)?,
                read_until: time_maybe(&row, 7)?,
            }));
        }
    }
    Ok(None)
}

/// `LIMIT 1` has each repository looked up by its key, instead of all rows read.
const PULL_REQUESTS: &str = "found.id FROM repository CROSS JOIN LATERAL
        (SELECT id FROM pull_request WHERE pull_request.organization = repository.organization
            AND pull_request.repository = repository.id AND pull_request.id = $1 LIMIT 1) AS found";
const REFS: &str = "found.name FROM repository CROSS JOIN LATERAL
        (SELECT name FROM ref WHERE ref.organization = repository.organization
            AND ref.repository = repository.id AND ref.name = $1 LIMIT 1) AS found";

async fn named<T>(
    db: &Db,
    found: &str,
    by: Param<'_>,
    read: fn(&Row) -> Result<T, Failure>,
) -> Result<Vec<Named<T>>, Failure> {
    let sql = format!(
        "{REPOSITORY}, {found} {PROJECT}
         ORDER BY repository.organization, repository.id LIMIT $2"
    );
    let rows = db.rows(&sql, &[by, param(&limit(FOUND_MAX))]).await?;
    let named = |row: &Row| {
        let (organization, repository) = (get(row, 0)?, repository(row)?);
        Ok(Named { organization, repository, value: read(row)? })
    };
    rows.iter().map(named).collect()
}

/// Texts are compared by their bytes (`COLLATE "C"`), as the index has them.
async fn runs_of_commits(db: &Db, beginning: &str) -> Result<Vec<Run>, Failure> {
    let sql = "SELECT number, revision, body FROM run
         WHERE commit_start >= $1 AND commit_start < $1 || 'g' ORDER BY number DESC LIMIT $2";
    let rows = db.rows(sql, params![text(beginning), limit(FOUND_MAX)]).await?;
    rows.iter().map(|row| run(row, 0)).collect()
}

/// Whether a run is the newest of its pull request.
const IS_NEWEST: &str = "subject >= 'pull_request/' AND subject < ?
    AND NOT EXISTS (SELECT 1 FROM run AS newer WHERE newer.organization = run.organization
        AND newer.subject = run.subject AND newer.number > run.number)";
/// The end of the subjects of pull requests.
const SUBJECTS_END: &str = "pull_request0";

async fn runs_of_subjects(
    db: &Db,
    subjects: &[(String, String)],
    each: usize,
) -> Result<Vec<Run>, Failure> {
    let sql = "SELECT run.* FROM unnest($1::text[], $2::text[]) WITH ORDINALITY
            AS asked (organization, subject, position)
         CROSS JOIN LATERAL (SELECT number, revision, body FROM run
            WHERE run.organization = asked.organization AND run.subject = asked.subject
            ORDER BY number DESC LIMIT $3) AS run
         ORDER BY asked.position, run.number DESC";
    let organizations: Vec<_> = subjects.iter().map(|one| text(&one.0)).collect();
    let names: Vec<_> = subjects.iter().map(|one| text(&one.1)).collect();
    let rows = db.rows(sql, params![organizations, names, limit(each)]).await?;
    rows.iter().map(|row| run(row, 0)).collect()
}

async fn statuses_of_runs(db: &Db, runs: &[RunId]) -> Result<Vec<StatusRow>, Failure> {
    let sql = "SELECT status.* FROM unnest($1::bytea[]) AS asked (run)
         CROSS JOIN LATERAL (SELECT id, body, queued_at, posted_at, outcome, reason FROM status
            WHERE status.run = asked.run ORDER BY id LIMIT $2) AS status
         ORDER BY status.id LIMIT $2";
    let ids: Vec<Vec<u8>> = runs.iter().map(|run| run.0.as_bytes().to_vec()).collect();
    let rows = db.rows(sql, params![ids, limit(STATUSES_MAX)]).await?;
    rows.iter().map(status_row).collect()
}

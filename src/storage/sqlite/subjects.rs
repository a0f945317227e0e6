//! Finds repositories, pull requests and branches by the names that people have at hand.

use async_trait::async_trait;
use rusqlite::{Connection, Row, ToSql, params};

use super::Sqlite;
use super::engine::rows::{from_json, limit, run, time_maybe};
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
impl Subjects for Sqlite {
    async fn repository_called(
        &self,
        organization: &str,
        project: &str,
        repository: &str,
    ) -> Result<Option<RepositoryRow>, Error> {
        let of = [organization.to_owned(), project.to_owned(), repository.to_owned()];
        self.readers.read(move |db| repository_called(db, &of)).await
    }

    async fn pull_requests_numbered(&self, id: i64) -> Result<Vec<Named<i64>>, Error> {
        self.readers.read(move |db| named(db, PULL_REQUESTS, &id, |row| row.get(5))).await
    }

    async fn refs_named(&self, name: &str) -> Result<Vec<Named<String>>, Error> {
        let name = name.to_owned();
        self.readers.read(move |db| named(db, REFS, &name, |row| row.get(5))).await
    }

    async fn runs_of_commits(&self, beginning: &str) -> Result<Vec<Run>, Error> {
        let beginning = beginning.to_owned();
        self.readers.read(move |db| runs_of_commits(db, &beginning)).await
    }

    async fn newest_runs(
        &self,
        organization: Option<String>,
        repository: Option<String>,
        page: Page,
    ) -> Result<Paged<Run>, Error> {
        self.readers.read(move |db| newest_runs(db, organization, repository, page)).await
    }

    async fn runs_of_subjects(
        &self,
        subjects: Vec<(String, String)>,
        each: usize,
    ) -> Result<Vec<Run>, Error> {
        self.readers.read(move |db| runs_of_subjects(db, &subjects, each)).await
    }

    async fn statuses_of_runs(&self, runs: Vec<RunId>) -> Result<Vec<StatusRow>, Error> {
        self.readers.read(move |db| statuses_of_runs(db, &runs)).await
    }
}

/// The names of a repository, and those of its project, as far as they are known.
const REPOSITORY: &str = "SELECT repository.organization, repository.id, repository.name,
        repository.project, project.name";
const PROJECT: &str = "LEFT JOIN project ON project.organization = repository.organization
        AND project.id = repository.project";

fn repository(row: &Row<'_>) -> rusqlite::Result<Repository> {
    let full_name: String = row.get(2)?;
    let (project, name) = full_name.split_once('/').unwrap_or(("", &full_name));
    let listed: Option<String> = row.get(4)?;
    let project_id: Option<String> = row.get(3)?;
    Ok(Repository {
        id: row.get(1)?,
        name: name.to_owned(),
        project_id: project_id.unwrap_or_default(),
        project: listed.unwrap_or_else(|| project.to_owned()),
    })
}

fn repository_called(
    db: &Connection,
    [organization, project, name]: &[String; 3],
) -> rusqlite::Result<Option<RepositoryRow>> {
    let sql = format!(
        "{REPOSITORY}, repository.former, watched.since, watched.read_until FROM repository
         {PROJECT} LEFT JOIN watched_repository AS watched
            ON watched.organization = ?1 AND watched.repository = repository.id
         WHERE repository.organization = ?1 AND (repository.id = lower(?2)
            OR substr(repository.name, instr(repository.name, '/') + 1) = ?2 COLLATE NOCASE)
         ORDER BY repository.id"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![organization, name])?;
    while let Some(row) = rows.next()? {
        let repository = repository(row)?;
        if repository.is_meant_by(project, name) {
            let former: String = row.get(5)?;
            return Ok(Some(RepositoryRow {
                repository,
                former_names: from_json(5, &former)?,
                since: time_maybe(row, 6)?,
                read_until: time_maybe(row, 7)?,
            }));
        }
    }
    Ok(None)
}

/// `CROSS JOIN` has each repository looked up by its key, instead of all rows read.
const PULL_REQUESTS: &str = "pull_request.id FROM repository CROSS JOIN pull_request
        ON pull_request.organization = repository.organization
        AND pull_request.repository = repository.id AND pull_request.id = ?1";
const REFS: &str = "ref.name FROM repository CROSS JOIN ref
        ON ref.organization = repository.organization AND ref.repository = repository.id
        AND ref.name = ?1";

fn named<T>(
    db: &Connection,
    found: &str,
    by: &dyn ToSql,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<Named<T>>> {
    let sql = format!(
        "{REPOSITORY}, {found} {PROJECT}
         ORDER BY repository.organization, repository.id LIMIT ?2"
    );
    let row = |row: &Row<'_>| {
        let (organization, repository) = (row.get(0)?, repository(row)?);
        Ok(Named { organization, repository, value: read(row)? })
    };
    db.prepare_cached(&sql)?.query_map([by, &limit(FOUND_MAX)], row)?.collect()
}

fn runs_of_commits(db: &Connection, beginning: &str) -> rusqlite::Result<Vec<Run>> {
    db.prepare_cached(
        "SELECT number, revision, body FROM run
         WHERE commit_start >= ?1 AND commit_start < ?1 || 'g' ORDER BY number DESC LIMIT ?2",
    )?
    .query_map(params![beginning, limit(FOUND_MAX)], run)?
    .collect()
}

/// Whether a run is the newest of its pull request.
const IS_NEWEST: &str = "subject >= 'pull_request/' AND subject < ?
    AND NOT EXISTS (SELECT 1 FROM run AS newer WHERE newer.organization = run.organization
        AND newer.subject = run.subject AND newer.number > run.number)";
/// The end of the subjects of pull requests.
const SUBJECTS_END: &str = "pull_request0";

fn newest_runs(
    db: &Connection,
    organization: Option<String>,
    repository: Option<String>,
    page: Page,
) -> rusqlite::Result<Paged<Run>> {
    let wanted = Where::default()
        .and("organization = ? COLLATE NOCASE", organization)
        .and("json_extract(body, '$.repository.id') = ?", repository)
        .and(IS_NEWEST, Some(SUBJECTS_END.to_owned()));
    let (matches, keys) = ("SELECT 1 FROM run WHERE number = ?", Keys::all("run", "number"));
    let read = |key| {
        use rusqlite::OptionalExtension;
        db.prepare_cached("SELECT number, revision, body FROM run WHERE number = ?")?
            .query_row([key], run)
            .optional()
    };
    let (times, between) = (TIMES, Between::default());
    Search { matches, keys, fallback: None, wanted, times, between }.page(db, page, read)
}

fn runs_of_subjects(
    db: &Connection,
    subjects: &[(String, String)],
    each: usize,
) -> rusqlite::Result<Vec<Run>> {
    let mut statement = db.prepare_cached(
        "SELECT number, revision, body FROM run WHERE organization = ?1 AND subject = ?2
         ORDER BY number DESC LIMIT ?3",
    )?;
    let mut runs = Vec::new();
    for (organization, subject) in subjects {
        for found in statement.query_map(params![organization, subject, limit(each)], run)? {
            runs.push(found?);
        }
    }
    Ok(runs)
}

fn statuses_of_runs(db: &Connection, runs: &[RunId]) -> rusqlite::Result<Vec<StatusRow>> {
    let mut statement = db.prepare_cached(
        "SELECT id, body, queued_at, posted_at, outcome, reason FROM status WHERE run = ?1
         ORDER BY id LIMIT ?2",
    )?;
    let mut found = Vec::new();
    for run in runs {
        let rows =
            statement.query_map(params![run.0.as_bytes(), limit(STATUSES_MAX)], status_row)?;
        found.extend(rows.collect::<Result<Vec<_>, _>>()?);
        if found.len() >= STATUSES_MAX {
            break;
        }
    }
    found.sort_by_key(|row| row.id.0);
    found.truncate(STATUSES_MAX);
    Ok(found)
}

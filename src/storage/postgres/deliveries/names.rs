//! The present and the former names of repositories, and the projects that they belong to.

use crate::domain::event::Repository;
use crate::domain::repository_names::{self, Names};
use crate::domain::subscription::KnownProject;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, to_json};

const NAMES: &str = "SELECT name, former FROM repository WHERE organization = $1 AND id = $2";

async fn known(
    db: &Db,
    organization: &str,
    repository: &Repository,
) -> Result<Option<Names>, Failure> {
    let row = db.row(NAMES, params![text(organization), text(&repository.id)]).await?;
    row.map(|row| Ok(Names { present: get(&row, 0)?, former: json(&row, 1)? })).transpose()
}

pub(in crate::storage::postgres) async fn former(
    db: &Db,
    organization: &str,
    repository: &Repository,
) -> Result<Vec<String>, Failure> {
    Ok(repository_names::former(known(db, organization, repository).await?, repository))
}

/// Stores how a repository is called now. `before` is its former name, where a rename names it.
pub(in crate::storage::postgres) async fn store(
    db: &Db,
    organization: &str,
    repository: &Repository,
    before: Option<&str>,
) -> Result<(), Failure> {
    let seen = known(db, organization, repository).await?;
    if repository_names::after_seen(seen, repository, before).is_none() {
        return Ok(());
    }
    // Names change rarely: only then is it worth to have others wait, and to look again.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 2))";
    db.execute(lock, params![text(organization), text(&repository.id)]).await?;
    let known = known(db, organization, repository).await?;
    let Some(names) = repository_names::after_seen(known, repository, before) else {
        return Ok(());
    };
    let sql = "INSERT INTO repository (organization, id, name, former) VALUES ($1, $2, $3, $4)
         ON CONFLICT (organization, id) DO UPDATE
         SET name = excluded.name, former = excluded.former";
    let former = to_json(&names.former)?;
    db.execute(
        sql,
        params![text(organization), text(&repository.id), text(&names.present), text(&former)],
    )
    .await?;
    Ok(())
}

pub(super) async fn known_project(
    db: &Db,
    organization: &str,
    repository: &Repository,
) -> Result<KnownProject, Failure> {
    let sql = "SELECT
        (SELECT project FROM repository WHERE organization = $1 AND id = $2),
        (SELECT name FROM project WHERE organization = $1 AND id = $3),
        (SELECT id FROM project WHERE organization = $1 AND lower(name) = lower($4) LIMIT 1)";
    let Repository { id, project_id, project, .. } = repository;
    let (organization, id) = (text(organization), text(id));
    let (project_id, project) = (text(project_id), text(project));
    let of = params![organization, id, project_id, project];
    let Some(row) = db.row(sql, of).await? else { return Ok(KnownProject::default()) };
    Ok(KnownProject { of_repository: get(&row, 0)?, name: get(&row, 1)?, of_name: get(&row, 2)? })
}

/// Stores the project of a repository, as Azure DevOps lists it.
pub(in crate::storage::postgres) async fn store_project(
    db: &Db,
    organization: &str,
    Repository { id, project_id, project, .. }: &Repository,
) -> Result<(), Failure> {
    let sql = "UPDATE repository SET project = $3
         WHERE organization = $1 AND id = $2 AND project IS DISTINCT FROM $3";
    db.execute(sql, params![text(organization), text(id), text(project_id)]).await?;
    let sql = "INSERT INTO project (organization, id, name) VALUES ($1, $2, $3)
         ON CONFLICT (organization, id) DO UPDATE SET name = excluded.name
         WHERE project.name <> excluded.name";
    db.execute(sql, params![text(organization), text(project_id), text(project)]).await?;
    Ok(())
}

//! The present and the former names of repositories, and the projects that they belong to.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::Repository;
use crate::domain::repository_names::{self, Names};
use crate::domain::subscription::KnownProject;
use crate::storage::sqlite::engine::rows::{from_json, to_json};

fn known(
    db: &Connection,
    organization: &str,
    repository: &Repository,
) -> rusqlite::Result<Option<Names>> {
    let found: Option<(String, String)> = db
        .prepare_cached("SELECT name, former FROM repository WHERE organization = ?1 AND id = ?2")?
        .query_row([organization, &repository.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let names =
        |(present, former): (String, String)| Ok(Names { present, former: from_json(1, &former)? });
    found.map(names).transpose()
}

pub(in crate::storage::sqlite) fn former(
    db: &Connection,
    organization: &str,
    repository: &Repository,
) -> rusqlite::Result<Vec<String>> {
    Ok(repository_names::former(known(db, organization, repository)?, repository))
}

/// Stores how a repository is called now. `before` is its former name, where a rename names it.
pub(in crate::storage::sqlite) fn store(
    db: &Connection,
    organization: &str,
    repository: &Repository,
    before: Option<&str>,
) -> rusqlite::Result<()> {
    let known = known(db, organization, repository)?;
    let Some(names) = repository_names::after_seen(known, repository, before) else {
        return Ok(());
    };
    db.prepare_cached(
        "INSERT INTO repository (organization, id, name, former) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET name = excluded.name, former = excluded.former",
    )?
    .execute(params![organization, repository.id, names.present, to_json(&names.former)?])?;
    Ok(())
}

pub(super) fn known_project(
    db: &Connection,
    organization: &str,
    repository: &Repository,
) -> rusqlite::Result<KnownProject> {
    let text = |statement, key: &str| {
        let row = db.prepare_cached(statement)?.query_row([organization, key], |row| row.get(0));
        Ok::<_, rusqlite::Error>(row.optional()?.flatten())
    };
    Ok(KnownProject {
        of_repository: text(
            "SELECT project FROM repository WHERE organization = ?1 AND id = ?2",
            &repository.id,
        )?,
        name: text(
            "SELECT name FROM project WHERE organization = ?1 AND id = ?2",
            &repository.project_id,
        )?,
        of_name: text(
            "SELECT id FROM project WHERE organization = ?1 AND name = ?2 COLLATE NOCASE",
            &repository.project,
        )?,
    })
}

/// Stores the project of a repository, as Azure DevOps lists it.
pub(in crate::storage::sqlite) fn store_project(
    db: &Connection,
    organization: &str,
    Repository { id, project_id, project, .. }: &Repository,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE repository SET project = ?3
         WHERE organization = ?1 AND id = ?2 AND project IS NOT ?3",
    )?
    .execute([organization, id, project_id])?;
    db.prepare_cached(
        "INSERT INTO project (organization, id, name) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
    )?
    .execute([organization, project_id, project])?;
    Ok(())
}

//! What repositories are called, and what they were called before. It must never decide whether a
//! name matters.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::Repository;
use crate::storage::sqlite::engine::rows::{from_json, to_json};

/// The present name as last told, and those before it.
fn known(
    db: &Connection,
    organization: &str,
    repository: &Repository,
) -> rusqlite::Result<Option<(String, Vec<String>)>> {
    let found: Option<(String, String)> = db
        .prepare_cached("SELECT name, former FROM repository WHERE organization = ?1 AND id = ?2")?
        .query_row([organization, &repository.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(name, former)| Ok((name, from_json(1, &former)?))).transpose()
}

/// The names that it had before it had this one.
pub(in crate::storage::sqlite) fn former(
    db: &Connection,
    organization: &str,
    repository: &Repository,
) -> rusqlite::Result<Vec<String>> {
    let Some((name, mut names)) = known(db, organization, repository)? else {
        return Ok(Vec::new());
    };
    if name != full_name(repository) {
        names.push(name);
    }
    Ok(names)
}

fn full_name(repository: &Repository) -> String {
    format!("{}/{}", repository.project, repository.name)
}

/// `told_before` is the name before this one, where that was told.
pub(in crate::storage::sqlite) fn remember(
    db: &Connection,
    organization: &str,
    repository: &Repository,
    told_before: Option<&str>,
) -> rusqlite::Result<()> {
    if repository.id.is_empty() || repository.name.is_empty() {
        return Ok(());
    }
    let name = full_name(repository);
    let former = match known(db, organization, repository)? {
        Some((before, _)) if before == name => return Ok(()),
        Some((before, mut former)) => {
            former.retain(|known| *known != before && *known != name);
            former.push(before);
            former
        }
        None => told_before.map(str::to_owned).into_iter().collect(),
    };
    db.prepare_cached(
        "INSERT INTO repository (organization, id, name, former) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET name = excluded.name, former = excluded.former",
    )?
    .execute(params![organization, repository.id, name, to_json(&former)?])?;
    Ok(())
}

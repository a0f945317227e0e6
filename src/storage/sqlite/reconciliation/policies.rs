//! The ids of the status policies that we created.

use rusqlite::{Connection, params};

use crate::storage::PolicyRow;

pub(super) fn all(db: &Connection, organization: &str) -> rusqlite::Result<Vec<PolicyRow>> {
    db.prepare_cached(
        "SELECT project_id, id FROM policy WHERE organization = ?1 ORDER BY project_id, id",
    )?
    .query_map([organization], |row| Ok(PolicyRow { project_id: row.get(0)?, id: row.get(1)? }))?
    .collect()
}

pub(super) fn record(
    db: &Connection,
    organization: &str,
    policy: &PolicyRow,
    is_ours: bool,
) -> rusqlite::Result<()> {
    let statement = match is_ours {
        true => {
            "INSERT INTO policy (organization, project_id, id) VALUES (?1, ?2, ?3)
             ON CONFLICT DO NOTHING"
        }
        false => "DELETE FROM policy WHERE organization = ?1 AND project_id = ?2 AND id = ?3",
    };
    db.prepare_cached(statement)?.execute(params![organization, policy.project_id, policy.id])?;
    Ok(())
}

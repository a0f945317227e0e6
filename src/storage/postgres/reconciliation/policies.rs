//! The ids of the status policies that we created.

use crate::storage::PolicyRow;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::get;

pub(super) async fn all(db: &Db, organization: &str) -> Result<Vec<PolicyRow>, Failure> {
    let sql = "SELECT project_id, id FROM policy
         WHERE lower(organization) = lower($1) ORDER BY project_id, id";
    let rows = db.rows(sql, params![text(organization)]).await?;
    let policy = |row| Ok(PolicyRow { project_id: get(row, 0)?, id: get(row, 1)? });
    rows.iter().map(policy).collect()
}

pub(super) async fn record(
    db: &Db,
    organization: &str,
    policy: &PolicyRow,
    is_ours: bool,
) -> Result<(), Failure> {
    let sql = match is_ours {
        true => {
            "INSERT INTO policy (organization, project_id, id) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING"
        }
        false => {
            "DELETE FROM policy
             WHERE lower(organization) = lower($1) AND project_id = $2 AND id = $3"
        }
    };
    db.execute(sql, params![text(organization), text(&policy.project_id), policy.id]).await?;
    Ok(())
}

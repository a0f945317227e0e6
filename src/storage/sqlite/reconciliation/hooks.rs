//! Hooks: the numbers of their secrets, when deliveries came to them, and whether they are held
//! back. It must never know a secret.

use rusqlite::{Connection, Row, params};

use crate::domain::subscription::{HookScope, Topic};
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{parsed, time};
use crate::storage::{Arrival, HookRow, HookState};

pub(super) fn hook_state(db: &Connection, organization: &str) -> rusqlite::Result<HookState> {
    // One moment for all three.
    let db = db.unchecked_transaction()?;
    Ok(HookState {
        is_held: db
            .prepare_cached("SELECT 1 FROM hook_hold WHERE organization = ?1")?
            .exists([organization])?,
        hook_scopes: db
            .prepare_cached(
                "SELECT project_id, topic, generation, live_from, renewed_at, healings
                 FROM hook_scope WHERE organization = ?1 ORDER BY project_id, topic",
            )?
            .query_map([organization], hook_scope)?
            .collect::<Result<_, _>>()?,
        hook_activity: db
            .prepare_cached(
                "SELECT hook, first_at, last_at FROM hook_activity
                 WHERE organization = ?1 ORDER BY hook",
            )?
            .query_map([organization], |row| {
                Ok(Arrival { hook: row.get(0)?, first_at: time(row, 1)?, last_at: time(row, 2)? })
            })?
            .collect::<Result<_, _>>()?,
    })
}

fn hook_scope(row: &Row<'_>) -> rusqlite::Result<HookRow> {
    let topic: String = row.get(1)?;
    let topic = parsed(1, &topic, Topic::parse(&topic))?;
    Ok(HookRow {
        hook_scope: HookScope { project_id: row.get(0)?, topic },
        generation: row.get(2)?,
        live_from: row.get(3)?,
        renewed_at: time(row, 4)?,
        healings: row.get(5)?,
    })
}

pub(super) fn renew(
    db: &Connection,
    organization: &str,
    hook_scopes: &[HookScope],
    heals: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    for HookScope { project_id, topic } in hook_scopes {
        db.prepare_cached(
            "INSERT INTO hook_scope
                (organization, project_id, topic, generation, live_from, renewed_at, healings)
             VALUES (?1, ?2, ?3, 1, 1, ?5, ?4) ON CONFLICT DO UPDATE
             SET generation = generation + 1, renewed_at = ?5,
                 healings = CASE WHEN ?4 THEN healings + 1 ELSE 0 END",
        )?
        .execute(params![
            organization,
            project_id,
            topic.as_str(),
            heals,
            now.micros()
        ])?;
    }
    Ok(())
}

pub(super) fn retire(
    db: &Connection,
    organization: &str,
    hook_scope: &HookScope,
    live_from: u32,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE hook_scope SET live_from = max(live_from, ?4), healings = 0
         WHERE organization = ?1 AND project_id = ?2 AND topic = ?3",
    )?
    .execute(params![
        organization,
        hook_scope.project_id,
        hook_scope.topic.as_str(),
        live_from
    ])?;
    Ok(())
}

pub(super) fn hold(db: &Connection, organization: &str, is_held: bool) -> rusqlite::Result<()> {
    let statement = match is_held {
        true => "INSERT INTO hook_hold (organization) VALUES (?1) ON CONFLICT DO NOTHING",
        false => "DELETE FROM hook_hold WHERE organization = ?1",
    };
    db.prepare_cached(statement)?.execute([organization])?;
    Ok(())
}

pub(super) fn note_arrivals(
    db: &Connection,
    organization: &str,
    hook_activity: &[Arrival],
) -> rusqlite::Result<()> {
    for Arrival { hook, first_at, last_at } in hook_activity {
        db.prepare_cached(
            "INSERT INTO hook_activity (organization, hook, first_at, last_at)
             VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
             SET first_at = min(first_at, excluded.first_at),
                 last_at = max(last_at, excluded.last_at)",
        )?
        .execute(params![organization, hook, first_at.micros(), last_at.micros()])?;
    }
    Ok(())
}

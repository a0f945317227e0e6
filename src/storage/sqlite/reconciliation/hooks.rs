//! Hooks: the generations of their secrets, when each delivered, and whether they are held back.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::subscription::{HookScope, HookSecret, Topic};
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{parsed, time, time_maybe};
use crate::storage::{ActiveHook, HookRow, HookState};

pub(super) fn hook_state(db: &Connection, organization: &str) -> rusqlite::Result<HookState> {
    // All three queries see the same state.
    let db = db.unchecked_transaction()?;
    Ok(HookState {
        is_held: db
            .prepare_cached("SELECT 1 FROM hook_hold WHERE organization = ?1")?
            .exists([organization])?,
        hook_scopes: hook_scopes(&db, organization)?,
        hook_activity: db
            .prepare_cached(
                "SELECT hook, first_at, last_at FROM hook_activity
                 WHERE organization = ?1 ORDER BY hook",
            )?
            .query_map([organization], |row| {
                let (first_at, last_at) = (time(row, 1)?, time(row, 2)?);
                Ok(ActiveHook { hook: row.get(0)?, first_at, last_at })
            })?
            .collect::<Result<_, _>>()?,
    })
}

fn hook_scopes(db: &Connection, organization: &str) -> rusqlite::Result<Vec<HookRow>> {
    db.prepare_cached(
        "SELECT generation, live_from, renewed_at, healings, older_seen_at, project_id, topic
         FROM hook_scope WHERE organization = ?1 ORDER BY project_id, topic",
    )?
    .query_map([organization], |row| {
        let topic: String = row.get(6)?;
        let topic = parsed(6, &topic, Topic::parse(&topic))?;
        let hook_scope = HookScope { project_id: row.get(5)?, topic };
        Ok(HookRow { hook_scope, secret: secret(row)? })
    })?
    .collect()
}

fn secret(row: &Row<'_>) -> rusqlite::Result<HookSecret> {
    Ok(HookSecret {
        generation: row.get(0)?,
        live_from: row.get(1)?,
        renewed_at: time(row, 2)?,
        healings: row.get(3)?,
        older_seen_at: time_maybe(row, 4)?,
    })
}

fn load(
    db: &Connection,
    organization: &str,
    HookScope { project_id, topic }: &HookScope,
) -> rusqlite::Result<Option<HookSecret>> {
    db.prepare_cached(
        "SELECT generation, live_from, renewed_at, healings, older_seen_at FROM hook_scope
         WHERE organization = ?1 AND project_id = ?2 AND topic = ?3",
    )?
    .query_row([organization, project_id, topic.as_str()], secret)
    .optional()
}

/// Updates the row rather than replacing it, which keeps the spelling of the organization.
fn store(
    db: &Connection,
    organization: &str,
    HookScope { project_id, topic }: &HookScope,
    secret: &HookSecret,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO hook_scope
            (organization, project_id, topic, generation, live_from, renewed_at, healings,
                older_seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE
         SET generation = excluded.generation, live_from = excluded.live_from,
             renewed_at = excluded.renewed_at, healings = excluded.healings,
             older_seen_at = excluded.older_seen_at",
    )?
    .execute(params![
        organization,
        project_id,
        topic.as_str(),
        secret.generation,
        secret.live_from,
        secret.renewed_at.micros(),
        secret.healings,
        secret.older_seen_at.map(Timestamp::micros),
    ])?;
    Ok(())
}

pub(super) fn renew(
    db: &Connection,
    organization: &str,
    hook_scopes: &[HookScope],
    heals: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    for hook_scope in hook_scopes {
        let known = load(db, organization, hook_scope)?;
        let secret = HookSecret::renewed(known.as_ref(), heals, now);
        store(db, organization, hook_scope, &secret)?;
    }
    Ok(())
}

pub(super) fn older_seen(
    db: &Connection,
    organization: &str,
    hook_scope: &HookScope,
    at: Timestamp,
) -> rusqlite::Result<()> {
    match load(db, organization, hook_scope)? {
        Some(known) => store(db, organization, hook_scope, &known.older_seen(at)),
        None => Ok(()),
    }
}

pub(super) fn retire(
    db: &Connection,
    organization: &str,
    hook_scope: &HookScope,
    live_from: u32,
) -> rusqlite::Result<()> {
    match load(db, organization, hook_scope)? {
        Some(known) => store(db, organization, hook_scope, &known.retired(live_from)),
        None => Ok(()),
    }
}

pub(super) fn hold(
    db: &Connection,
    organization: &str,
    is_held: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let statement = match is_held {
        true => "INSERT INTO hook_hold (organization) VALUES (?1) ON CONFLICT DO NOTHING",
        false => "DELETE FROM hook_hold WHERE organization = ?1",
    };
    db.prepare_cached(statement)?.execute([organization])?;
    for HookRow { hook_scope, secret } in hook_scopes(db, organization)? {
        store(db, organization, &hook_scope, &secret.held(is_held, now))?;
    }
    Ok(())
}

/// Stores when a hook delivered first and last.
pub(in crate::storage::sqlite) fn note_activity(
    db: &Connection,
    organization: &str,
    ActiveHook { hook, first_at, last_at }: &ActiveHook,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO hook_activity (organization, hook, first_at, last_at)
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
         SET first_at = min(first_at, excluded.first_at),
             last_at = max(last_at, excluded.last_at)",
    )?
    .execute(params![organization, hook, first_at.micros(), last_at.micros()])?;
    Ok(())
}

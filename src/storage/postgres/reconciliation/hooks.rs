//! Hooks: the generations of their secrets, when each delivered, and whether they are held back.

use tokio_postgres::Row;

use crate::domain::subscription::{HookScope, HookSecret, Topic};
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{count, get, parsed, time, time_maybe};
use crate::storage::{ActiveHook, HookRow, HookState};

/// Has to run in a snapshot, so that all three queries see the same state.
pub(super) async fn hook_state(db: &Db, organization: &str) -> Result<HookState, Failure> {
    let of = text(organization);
    let held = "SELECT 1 FROM hook_hold WHERE lower(organization) = lower($1)";
    let active = "SELECT hook, first_at, last_at FROM hook_activity
         WHERE lower(organization) = lower($1) ORDER BY hook";
    let (is_held, hook_scopes, active) = futures_util::future::try_join3(
        db.exists(held, params![of]),
        hook_scopes(db, organization, ""),
        db.rows(active, params![of]),
    )
    .await?;
    let active = active.iter().map(|row| {
        let (first_at, last_at) = (time(row, 1)?, time(row, 2)?);
        Ok(ActiveHook { hook: get(row, 0)?, first_at, last_at })
    });
    let hook_activity = active.collect::<Result<_, Failure>>()?;
    Ok(HookState { is_held, hook_scopes, hook_activity })
}

/// `lock` is empty, or `FOR UPDATE`.
async fn hook_scopes(
    db: &Db,
    organization: &str,
    lock: &'static str,
) -> Result<Vec<HookRow>, Failure> {
    let sql = format!(
        "SELECT generation, live_from, renewed_at, healings, older_seen_at, project_id, topic
         FROM hook_scope WHERE lower(organization) = lower($1) ORDER BY project_id, topic {lock}"
    );
    let rows = db.rows(&sql, params![text(organization)]).await?;
    let hook_row = |row: &Row| {
        let topic: &str = get(row, 6)?;
        let topic = parsed(topic, Topic::parse(topic))?;
        let hook_scope = HookScope { project_id: get(row, 5)?, topic };
        Ok(HookRow { hook_scope, secret: secret(row)? })
    };
    rows.iter().map(hook_row).collect()
}

fn secret(row: &Row) -> Result<HookSecret, Failure> {
    Ok(HookSecret {
        generation: count(row, 0)?,
        live_from: count(row, 1)?,
        renewed_at: time(row, 2)?,
        healings: count(row, 3)?,
        older_seen_at: time_maybe(row, 4)?,
    })
}

/// The secret of a scope, locked until the end of the transaction.
async fn lock(
    db: &Db,
    organization: &str,
    HookScope { project_id, topic }: &HookScope,
) -> Result<Option<HookSecret>, Failure> {
    let sql = "SELECT generation, live_from, renewed_at, healings, older_seen_at FROM hook_scope
         WHERE lower(organization) = lower($1) AND project_id = $2 AND topic = $3 FOR UPDATE";
    let row =
        db.row(sql, params![text(organization), text(project_id), text(topic.as_str())]).await?;
    row.as_ref().map(secret).transpose()
}

/// Updates the row rather than replacing it, which keeps the spelling of the organization.
async fn store(
    db: &Db,
    organization: &str,
    HookScope { project_id, topic }: &HookScope,
    secret: &HookSecret,
) -> Result<(), Failure> {
    let sql = "INSERT INTO hook_scope
            (organization, project_id, topic, generation, live_from, renewed_at, healings,
                older_seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (lower(organization), project_id, topic) DO UPDATE
         SET generation = excluded.generation, live_from = excluded.live_from,
             renewed_at = excluded.renewed_at, healings = excluded.healings,
             older_seen_at = excluded.older_seen_at";
    db.execute(
        sql,
        params![
            text(organization),
            text(project_id),
            text(topic.as_str()),
            i64::from(secret.generation),
            i64::from(secret.live_from),
            secret.renewed_at.micros(),
            i64::from(secret.healings),
            secret.older_seen_at.map(Timestamp::micros),
        ],
    )
    .await?;
    Ok(())
}

/// Two replicas never change the hooks of one organization at once: a scope without a row could not
/// be locked otherwise.
async fn lock_organization(db: &Db, organization: &str) -> Result<(), Failure> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended(lower($1), 1))";
    db.execute(sql, params![text(organization)]).await?;
    Ok(())
}

pub(super) async fn renew(
    db: &Db,
    organization: &str,
    hook_scopes: &[HookScope],
    heals: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    lock_organization(db, organization).await?;
    for hook_scope in hook_scopes {
        let known = lock(db, organization, hook_scope).await?;
        let secret = HookSecret::renewed(known.as_ref(), heals, now);
        store(db, organization, hook_scope, &secret).await?;
    }
    Ok(())
}

/// Changes a secret that exists.
pub(super) async fn change(
    db: &Db,
    organization: &str,
    hook_scope: &HookScope,
    change: impl FnOnce(&HookSecret) -> HookSecret + Send,
) -> Result<(), Failure> {
    lock_organization(db, organization).await?;
    match lock(db, organization, hook_scope).await? {
        Some(known) => store(db, organization, hook_scope, &change(&known)).await,
        None => Ok(()),
    }
}

pub(super) async fn hold(
    db: &Db,
    organization: &str,
    is_held: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    lock_organization(db, organization).await?;
    let sql = match is_held {
        true => "INSERT INTO hook_hold (organization) VALUES ($1) ON CONFLICT DO NOTHING",
        false => "DELETE FROM hook_hold WHERE lower(organization) = lower($1)",
    };
    db.execute(sql, params![text(organization)]).await?;
    for HookRow { hook_scope, secret } in hook_scopes(db, organization, "FOR UPDATE").await? {
        store(db, organization, &hook_scope, &secret.held(is_held, now)).await?;
    }
    Ok(())
}

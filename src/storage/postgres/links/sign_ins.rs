//! Tickets and sign-ins that were begun: used once, before they expire. Only digests and sealed
//! values are stored.
//!
//! Their number is limited: a flood deletes those that expire first, and does not fill the disk.
//! Rows that another transaction has locked are not deleted with them, so that none waits for
//! another one.

use futures_util::future::{try_join, try_join3};
use tokio_postgres::Row;

use crate::domain::audit::{Actor, Via};
use crate::domain::time::Timestamp;
use crate::secret::Sealed;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, parsed, time};
use crate::storage::{Login, Ticket};

/// Tickets, and as many sign-ins.
const LIVE_MAX: i64 = 1_000;

/// Whether a ticket or a sign-in has this digest.
pub(super) async fn is_known(db: &Db, digest: &[u8; 32]) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM ticket WHERE digest = $1
        UNION ALL SELECT 1 FROM login WHERE state = $1";
    db.exists(sql, params![digest.as_slice()]).await
}

/// Of too many tickets those that expire first are deleted; expired ones are among them.
pub(super) async fn issue_ticket(db: &Db, ticket: &Ticket) -> Result<(), Failure> {
    let delete = "DELETE FROM ticket WHERE digest = ANY(ARRAY(
        SELECT digest FROM ticket ORDER BY expires_at
        LIMIT greatest(0, (SELECT count(*) FROM ticket) - $1) FOR UPDATE SKIP LOCKED))";
    let insert = "INSERT INTO ticket (digest, organization, actor, expires_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO UPDATE
        SET organization = excluded.organization, actor = excluded.actor,
            expires_at = excluded.expires_at";
    let kept = LIVE_MAX - 1;
    try_join(
        db.execute(delete, params![kept]),
        db.execute(
            insert,
            params![
                ticket.digest.as_slice(),
                text(&ticket.organization),
                text(&ticket.actor),
                ticket.expires_at.micros(),
            ],
        ),
    )
    .await?;
    Ok(())
}

/// Of several who take it at the same time only the first one finds the row.
pub(super) async fn take_ticket(
    db: &Db,
    digest: &[u8; 32],
    organization: &str,
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let take = "DELETE FROM ticket WHERE digest = $1 AND lower(organization) = lower($2)
        AND expires_at > $3 RETURNING actor";
    let expired = "DELETE FROM ticket WHERE digest = ANY(ARRAY(
        SELECT digest FROM ticket WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
        FOR UPDATE SKIP LOCKED))";
    let (taken, _) = try_join(
        db.row(take, params![digest.as_slice(), text(organization), now.micros()]),
        db.execute(expired, params![now.micros(), LIVE_MAX]),
    )
    .await?;
    taken.map(|row| get(&row, 0)).transpose()
}

const DELETE_EXPIRED: &str = "DELETE FROM login WHERE state = ANY(ARRAY(
    SELECT state FROM login WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED))";

pub(super) async fn begin(db: &Db, login: &Login, now: Timestamp) -> Result<(), Failure> {
    let flood = "DELETE FROM login WHERE state = ANY(ARRAY(
        SELECT state FROM login ORDER BY expires_at
        LIMIT greatest(0, (SELECT count(*) FROM login) - $1) FOR UPDATE SKIP LOCKED))";
    let insert = "INSERT INTO login (state, browser, organization, nonce, verifier, actor, via,
            expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (state) DO UPDATE
        SET browser = excluded.browser, organization = excluded.organization,
            nonce = excluded.nonce, verifier = excluded.verifier, actor = excluded.actor,
            via = excluded.via, expires_at = excluded.expires_at";
    let kept = LIVE_MAX - 1;
    try_join3(
        db.execute(DELETE_EXPIRED, params![now.micros(), LIVE_MAX]),
        db.execute(flood, params![kept]),
        db.execute(
            insert,
            params![
                login.state.as_slice(),
                login.browser.as_slice(),
                text(&login.organization),
                text(&login.nonce),
                login.verifier.0.as_slice(),
                text(&login.actor.name),
                text(login.actor.via.as_str()),
                login.expires_at.micros(),
            ],
        ),
    )
    .await?;
    Ok(())
}

/// A sign-in that another browser began is left to that browser.
pub(super) async fn take(
    db: &Db,
    state: &[u8; 32],
    browser: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Login>, Failure> {
    let take = "DELETE FROM login WHERE state = $1 AND browser = $2 AND expires_at > $3
        RETURNING state, browser, organization, nonce, verifier, actor, via, expires_at";
    let (taken, _) = try_join(
        db.row(take, params![state.as_slice(), browser.as_slice(), now.micros()]),
        db.execute(DELETE_EXPIRED, params![now.micros(), LIVE_MAX]),
    )
    .await?;
    taken.as_ref().map(login).transpose()
}

fn login(row: &Row) -> Result<Login, Failure> {
    let via: &str = get(row, 6)?;
    Ok(Login {
        state: digest(row, 0)?,
        browser: digest(row, 1)?,
        organization: get(row, 2)?,
        nonce: get(row, 3)?,
        verifier: Sealed(get(row, 4)?),
        actor: Actor { name: get(row, 5)?, via: parsed(via, Via::parse(via))? },
        expires_at: time(row, 7)?,
    })
}

fn digest(row: &Row, column: usize) -> Result<[u8; 32], Failure> {
    let bytes: &[u8] = get(row, column)?;
    bytes.try_into().map_err(|_| Failure::Value("a digest has another length".into()))
}

pub(super) async fn end_session(
    db: &Db,
    id: &str,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let over = "DELETE FROM ended_session WHERE until <= $1";
    db.execute(over, params![now.micros()]).await?;
    let sql = "INSERT INTO ended_session (id, until) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db.execute(sql, params![text(id), until.micros()]).await?;
    Ok(())
}

pub(super) async fn ended_sessions(
    db: &Db,
    now: Timestamp,
) -> Result<Vec<(String, Timestamp)>, Failure> {
    let sql = "SELECT id, until FROM ended_session WHERE until > $1 ORDER BY id";
    let rows = db.rows(sql, params![now.micros()]).await?;
    rows.iter().map(|row| Ok((get(row, 0)?, time(row, 1)?))).collect()
}

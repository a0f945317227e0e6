//! Tickets and sign-ins that were begun: used once, before they expire. Only digests and sealed
//! values are stored.
//!
//! Their number is limited: a flood deletes those that expire first, and does not fill the disk.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::audit::{Actor, Via};
use crate::domain::time::Timestamp;
use crate::secret::Sealed;
use crate::storage::sqlite::engine::rows::{parsed, time};
use crate::storage::{Login, Ticket};

/// Tickets, and as many sign-ins.
const LIVE_MAX: i64 = 1_000;

/// Whether a ticket or a sign-in has this digest.
pub(super) fn is_known(db: &Connection, digest: &[u8; 32]) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ticket WHERE digest = ?1)
        OR EXISTS (SELECT 1 FROM login WHERE state = ?1)";
    db.prepare_cached(sql)?.query_row([digest], |row| row.get(0))
}

/// Of too many tickets those that expire first are deleted; expired ones are among them.
pub(super) fn issue_ticket(db: &Connection, ticket: &Ticket) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM ticket WHERE digest IN (SELECT digest FROM ticket ORDER BY expires_at
            LIMIT max(0, (SELECT count(*) FROM ticket) - ?1))",
    )?
    .execute([LIVE_MAX - 1])?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO ticket (digest, organization, actor, expires_at)
            VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        ticket.digest,
        ticket.organization,
        ticket.actor,
        ticket.expires_at.micros()
    ])?;
    Ok(())
}

/// Writes are carried out one after the other, so only the first one finds the row.
pub(super) fn take_ticket(
    db: &Connection,
    digest: &[u8; 32],
    organization: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("DELETE FROM ticket WHERE expires_at <= ?1")?.execute([now.micros()])?;
    let sql = "DELETE FROM ticket WHERE digest = ?1 AND organization = ?2 RETURNING actor";
    let mut statement = db.prepare_cached(sql)?;
    statement.query_row(params![digest, organization], |row| row.get(0)).optional()
}

pub(super) fn begin(db: &Connection, login: &Login, now: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM login WHERE expires_at <= ?1")?.execute([now.micros()])?;
    db.prepare_cached(
        "DELETE FROM login WHERE state IN (SELECT state FROM login ORDER BY expires_at
            LIMIT max(0, (SELECT count(*) FROM login) - ?1))",
    )?
    .execute([LIVE_MAX - 1])?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO login (state, browser, organization, nonce, verifier, actor,
            via, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        login.state,
        login.browser,
        login.organization,
        login.nonce,
        login.verifier.0,
        login.actor.name,
        login.actor.via.as_str(),
        login.expires_at.micros(),
    ])?;
    Ok(())
}

/// A sign-in that another browser began is left to that browser.
pub(super) fn take(
    db: &Connection,
    state: &[u8; 32],
    browser: &[u8; 32],
    now: Timestamp,
) -> rusqlite::Result<Option<Login>> {
    db.prepare_cached("DELETE FROM login WHERE expires_at <= ?1")?.execute([now.micros()])?;
    db.prepare_cached(
        "DELETE FROM login WHERE state = ?1 AND browser = ?2
         RETURNING state, browser, organization, nonce, verifier, actor, expires_at, via",
    )?
    .query_row(params![state, browser], login)
    .optional()
}

fn login(row: &Row<'_>) -> rusqlite::Result<Login> {
    let via: String = row.get(7)?;
    Ok(Login {
        state: row.get(0)?,
        browser: row.get(1)?,
        organization: row.get(2)?,
        nonce: row.get(3)?,
        verifier: Sealed(row.get(4)?),
        actor: Actor { name: row.get(5)?, via: parsed(7, &via, Via::parse(&via))? },
        expires_at: time(row, 6)?,
    })
}

pub(super) fn end_session(
    db: &Connection,
    id: &str,
    until: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM ended_session WHERE until <= ?1")?.execute([now.micros()])?;
    db.prepare_cached("INSERT OR IGNORE INTO ended_session (id, until) VALUES (?1, ?2)")?
        .execute(params![id, until.micros()])?;
    Ok(())
}

pub(super) fn ended_sessions(
    db: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    db.prepare_cached("SELECT id, until FROM ended_session WHERE until > ?1 ORDER BY id")?
        .query_map([now.micros()], |row| Ok((row.get(0)?, time(row, 1)?)))?
        .collect()
}

//! Links to service users: made, renewed under a lease, removed, each with an entry in the audit
//! log.
//!
//! Revisions and lease numbers lie in a table of their own and outlive their link, so that a write
//! that is about an earlier link of the organization fails.

mod sign_ins;

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::engine::rows::time;
use super::{Sqlite, audit};
use crate::domain::time::Timestamp;
use crate::secret::Sealed;
use crate::storage::{
    Commit, Error, Link, LinkChange, LinkTo, Links, Login, Refresh, RefreshCommit, Refreshed,
    Ticket,
};

#[async_trait]
impl Links for Sqlite {
    async fn is_known(&self, digest: [u8; 32]) -> Result<bool, Error> {
        self.readers.read(move |db| sign_ins::is_known(db, &digest)).await
    }

    async fn issue_ticket(&self, ticket: Ticket) -> Result<(), Error> {
        self.writer.write(512, move |db| sign_ins::issue_ticket(db, &ticket)).await
    }

    async fn take_ticket(
        &self,
        digest: [u8; 32],
        organization: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let organization = organization.to_owned();
        self.writer
            .write(512, move |db| sign_ins::take_ticket(db, &digest, &organization, now))
            .await
    }

    async fn begin_login(&self, login: Login, now: Timestamp) -> Result<(), Error> {
        self.writer.write(1024, move |db| sign_ins::begin(db, &login, now)).await
    }

    async fn end_session(&self, id: String, until: Timestamp, now: Timestamp) -> Result<(), Error> {
        self.writer.write(256, move |db| sign_ins::end_session(db, &id, until, now)).await
    }

    async fn ended_sessions(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, Error> {
        self.readers.read(move |db| sign_ins::ended_sessions(db, now)).await
    }

    async fn take_login(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Login>, Error> {
        self.writer.write(512, move |db| sign_ins::take(db, &state, &browser, now)).await
    }

    async fn link(&self, organization: &str) -> Result<Option<Link>, Error> {
        let organization = organization.to_owned();
        self.readers.read(move |db| find(db, &organization)).await
    }

    async fn commit_link(&self, change: LinkChange) -> Result<Commit, Error> {
        self.writer.write(8192, move |db| commit(db, &change)).await
    }

    async fn claim_refresh(
        &self,
        organization: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Refresh, Error> {
        let (organization, until) = (organization.to_owned(), now.plus(lease));
        self.writer.write(512, move |db| claim_refresh(db, &organization, now, until)).await
    }

    async fn commit_refresh(&self, commit: RefreshCommit) -> Result<Commit, Error> {
        self.writer.write(8192, move |db| commit_refresh(db, &commit)).await
    }
}

const LINK: &str = "SELECT link.organization, revision, tenant_id, object_id, user_name, email,
        linked_at, linked_by, signed_in_at, refresh_token, access_token, access_expires_at,
        refreshed_at, retry_at, failures, problem
    FROM link JOIN link_fence ON link_fence.organization = link.organization";

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    let access_token: Option<Vec<u8>> = row.get(10)?;
    Ok(Link {
        organization: row.get(0)?,
        revision: row.get(1)?,
        tenant_id: row.get(2)?,
        object_id: row.get(3)?,
        user_name: row.get(4)?,
        email: row.get(5)?,
        linked_at: time(row, 6)?,
        linked_by: row.get(7)?,
        signed_in_at: time(row, 8)?,
        refresh_token: Sealed(row.get(9)?),
        access_token: access_token.map(Sealed),
        access_expires_at: time(row, 11)?,
        refreshed_at: time(row, 12)?,
        retry_at: time(row, 13)?,
        failures: row.get(14)?,
        problem: row.get(15)?,
    })
}

pub(super) fn find(db: &Connection, organization: &str) -> rusqlite::Result<Option<Link>> {
    db.prepare_cached(&format!("{LINK} WHERE link.organization = ?1"))?
        .query_row([organization], link)
        .optional()
}

pub(super) fn commit(db: &Connection, change: &LinkChange) -> rusqlite::Result<Commit> {
    let organization = change.organization.as_str();
    // Deleted and inserted, since the spelling of the organization may have changed.
    let removed =
        db.prepare_cached("DELETE FROM link WHERE organization = ?1")?.execute([organization])?;
    match &change.to {
        LinkTo::Linked(link) => insert(db, organization, link)?,
        LinkTo::Unlinked if removed == 0 => return Ok(Commit::Conflict),
        LinkTo::Unlinked => {}
    }
    // Ends the lease of a renewal of the old link.
    db.prepare_cached(
        "INSERT INTO link_fence (organization, revision) VALUES (?1, 1)
         ON CONFLICT DO UPDATE SET revision = revision + 1, leased_until = 0",
    )?
    .execute([organization])?;
    audit::insert(db, &change.entry)?;
    Ok(Commit::Committed)
}

fn insert(db: &Connection, organization: &str, link: &Link) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO link (organization, tenant_id, object_id, user_name, email, linked_at,
            linked_by, signed_in_at, refresh_token, access_token, access_expires_at, refreshed_at,
            retry_at, failures, problem)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )?
    .execute(params![
        organization,
        link.tenant_id,
        link.object_id,
        link.user_name,
        link.email,
        link.linked_at.micros(),
        link.linked_by,
        link.signed_in_at.micros(),
        link.refresh_token.0,
        link.access_token.as_ref().map(|token| &token.0),
        link.access_expires_at.micros(),
        link.refreshed_at.micros(),
        link.retry_at.micros(),
        link.failures,
        link.problem,
    ])?;
    Ok(())
}

pub(super) fn claim_refresh(
    db: &Connection,
    organization: &str,
    now: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Refresh> {
    let Some(link) = find(db, organization)? else { return Ok(Refresh::NotLinked) };
    let lease: Option<i64> = db
        .prepare_cached(
            "UPDATE link_fence SET lease = lease + 1, leased_until = ?3
             WHERE organization = ?1 AND leased_until <= ?2 RETURNING lease",
        )?
        .query_row(params![organization, now.micros(), until.micros()], |row| row.get(0))
        .optional()?;
    if let Some(lease) = lease {
        return Ok(Refresh::Leased { link: Box::new(link), lease });
    }
    db.prepare_cached("SELECT leased_until FROM link_fence WHERE organization = ?1")?
        .query_row([organization], |row| time(row, 0))
        .map(Refresh::Busy)
}

pub(super) fn commit_refresh(db: &Connection, commit: &RefreshCommit) -> rusqlite::Result<Commit> {
    let organization = commit.organization.as_str();
    let grows = !matches!(commit.refreshed, Refreshed::Unchanged);
    // A lease that has ended, by its holder or by a new link, cannot be used.
    let held = db
        .prepare_cached(
            "UPDATE link_fence SET leased_until = 0, revision = revision + ?3
             WHERE organization = ?1 AND lease = ?2 AND leased_until > 0",
        )?
        .execute(params![organization, commit.lease, grows])?;
    if held == 0 {
        return Ok(Commit::LeaseLost);
    }
    match &commit.refreshed {
        Refreshed::Renewed { refresh_token, access_token, access_expires_at, at } => db
            .prepare_cached(
                "UPDATE link SET refresh_token = ?2, access_token = ?3, access_expires_at = ?4,
                    refreshed_at = ?5, retry_at = 0, failures = 0, problem = NULL
                 WHERE organization = ?1",
            )?
            .execute(params![
                organization,
                refresh_token.0,
                access_token.0,
                access_expires_at.micros(),
                at.micros(),
            ])?,
        Refreshed::Failed { problem, retry_at } => db
            .prepare_cached(
                "UPDATE link SET problem = ?2, retry_at = ?3, failures = failures + 1
                 WHERE organization = ?1",
            )?
            .execute(params![organization, problem, retry_at.micros()])?,
        Refreshed::Unchanged => 0,
    };
    if let Some(entry) = &commit.entry {
        audit::insert(db, entry)?;
    }
    Ok(Commit::Committed)
}

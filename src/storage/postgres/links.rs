//! Links to service users: made, renewed under a lease, removed, each with an entry in the audit
//! log.
//!
//! Revisions and lease numbers lie in a table of their own and outlive their link, so that a write
//! that is about an earlier link of the organization fails. Whoever changes a link locks its row in
//! that table first.

mod sign_ins;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join;
use tokio_postgres::Row;

use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{count, get, time};
use super::{Postgres, audit};
use crate::domain::time::Timestamp;
use crate::secret::Sealed;
use crate::storage::{
    Commit, Error, Link, LinkChange, LinkTo, Links, Login, Refresh, RefreshCommit, Refreshed,
    Ticket,
};

#[async_trait]
impl Links for Postgres {
    async fn is_known(&self, digest: [u8; 32]) -> Result<bool, Error> {
        let known = self
            .pool
            .read(digest, |db, digest| async move { sign_ins::is_known(&db, &digest).await });
        known.await
    }

    async fn issue_ticket(&self, ticket: Ticket) -> Result<(), Error> {
        let issued = self
            .pool
            .write(ticket, |db, ticket| async move { sign_ins::issue_ticket(&db, &ticket).await });
        issued.await
    }

    async fn take_ticket(
        &self,
        digest: [u8; 32],
        organization: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let args = (digest, organization.to_owned(), now);
        let taken = self.pool.write(args, |db, args| async move {
            sign_ins::take_ticket(&db, &args.0, &args.1, args.2).await
        });
        taken.await
    }

    async fn begin_login(&self, login: Login, now: Timestamp) -> Result<(), Error> {
        let begun = self.pool.write((login, now), |db, args| async move {
            sign_ins::begin(&db, &args.0, args.1).await
        });
        begun.await
    }

    async fn end_session(&self, id: String, until: Timestamp, now: Timestamp) -> Result<(), Error> {
        let ended = self.pool.write((id, until, now), |db, of| async move {
            sign_ins::end_session(&db, &of.0, of.1, of.2).await
        });
        ended.await
    }

    async fn ended_sessions(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, Error> {
        let ended =
            self.pool.read(now, |db, now| async move { sign_ins::ended_sessions(&db, *now).await });
        ended.await
    }

    async fn take_login(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Login>, Error> {
        let taken = self.pool.write((state, browser, now), |db, args| async move {
            sign_ins::take(&db, &args.0, &args.1, args.2).await
        });
        taken.await
    }

    async fn link(&self, organization: &str) -> Result<Option<Link>, Error> {
        let found = self
            .pool
            .read(organization.to_owned(), |db, name| async move { find(&db, &name).await });
        found.await
    }

    async fn commit_link(&self, change: LinkChange) -> Result<Commit, Error> {
        self.pool.write(change, |db, change| async move { commit(&db, &change).await }).await
    }

    async fn claim_refresh(
        &self,
        organization: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Refresh, Error> {
        let args = (organization.to_owned(), now, now.plus(lease), Arc::clone(&self.instance));
        let claimed = self.pool.write(args, |db, args| async move {
            let (organization, now, until, holder) = &*args;
            claim_refresh(&db, organization, *now, *until, holder).await
        });
        claimed.await
    }

    async fn commit_refresh(&self, commit: RefreshCommit) -> Result<Commit, Error> {
        self.pool
            .write(commit, |db, commit| async move { commit_refresh(&db, &commit).await })
            .await
    }
}

const LINK: &str = "SELECT link.organization, revision, tenant_id, object_id, user_name, email,
        linked_at, linked_by, signed_in_at, refresh_token, access_token, access_expires_at,
        refreshed_at, retry_at, failures, problem
    FROM link JOIN link_fence ON lower(link_fence.organization) = lower(link.organization)
    WHERE lower(link.organization) = lower($1)";

fn link(row: &Row) -> Result<Link, Failure> {
    Ok(Link {
        organization: get(row, 0)?,
        revision: get(row, 1)?,
        tenant_id: get(row, 2)?,
        object_id: get(row, 3)?,
        user_name: get(row, 4)?,
        email: get(row, 5)?,
        linked_at: time(row, 6)?,
        linked_by: get(row, 7)?,
        signed_in_at: time(row, 8)?,
        refresh_token: Sealed(get(row, 9)?),
        access_token: get::<Option<Vec<u8>>>(row, 10)?.map(Sealed),
        access_expires_at: time(row, 11)?,
        refreshed_at: time(row, 12)?,
        retry_at: time(row, 13)?,
        failures: count(row, 14)?,
        problem: get(row, 15)?,
    })
}

async fn find(db: &Db, organization: &str) -> Result<Option<Link>, Failure> {
    db.row(LINK, params![text(organization)]).await?.as_ref().map(link).transpose()
}

async fn commit(db: &Db, change: &LinkChange) -> Result<Commit, Failure> {
    let organization = change.organization.as_str();
    // Locks the row, and ends the lease of a renewal of the old link.
    let fence = "INSERT INTO link_fence (organization, revision) VALUES ($1, 1)
        ON CONFLICT (lower(organization))
        DO UPDATE SET revision = link_fence.revision + 1, leased_until = 0";
    db.execute(fence, params![text(organization)]).await?;
    // Deleted and inserted, since the spelling of the organization may have changed.
    let delete = "DELETE FROM link WHERE lower(organization) = lower($1)";
    let removed = db.execute(delete, params![text(organization)]).await?;
    match &change.to {
        LinkTo::Linked(link) => insert(db, organization, link).await?,
        LinkTo::Unlinked if removed == 0 => {
            db.roll_back().await?;
            return Ok(Commit::Conflict);
        }
        LinkTo::Unlinked => {}
    }
    audit::insert(db, std::slice::from_ref(&change.entry)).await?;
    Ok(Commit::Committed)
}

async fn insert(db: &Db, organization: &str, link: &Link) -> Result<(), Failure> {
    let sql = "INSERT INTO link (organization, tenant_id, object_id, user_name, email, linked_at,
            linked_by, signed_in_at, refresh_token, access_token, access_expires_at, refreshed_at,
            retry_at, failures, problem)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    db.execute(
        sql,
        params![
            text(organization),
            text(&link.tenant_id),
            text(&link.object_id),
            text(&link.user_name),
            link.email.as_deref().map(text),
            link.linked_at.micros(),
            text(&link.linked_by),
            link.signed_in_at.micros(),
            link.refresh_token.0.as_slice(),
            link.access_token.as_ref().map(|token| token.0.as_slice()),
            link.access_expires_at.micros(),
            link.refreshed_at.micros(),
            link.retry_at.micros(),
            i64::from(link.failures),
            link.problem.as_deref().map(text),
        ],
    )
    .await?;
    Ok(())
}

async fn claim_refresh(
    db: &Db,
    organization: &str,
    now: Timestamp,
    until: Timestamp,
    holder: &str,
) -> Result<Refresh, Failure> {
    let fence = "SELECT leased_until FROM link_fence WHERE lower(organization) = lower($1)
        FOR UPDATE";
    let (fence, link) =
        try_join(db.row(fence, params![text(organization)]), find(db, organization)).await?;
    let (Some(fence), Some(link)) = (fence, link) else { return Ok(Refresh::NotLinked) };
    let leased_until = time(&fence, 0)?;
    if leased_until > now {
        return Ok(Refresh::Busy(leased_until));
    }
    let lease = "UPDATE link_fence SET lease = lease + 1, leased_until = $2, holder = $3
        WHERE lower(organization) = lower($1) RETURNING lease";
    match db.row(lease, params![text(organization), until.micros(), text(holder)]).await? {
        Some(row) => Ok(Refresh::Leased { link: Box::new(link), lease: get(&row, 0)? }),
        None => Ok(Refresh::NotLinked),
    }
}

async fn commit_refresh(db: &Db, commit: &RefreshCommit) -> Result<Commit, Failure> {
    let organization = commit.organization.as_str();
    let grows = !matches!(commit.refreshed, Refreshed::Unchanged);
    // A lease that has ended, by its holder or by a new link, cannot be used.
    let fence = "UPDATE link_fence SET leased_until = 0, revision = revision + $3
        WHERE lower(organization) = lower($1) AND lease = $2 AND leased_until > 0";
    if db.execute(fence, params![text(organization), commit.lease, i64::from(grows)]).await? == 0 {
        return Ok(Commit::LeaseLost);
    }
    match &commit.refreshed {
        Refreshed::Renewed { refresh_token, access_token, access_expires_at, at } => {
            let sql = "UPDATE link SET refresh_token = $2, access_token = $3,
                    access_expires_at = $4, refreshed_at = $5, retry_at = 0, failures = 0,
                    problem = NULL
                WHERE lower(organization) = lower($1)";
            db.execute(
                sql,
                params![
                    text(organization),
                    refresh_token.0.as_slice(),
                    access_token.0.as_slice(),
                    access_expires_at.micros(),
                    at.micros(),
                ],
            )
            .await?;
        }
        Refreshed::Failed { problem, retry_at } => {
            let sql = "UPDATE link SET problem = $2, retry_at = $3, failures = failures + 1
                WHERE lower(organization) = lower($1)";
            db.execute(sql, params![text(organization), text(problem), retry_at.micros()]).await?;
        }
        Refreshed::Unchanged => {}
    }
    audit::insert(db, commit.entry.as_slice()).await?;
    Ok(Commit::Committed)
}

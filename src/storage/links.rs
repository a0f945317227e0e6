//! Links to service users: sign-ins that were begun, the tokens of each link, and their renewal.
//!
//! Tokens are sealed when they are passed in, and are not opened here.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use super::lease::Commit;
use crate::domain::audit::{Actor, Entry};
use crate::domain::time::Timestamp;
use crate::secret::Sealed;

/// A one-time right to begin a sign-in, as `azdo-gateway link` prints it.
#[derive(Clone, Debug)]
pub struct Ticket {
    /// SHA-256 of the ticket, which itself is not stored.
    pub digest: [u8; 32],
    pub organization: String,
    /// Who asked for it.
    pub actor: String,
    pub expires_at: Timestamp,
}

/// A sign-in that was begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// SHA-256 of `state`.
    pub state: [u8; 32],
    /// SHA-256 of the cookie of the browser that began it.
    pub browser: [u8; 32],
    pub organization: String,
    /// What the ID token has to repeat.
    pub nonce: String,
    /// The PKCE verifier (RFC 7636).
    pub verifier: Sealed,
    /// Who asked for it, for the audit log.
    pub actor: Actor,
    pub expires_at: Timestamp,
}

/// The service user of one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub organization: String,
    /// Grows with every change of the link, a renewal included.
    pub revision: i64,
    pub tenant_id: String,
    /// GUID of the user in Entra.
    pub object_id: String,
    /// `preferred_username`.
    pub user_name: String,
    pub email: Option<String>,
    pub linked_at: Timestamp,
    pub linked_by: String,
    /// When the person last signed in through a browser.
    pub signed_in_at: Timestamp,
    pub refresh_token: Sealed,
    pub access_token: Option<Sealed>,
    pub access_expires_at: Timestamp,
    /// When a renewal last succeeded; at first, when it was linked.
    pub refreshed_at: Timestamp,
    /// Not before this time is a renewal tried again after one that failed.
    pub retry_at: Timestamp,
    /// Renewals that failed since the last one that succeeded.
    pub failures: u32,
    /// Why the link does not work, for an operator; none while it works.
    pub problem: Option<String>,
}

/// A link to be made or removed, and its entry in the audit log.
#[derive(Clone, Debug)]
pub struct LinkChange {
    pub organization: String,
    pub to: LinkTo,
    pub entry: Entry,
}

/// See [`LinkChange`].
#[derive(Clone, Debug)]
pub enum LinkTo {
    Linked(Box<Link>),
    /// `Conflict` when there was none.
    Unlinked,
}

/// The answer to a claim of a renewal.
#[derive(Clone, Debug)]
pub enum Refresh {
    /// The caller renews the link; with the number of its lease.
    Leased { link: Box<Link>, lease: i64 },
    /// Another process renews it, until this time at most.
    Busy(Timestamp),
    /// There is no link.
    NotLinked,
}

/// The outcome of a renewal.
#[derive(Clone, Debug)]
pub struct RefreshCommit {
    pub organization: String,
    pub lease: i64,
    pub refreshed: Refreshed,
    pub entry: Option<Entry>,
}

/// See [`RefreshCommit`].
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// New tokens, or the same ones sealed with a newer key.
    Renewed {
        refresh_token: Sealed,
        access_token: Sealed,
        access_expires_at: Timestamp,
        at: Timestamp,
    },
    /// The renewal failed.
    Failed { problem: String, retry_at: Timestamp },
    /// Nothing had to be renewed.
    Unchanged,
}

/// Links to service users, and the sign-ins that make them.
#[async_trait]
pub trait Links: Debug + Send + Sync {
    /// Whether there is a ticket, or a sign-in that was begun, with this digest of the ticket or of
    /// `state`. Only reads, so that guesses of strangers queue no write.
    async fn is_known(&self, digest: [u8; 32]) -> Result<bool, Error>;

    /// Stores a ticket until it is used or has expired.
    async fn issue_ticket(&self, ticket: Ticket) -> Result<(), Error>;

    /// Uses a ticket of an organization up, and returns who asked for it. None when there is no
    /// such ticket or it has expired.
    async fn take_ticket(
        &self,
        digest: [u8; 32],
        organization: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Error>;

    /// Stores a sign-in that was begun, and deletes those that have expired.
    async fn begin_login(&self, login: Login, now: Timestamp) -> Result<(), Error>;

    /// Ends a sign-in that was begun in this browser, once. None when there is no such sign-in or
    /// it has expired.
    async fn take_login(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Login>, Error>;

    /// Ends the session of a person that would have been good until `until`, and deletes those
    /// whose time is over.
    async fn end_session(&self, id: String, until: Timestamp, now: Timestamp) -> Result<(), Error>;

    /// The sessions that were ended before their time, and until when each would have been good.
    async fn ended_sessions(&self, now: Timestamp) -> Result<Vec<(String, Timestamp)>, Error>;

    /// The service user of an organization.
    async fn link(&self, organization: &str) -> Result<Option<Link>, Error>;

    /// Links or unlinks an organization, with an entry in the audit log. A renewal that is under
    /// way loses its lease.
    async fn commit_link(&self, change: LinkChange) -> Result<Commit, Error>;

    /// Leases the renewal of a link, so that one replica does it.
    async fn claim_refresh(
        &self,
        organization: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Refresh, Error>;

    /// Stores the outcome of a renewal and ends its lease.
    async fn commit_refresh(&self, commit: RefreshCommit) -> Result<Commit, Error>;
}

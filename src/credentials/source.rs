//! The interface of every kind of identity: it issues a credential for one call.
//!
//! The flow and the reconcilers only see this trait, so they work alike with a service user that
//! mints PATs, an app with an access token, and a PAT made by hand.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use crate::ado::{Credential, Scope};
use crate::domain::id::RunId;

/// Issues credentials for one organization.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// A credential for one call that needs `scope`.
    ///
    /// # Errors
    /// No credential can be issued now.
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error>;

    /// Whether credentials are minted so shortly before a call that Azure DevOps may refuse one
    /// because it does not know it yet. Such a call is made again with another credential.
    fn is_freshly_minted(&self) -> bool {
        false
    }

    /// What an operator can do when Azure DevOps refuses an issued credential.
    fn refusal_advice(&self) -> &'static str;

    /// The regular upkeep: renews access tokens, revokes PATs that were left over, raises warnings.
    async fn maintain(&self) {}

    /// Issues nothing more and revokes every minted PAT; returns when all are revoked.
    async fn pause(&self) {}

    /// During a pause: whoever was linked before it is not linked any more.
    fn user_has_changed(&self) {}

    /// Ends a pause.
    fn resume(&self) {}
}

/// What a credential is for: part of a minted PAT's name and of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// One word.
    pub what: &'static str,
    pub run: Option<RunId>,
    /// How old a minted PAT must be before it is used: Azure DevOps does not know a new one at
    /// once.
    pub min_age: Duration,
}

impl Purpose {
    /// A purpose without a run.
    pub const fn new(what: &'static str) -> Self {
        Self { what, run: None, min_age: Duration::ZERO }
    }

    /// The same purpose for a run.
    #[must_use]
    pub const fn of_run(self, run: Option<RunId>) -> Self {
        Self { run, ..self }
    }
}

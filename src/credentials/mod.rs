//! Who we are to Azure DevOps: every call is lent the right to be made, once.
//!
//! One interface for all kinds of identity, so that the flow cannot tell them apart. It must never
//! know the HTTP edge nor the flow.

mod audit_log;
mod bearer;
mod call;
pub mod entra;
mod identities;
mod linkable;
mod linking;
mod minted;
mod minter;
mod options;
mod pat;
mod session;
mod sign_in;
mod single_use;
mod sweep;
mod token_pool;
mod window;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::ado::{Credential, Scope};
use crate::domain::id::RunId;
use crate::domain::time::Timestamp;

use audit_log::AuditLog;
pub use call::{CallError, call};
pub use identities::{Identities, Identity};
pub use linking::Linking;
pub use options::{App, Options, PatUse, Proof, ServiceUser};
use pat::StaticPat;
pub use sign_in::{Begun, LinkError, LinkState, Return};

/// Lends credentials for one organization.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// The right to make one call that needs `scope`.
    ///
    /// # Errors
    /// No credential is to be had now.
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error>;

    /// Whether a credential may be so new that Azure DevOps does not know it yet.
    fn is_fresh(&self) -> bool {
        false
    }

    /// What an operator can do when Azure DevOps does not let in what was lent.
    fn when_refused(&self) -> &'static str;

    /// What has to be done from time to time: renew, revoke what is left over, warn.
    async fn upkeep(&self) {}

    /// Lends nothing more and makes worthless whatever was minted; waits until it is.
    async fn pause(&self) {}

    /// Lends again.
    fn resume(&self) {}
}

/// What a credential is for: the name of a minted token and the audit log say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// One word.
    pub what: &'static str,
    pub run: Option<RunId>,
    /// How long a minted token is left to become known before it is spent.
    pub settle: Duration,
}

impl Purpose {
    /// For no run in particular.
    pub const fn new(what: &'static str) -> Self {
        Self { what, run: None, settle: Duration::ZERO }
    }

    /// For that run.
    #[must_use]
    pub const fn of_run(self, run: Option<RunId>) -> Self {
        Self { run, ..self }
    }
}

/// Why no credential is lent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credential for Azure DevOps: {reason}")]
pub struct Error {
    /// What an operator can do about it.
    pub reason: String,
    /// When asking again makes sense, where that is known.
    pub until: Option<Timestamp>,
}

impl Error {
    /// For this reason, until somebody does something.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), until: None }
    }

    /// For this reason, which will have passed by then.
    pub fn until(reason: impl Into<String>, until: Timestamp) -> Self {
        Self { reason: reason.into(), until: Some(until) }
    }
}

//! Who we are to Azure DevOps: every call is lent the right to be made, once.
//!
//! One interface for all kinds of identity, so that the flow cannot tell them apart. It must never
//! know the HTTP edge nor the flow.

pub mod entra;
mod options;
mod pat;
mod standing;

use std::fmt::Debug;

use async_trait::async_trait;

use crate::ado::{Credential, Scope};

pub use options::{App, Options, PatUse, Proof, ServiceUser};
pub use pat::StaticPat;
pub use standing::Standing;

/// Lends credentials for one organization.
#[async_trait]
pub trait Source: Send + Sync + Debug {
    /// The right to make one call that needs `scope`.
    ///
    /// # Errors
    /// No credential is to be had now.
    async fn credential(&self, scope: Scope) -> Result<Credential, Error>;
}

/// Why no credential is lent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credential for Azure DevOps: {reason}")]
pub struct Error {
    /// What an operator can do about it.
    pub reason: String,
}

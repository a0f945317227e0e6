//! What the operator sets about our identity. It must never know the file that it came from.

use crate::secret::Secret;

/// `[organization.credential]`.
#[derive(Clone, Debug)]
pub enum Options {
    /// A personal access token made by hand: for Azure DevOps Server and first trials.
    Pat { token: Secret },
}

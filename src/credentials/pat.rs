//! A personal access token made by hand: for Azure DevOps Server, which has no other way, and for
//! first trials. It cannot be narrowed to one call; whoever makes it chooses its scopes.

use async_trait::async_trait;

use super::{Error, Source};
use crate::ado::{Credential, Scope};
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub struct StaticPat {
    token: Secret,
}

impl StaticPat {
    /// Lends this token to every call.
    pub fn new(token: Secret) -> Self {
        Self { token }
    }
}

#[async_trait]
impl Source for StaticPat {
    async fn credential(&self, _scope: Scope) -> Result<Credential, Error> {
        Ok(Credential::from_pat(&self.token))
    }
}

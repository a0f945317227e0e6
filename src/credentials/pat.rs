//! A personal access token made by hand: for Azure DevOps Server, which has no other way, and for
//! first trials. It cannot be narrowed to one call; whoever makes it chooses its scopes.

use async_trait::async_trait;

use super::{Books, Error, Purpose, Source};
use crate::ado::{Credential, Scope};
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(super) struct StaticPat {
    token: Secret,
    books: Books,
}

impl StaticPat {
    /// Lends this token to every call.
    pub(super) fn new(token: Secret, books: Books) -> Self {
        Self { token, books }
    }
}

#[async_trait]
impl Source for StaticPat {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let receipt = self.books.receipt(scope, purpose, None);
        Ok(Credential::from_pat(&self.token).with_receipt(Box::new(receipt)))
    }

    fn when_refused(&self) -> &'static str {
        "The token has ended, was revoked, or lacks a scope: make a new one."
    }

    async fn pause(&self) {
        self.books.written().await;
    }
}

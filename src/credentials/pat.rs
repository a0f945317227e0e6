//! A personal access token made by hand: for Azure DevOps Server, which has no other way, and for
//! first trials. It cannot be narrowed to one call; whoever makes it chooses its scopes.

use async_trait::async_trait;

use super::{AuditLog, Error, Purpose, Source};
use crate::ado::{Credential, Scope};
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(super) struct StaticPat {
    token: Secret,
    audit_log: AuditLog,
}

impl StaticPat {
    /// Lends this token to every call.
    pub(super) fn new(token: Secret, audit_log: AuditLog) -> Self {
        Self { token, audit_log }
    }
}

#[async_trait]
impl Source for StaticPat {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let receipt = self.audit_log.receipt(scope, purpose, None);
        Ok(Credential::from_pat(&self.token).with_receipt(Box::new(receipt)))
    }

    fn when_refused(&self) -> &'static str {
        "The token has ended, was revoked, or lacks a scope: make a new one."
    }

    async fn pause(&self) {
        self.audit_log.written().await;
    }
}

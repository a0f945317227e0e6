//! A PAT that an operator made by hand: for Azure DevOps Server, which has no other way, and for
//! first trials. It has the same scopes for every call, those that the operator chose.

use async_trait::async_trait;

use crate::ado::{Credential, Scope};
use crate::credentials::audit_log::AuditLog;
use crate::credentials::error::Error;
use crate::credentials::source::{Purpose, Source};
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(in crate::credentials) struct StaticPat {
    token: Secret,
    audit_log: AuditLog,
}

impl StaticPat {
    pub(in crate::credentials) fn new(token: Secret, audit_log: AuditLog) -> Self {
        Self { token, audit_log }
    }
}

#[async_trait]
impl Source for StaticPat {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let receipt = self.audit_log.receipt(scope, purpose, None);
        Ok(Credential::from_pat(&self.token).with_receipt(Box::new(receipt)))
    }

    fn refusal_advice(&self) -> &'static str {
        "The token has expired, was revoked, or lacks a scope: make a new one."
    }

    async fn pause(&self) {
        self.audit_log.written().await;
    }
}

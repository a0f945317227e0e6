//! A minted token: good for one call, and revoked when it goes out of scope.
//!
//! Whoever has one can lend it or drop it, and nothing else. It must never be kept anywhere but on
//! its way to a call.

use std::fmt;
use std::sync::Arc;

use super::Purpose;
use super::minter::Minter;
use crate::ado::{Credential, Receipt, Scope, Usage};
use crate::domain::audit::Entry;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// A living token, good for one call. Dropping it revokes it.
pub(super) struct Pat {
    pub(super) minted_at: Timestamp,
    pub(super) valid_to: Timestamp,
    pub(super) token: Secret,
    pub(super) scope: Scope,
    pub(super) minter: Arc<Minter>,
    /// Taken when it is dropped.
    pub(super) spent: Option<Spent>,
}

/// A token that is worth nothing to us any more.
pub(super) struct Spent {
    pub(super) authorization_id: String,
    pub(super) serial: Option<u64>,
    pub(super) valid_to: Timestamp,
    pub(super) entry: Entry,
    /// What it was used for, where it was lent.
    pub(super) used: Option<Entry>,
}

impl Pat {
    /// Lends it to one call; it is revoked when that call has ended.
    pub(super) fn lend(self, purpose: Purpose) -> Credential {
        let credential = Credential::from_pat(&self.token);
        credential.with_receipt(Box::new(Lent { pat: self, purpose, usage: None }))
    }

    /// The same token once more, for those who chose to use one for all calls of a while.
    pub(super) fn credential(&self) -> Credential {
        Credential::from_pat(&self.token)
    }

    pub(super) fn authorization_id(&self) -> Option<String> {
        self.spent.as_ref().map(|spent| spent.authorization_id.clone())
    }

    pub(super) fn minter(&self) -> &Arc<Minter> {
        &self.minter
    }

    pub(super) fn identity(&self) -> Option<String> {
        self.spent.as_ref().and_then(|spent| spent.entry.identity.clone())
    }
}

impl Drop for Pat {
    fn drop(&mut self) {
        if let Some(spent) = self.spent.take() {
            self.minter.revoke_later(spent);
        }
    }
}

impl fmt::Debug for Pat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pat({:?}, until {})", self.authorization_id(), self.valid_to)
    }
}

/// A token on its way through one call.
struct Lent {
    pat: Pat,
    purpose: Purpose,
    usage: Option<Usage>,
}

impl Receipt for Lent {
    fn used(mut self: Box<Self>, usage: Usage) {
        self.usage = Some(usage);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let audit_log = &self.pat.minter.audit_log;
        let entry = audit_log.used(self.pat.scope, self.purpose, self.usage.take());
        if let Some(spent) = &mut self.pat.spent {
            let (identity, pat) = (spent.entry.identity.clone(), spent.entry.pat.clone());
            spent.entry.run = self.purpose.run;
            spent.used = Some(Entry { identity, pat, ..entry });
        }
    }
}

//! A minted PAT. Making a credential of it consumes it, and dropping it revokes it, so a PAT cannot
//! be used for a second call nor be forgotten.

use std::fmt;
use std::sync::Arc;

use super::revoke::{Revocation, Revoker};
use crate::ado::{Credential, Receipt, Scope, Usage};
use crate::credentials::source::Purpose;
use crate::domain::audit::Entry;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// See the module.
pub(super) struct Pat {
    token: Secret,
    scope: Scope,
    pub(super) minted_at: Timestamp,
    pub(super) valid_to: Timestamp,
    revoker: Arc<Revoker>,
    /// What the drop hands to the revoker; taken by it.
    revocation: Option<Revocation>,
}

impl Pat {
    /// From here on the PAT is revoked when it goes out of scope.
    pub(super) fn new(
        token: Secret,
        scope: Scope,
        minted_at: Timestamp,
        revoker: Arc<Revoker>,
        revocation: Revocation,
    ) -> Self {
        let valid_to = revocation.valid_to;
        Self { token, scope, minted_at, valid_to, revoker, revocation: Some(revocation) }
    }

    /// The credential of one call. The PAT is revoked when the call has ended.
    pub(super) fn into_credential(self, purpose: Purpose) -> Credential {
        let credential = Credential::from_pat(&self.token);
        credential.with_receipt(Box::new(SingleUse { pat: self, purpose, usage: None }))
    }

    /// For `pat_use = "window"`: the PAT serves any number of calls.
    pub(super) fn into_reusable(self) -> ReusablePat {
        ReusablePat(Arc::new(self))
    }
}

impl Drop for Pat {
    fn drop(&mut self) {
        if let Some(revocation) = self.revocation.take() {
            self.revoker.revoke_in_background(revocation);
        }
    }
}

impl fmt::Debug for Pat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.revocation.as_ref().map(|revocation| &revocation.authorization_id);
        write!(out, "Pat({id:?}, valid to {})", self.valid_to)
    }
}

/// Owns the PAT during its one call, so that the PAT is revoked when the call ends or is dropped.
struct SingleUse {
    pat: Pat,
    purpose: Purpose,
    usage: Option<Usage>,
}

impl Receipt for SingleUse {
    fn used(mut self: Box<Self>, usage: Usage) {
        self.usage = Some(usage);
    }
}

impl Drop for SingleUse {
    fn drop(&mut self) {
        let Pat { scope, revoker, revocation, .. } = &mut self.pat;
        if let Some(revocation) = revocation {
            let use_entry = revoker.audit_log.use_entry(*scope, self.purpose, self.usage.take());
            let (identity, pat) = (revocation.entry.identity.clone(), revocation.entry.pat.clone());
            revocation.entry.run = self.purpose.run;
            revocation.use_entry = Some(Entry { identity, pat, ..use_entry });
        }
    }
}

/// A PAT for many calls. Clones share it; it is revoked when the last clone and the last call are
/// gone.
#[derive(Clone, Debug)]
pub(super) struct ReusablePat(Arc<Pat>);

impl ReusablePat {
    /// A credential of one more call.
    pub(super) fn credential(&self, purpose: Purpose) -> Credential {
        let receipt = OneOfManyUses { pat: Arc::clone(&self.0), purpose };
        Credential::from_pat(&self.0.token).with_receipt(Box::new(receipt))
    }

    pub(super) fn minted_at(&self) -> Timestamp {
        self.0.minted_at
    }

    pub(super) fn valid_to(&self) -> Timestamp {
        self.0.valid_to
    }
}

struct OneOfManyUses {
    pat: Arc<Pat>,
    purpose: Purpose,
}

impl Receipt for OneOfManyUses {
    fn used(self: Box<Self>, usage: Usage) {
        let Pat { scope, revoker, revocation, .. } = &*self.pat;
        let owner = revocation.as_ref().map(|revocation| &revocation.entry);
        let use_entry = revoker.audit_log.use_entry(*scope, self.purpose, Some(usage));
        revoker.audit_log.record_later(Entry {
            identity: owner.and_then(|entry| entry.identity.clone()),
            pat: owner.and_then(|entry| entry.pat.clone()),
            ..use_entry
        });
    }
}

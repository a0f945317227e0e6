//! Personal access tokens that were minted through the lifecycle API (docs/azure-devops.md §4.1,
//! §4.2).
//!
//! Every PAT ever minted is kept with a record of its use, so that a test finds one that was used
//! twice or never revoked.

/// Whether a PAT may be minted as asked.
mod minting;
/// A minted PAT, and the rules for PATs.
pub mod pat;
/// The lifecycle API over REST.
mod rest;
/// Uses and settings of PATs that break the rule of one narrow, short-lived PAT for each call.
mod violations;

pub use pat::{Pat, PatRules, PatState};

use crate::ado::security::identity::{AuthenticationError, Caller, CredentialKind};
use crate::ado::world::World;

impl World {
    /// Every PAT ever minted, oldest first.
    pub fn pats(&self) -> &[Pat] {
        &self.pats.all
    }

    /// The PATs that work now. At the end of a test they are those that were never revoked.
    pub fn active_pats(&self) -> impl Iterator<Item = &Pat> {
        self.pats.all.iter().filter(|pat| pat.state(self.now_ms) == PatState::Active)
    }

    /// Violations of the rule of one narrow, short-lived PAT for each call, oldest first.
    pub fn violations(&self) -> &[String] {
        &self.pats.violations
    }

    /// Sets whether a second use of a PAT is a violation.
    pub fn expects_single_use(&mut self, expected: bool) {
        self.pat_rules.expects_single_use = expected;
    }

    /// Refuses the next `count` creations with this `patTokenError`.
    pub fn fail_minting(&mut self, error: &str, count: u32) {
        self.pats.scripted_error = Some((error.to_owned(), count));
    }

    /// Revokes a PAT as an administrator would; false when there is none of that id.
    pub fn revoke_pat(&mut self, authorization_id: &str) -> bool {
        let now_ms = self.now_ms;
        let found = self.pats.all.iter_mut().find(|pat| pat.authorization_id == authorization_id);
        let known = found.is_some();
        if let Some(pat) = found {
            pat.revoked_at_ms.get_or_insert(now_ms);
        }
        known
    }

    /// The caller that presents a minted PAT; none when the secret is not that of a minted PAT.
    pub(super) fn minted_caller(
        &self,
        secret: &str,
        organization: &str,
    ) -> Option<Result<Caller, AuthenticationError>> {
        let index = self.pats.by_secret.get(secret)?;
        let pat = self.pats.all.get(*index)?;
        let here = pat.all_orgs || pat.organization == organization;
        if !here || pat.state(self.now_ms) != PatState::Active {
            return Some(Err(AuthenticationError::InvalidToken));
        }
        let has_arrived = self.now_ms >= pat.valid_from_ms + self.pat_rules.delay_ms;
        if !has_arrived || !self.pat_rules.has_signed_in {
            return Some(Err(AuthenticationError::NotAuthorized));
        }
        let identity = pat.identity.clone();
        Some(Ok(Caller { identity, scopes: pat.scopes(), kind: CredentialKind::Pat }))
    }
}

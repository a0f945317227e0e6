//! Personal access tokens that were minted through the lifecycle API (docs/azure-devops.md §4.1,
//! §4.2).
//!
//! Every PAT ever minted is kept, with what was done with it, so that a test can find the one that
//! was used twice or never revoked. Nothing here knows HTTP.

/// Whether a PAT may be minted as asked.
mod minting;
/// The lifecycle API over REST.
mod rest;
/// How PATs are used, and what is wrong with that.
mod watching;

use std::collections::HashMap;

use super::access::{Caller, Kind, Stranger};
use super::scope::Scope;
use super::world::World;

/// How the organization deals with PATs, and what is expected of the one who mints them.
#[derive(Debug, Clone)]
pub struct PatRules {
    /// How long a fresh PAT is answered 401.
    pub delay_ms: i64,
    /// Whether the person has signed in to ADO by browser; without, no PAT works
    /// (docs/azure-devops.md §4.1).
    pub has_signed_in: bool,
    /// The longest life that the policy of the tenant allows.
    pub longest_ms: Option<i64>,
    /// Whether a longer life is cut silently; otherwise it is a `patLifespanPolicyViolation`.
    pub cuts_silently: bool,
    /// A life shorter than this is an `invalidValidTo`; the real minimum is unknown.
    pub shortest_ms: i64,
    /// Whether `app_token` may be minted.
    pub allows_full_scope: bool,
    /// Whether PATs for all organizations may be minted.
    pub allows_global: bool,
    /// Whether PATs may be minted at all.
    pub allows_creation: bool,
    /// Expected of the minter: a life no longer than this.
    pub expected_life_ms: i64,
    /// Expected of the minter: a name that begins so.
    pub expected_prefix: String,
    /// Expected of the minter: one use for each PAT.
    pub expects_single_use: bool,
}

impl Default for PatRules {
    fn default() -> Self {
        Self {
            delay_ms: 0,
            has_signed_in: true,
            longest_ms: None,
            cuts_silently: true,
            shortest_ms: 0,
            allows_full_scope: true,
            allows_global: true,
            allows_creation: true,
            expected_life_ms: 300_000,
            expected_prefix: "azdo-gateway/".to_owned(),
            expects_single_use: true,
        }
    }
}

/// What has become of a PAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PatState {
    /// It works.
    Active,
    /// It was revoked.
    Revoked,
    /// Its time has passed.
    Expired,
}

/// A PAT that was minted.
#[derive(Debug, Clone)]
pub struct Pat {
    /// GUID by which it is revoked.
    pub authorization_id: String,
    /// What callers present.
    pub secret: String,
    /// GUID of whom it speaks for.
    pub identity: String,
    /// Name of its organization.
    pub organization: String,
    /// Name that people see.
    pub display_name: String,
    /// Scopes as written.
    pub scope: String,
    /// Whether it works in all organizations.
    pub all_orgs: bool,
    /// When it was minted, in milliseconds since 1970.
    pub valid_from_ms: i64,
    /// When it ends.
    pub valid_to_ms: i64,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
    /// Calls that were let in.
    pub used: u32,
    /// Calls that were answered 401 or with a sign-in page.
    pub refused_uses: u32,
}

impl Pat {
    /// What has become of it by then.
    pub fn state(&self, now_ms: i64) -> PatState {
        match self.revoked_at_ms {
            Some(_) => PatState::Revoked,
            None if self.valid_to_ms <= now_ms => PatState::Expired,
            None => PatState::Active,
        }
    }

    pub(super) fn scopes(&self) -> Vec<Scope> {
        self.scope.split_whitespace().filter_map(Scope::parse).collect()
    }
}

/// The PATs, what was done wrong with them, and refusals that were ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pats {
    pub(super) all: Vec<Pat>,
    /// Places among all, as a load test mints very many.
    pub(super) by_secret: HashMap<String, usize>,
    pub(super) violations: Vec<String>,
    pub(super) ordered_error: Option<(String, u32)>,
}

impl World {
    /// Every PAT ever minted, oldest first.
    pub fn pats(&self) -> &[Pat] {
        &self.pats.all
    }

    /// The PATs that work now: at the end of a test, those whose revocation was forgotten.
    pub fn active_pats(&self) -> impl Iterator<Item = &Pat> {
        self.pats.all.iter().filter(|pat| pat.state(self.now_ms) == PatState::Active)
    }

    /// What was done with PATs that should not be done, oldest first.
    pub fn violations(&self) -> &[String] {
        &self.pats.violations
    }

    /// Whether a second use of a minted PAT is a violation.
    pub fn expects_single_use(&mut self, expected: bool) {
        self.pat_rules.expects_single_use = expected;
    }

    /// Refuses the next `count` creations with this `patTokenError`.
    pub fn fail_minting(&mut self, error: &str, count: u32) {
        self.pats.ordered_error = Some((error.to_owned(), count));
    }

    /// Revokes a PAT as an administrator does; false when there is none of that id.
    pub fn revoke_pat(&mut self, authorization_id: &str) -> bool {
        let now_ms = self.now_ms;
        let found = self.pats.all.iter_mut().find(|pat| pat.authorization_id == authorization_id);
        let known = found.is_some();
        if let Some(pat) = found {
            pat.revoked_at_ms.get_or_insert(now_ms);
        }
        known
    }

    /// Who presents a minted PAT; none when the secret is not that of one.
    pub(super) fn minted_caller(
        &self,
        secret: &str,
        organization: &str,
    ) -> Option<Result<Caller, Stranger>> {
        let place = self.pats.by_secret.get(secret)?;
        let pat = self.pats.all.get(*place)?;
        let here = pat.all_orgs || pat.organization == organization;
        if !here || pat.state(self.now_ms) != PatState::Active {
            return Some(Err(Stranger::SignedOut));
        }
        let has_arrived = self.now_ms >= pat.valid_from_ms + self.pat_rules.delay_ms;
        if !has_arrived || !self.pat_rules.has_signed_in {
            return Some(Err(Stranger::Refused));
        }
        let identity = pat.identity.clone();
        Some(Ok(Caller { identity, scopes: pat.scopes(), kind: Kind::Pat }))
    }
}

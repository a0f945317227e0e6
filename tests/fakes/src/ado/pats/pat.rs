//! PATs that were minted, and the rules of the organization for them.
//!
//! Plain values.

use std::collections::HashMap;

use crate::ado::security::scope::Scope;

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
    pub(super) scripted_error: Option<(String, u32)>,
}

//! A minted PAT, and the rules for PATs.
//!
//! Plain values.

use std::collections::HashMap;

use crate::ado::security::scope::Scope;

/// The rules of the organization for PATs, and what a caller that mints them is expected to do.
#[derive(Debug, Clone)]
pub struct PatRules {
    /// How long a new PAT is refused with 401.
    pub delay_ms: i64,
    /// Whether the person has signed in to ADO by browser. Without that no PAT works
    /// (docs/azure-devops.md §4.1).
    pub has_signed_in: bool,
    /// The longest lifetime that the policy of the tenant allows.
    pub longest_ms: Option<i64>,
    /// Whether a longer lifetime is shortened silently; otherwise it is a
    /// `patLifespanPolicyViolation`.
    pub cuts_silently: bool,
    /// A shorter lifetime than this is an `invalidValidTo`. The real minimum is unknown.
    pub shortest_ms: i64,
    /// Whether `app_token` may be minted.
    pub allows_full_scope: bool,
    /// Whether PATs for all organizations may be minted.
    pub allows_global: bool,
    /// Whether PATs may be minted at all.
    pub allows_creation: bool,
    /// Expected: a lifetime of at most this.
    pub expected_life_ms: i64,
    /// Expected: a display name that begins so.
    pub expected_prefix: String,
    /// Expected: at most one use for each PAT.
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

/// The state of a PAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PatState {
    /// It works.
    Active,
    /// It was revoked.
    Revoked,
    /// It has expired.
    Expired,
}

/// A PAT that was minted.
#[derive(Debug, Clone)]
pub struct Pat {
    /// GUID by which it is revoked.
    pub authorization_id: String,
    /// What callers present as the password.
    pub secret: String,
    /// GUID of the identity that it belongs to.
    pub identity: String,
    /// Name of its organization.
    pub organization: String,
    /// Name that people see.
    pub display_name: String,
    /// Scopes as requested, separated by spaces.
    pub scope: String,
    /// Whether it works in all organizations.
    pub all_orgs: bool,
    /// When it was minted, in milliseconds since 1970.
    pub valid_from_ms: i64,
    /// When it expires.
    pub valid_to_ms: i64,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
    /// Calls for which it was accepted.
    pub used: u32,
    /// Calls that were refused with 401 or with a sign-in page.
    pub refused_uses: u32,
}

impl Pat {
    /// Its state at that time.
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

/// The PATs, violations in their use, and a refusal that a test ordered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pats {
    pub(super) all: Vec<Pat>,
    /// Indexes into `all`, as a load test mints very many.
    pub(super) by_secret: HashMap<String, usize>,
    pub(super) violations: Vec<String>,
    pub(super) scripted_error: Option<(String, u32)>,
}

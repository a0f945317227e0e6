//! Whether a PAT may be minted as asked (docs/azure-devops.md §4.1, §4.2).
//!
//! A refusal is a `patTokenError` in an answer with status 200, as in ADO.

use serde_json::Value;

use super::pat::{Pat, PatRules};
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::timestamp;

const YEAR_MS: i64 = 366 * 24 * 3_600_000;
/// How many characters of a PAT come before its signature (docs/azure-devops.md §4.1).
const BEFORE_SIGNATURE: usize = 76;

/// The settings of a PAT, once they were validated.
#[derive(Debug)]
pub(super) struct PatSettings {
    pub(super) display_name: String,
    pub(super) scope: String,
    pub(super) valid_to_ms: i64,
    pub(super) all_orgs: bool,
}

/// The settings of no PAT: creating one must give all of them.
impl PatSettings {
    pub(super) fn none() -> Self {
        let (display_name, scope) = (String::new(), String::new());
        Self { display_name, scope, valid_to_ms: i64::MIN, all_orgs: false }
    }

    pub(super) fn of(pat: &Pat) -> Self {
        Self {
            display_name: pat.display_name.clone(),
            scope: pat.scope.clone(),
            valid_to_ms: pat.valid_to_ms,
            all_orgs: pat.all_orgs,
        }
    }
}

impl World {
    /// The settings that a body asks for, or a `patTokenError`. What the body leaves out is taken
    /// from `old`.
    pub(super) fn settings(
        &self,
        body: &Value,
        old: PatSettings,
    ) -> Result<PatSettings, &'static str> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let display_name = text("displayName").unwrap_or(old.display_name);
        let scope = text("scope").unwrap_or(old.scope);
        let all_orgs = body.get("allOrgs").and_then(Value::as_bool).unwrap_or(old.all_orgs);
        if display_name.trim().is_empty() || display_name.len() > 256 {
            return Err("invalidDisplayName");
        }
        let scopes: Option<Vec<_>> = scope.split_whitespace().map(Scope::parse).collect();
        let scopes = scopes.filter(|scopes| !scopes.is_empty()).ok_or("invalidScope")?;
        if scopes.iter().any(|one| matches!(one, Scope::Pats | Scope::PatsManage)) {
            return Err("invalidScope");
        }
        let rules = &self.pat_rules;
        if scopes.contains(&Scope::Full) && !rules.allows_full_scope {
            return Err("fullScopePatPolicyViolation");
        }
        if all_orgs && !rules.allows_global {
            return Err("globalPatPolicyViolation");
        }
        let valid_to_ms = match text("validTo") {
            None => old.valid_to_ms,
            Some(written) => timestamp::parse_rfc3339(&written).ok_or("invalidValidTo")?,
        };
        let valid_to_ms = self.allowed_end(rules, valid_to_ms)?;
        Ok(PatSettings { display_name, scope, valid_to_ms, all_orgs })
    }

    fn allowed_end(&self, rules: &PatRules, asked_ms: i64) -> Result<i64, &'static str> {
        let life_ms = asked_ms.saturating_sub(self.now_ms);
        if life_ms <= 0 || life_ms > YEAR_MS || life_ms < rules.shortest_ms {
            return Err("invalidValidTo");
        }
        match rules.longest_ms {
            Some(longest_ms) if life_ms > longest_ms => {
                let cut = rules.cuts_silently.then_some(self.now_ms + longest_ms);
                cut.ok_or("patLifespanPolicyViolation")
            }
            _ => Ok(asked_ms),
        }
    }

    /// 84 characters, with `AZDO` before the last four (docs/azure-devops.md §4.1).
    pub(super) fn new_secret(&mut self) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let head = self.random.text(alphabet, BEFORE_SIGNATURE);
        let tail = self.random.text(alphabet, 4);
        format!("{head}AZDO{tail}")
    }
}

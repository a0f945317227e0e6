//! Violations of the rule that each call has one narrow, short-lived PAT of its own.
//!
//! ADO does not have this rule; the gateway promises it. Violations are only recorded, so that
//! answers stay those of ADO.

use super::pat::{Pat, PatState};
use crate::ado::security::authentication::presented;
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::{Request, Response};

impl World {
    /// The index of the minted PAT that a request presents.
    pub(in crate::ado) fn presented_pat(&self, request: &Request) -> Option<usize> {
        let (is_bearer, secret) = presented(request)?;
        let found = self.pats.by_secret.get(&secret).copied();
        found.filter(|_| !is_bearer)
    }

    /// Records a use. `needed` are the scopes of which the call needs one; none when the call was
    /// refused before that was known.
    pub(in crate::ado) fn record_pat_use(
        &mut self,
        index: usize,
        request: &Request,
        response: &Response,
        needed: Option<&[Scope]>,
    ) {
        let (now_ms, single) = (self.now_ms, self.pat_rules.expects_single_use);
        let Some(pat) = self.pats.all.get_mut(index) else { return };
        let call = format!("{} {}", request.method, request.path);
        let mut wrong = Vec::new();
        match pat.state(now_ms) {
            PatState::Active => {}
            PatState::Revoked => wrong.push(format!("used after it was revoked: {call}")),
            PatState::Expired => wrong.push(format!("used after it expired: {call}")),
        }
        if matches!(response.status, 203 | 302 | 401) {
            pat.refused_uses += 1;
        } else {
            pat.used += 1;
            if single && pat.used > 1 {
                wrong.push(format!("used {} times: {call}", pat.used));
            }
            // A refused call tells nothing about the scope that it would have needed.
            let needed = needed.or((response.status < 400).then_some(&[]));
            let is_broader = |needed| pat.scopes().iter().any(|own| own.is_broader_than(needed));
            if needed.is_some_and(is_broader) {
                wrong.push(format!("scope {} is more than {call} needs", pat.scope));
            }
        }
        let wrong: Vec<_> = wrong.into_iter().map(|text| described(pat, &text)).collect();
        self.pats.violations.extend(wrong);
    }

    /// Records what is wrong with the settings of a new or changed PAT.
    pub(super) fn check_settings(&mut self, pat: &Pat) {
        let rules = &self.pat_rules;
        let mut wrong = Vec::new();
        if pat.valid_to_ms - self.now_ms > rules.expected_life_ms {
            wrong.push(format!("is valid for {} ms", pat.valid_to_ms - self.now_ms));
        }
        if pat.all_orgs {
            wrong.push("is valid for all organizations".to_owned());
        }
        if pat.scopes().len() != 1 {
            wrong.push(format!("has several scopes: {}", pat.scope));
        }
        if !pat.display_name.starts_with(&rules.expected_prefix) {
            wrong.push(format!("has a name without {}", rules.expected_prefix));
        }
        let wrong: Vec<_> = wrong.into_iter().map(|text| described(pat, &text)).collect();
        self.pats.violations.extend(wrong);
    }
}

fn described(pat: &Pat, text: &str) -> String {
    format!("PAT {} '{}' {text}", pat.authorization_id, pat.display_name)
}

//! What tests order at the token endpoints, and what they count there.

use super::forgery::Forgery;
use super::model::TokenCall;
use super::refusal::OAuthError;
use super::world::World;

impl World {
    /// Refuses the next `count` calls of the token endpoint, or all of them until
    /// `clear_token_failure`.
    pub fn fail_token(&mut self, number: u32, error: &str, status: u16, count: Option<u32>) {
        self.scripted_refusal = Some((OAuthError::new(status, error, number), count));
    }

    /// Ends the refusals of `fail_token`.
    pub fn clear_token_failure(&mut self) {
        self.scripted_refusal = None;
    }

    /// Revokes every refresh token of a person: using one is refused with AADSTS50173. Returns how
    /// many there were.
    pub fn revoke_refresh_tokens(&mut self, principal_name: &str) -> usize {
        let name = principal_name.to_lowercase();
        let tokens = self.refresh_tokens.values_mut();
        let mut count = 0;
        for token in tokens.filter(|token| token.user == name && !token.is_revoked) {
            token.is_revoked = true;
            count += 1;
        }
        count
    }

    /// Forges the next ID token.
    pub fn forge_next_id_token(&mut self, forgery: Forgery) {
        self.forgery = Some(forgery);
    }

    /// Signs with another key from now on; the old one is not published any more.
    pub fn rotate_signing_key(&mut self) {
        self.signing_key = 1 - self.signing_key.min(1);
    }

    /// Every call of the token endpoints, oldest first.
    pub fn token_calls(&self) -> &[TokenCall] {
        &self.calls
    }

    /// Every code, state, verifier and token that was issued or received, oldest first, each with
    /// the name of its kind. None of them may be found in a log or a file of the gateway.
    pub fn issued_secrets(&self) -> &[(&'static str, String)] {
        &self.issued_secrets
    }

    /// How many calls with this grant were granted.
    pub fn granted(&self, grant: &str) -> usize {
        let granted = |call: &&TokenCall| call.grant == grant && call.refused.is_none();
        self.calls.iter().filter(granted).count()
    }

    /// How many calls there were with this grant, refused ones included.
    pub fn asked(&self, grant: &str) -> usize {
        self.calls.iter().filter(|call| call.grant == grant).count()
    }

    /// The refresh tokens that are valid now.
    pub fn live_refresh_tokens(&self) -> Vec<&str> {
        let idle_ms = self.options.refresh_idle_ms;
        let all = self.refresh_tokens.iter();
        let live =
            all.filter(|(_, token)| !token.is_revoked && self.now_ms - token.issued_ms < idle_ms);
        live.map(|(secret, _)| secret.as_str()).collect()
    }

    /// The refusal that was ordered for this call of the token endpoint, if any. Counts down how
    /// many calls are left to refuse.
    pub(super) fn next_scripted_refusal(&mut self) -> Option<OAuthError> {
        let (refused, count) = self.scripted_refusal.as_mut()?;
        let refused = refused.clone();
        match count {
            Some(0) => {
                self.scripted_refusal = None;
                return None;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Some(refused)
    }
}

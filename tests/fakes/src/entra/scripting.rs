//! What happens to tokens by the hand of a test: scripted refusals, revocations, counts.
//!
//! Refusals that a world would not come to by itself. Nothing here knows HTTP.

use super::forgery::Forgery;
use super::model::{ScriptedRefusals, TokenCall};
use super::refusal::OAuthError;
use super::world::World;

impl World {
    /// Refuses the next `count` calls of the token endpoint, or all of them until `heal_tokens`.
    pub fn fail_token(&mut self, number: u32, error: &str, status: u16, count: Option<u32>) {
        self.scripted.token = Some((OAuthError::new(status, error, number), count));
    }

    /// Refuses the next sign-in by redirecting back with this error.
    pub fn fail_authorize(&mut self, number: u32, error: &str) {
        self.scripted.authorize = Some((error.to_owned(), number));
    }

    /// Ends what `fail_token` and `fail_authorize` began.
    pub fn heal_tokens(&mut self) {
        self.scripted = ScriptedRefusals::default();
    }

    /// Revokes every refresh token of a person: redeeming one meets AADSTS50173. Says how many.
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

    /// Makes the next ID token a bad one.
    pub fn forge_next_id_token(&mut self, forgery: Forgery) {
        self.forgery = Some(forgery);
    }

    /// Signs with a new key from now on; the old one disappears from the key document.
    pub fn rotate_signing_key(&mut self) {
        self.signing_key = 1 - self.signing_key.min(1);
    }

    /// Every call of the token endpoints, oldest first.
    pub fn token_calls(&self) -> &[TokenCall] {
        &self.calls
    }

    /// Every code, state, verifier and token that was handed out or sent here, oldest first, by the
    /// name of what it is: what must not be found anywhere.
    pub fn confided(&self) -> &[(&'static str, String)] {
        &self.issued_secrets
    }

    /// How many calls asked for this grant, and were granted.
    pub fn granted(&self, grant: &str) -> usize {
        let granted = |call: &&TokenCall| call.grant == grant && call.refused.is_none();
        self.calls.iter().filter(granted).count()
    }

    /// How many calls asked for this grant, whatever became of them.
    pub fn asked(&self, grant: &str) -> usize {
        self.calls.iter().filter(|call| call.grant == grant).count()
    }

    /// The refresh tokens that can be redeemed now.
    pub fn live_refresh_tokens(&self) -> Vec<&str> {
        let idle_ms = self.options.refresh_idle_ms;
        let all = self.refresh_tokens.iter();
        let live =
            all.filter(|(_, token)| !token.is_revoked && self.now_ms - token.issued_ms < idle_ms);
        live.map(|(secret, _)| secret.as_str()).collect()
    }

    /// The refusal ordered for a call of the token endpoint, counted down.
    pub(super) fn next_scripted_refusal(&mut self) -> Option<OAuthError> {
        let (refused, count) = self.scripted.token.as_mut()?;
        let refused = refused.clone();
        match count {
            Some(0) => {
                self.scripted.token = None;
                return None;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        Some(refused)
    }

    pub(super) fn next_scripted_sign_in_error(&mut self) -> Option<(String, u32)> {
        self.scripted.authorize.take()
    }
}

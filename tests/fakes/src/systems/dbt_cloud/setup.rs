//! What a test sets and asks: ids, secrets, limits, and details of runs.

use serde_json::{Map, Value};

use super::{ACCOUNT, JOB, World, callbacks};
use crate::http::Request;

impl World {
    /// The account's id.
    pub fn account(&self) -> u64 {
        ACCOUNT
    }

    /// The job's id.
    pub fn job(&self) -> u64 {
        JOB
    }

    /// A service token with the permission set `job_runner`.
    pub fn token(&self) -> &str {
        self.tokens.first().map_or("", |token| &token.secret)
    }

    /// A service token that reads, and may neither start nor cancel.
    pub fn read_only_token(&self) -> &str {
        self.tokens.get(1).map_or("", |token| &token.secret)
    }

    /// A service token with the permission set `webhooks_only`.
    pub fn webhooks_only_token(&self) -> &str {
        self.tokens.get(2).map_or("", |token| &token.secret)
    }

    /// A person's token, scoped to the account.
    pub fn personal_token(&self) -> &str {
        self.tokens.get(3).map_or("", |token| &token.secret)
    }

    /// Revokes all tokens.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The secret of the webhook subscription.
    pub fn webhook_secret(&self) -> &str {
        &self.hmac_secret
    }

    /// Sets how many requests a minute the account may send: 5,000 unless set.
    pub fn set_limit(&mut self, requests_per_minute: u32) {
        self.limit.requests_per_minute = requests_per_minute;
    }

    /// Refuses all requests for five minutes, as after too many.
    pub fn lock_out(&mut self, now_ms: i64) {
        self.limit.lock_out(now_ms);
    }

    /// A queued run shows `Starting`.
    pub fn show_starting(&mut self, number: u64) {
        if let Some(details) = self.details.get_mut(&number) {
            details.is_starting = true;
        }
    }

    /// Sets names and status codes of the steps of a run; none at all for an empty list.
    pub fn set_steps(&mut self, number: u64, steps: &[(&str, u8)]) {
        if let Some(details) = self.details.get_mut(&number) {
            let steps = steps.iter().map(|(name, status)| ((*name).to_owned(), *status));
            details.steps = Some(steps.collect());
        }
    }

    /// Sets the `status_message` of a run.
    pub fn set_message(&mut self, number: u64, message: &str) {
        if let Some(details) = self.details.get_mut(&number) {
            details.message = Some(message.to_owned());
        }
    }

    /// What arrived when the run was started, without unknown properties.
    pub fn trigger(&self, number: u64) -> Option<&Map<String, Value>> {
        self.details.get(&number).map(|details| &details.trigger)
    }

    /// All webhooks about the present state: a failed run sends two. A repeated delivery has the
    /// same event id.
    pub fn callbacks(&self, number: u64, now_ms: i64) -> Vec<Request> {
        callbacks::all(self, number, now_ms)
    }
}

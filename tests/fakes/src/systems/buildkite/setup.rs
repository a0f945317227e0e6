//! What a test sets and asks: secrets, limits, and states of Buildkite's own.

use super::{World, callbacks};
use crate::http::Request;
use crate::systems::State;

impl World {
    /// The slug of the organization.
    pub fn organization(&self) -> &'static str {
        "fabrikam"
    }

    /// The slug of the pipeline.
    pub fn pipeline(&self) -> &'static str {
        "web"
    }

    /// A token with the scopes `read_builds` and `write_builds`.
    pub fn token(&self) -> &str {
        self.tokens.first().map_or("", |token| &token.secret)
    }

    /// A token with the scope `read_builds` only.
    pub fn read_only_token(&self) -> &str {
        self.tokens.get(1).map_or("", |token| &token.secret)
    }

    /// A token with the scope `write_builds` only.
    pub fn write_only_token(&self) -> &str {
        self.tokens.get(2).map_or("", |token| &token.secret)
    }

    /// Revokes all tokens.
    pub fn revoke_tokens(&mut self) {
        self.tokens.iter_mut().for_each(|token| token.secret.clear());
    }

    /// The token of the notification service: the key of signatures.
    pub fn webhook_secret(&self) -> &str {
        &self.webhook_token
    }

    /// Sets how many requests a minute the organization and each user may send: 200 and 50 unless
    /// set.
    pub fn set_limits(&mut self, of_organization: u32, of_user: u32) {
        self.limits.of_organization = of_organization;
        self.limits.of_user = of_user;
    }

    /// Counts requests that others in the organization sent in the present minute.
    pub fn others_send(&mut self, requests: u32, now_ms: i64) {
        self.limits.count_others(requests, now_ms);
    }

    /// Stops a build at a block step: it shows `passed`, with `blocked: true`, although it has not
    /// ended.
    pub fn block(&mut self, number: u64) {
        self.builds.set_state(number, State::Running);
        if let Some(details) = self.details.get_mut(&number) {
            details.shown = Some((State::Running, "passed".to_owned()));
            details.is_blocked = true;
        }
    }

    /// Lets a blocked build run on.
    pub fn unblock(&mut self, number: u64) {
        if let Some(details) = self.details.get_mut(&number) {
            details.shown = None;
            details.is_blocked = false;
        }
    }

    /// Shows this state of Buildkite's own, such as `failing`, as long as the build stays in the
    /// state that it has now.
    pub fn show(&mut self, number: u64, state: &str) {
        let Some(now) = self.builds.get(number).map(|build| build.state) else { return };
        if let Some(details) = self.details.get_mut(&number) {
            details.shown = Some((now, state.to_owned()));
        }
    }

    /// The webhook of this event, such as `build.finished`, about the build as it is now: an event
    /// that was delayed shows a later state.
    pub fn event(&self, event: &str, number: u64, now_ms: i64) -> Option<Request> {
        callbacks::event(self, event, number, now_ms)
    }
}

//! What a test sets and asks: users, the place of the job, items and results.

use super::{FIRST_ITEM, World, queue};
use crate::random::Random;
use crate::systems::State;

impl World {
    /// The user who may read, build and cancel.
    pub fn user(&self) -> &str {
        self.credentials("gateway").0
    }

    /// The API token of that user.
    pub fn token(&self) -> &str {
        self.credentials("gateway").1
    }

    /// The password of that user, with which a POST needs a crumb.
    pub fn password(&self) -> &str {
        let user = self.users.iter().find(|user| user.name == "gateway");
        user.map_or("", |user| &user.password)
    }

    /// Name and API token of one of the users `gateway`, `starter` (who may not cancel), `reader`
    /// (who may only read) and `stranger` (to whom the job does not exist).
    pub fn credentials(&self, name: &str) -> (&str, &str) {
        let user = self.users.iter().find(|user| user.name == name);
        user.map_or(("", ""), |user| (&user.name, &user.token))
    }

    /// Revokes all API tokens. Passwords stay.
    pub fn revoke_tokens(&mut self) {
        self.users.iter_mut().for_each(|user| user.token.clear());
    }

    /// Puts the job elsewhere: the names of its folders and its own, as Jenkins knows them. The
    /// branch `feature/x` of a multibranch job has the name `feature%2Fx`.
    pub fn set_job(&mut self, names: &[&str]) {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
    }

    /// The path of the job, encoded, without a slash at the end.
    pub fn job_path(&self) -> String {
        self.names.iter().map(|name| format!("/job/{}", encoded(name))).collect()
    }

    /// The id of the item in the queue that becomes, or became, this build.
    pub fn item_id(&self, number: u64) -> u64 {
        FIRST_ITEM + number
    }

    /// How long this build was asked to wait in the queue, in milliseconds.
    pub fn delay_ms(&self, number: u64) -> Option<i64> {
        self.details.get(&number).map(|known| known.delay_ms)
    }

    /// Somebody cancels the item in the queue: it never becomes a build.
    pub fn cancel_item(&mut self, number: u64) {
        queue::cancel_waiting(self, number);
    }

    /// Shows this result, such as `UNSTABLE`, as long as the build stays in the state that it has
    /// now. A running build has it already while its last steps run.
    pub fn show_result(&mut self, number: u64, result: &str) {
        let Some(state) = self.builds.get(number).map(|build| build.state) else { return };
        if let Some(known) = self.details.get_mut(&number) {
            known.result = Some((state, result.to_owned()));
        }
    }

    /// Restarts Jenkins: queue and builds are as before, the session is another.
    pub fn restart(&mut self) {
        self.restarts += 1;
    }

    /// What the header `X-Jenkins-Session` says until the next restart.
    pub fn session(&self) -> String {
        Random::seeded(self.seed ^ 0x5E55 ^ (self.restarts << 32)).text(b"0123456789abcdef", 8)
    }

    /// Whether a build waits in the queue.
    pub fn is_waiting(&self, number: u64) -> bool {
        self.builds.get(number).is_some_and(|build| build.state == State::Queued)
    }
}

/// Percent-encoded, except letters, digits and `-._~`.
pub(super) fn encoded(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

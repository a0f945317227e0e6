//! Requests per minute of the organization and of the user.
//!
//! Minutes are counted from the epoch; a refused request is counted, too.

/// The two limits and what was sent in the present minute.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) of_organization: u32,
    pub(super) of_user: u32,
    minute: i64,
    sent_by_organization: u32,
    sent_by_user: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            of_organization: 200,
            of_user: 50,
            minute: 0,
            sent_by_organization: 0,
            sent_by_user: 0,
        }
    }
}

impl Limits {
    /// Counts one request; false when it is above a limit.
    pub(super) fn count(&mut self, now_ms: i64) -> bool {
        self.count_others(1, now_ms);
        self.sent_by_user += 1;
        self.sent_by_user <= self.of_user && self.sent_by_organization <= self.of_organization
    }

    pub(super) fn count_others(&mut self, requests: u32, now_ms: i64) {
        let minute = now_ms.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.sent_by_organization, self.sent_by_user) = (minute, 0, 0);
        }
        self.sent_by_organization += requests;
    }

    /// The headers that every answer has. `Reset` is in seconds from now.
    pub(super) fn headers(&self, now_ms: i64) -> [(&'static str, String); 7] {
        let reset_s = (60_000 - now_ms.rem_euclid(60_000) + 999).div_euclid(1_000).to_string();
        let left = |limit: u32, sent| limit.saturating_sub(sent).to_string();
        [
            ("RateLimit-Scope", "rest".to_owned()),
            ("RateLimit-Remaining", left(self.of_organization, self.sent_by_organization)),
            ("RateLimit-Limit", self.of_organization.to_string()),
            ("RateLimit-Reset", reset_s.clone()),
            ("RateLimit-User-Remaining", left(self.of_user, self.sent_by_user)),
            ("RateLimit-User-Limit", self.of_user.to_string()),
            ("RateLimit-User-Reset", reset_s),
        ]
    }
}

//! What hooks never told: the difference between what is known of a repository and what is there.
//!
//! Each difference gets the time at which it happened, as far as that can be known: by it the
//! decision tells what is past, and what is stale. It must never decide what is started, and never
//! know how anything is read.

mod pull_requests;
mod refs;

pub use pull_requests::{Missed, SeenPullRequest, Urgency, missed, wants_labels};
pub use refs::{FoundPush, FoundRefs, Heads, differs, missed_refs};

use super::fact::Push;
use super::time::Timestamp;

/// What a comparison stands on. All times are those of Azure DevOps.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The repository is watched since then: what happened before is past.
    pub since: Timestamp,
    /// Everything before has been compared; none at the first reading.
    pub read_until: Option<Timestamp>,
    /// When Azure DevOps was asked. What is known as of later is newer than its answer.
    pub asked_at: Timestamp,
    /// A push before is passed over where another one came after it. A later one may still be on
    /// its way through a hook, which tells each push.
    pub passes_over_until: Timestamp,
    /// Look for what moved and came back, too.
    pub is_thorough: bool,
    /// A check depends on the labels of pull requests.
    pub follows_labels: bool,
    /// A check is started by the end of a pull request.
    pub follows_closing: bool,
}

impl Frame {
    /// No change that was missed can be earlier.
    fn earliest(&self) -> Timestamp {
        self.read_until.map_or(self.since, |until| until.max(self.since))
    }
}

/// Pushes to a repository since some moment.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    /// By their ids, upwards.
    list: Vec<Push>,
    /// None is left out, back to that moment.
    is_complete: bool,
}

impl Pushes {
    /// Those that say which and when they are.
    pub fn new(list: Vec<Push>, is_complete: bool) -> Self {
        let is_whole = |push: &Push| push.push_id.is_some() && push.pushed_at.is_some();
        let is_complete = is_complete && list.iter().all(is_whole);
        let mut list: Vec<Push> = list.into_iter().filter(is_whole).collect();
        list.sort_by_key(|push| push.push_id);
        list.dedup_by_key(|push| push.push_id);
        Self { list, is_complete }
    }

    /// When a ref was last pushed to, and the head since then.
    fn last_of(&self, name: &str) -> Option<(Timestamp, Option<&str>)> {
        self.list.iter().rev().find_map(|push| {
            let update = push.updates.iter().rfind(|update| update.name == name)?;
            Some((push.pushed_at?, update.new.as_deref()))
        })
    }
}

#[cfg(test)]
mod tests;

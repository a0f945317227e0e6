//! The facts that a delivery tells, already free of Azure DevOps' JSON.
//!
//! A *fact* is what was said; an *event* is what changed, which we find out by comparing the fact
//! with what we knew. It must never know wire names.

use super::event::{Event, Repository};
use super::pull_request::PullRequest;
use super::time::Timestamp;

/// What a delivery tells us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A pull request as it stands; what changed is for us to find out.
    PullRequest(PullRequest),
    /// Azure DevOps tried to merge the two heads, which it does on creation and on every push.
    /// It does not mean that the pull request was completed.
    MergeAttempted(PullRequest),
    Push(Push),
    /// Understood, and nothing that a check can be started by.
    Other(Event),
    /// Azure DevOps' own sample, sent by its "Test" button: fabricated, must never start anything.
    Test,
    /// Well-formed, but without the part that would say what happened. The text says what lacks.
    Untold(String),
    /// Not understood at all. The text says why.
    Unreadable(String),
}

/// What catch-up says beside a fact that it tells; nothing where a hook tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatchUpMeta {
    /// Refs of a push that were pushed to again before it was found.
    pub passed_over: Vec<String>,
    /// The source branch of the pull request moved and came back to where it was.
    pub came_back: bool,
    /// Azure DevOps showed it like this at that moment: what was told of before is older.
    pub seen_at: Option<Timestamp>,
    /// A policy that waits for required checks is new: what they show is judged again.
    pub is_guarded_anew: bool,
}

/// Refs moved by one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub repository: Repository,
    /// Counts upwards within a repository.
    pub push_id: Option<i64>,
    pub pushed_at: Option<Timestamp>,
    pub updates: Vec<RefUpdate>,
    /// Messages of the commits that the delivery lists: possibly none, possibly not all.
    pub messages: Vec<String>,
}

/// One ref moved from one object to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// Absent when the ref was created.
    pub old: Option<String>,
    /// Absent when the ref was deleted.
    pub new: Option<String>,
}

impl RefUpdate {
    /// The branch name without `refs/heads/`.
    pub fn branch(&self) -> Option<&str> {
        self.name.strip_prefix("refs/heads/")
    }

    /// What this update is, in our words.
    pub fn event(&self) -> Event {
        let is_tag = self.name.starts_with("refs/tags/");
        match (self.branch().is_some(), is_tag, &self.old, &self.new) {
            (true, _, _, None) => Event::BranchDeleted,
            (true, _, None, Some(_)) => Event::BranchCreated,
            (true, _, Some(_), Some(_)) => Event::BranchPushed,
            (_, true, _, None) => Event::TagDeleted,
            (_, true, None, Some(_)) => Event::TagCreated,
            (_, true, Some(_), Some(_)) => Event::TagMoved,
            _ => Event::OtherRefUpdated,
        }
    }
}

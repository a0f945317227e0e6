//! What happened, in our words: the facts that a delivery tells, and the events we make of them.
//!
//! A *fact* is what Azure DevOps said, already free of its JSON; an *event* is what changed, which
//! we find out by comparing the fact with what we knew. It must never know wire names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::pull_request::PullRequest;
use super::time::Timestamp;

/// A repository, by the ids that survive renames and the names that people read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// GUID, lower case.
    pub id: String,
    pub name: String,
    /// GUID, lower case.
    pub project_id: String,
    pub project: String,
}

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

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What happened, by comparison with what we knew before.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            /// The name in answers and logs.
            pub fn as_str(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }

            /// The event of that name.
            pub fn parse(text: &str) -> Option<Event> {
                match text { $($text => Some(Event::$name),)* _ => None }
            }
        }
    };
}

events! {
    PullRequestOpened = "pull_request_opened",
    /// The source branch has a new head.
    PullRequestPushed = "pull_request_pushed",
    /// The target branch is another one.
    PullRequestRetargeted = "pull_request_retargeted",
    PullRequestDrafted = "pull_request_drafted",
    PullRequestPublished = "pull_request_published",
    PullRequestAbandoned = "pull_request_abandoned",
    PullRequestReactivated = "pull_request_reactivated",
    PullRequestCompleted = "pull_request_completed",
    /// Title, description or labels.
    PullRequestEdited = "pull_request_edited",
    /// Reviewers or their votes.
    PullRequestVoted = "pull_request_voted",
    PullRequestMergeAttempted = "pull_request_merge_attempted",
    PullRequestCommented = "pull_request_commented",
    /// Told again, or changed in nothing that we follow.
    PullRequestUnchanged = "pull_request_unchanged",
    BranchCreated = "branch_created",
    BranchPushed = "branch_pushed",
    BranchDeleted = "branch_deleted",
    TagCreated = "tag_created",
    TagMoved = "tag_moved",
    TagDeleted = "tag_deleted",
    OtherRefUpdated = "other_ref_updated",
    BuildCompleted = "build_completed",
    PipelineRunChanged = "pipeline_run_changed",
    RepositoryCreated = "repository_created",
    RepositoryRenamed = "repository_renamed",
    RepositoryDeleted = "repository_deleted",
    RepositoryForked = "repository_forked",
    RepositoryStatusChanged = "repository_status_changed",
    TestDelivery = "test",
    Unknown = "unknown",
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The first characters of a commit id, as people know it.
pub fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

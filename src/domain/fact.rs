//! The content of a delivery, free of Azure DevOps' JSON.
//!
//! A *fact* is the state that a delivery describes; an *event* is what changed, found by comparing
//! the fact with the stored state.

use serde::{Deserialize, Serialize};

use super::comment::Comment;
use super::event::{Event, Repository};
use super::pull_request::PullRequest;
use super::time::Timestamp;

/// The content of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The state of a pull request; the delivery does not say what changed.
    PullRequest(PullRequest),
    /// Azure DevOps made a trial merge of the two heads, as on creation and on every push. The pull
    /// request was not completed by it.
    MergeAttempted(PullRequest),
    Push(Push),
    /// Somebody commented on a pull request, or changed or deleted a comment.
    Comment(Comment),
    /// A build has completed in Azure Pipelines.
    BuildCompleted(CompletedBuild),
    /// A known event that starts no check.
    Other(Event),
    /// A test delivery with made-up content: starts nothing.
    Test,
    /// Well-formed, but a required field is missing; the text says which.
    Incomplete(String),
    /// Not readable; the text says why.
    Unreadable(String),
}

impl Fact {
    /// Gives its repository or its build the name of the project that Azure DevOps lists.
    pub fn name_project(&mut self, name: &str) {
        if let Fact::BuildCompleted(build) = self {
            name.clone_into(&mut build.project);
        }
        if let Fact::PullRequest(PullRequest { repository, .. })
        | Fact::MergeAttempted(PullRequest { repository, .. })
        | Fact::Comment(Comment { repository, .. })
        | Fact::Push(Push { repository, .. }) = self
        {
            name.clone_into(&mut repository.project);
        }
    }
}

/// What catch-up knows about a fact beyond the fact itself; default for hook deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CatchUpMeta {
    /// Refs of a push that were pushed again before catch-up found this push.
    pub passed_over: Vec<String>,
    /// The source branch of the pull request moved and came back to the same commit.
    pub came_back: bool,
    /// Azure DevOps showed this state at that time: deliveries about earlier times are older.
    pub seen_at: Option<Timestamp>,
    /// A status policy for required checks is new: their statuses are decided again.
    pub is_guarded_anew: bool,
}

/// A build that has completed. What became of it is not read: its CI is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedBuild {
    /// Its number, which is also that of the run of its pipeline.
    pub id: String,
    /// GUID of the project of its pipeline, lower case. Its repository may be in another one.
    pub project_id: String,
    pub project: String,
}

/// One push: the refs that it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub repository: Repository,
    /// Grows within a repository.
    pub push_id: Option<i64>,
    pub pushed_at: Option<Timestamp>,
    pub updates: Vec<RefUpdate>,
    /// Messages of the listed commits: possibly none, possibly not all.
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

    /// The event that this update is.
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

//! What a pull request consists of: iterations, reviewers, statuses, threads.
//!
//! Plain values, which only the world changes.

use super::ref_names::{NO_OBJECT, full_name};
use super::status::Status;

/// A pull request.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// Number.
    pub id: u64,
    /// GUID of the repository it targets.
    pub repository: String,
    /// GUID of the fork it comes from.
    pub fork: Option<String>,
    /// Title.
    pub title: String,
    /// Description.
    pub description: String,
    /// Full name of the source branch.
    pub source_ref: String,
    /// Full name of the target branch.
    pub target_ref: String,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Active, abandoned or completed.
    pub state: PullRequestState,
    /// Whether the next merge attempts conflict.
    pub conflicts: bool,
    /// `queued`, `succeeded`, `conflicts`.
    pub merge_status: &'static str,
    /// GUID of the last merge attempt.
    pub merge_id: String,
    /// Source commit of the last merge attempt.
    pub merge_source: String,
    /// Target commit of the last merge attempt.
    pub merge_target: String,
    /// The commit made by the last merge attempt, when it succeeded.
    pub merge_commit: Option<String>,
    /// GUID of the identity that opened it.
    pub by: String,
    /// When it was opened.
    pub created_ms: i64,
    /// When it was completed or abandoned.
    pub closed_ms: Option<i64>,
    /// Reviewers and their votes.
    pub reviewers: Vec<Reviewer>,
    /// Labels: GUID and name.
    pub labels: Vec<(String, String)>,
    /// Iterations, the first has number one.
    pub iterations: Vec<Iteration>,
    /// Statuses, oldest first.
    pub statuses: Vec<Status>,
    /// The number of the next status; numbers are not used twice.
    pub next_status: u64,
    /// Comment threads.
    pub threads: Vec<Thread>,
}

/// The state of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestState {
    /// Open.
    Active,
    /// Closed without merging.
    Abandoned,
    /// Merged.
    Completed,
}

impl PullRequestState {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Abandoned => "abandoned",
            Self::Completed => "completed",
        }
    }
}

/// One version of a pull request's code (docs/azure-devops.md §5).
#[derive(Debug, Clone)]
pub struct Iteration {
    /// Number, from one.
    pub id: u64,
    /// `create`, `push`, `forcePush`, `retarget`.
    pub reason: &'static str,
    /// Head of the source branch.
    pub source: String,
    /// Head of the target branch.
    pub target: String,
    /// Their merge base.
    pub common: String,
    /// Number of the push that made it; none for a retarget.
    pub push: Option<u64>,
    /// Old and new target branch, for a retarget.
    pub retarget: Option<(String, String)>,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A reviewer.
#[derive(Debug, Clone)]
pub struct Reviewer {
    /// GUID.
    pub id: String,
    /// 10 approved, 5 with suggestions, 0 none, -5 waiting, -10 rejected.
    pub vote: i8,
}

/// A thread of comments.
#[derive(Debug, Clone)]
pub struct Thread {
    /// Number, from one.
    pub id: u64,
    /// Its comments; the first has number one.
    pub comments: Vec<Comment>,
}

/// A comment.
#[derive(Debug, Clone)]
pub struct Comment {
    /// Number, from one.
    pub id: u64,
    /// Number of the comment that it answers; zero where it begins the thread.
    pub parent: u64,
    /// GUID of its author.
    pub by: String,
    /// Text.
    pub content: String,
    /// When it was written.
    pub published_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// The form that a person fills in to open a pull request.
#[derive(Debug, Clone)]
pub struct NewPullRequest {
    pub(crate) repository: String,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) title: String,
    pub(crate) fork: Option<String>,
    pub(crate) is_draft: bool,
    pub(crate) conflicts: bool,
}

impl NewPullRequest {
    /// From branch `source` into branch `target` of one repository.
    pub fn new(repository: &str, source: &str, target: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            source: source.to_owned(),
            target: target.to_owned(),
            title: format!("Merge {source} into {target}"),
            fork: None,
            is_draft: false,
            conflicts: false,
        }
    }

    /// With another title.
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// As a draft.
    pub fn draft(mut self) -> Self {
        self.is_draft = true;
        self
    }

    /// From the branch of that name in a fork.
    pub fn from_fork(mut self, fork: &str) -> Self {
        self.fork = Some(fork.to_owned());
        self
    }

    /// In conflict with its target.
    pub fn conflicting(mut self) -> Self {
        self.conflicts = true;
        self
    }

    /// The pull request when it is opened, before any merge attempt.
    pub(crate) fn opened(&self, id: u64, by: &str, now_ms: i64) -> PullRequest {
        PullRequest {
            id,
            repository: self.repository.clone(),
            fork: self.fork.clone(),
            title: self.title.clone(),
            description: String::new(),
            source_ref: full_name(&self.source),
            target_ref: full_name(&self.target),
            is_draft: self.is_draft,
            state: PullRequestState::Active,
            conflicts: self.conflicts,
            merge_status: "queued",
            merge_id: NO_OBJECT.to_owned(),
            merge_source: NO_OBJECT.to_owned(),
            merge_target: NO_OBJECT.to_owned(),
            merge_commit: None,
            by: by.to_owned(),
            created_ms: now_ms,
            closed_ms: None,
            reviewers: Vec::new(),
            labels: Vec::new(),
            iterations: Vec::new(),
            statuses: Vec::new(),
            next_status: 1,
            threads: Vec::new(),
        }
    }
}

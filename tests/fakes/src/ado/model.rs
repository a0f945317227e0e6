//! What exists in ADO: organizations, projects, repositories, statuses; pull requests next door.
//!
//! Plain values, readable by tests, changed only by the world. Ids are the strings that ADO shows.
//! Nothing here knows HTTP.

use std::collections::BTreeMap;

pub use super::pull_request::{
    Comment, Iteration, NewPullRequest, PullRequest, PullRequestState, Reviewer, Thread,
};

/// The object id that stands for "no object" in a ref update (docs/azure-devops.md §2.4).
pub const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// An organization, or a collection of an ADO Server.
#[derive(Debug, Clone)]
pub struct Organization {
    /// GUID of the account.
    pub id: String,
    /// GUID of the project collection.
    pub collection_id: String,
    /// Name as people write it.
    pub name: String,
    /// Path below the base URL: `/fabrikam`, or `/tfs/Collection`.
    pub path: String,
}

/// A team project.
#[derive(Debug, Clone)]
pub struct Project {
    /// GUID.
    pub id: String,
    /// Name as people write it.
    pub name: String,
    /// Name of its organization.
    pub organization: String,
    /// Whether it was deleted; it stays here for what was said of it before.
    pub is_deleted: bool,
}

/// A git repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// GUID.
    pub id: String,
    /// Name as people write it.
    pub name: String,
    /// GUID of its project.
    pub project: String,
    /// Name of its organization.
    pub organization: String,
    /// Full name of the default branch; none while the repository is empty.
    pub default_branch: Option<String>,
    /// GUID of the repository it was forked from.
    pub parent: Option<String>,
    /// Whether an administrator switched it off: it is shown, and nothing in it is.
    pub is_disabled: bool,
    /// Whether it was deleted; it stays here for what was said of it before.
    pub is_deleted: bool,
    /// Full ref name to object id.
    pub refs: BTreeMap<String, String>,
    /// Annotated tag object to the commit it points at.
    pub tag_objects: BTreeMap<String, String>,
    /// Commits by object id.
    pub commits: BTreeMap<String, Commit>,
    /// Pushes, oldest first.
    pub pushes: Vec<Push>,
}

/// A commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Object id.
    pub id: String,
    /// Message.
    pub comment: String,
    /// Object ids of its parents.
    pub parents: Vec<String>,
    /// GUID of its author.
    pub author: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Paths of the files it changed.
    pub paths: Vec<String>,
    /// Statuses, oldest first.
    pub statuses: Vec<Status>,
}

/// A push.
#[derive(Debug, Clone)]
pub struct Push {
    /// Number, increasing.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// GUID of who pushed.
    pub by: String,
    /// What moved.
    pub ref_updates: Vec<RefUpdate>,
    /// Object ids of the commits it brought, newest first.
    pub commits: Vec<String>,
}

/// One moved ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Full ref name.
    pub name: String,
    /// Object id before; forty zeros when the ref was created.
    pub old: String,
    /// Object id after; forty zeros when the ref was deleted.
    pub new: String,
}

/// A status of a commit or of a pull request (docs/azure-devops.md §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Number, unique in the pull request or commit.
    pub id: u64,
    /// The iteration it is bound to, if any.
    pub iteration: Option<u64>,
    /// `pending`, `succeeded`, …
    pub state: String,
    /// Genre of the context; empty when none was given.
    pub genre: String,
    /// Name of the context.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// Link for people.
    pub target_url: Option<String>,
    /// GUID of who posted it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A status that was posted, in the order in which all of them were.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Number of the pull request, unless it is of a commit.
    pub pull_request: Option<u64>,
    /// Object id of the commit, unless it is of a pull request.
    pub commit: Option<String>,
    /// The iteration it is bound to, if any.
    pub iteration: Option<u64>,
    /// `pending`, `succeeded`, …
    pub state: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

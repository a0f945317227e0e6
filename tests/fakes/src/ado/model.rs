//! What exists in ADO, as plain values that tests read and only the world changes.
//!
//! This file has organizations, projects, repositories and what is in them; pull requests and
//! statuses have files of their own. Ids are the strings that ADO shows.

/// What a pull request consists of.
pub mod pull_request;
/// Names of branches and tags, full and short.
pub(crate) mod ref_names;
/// Statuses of commits and of pull requests.
pub mod status;

use std::collections::BTreeMap;

pub use pull_request::{
    Comment, Iteration, NewPullRequest, PullRequest, PullRequestState, Reviewer, Thread,
};
pub use status::{Posted, Status};

/// An organization, or a collection of an ADO Server.
#[derive(Debug, Clone)]
pub struct Organization {
    /// GUID of the account.
    pub id: String,
    /// GUID of the project collection.
    pub collection_id: String,
    /// Name as shown.
    pub name: String,
    /// Path below the base URL: `/fabrikam`, or `/tfs/Collection`.
    pub path: String,
}

/// A team project.
#[derive(Debug, Clone)]
pub struct Project {
    /// GUID.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// Name of its organization.
    pub organization: String,
    /// Whether it was deleted. It is kept, since earlier events still refer to it.
    pub is_deleted: bool,
}

/// A git repository.
#[derive(Debug, Clone)]
pub struct Repository {
    /// GUID.
    pub id: String,
    /// Name as shown.
    pub name: String,
    /// GUID of its project.
    pub project: String,
    /// Name of its organization.
    pub organization: String,
    /// Full name of the default branch; none while the repository is empty.
    pub default_branch: Option<String>,
    /// GUID of the repository it was forked from.
    pub parent: Option<String>,
    /// Whether an administrator disabled it: it is listed, and its content cannot be reached.
    pub is_disabled: bool,
    /// Whether it was deleted. It is kept, since earlier events still refer to it.
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
    /// Paths before and after, of the files that it renamed.
    pub renames: Vec<(String, String)>,
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
    /// GUID of the identity that pushed.
    pub by: String,
    /// The refs that it moved.
    pub ref_updates: Vec<RefUpdate>,
    /// Object ids of its commits, newest first.
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

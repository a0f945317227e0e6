//! Statuses of commits and of pull requests, and the record of all that were posted.

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
    /// GUID of the identity that posted it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A record of a posted status. Records stay when a status is deleted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Number of the pull request; none for a status of a commit.
    pub pull_request: Option<u64>,
    /// Object id of the commit; none for a status of a pull request.
    pub commit: Option<String>,
    /// The iteration it is bound to, if any.
    pub iteration: Option<u64>,
    /// `pending`, `succeeded`, …
    pub state: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

//! A status policy as Azure DevOps has it.

use super::super::check::Check;
use super::super::status::Context;
use super::branches::Branches;

/// The branches that a policy applies to, of one repository or of every one of its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// GUID, lower case; none means every repository of the project.
    pub repository_id: Option<String>,
    pub branches: Branches,
}

impl Scope {
    pub(super) fn is_same(&self, other: &Scope) -> bool {
        self.repository_id == other.repository_id && self.branches.is_same(&other.branches)
    }

    /// Whether it applies to this repository.
    pub(super) fn is_of(&self, repository_id: &str) -> bool {
        self.repository_id.as_ref().is_none_or(|id| id == repository_id)
    }
}

/// Everything that is set in a status policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub is_enabled: bool,
    pub is_blocking: bool,
    /// The status that it waits for.
    pub context: Context,
    /// GUID, lower case, of the only account whose statuses count; none means any account.
    pub author_id: Option<String>,
    /// A new commit makes it wait again.
    pub resets_on_push: bool,
    /// It applies only after the status was posted for the first time.
    pub is_conditional: bool,
    pub display_name: String,
    /// It applies only where such files change; empty means all files.
    pub file_patterns: Vec<String>,
    pub scopes: Vec<Scope>,
}

/// A status policy at Azure DevOps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: i64,
    /// GUID, lower case.
    pub project_id: String,
    /// GUID, lower case, of the account that created it.
    pub created_by: String,
    /// The display name of that account.
    pub creator: String,
    pub settings: Settings,
}

impl Found {
    /// `policy 7 of Jo Doe`.
    pub(super) fn title(&self) -> String {
        if self.creator.is_empty() {
            format!("policy {}", self.id)
        } else {
            format!("policy {} of {}", self.id, self.creator)
        }
    }
}

/// The status that a check posts.
pub(super) fn context_of(check: &Check) -> Context {
    Context { genre: check.genre.clone(), name: check.name.clone() }
}

/// Compares as Azure DevOps does: without case.
pub(super) fn is_same(one: &Context, other: &Context) -> bool {
    one.genre.eq_ignore_ascii_case(&other.genre) && one.name.eq_ignore_ascii_case(&other.name)
}

/// `genre/name`, as Azure DevOps shows it.
pub(super) fn title(context: &Context) -> String {
    if context.genre.is_empty() {
        context.name.clone()
    } else {
        format!("{}/{}", context.genre, context.name)
    }
}

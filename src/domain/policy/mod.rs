//! The branch policies that make merging wait for required checks: those that there should be,
//! those that there are, and what to do about the difference.
//!
//! Pure comparison: whoever asks Azure DevOps brings what was found, and carries the plan out step
//! by step. It must never know what Azure DevOps calls its fields, and never change what somebody
//! else made.

mod assigning;
mod branches;
mod difference;
mod judging;
mod plan;
mod wanted;

pub use branches::{Branches, branches};
pub use judging::{Verdict, verdicts};
pub use plan::{Change, Deed, Kind, Plan, Step, plan};
pub use wanted::{Wanted, is_enforced, wanted};

use std::collections::{BTreeMap, BTreeSet};

use super::check::Check;
use super::status::Context;
use super::subscription::Watched;

/// What a policy is about: branches of one repository, or of every one of its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// GUID, lower case.
    pub repository_id: Option<String>,
    pub branches: Branches,
}

/// Everything that is set in a status policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub is_enabled: bool,
    pub is_blocking: bool,
    /// Which status it waits for.
    pub context: Context,
    /// GUID, lower case, of the only account whose statuses count; none means anybody's.
    pub author_id: Option<String>,
    /// A new commit makes it wait again.
    pub resets_on_push: bool,
    /// It applies only once the status was posted for the first time.
    pub is_conditional: bool,
    pub display_name: String,
    /// It applies only where such files change; none means any.
    pub file_patterns: Vec<String>,
    pub scopes: Vec<Scope>,
}

/// A status policy that Azure DevOps has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub id: i64,
    /// GUID, lower case.
    pub project_id: String,
    /// GUID, lower case, of the account that created it.
    pub created_by: String,
    /// For people.
    pub creator: String,
    pub settings: Settings,
}

/// The full name of the default branch of each repository that has one, by the GUID of the
/// repository, lower case.
pub type Defaults = BTreeMap<String, String>;

/// Everything that is known of the policies of one organization.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub organization: &'a str,
    pub checks: &'a [Check],
    /// The repositories that our identity sees.
    pub seen: &'a [Watched],
    pub defaults: &'a Defaults,
    /// Projects and numbers of the policies that we remember having created.
    pub ours: &'a BTreeSet<(String, i64)>,
    /// GUID, lower case, of our identity.
    pub me: &'a str,
    /// GUIDs, lower case, of the projects whose policies were really listed.
    pub read: &'a BTreeSet<String>,
    /// The status policies of those projects.
    pub found: &'a [Found],
}

impl View<'_> {
    fn checks_here(&self) -> impl Iterator<Item = &Check> {
        let here = |check: &&Check| check.organization.eq_ignore_ascii_case(self.organization);
        self.checks.iter().filter(here)
    }

    /// The check that posts this context.
    fn check_of(&self, context: &Context) -> Option<&Check> {
        self.checks_here().find(|check| is_same(&context_of(check), context))
    }

    /// Every policy that there should be.
    fn wanted(&self) -> Vec<Wanted> {
        wanted(self.checks, self.organization, self.seen, self.defaults)
    }

    fn is_remembered(&self, found: &Found) -> bool {
        self.ours.contains(&(found.project_id.clone(), found.id))
    }

    /// Whether it looks like one of ours. A person whose token we use, or another gateway with the
    /// same account, makes policies that look so, too.
    fn looks_like_ours(&self, found: &Found) -> bool {
        found.created_by == self.me
            && found.settings.author_id.as_deref() == Some(self.me)
            && self.check_of(&found.settings.context).is_some()
    }

    /// Whether we may change it: we remember it, or it looks like ours and is exactly where one of
    /// ours belongs. An answer that never came leaves a policy that we do not remember.
    fn is_ours(&self, found: &Found, wanted: &[Wanted]) -> bool {
        self.is_remembered(found)
            || (self.looks_like_ours(found) && wanted.iter().any(|one| found.is_placed_as(one)))
    }

    fn repository(&self, id: &str) -> Option<&Watched> {
        self.seen.iter().find(|watched| watched.repository.id == id)
    }

    fn project(&self, id: &str) -> String {
        let found = self.seen.iter().find(|watched| watched.repository.project_id == id);
        found.map_or_else(|| id.to_owned(), |watched| watched.repository.project.clone())
    }
}

fn context_of(check: &Check) -> Context {
    Context { genre: check.genre.clone(), name: check.name.clone() }
}

/// As Azure DevOps compares them: without case.
fn is_same(one: &Context, other: &Context) -> bool {
    one.genre.eq_ignore_ascii_case(&other.genre) && one.name.eq_ignore_ascii_case(&other.name)
}

/// `genre/name`, as Azure DevOps shows it.
fn title(context: &Context) -> String {
    match context.genre.is_empty() {
        true => context.name.clone(),
        false => format!("{}/{}", context.genre, context.name),
    }
}

#[cfg(test)]
mod tests;

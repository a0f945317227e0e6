//! Everything that is known of the policies of one organization, and which of them are ours.

use std::collections::BTreeSet;

use super::super::check::Check;
use super::super::status::Context;
use super::super::subscription::Watched;
use super::desired::{Defaults, Desired, desired};
use super::found::{Found, context_of, is_same};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub organization: &'a str,
    pub checks: &'a [Check],
    /// The repositories that our identity sees.
    pub seen: &'a [Watched],
    pub defaults: &'a Defaults,
    /// Projects and numbers of the policies that the store says we created.
    pub owned: &'a BTreeSet<(String, i64)>,
    /// GUID, lower case, of our identity.
    pub me: &'a str,
    /// GUIDs, lower case, of the projects whose policies were listed without an error.
    pub read: &'a BTreeSet<String>,
    /// The status policies of those projects.
    pub found: &'a [Found],
}

impl View<'_> {
    /// The checks of this organization.
    pub(super) fn checks_here(&self) -> impl Iterator<Item = &Check> {
        let here = |check: &&Check| check.organization.eq_ignore_ascii_case(self.organization);
        self.checks.iter().filter(here)
    }

    /// The check that posts this status.
    pub(super) fn check_of(&self, context: &Context) -> Option<&Check> {
        self.checks_here().find(|check| is_same(&context_of(check), context))
    }

    /// Every desired policy.
    pub(super) fn desired(&self) -> Vec<Desired> {
        desired(self.checks, self.organization, self.seen, self.defaults)
    }

    /// Whether the store says that we created it.
    pub(super) fn is_recorded(&self, found: &Found) -> bool {
        self.owned.contains(&(found.project_id.clone(), found.id))
    }

    /// Whether it looks like one of ours. A policy looks so, too, when a person made it whose token
    /// we use, or another gateway with the same account.
    pub(super) fn looks_owned(&self, found: &Found) -> bool {
        found.created_by == self.me
            && found.settings.author_id.as_deref() == Some(self.me)
            && self.check_of(&found.settings.context).is_some()
    }

    /// Whether we may change it: the store says that we created it, or it looks like ours and is
    /// exactly where a desired one belongs. The second covers a creation whose answer was lost.
    pub(super) fn is_owned(&self, found: &Found, desired: &[Desired]) -> bool {
        self.is_recorded(found)
            || (self.looks_owned(found) && desired.iter().any(|one| one.is_place_of(found)))
    }

    /// The repository with this id, where our identity sees it.
    pub(super) fn repository(&self, id: &str) -> Option<&Watched> {
        self.seen.iter().find(|watched| watched.repository.id == id)
    }

    /// The name of a project, or its id where our identity sees no repository of it.
    pub(super) fn project(&self, id: &str) -> String {
        let found = self.seen.iter().find(|watched| watched.repository.project_id == id);
        found.map_or_else(|| id.to_owned(), |watched| watched.repository.project.clone())
    }
}

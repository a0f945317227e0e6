//! From the required checks to the policies that there should be: one for each repository and each
//! of its target branches. It must never want one on every branch: nobody could push to any.

use super::super::check::{Check, Trigger};
use super::super::status::Context;
use super::super::subscription::Watched;
use super::branches::{need_default, vague};
use super::{Branches, Defaults, Scope, Settings, View, branches, context_of, title};

/// A policy that there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// GUIDs, lower case.
    pub project_id: String,
    pub repository_id: String,
    /// For people.
    pub project: String,
    pub repository: String,
    pub branches: Branches,
    pub context: Context,
}

impl Wanted {
    /// What it should be set to, where statuses are posted by `me`.
    pub fn settings(&self, me: &str) -> Settings {
        Settings {
            is_enabled: true,
            is_blocking: true,
            context: self.context.clone(),
            author_id: Some(me.to_owned()),
            resets_on_push: true,
            is_conditional: false,
            display_name: title(&self.context),
            file_patterns: Vec::new(),
            scopes: vec![self.scope()],
        }
    }

    pub(super) fn scope(&self) -> Scope {
        let repository_id = Some(self.repository_id.clone());
        Scope { repository_id, branches: self.branches.clone() }
    }
}

/// Whether a policy is kept for a check: one that posts nothing on pull requests would keep all of
/// them open for ever.
pub fn is_enforced(check: &Check) -> bool {
    check.required && check.is_on(Trigger::PullRequest) && check.targets.pull_request
}

/// The policies that there should be, in the order of repositories and checks.
pub fn wanted(
    checks: &[Check],
    organization: &str,
    seen: &[Watched],
    defaults: &Defaults,
) -> Vec<Wanted> {
    let wanted = |(watched, check): (&Watched, &Check)| {
        let default = defaults.get(&watched.repository.id).map(String::as_str);
        let all = branches(check.target_branches.texts(), default).into_iter();
        all.map(|branches| one(watched, check, branches)).collect::<Vec<_>>()
    };
    enforced(checks, organization, seen).flat_map(wanted).collect()
}

/// Where a check is required, and no policy can be kept as its target branches say: what is
/// wanted, and why it is not kept.
pub(super) fn gaps(view: &View<'_>) -> Vec<(Wanted, String)> {
    let mut gaps = Vec::new();
    for (watched, check) in enforced(view.checks, view.organization, view.seen) {
        let globs = check.target_branches.texts();
        for glob in vague(globs) {
            let why = format!(
                "`{glob}` begins with a wildcard, so that its policy is kept on the default \
                 branch only: name its `target_branches` one by one"
            );
            gaps.push((one(watched, check, Branches::all()), why));
        }
        if need_default(globs) && !view.defaults.contains_key(&watched.repository.id) {
            let why = "the repository has no default branch, so that no policy is kept: push to \
                       it, or name its `target_branches`";
            gaps.push((one(watched, check, Branches::Default), why.to_owned()));
        }
    }
    gaps
}

/// The checks that are enforced, with each repository that they watch.
fn enforced<'a>(
    checks: &'a [Check],
    organization: &'a str,
    seen: &'a [Watched],
) -> impl Iterator<Item = (&'a Watched, &'a Check)> {
    seen.iter().flat_map(move |watched| {
        let Watched { repository, former_names } = watched;
        let watches = |check: &&Check| check.watches(organization, repository, former_names);
        let checks = checks.iter().filter(|check| is_enforced(check)).filter(watches);
        checks.map(move |check| (watched, check))
    })
}

fn one(watched: &Watched, check: &Check, branches: Branches) -> Wanted {
    let repository = &watched.repository;
    Wanted {
        project_id: repository.project_id.clone(),
        repository_id: repository.id.clone(),
        project: repository.project.clone(),
        repository: repository.name.clone(),
        branches,
        context: context_of(check),
    }
}

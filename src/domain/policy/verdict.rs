//! Whether merging waits for each required check, and what is wrong where it does not.
//!
//! Every problem states the fact and then what to do.

use super::super::check::Trigger;
use super::super::status::Context;
use super::branches::Branches;
use super::desired::Desired;
use super::found::{Found, Scope, context_of, is_same, title};
use super::gaps::gaps;
use super::view::View;

/// What was found about the policy of a required check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `genre/name`.
    pub context: String,
    pub project: String,
    pub repository: String,
    /// None where it is about the check as a whole.
    pub branches: Option<String>,
    /// The number of the policy.
    pub policy: Option<i64>,
    /// What is wrong and what to do; none where merging waits for the check.
    pub problem: Option<String>,
}

impl Found {
    fn may_meet(&self, desired: &Desired) -> bool {
        let meets = |scope: &Scope| {
            scope.is_of(&desired.repository_id) && scope.branches.may_meet(&desired.branches)
        };
        self.project_id == desired.project_id && self.settings.scopes.iter().any(meets)
    }

    fn covers(&self, desired: &Desired) -> bool {
        let covers = |scope: &Scope| {
            scope.is_of(&desired.repository_id) && scope.branches.cover(&desired.branches)
        };
        self.project_id == desired.project_id && self.settings.scopes.iter().any(covers)
    }

    /// Whether it makes merging wait for the status that `me` posts, on all desired branches.
    pub(super) fn enforces(&self, desired: &Desired, me: &str) -> bool {
        is_same(&self.settings.context, &desired.context) && self.defects(desired, me).is_empty()
    }

    /// Why a policy with the right status does not enforce a desired one.
    fn defects(&self, desired: &Desired, me: &str) -> Vec<&'static str> {
        let settings = &self.settings;
        let author = settings.author_id.as_deref();
        let defects = [
            (!settings.is_enabled, "it is switched off"),
            (!settings.is_blocking, "it does not block merging"),
            (author.is_some_and(|id| id != me), "it waits for statuses of another account"),
            (!settings.resets_on_push, "it accepts the status of an older commit"),
            (settings.is_conditional, "it applies only after a first status"),
            (!settings.file_patterns.is_empty(), "it applies to some files only"),
            (!self.covers(desired), "it applies to fewer branches"),
        ];
        defects.into_iter().filter(|(is_so, _)| *is_so).map(|(_, defect)| defect).collect()
    }
}

/// The problem with somebody else's policy that is meant for our check and waits for a status that
/// we never post.
pub(super) fn objection(view: &View<'_>, desired: &Desired, found: &Found) -> Option<String> {
    let settings = &found.settings;
    if !settings.is_enabled || !settings.is_blocking || !found.may_meet(desired) {
        return None;
    }
    let (policy, posted) = (found.title(), title(&desired.context));
    if is_same(&settings.context, &desired.context) {
        let author = settings.author_id.as_deref().filter(|id| *id != view.me)?;
        return Some(format!(
            "{policy} waits for {posted} of the account {author}, but it is posted by the account \
             {}: set its account to that one or to any, or delete the policy",
            view.me
        ));
    }
    let author = settings.author_id.as_deref();
    let is_posted = view.check_of(&settings.context).is_some();
    if is_posted || !is_meant(&settings.context, &desired.context, author, view) {
        return None;
    }
    Some(format!(
        "{policy} waits for {}, but the check posts {posted}: correct the status of the policy, or \
         the genre or name of the check, or delete the policy",
        title(&settings.context)
    ))
}

/// Whether a policy that waits for `found` is likely to be meant for the status `posted`: it has
/// the same name with another genre, genre and name are swapped, or it waits for our account with
/// the same genre.
fn is_meant(found: &Context, posted: &Context, author: Option<&str>, view: &View<'_>) -> bool {
    let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let is_swapped = is(&found.name, &posted.genre) && is(&found.genre, &posted.name);
    let is_of_genre = is(&found.genre, &posted.genre) && author == Some(view.me);
    is(&found.name, &posted.name) || is_swapped || is_of_genre
}

/// Whether merging waits, for each required check and its branches.
pub fn verdicts(view: &View<'_>) -> Vec<Verdict> {
    let mut verdicts = without_statuses(view);
    // Nothing can be merged into a repository without a default branch.
    for (gap, reason) in gaps(view) {
        if gap.branches != Branches::Default {
            let problem = format!("{} is required, but {reason}", title(&gap.context));
            verdicts.push(verdict(&gap, None, Some(problem)));
        }
    }
    for desired in view.desired() {
        let (policy, problem) = enforcing(view, &desired);
        verdicts.push(verdict(&desired, policy, problem));
        for found in view.found.iter().filter(|found| Some(found.id) != policy) {
            if let Some(problem) = objection(view, &desired, found) {
                verdicts.push(verdict(&desired, Some(found.id), Some(problem)));
            }
        }
    }
    verdicts
}

fn verdict(desired: &Desired, policy: Option<i64>, problem: Option<String>) -> Verdict {
    Verdict {
        context: title(&desired.context),
        project: desired.project.clone(),
        repository: desired.repository.clone(),
        branches: Some(desired.branches.to_string()),
        policy,
        problem,
    }
}

/// The policy that makes merging wait, or what is wrong.
fn enforcing(view: &View<'_>, desired: &Desired) -> (Option<i64>, Option<String>) {
    if let Some(found) = view.found.iter().find(|found| found.enforces(desired, view.me)) {
        return (Some(found.id), None);
    }
    let (posted, branches) = (title(&desired.context), &desired.branches);
    let candidates = view.found.iter().filter(|found| {
        is_same(&found.settings.context, &desired.context) && found.may_meet(desired)
    });
    let with_fewest =
        candidates.min_by_key(|found| (found.defects(desired, view.me).len(), found.id));
    let Some(found) = with_fewest else {
        let problem = format!(
            "{posted} is required, but no policy makes {branches} wait for it: run \
             `azdo-gateway hooks apply`, which adds one; the identity needs EditPolicies"
        );
        return (None, Some(problem));
    };
    let problem = format!(
        "{} does not make {branches} wait for {posted}, since {}: run `azdo-gateway hooks apply`, \
         which repairs it, or correct it",
        found.title(),
        found.defects(desired, view.me).join(", ")
    );
    (Some(found.id), Some(problem))
}

/// Required checks that never post a status on pull requests, so that merging cannot wait for them.
fn without_statuses(view: &View<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for check in view.checks_here().filter(|check| check.required) {
        let posted = title(&context_of(check));
        let problem = match (check.is_on(Trigger::PullRequest), check.targets.pull_request) {
            (true, true) => continue,
            (false, _) => format!(
                "{posted} is required, but no event of a pull request starts it, so it gets no \
                 policy: add \"pull_request\" to its `on`, or set required = false"
            ),
            (true, false) => format!(
                "{posted} is required, but posts no status on pull requests, so it gets no policy: \
                 add \"pull_request\" to its `statuses`, or set required = false"
            ),
        };
        for watched in view.seen {
            let repository = &watched.repository;
            if check.watches(view.organization, repository, &watched.former_names) {
                verdicts.push(Verdict {
                    context: posted.clone(),
                    project: repository.project.clone(),
                    repository: repository.name.clone(),
                    branches: None,
                    policy: None,
                    problem: Some(problem.clone()),
                });
            }
        }
    }
    verdicts
}

//! Whether a policy does what a required check needs, and what of it does not fit to what we post.
//!
//! Every finding is a sentence that ends with what to do. It must never decide what is changed.

use super::super::check::Trigger;
use super::super::status::Context;
use super::wanted::gaps;
use super::{Branches, Found, View, Wanted, context_of, is_same, title};

/// What came of looking for the policy of a required check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `genre/name`.
    pub context: String,
    pub project: String,
    pub repository: String,
    /// None where it is about the check as a whole.
    pub branches: Option<String>,
    /// The policy that it is about.
    pub policy: Option<i64>,
    /// What is wrong, and what to do; nothing where merging waits for the check as it should.
    pub problem: Option<String>,
}

impl Found {
    /// `policy 7 of Jo Doe`.
    pub(super) fn called(&self) -> String {
        match self.creator.is_empty() {
            true => format!("policy {}", self.id),
            false => format!("policy {} of {}", self.id, self.creator),
        }
    }

    fn is_near(&self, wanted: &Wanted) -> bool {
        let meets = |scope: &super::Scope| {
            let here = scope.repository_id.as_ref().is_none_or(|id| *id == wanted.repository_id);
            here && scope.branches.may_meet(&wanted.branches)
        };
        self.project_id == wanted.project_id && self.settings.scopes.iter().any(meets)
    }

    fn covers(&self, wanted: &Wanted) -> bool {
        let covers = |scope: &super::Scope| {
            let here = scope.repository_id.as_ref().is_none_or(|id| *id == wanted.repository_id);
            here && scope.branches.cover(&wanted.branches)
        };
        self.project_id == wanted.project_id && self.settings.scopes.iter().any(covers)
    }

    /// Whether merging waits because of it for what we post, wherever that is wanted.
    pub(super) fn does(&self, wanted: &Wanted, me: &str) -> bool {
        is_same(&self.settings.context, &wanted.context) && self.lacks(wanted, me).is_empty()
    }

    /// What keeps a policy of the right context from doing its work.
    fn lacks(&self, wanted: &Wanted, me: &str) -> Vec<&'static str> {
        let settings = &self.settings;
        let author = settings.author_id.as_deref();
        let lacks = [
            (!settings.is_enabled, "it is switched off"),
            (!settings.is_blocking, "it does not block merging"),
            (author.is_some_and(|id| id != me), "it waits for statuses of another account"),
            (!settings.resets_on_push, "it is content with the status of an older commit"),
            (settings.is_conditional, "it applies only after a first status"),
            (!settings.file_patterns.is_empty(), "it is about some files only"),
            (!self.covers(wanted), "it is about fewer branches"),
        ];
        lacks.into_iter().filter(|(does, _)| *does).map(|(_, lack)| lack).collect()
    }
}

/// What somebody else's policy waits for that we shall never post, though it is meant for us.
pub(super) fn objection(view: &View<'_>, wanted: &Wanted, found: &Found) -> Option<String> {
    let settings = &found.settings;
    if !settings.is_enabled || !settings.is_blocking || !found.is_near(wanted) {
        return None;
    }
    let (called, ours) = (found.called(), title(&wanted.context));
    if is_same(&settings.context, &wanted.context) {
        let author = settings.author_id.as_deref().filter(|id| *id != view.me)?;
        return Some(format!(
            "{called} waits for {ours} of the account {author}, and we post as {}: let it be of \
             our account or of anybody, or delete it",
            view.me
        ));
    }
    let is_posted = view.check_of(&settings.context).is_some();
    if is_posted
        || !is_meant(&settings.context, &wanted.context, settings.author_id.as_deref(), view)
    {
        return None;
    }
    Some(format!(
        "{called} waits for {}, and we post {ours}: correct its status, or the genre or name of \
         the check, or delete it",
        title(&settings.context)
    ))
}

/// Whether a policy that waits for `found` is likely to be meant for what we post as `posted`: the
/// same name with another genre, the two mixed up, or the statuses of our account.
fn is_meant(found: &Context, posted: &Context, author: Option<&str>, view: &View<'_>) -> bool {
    let is = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let is_mixed_up = is(&found.name, &posted.genre) && is(&found.genre, &posted.name);
    let is_of_genre = is(&found.genre, &posted.genre) && author == Some(view.me);
    is(&found.name, &posted.name) || is_mixed_up || is_of_genre
}

/// Required check by required check and branch by branch: whether merging waits for it.
pub fn verdicts(view: &View<'_>) -> Vec<Verdict> {
    let mut verdicts = impossible(view);
    // Into a repository without a default branch nothing is merged.
    for (gap, why) in gaps(view) {
        if gap.branches != Branches::Default {
            let problem = format!("{} is required, but {why}", title(&gap.context));
            verdicts.push(verdict(&gap, None, Some(problem)));
        }
    }
    for wanted in view.wanted() {
        let of = |policy, problem| verdict(&wanted, policy, problem);
        let (policy, problem) = in_place(view, &wanted);
        verdicts.push(of(policy, problem));
        for found in view.found.iter().filter(|found| Some(found.id) != policy) {
            if let Some(problem) = objection(view, &wanted, found) {
                verdicts.push(of(Some(found.id), Some(problem)));
            }
        }
    }
    verdicts
}

fn verdict(wanted: &Wanted, policy: Option<i64>, problem: Option<String>) -> Verdict {
    Verdict {
        context: title(&wanted.context),
        project: wanted.project.clone(),
        repository: wanted.repository.clone(),
        branches: Some(wanted.branches.to_string()),
        policy,
        problem,
    }
}

/// The policy that makes merging wait, or what is wrong.
fn in_place(view: &View<'_>, wanted: &Wanted) -> (Option<i64>, Option<String>) {
    if let Some(found) = view.found.iter().find(|found| found.does(wanted, view.me)) {
        return (Some(found.id), None);
    }
    let (ours, branches) = (title(&wanted.context), &wanted.branches);
    let near = view
        .found
        .iter()
        .filter(|found| is_same(&found.settings.context, &wanted.context) && found.is_near(wanted));
    // The one that is nearest to what it should be.
    match near.min_by_key(|found| (found.lacks(wanted, view.me).len(), found.id)) {
        Some(found) => {
            let lacks = found.lacks(wanted, view.me).join(", ");
            let called = found.called();
            let problem = format!(
                "{called} is to make {branches} wait for {ours}, but {lacks}: let \
                 `azdo-gateway hooks apply` repair it, or correct it"
            );
            (Some(found.id), Some(problem))
        }
        None => {
            let problem = format!(
                "{ours} is required, but no policy makes {branches} wait for it: let \
                 `azdo-gateway hooks apply` add one, for which the identity needs EditPolicies"
            );
            (None, Some(problem))
        }
    }
}

/// Required checks that merging can never wait for, since they post nothing on pull requests.
fn impossible(view: &View<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for check in view.checks_here().filter(|check| check.required) {
        let ours = title(&context_of(check));
        let problem = match (check.is_on(Trigger::PullRequest), check.targets.pull_request) {
            (true, true) => continue,
            (false, _) => format!(
                "{ours} is required, but nothing starts it on pull requests, so that no policy is \
                 kept for it: add \"pull_request\" to its `on`, or set required = false"
            ),
            (true, false) => format!(
                "{ours} is required, but shows nothing on pull requests, so that no policy is \
                 kept for it: add \"pull_request\" to its `statuses`, or set required = false"
            ),
        };
        for watched in view.seen {
            let repository = &watched.repository;
            if check.watches(view.organization, repository, &watched.former_names) {
                verdicts.push(Verdict {
                    context: ours.clone(),
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

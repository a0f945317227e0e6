//! What to do so that merging waits for every required check, and for nothing else of ours.
//!
//! Every step says where, what and why. What somebody else made is never changed: where it is in
//! the way, that is reported.

use std::collections::BTreeSet;
use std::fmt;

use super::difference::{changes, listed};
use super::judging::objection;
use super::{Found, Scope, Settings, View, Wanted, is_enforced, is_same, title, wanted};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Addition,
    Change,
    Removal,
    /// Nothing: somebody has to know of it.
    Report,
}

impl Kind {
    /// The word in answers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Addition => "add",
            Kind::Change => "change",
            Kind::Removal => "remove",
            Kind::Report => "leave",
        }
    }
}

/// One field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub field: &'static str,
    pub from: String,
    pub to: String,
}

/// What is asked of Azure DevOps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Create(Settings),
    Replace(i64, Settings),
    Delete(i64),
    Nothing,
}

/// One thing to do, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    /// Its number, where it is there already.
    pub policy: Option<i64>,
    pub project_id: String,
    pub project: String,
    /// None where it is about every repository of the project, or about one that is not seen.
    pub repository: Option<String>,
    pub branches: String,
    /// `genre/name`.
    pub context: String,
    pub changes: Vec<Change>,
    /// As a sentence without its full stop.
    pub why: String,
    pub deed: Deed,
}

impl Step {
    /// `ci/unit-tests for web main`.
    pub fn what(&self) -> String {
        let repository = self.repository.as_deref().unwrap_or("*");
        format!("{} for {repository} {}", self.context, self.branches)
    }

    /// `Fabrikam/web main`.
    pub fn place(&self) -> String {
        let repository = self.repository.as_deref().unwrap_or("*");
        format!("{}/{repository} {}", self.project, self.branches)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} at {}", self.kind.as_str(), self.context, self.place())?;
        for Change { field, from, to } in &self.changes {
            write!(out, ", {field}: {from} -> {to}")?;
        }
        write!(out, ": {}", self.why)
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Policies that are as they should be.
    pub kept: usize,
    /// Ours that we do not remember: an answer never came, or the store is a new one.
    pub adopted: Vec<(String, i64)>,
    /// What we remember and is not there any more.
    pub forgotten: Vec<(String, i64)>,
}

impl Plan {
    /// Whether something would be changed at Azure DevOps.
    pub fn is_something_to_do(&self) -> bool {
        self.steps.iter().any(|step| step.kind != Kind::Report)
    }
}

/// What to do about the policies of an organization.
pub fn plan(view: &View<'_>) -> Plan {
    let wanted = wanted(view.checks, view.organization, view.seen);
    let (ours, foreign): (Vec<&Found>, Vec<&Found>) =
        view.found.iter().partition(|found| view.is_ours(found));
    let there: BTreeSet<(String, i64)> =
        view.found.iter().map(|found| (found.project_id.clone(), found.id)).collect();
    let key = |found: &&Found| (found.project_id.clone(), found.id);
    let mut plan = Plan {
        adopted: ours.iter().map(key).filter(|key| !view.ours.contains(key)).collect(),
        forgotten: view.ours.difference(&there).cloned().collect(),
        ..Plan::default()
    };
    let matched = assign(view, &wanted, &ours, &foreign);
    for (one, found) in wanted.iter().zip(&matched) {
        match found {
            Some(found) => plan.compare(view, one, found),
            None => plan.add(view, one, &foreign),
        }
    }
    let is_taken = |found: &Found| matched.iter().flatten().any(|taken| taken.id == found.id);
    for found in ours.iter().filter(|found| !is_taken(found)) {
        plan.remove(view, found, &wanted, &matched);
    }
    plan.report(view, &wanted, &foreign);
    plan.adopted.retain(|(_, id)| !plan.steps.iter().any(|step| step.deed == Deed::Delete(*id)));
    plan
}

/// Which of ours serves each wanted one: first those that are about the same, then those that were
/// moved or renamed, by us or by somebody else.
fn assign<'f>(
    view: &View<'_>,
    wanted: &[Wanted],
    ours: &[&'f Found],
    foreign: &[&Found],
) -> Vec<Option<&'f Found>> {
    let is_about = |one: &Wanted, found: &Found| {
        let same = |scope: &Scope| is_same_scope(scope, &one.scope());
        found.settings.scopes.iter().any(same)
    };
    let has_context = |one: &Wanted, found: &Found| is_same(&found.settings.context, &one.context);
    let is_in = |one: &Wanted, found: &Found| {
        let here = |id: &String| *id == one.repository_id;
        found.settings.scopes.iter().any(|scope| scope.repository_id.as_ref().is_none_or(here))
    };
    type Near<'n> = &'n dyn Fn(&Wanted, &Found) -> bool;
    let rounds: [Near<'_>; 3] = [
        &|one, found| is_about(one, found) && has_context(one, found),
        &|one, found| is_in(one, found) && has_context(one, found),
        &|one, found| is_about(one, found),
    ];
    let mut matched: Vec<Option<&Found>> = vec![None; wanted.len()];
    for (round, is_near) in rounds.iter().enumerate() {
        for (at, one) in wanted.iter().enumerate() {
            // Where somebody else's does it, ours is only kept if it is there already.
            let is_done = foreign.iter().any(|found| found.does(one, view.me));
            let has_one = matched.get(at).is_some_and(Option::is_some);
            if has_one || (round > 0 && is_done) {
                continue;
            }
            let is_free = |found: &&&Found| !matched.iter().flatten().any(|had| had.id == found.id);
            let near = ours.iter().filter(|found| found.project_id == one.project_id);
            let near = near.filter(|found| is_near(one, found)).filter(is_free);
            let best = near.min_by_key(|found| {
                let is_remembered = view.ours.contains(&(found.project_id.clone(), found.id));
                (!is_remembered, found.id)
            });
            if let (Some(best), Some(place)) = (best.copied(), matched.get_mut(at)) {
                *place = Some(best);
            }
        }
    }
    matched
}

pub(super) fn is_same_scope(one: &Scope, other: &Scope) -> bool {
    one.repository_id == other.repository_id && one.branches.is_same(&other.branches)
}

impl Plan {
    fn compare(&mut self, view: &View<'_>, wanted: &Wanted, found: &Found) {
        let settings = wanted.settings(view.me);
        let changes = changes(view, &found.settings, &settings);
        if changes.is_empty() {
            self.kept += 1;
            return;
        }
        self.steps.push(Step {
            kind: Kind::Change,
            policy: Some(found.id),
            changes,
            deed: Deed::Replace(found.id, settings),
            ..step(wanted, "it is not as the check needs it")
        });
    }

    fn add(&mut self, view: &View<'_>, wanted: &Wanted, foreign: &[&Found]) {
        if let Some(found) = foreign.iter().find(|found| found.does(wanted, view.me)) {
            let why = format!("{} does it already: none of ours is added", found.called());
            self.steps.push(Step { policy: Some(found.id), ..step(wanted, &why) });
            return;
        }
        let deed = Deed::Create(wanted.settings(view.me));
        let why = "the check is required, and no policy makes merging wait for it";
        self.steps.push(Step { kind: Kind::Addition, deed, ..step(wanted, why) });
    }

    /// Removes one of ours that nothing wants.
    fn remove(
        &mut self,
        view: &View<'_>,
        found: &Found,
        wanted: &[Wanted],
        matched: &[Option<&Found>],
    ) {
        let Settings { context, scopes, .. } = &found.settings;
        let watched = scopes.iter().filter_map(|scope| scope.repository_id.as_deref());
        let is_unseen = |id: &str| view.repository(id).is_none();
        let is_unseen = watched.clone().count() > 0 && watched.clone().all(is_unseen);
        let check = view.check_of(context);
        let mut same = wanted.iter().zip(matched).filter_map(|(one, taken)| {
            let is_it = is_same(&one.context, context)
                && scopes.iter().any(|scope| is_same_scope(scope, &one.scope()));
            taken.filter(|_| is_it)
        });
        let (why, kind) = match (same.next(), check) {
            (Some(taken), _) => {
                (format!("it is a duplicate of policy {}", taken.id), Kind::Removal)
            }
            (None, None) => ("no check posts what it waits for any more".into(), Kind::Removal),
            (None, Some(check)) if !check.required => {
                ("the check is not required any more".into(), Kind::Removal)
            }
            (None, Some(check)) if !is_enforced(check) => {
                ("the check shows nothing on pull requests".into(), Kind::Removal)
            }
            // Who cannot see a repository must not take its protection away.
            (None, Some(_)) if is_unseen => {
                let why = "the identity does not see its repository any more: the policy is left, \
                           let the identity read the repository, or delete the policy";
                (why.to_owned(), Kind::Report)
            }
            (None, Some(_)) => {
                ("the check does not want these branches any more".into(), Kind::Removal)
            }
        };
        let deed = if kind == Kind::Removal { Deed::Delete(found.id) } else { Deed::Nothing };
        let repository = watched.filter_map(|id| view.repository(id)).next();
        self.steps.push(Step {
            kind,
            policy: Some(found.id),
            project_id: found.project_id.clone(),
            project: view.project(&found.project_id),
            repository: repository.map(|watched| watched.repository.name.clone()),
            branches: listed(scopes),
            context: title(context),
            changes: Vec::new(),
            why,
            deed,
        });
    }

    /// What only a person can put right.
    fn report(&mut self, view: &View<'_>, wanted: &[Wanted], foreign: &[&Found]) {
        let mut told: BTreeSet<(i64, String)> = BTreeSet::new();
        for one in wanted {
            for found in foreign {
                let Some(why) = objection(view, one, found) else { continue };
                if told.insert((found.id, why.clone())) {
                    self.steps.push(Step { policy: Some(found.id), ..step(one, &why) });
                }
            }
            let title = title(&one.context);
            if one.branches.are_all() && told.insert((0, title)) {
                let why = "its policy covers every branch, so that each takes pull requests only, \
                           topic branches included: name its `target_branches`";
                self.steps.push(step(one, why));
            }
        }
    }
}

/// A report at the place of a wanted policy.
fn step(wanted: &Wanted, why: &str) -> Step {
    Step {
        kind: Kind::Report,
        policy: None,
        project_id: wanted.project_id.clone(),
        project: wanted.project.clone(),
        repository: Some(wanted.repository.clone()),
        branches: wanted.branches.to_string(),
        context: title(&wanted.context),
        changes: Vec::new(),
        why: why.to_owned(),
        deed: Deed::Nothing,
    }
}

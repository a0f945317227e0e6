//! What to do so that merging waits for every required check, and for nothing else of ours.
//!
//! Every step says where, what and why. What somebody else made is never changed: where it is in
//! the way, that is reported.

use std::collections::BTreeSet;
use std::fmt;

use super::assigning::{assign, is_same_scope};
use super::difference::{changes, listed};
use super::judging::objection;
use super::wanted::gaps;
use super::{Branches, Found, Settings, View, Wanted, is_enforced, is_same, title};

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
    let wanted = view.wanted();
    let (ours, foreign): (Vec<&Found>, Vec<&Found>) =
        view.found.iter().partition(|found| view.is_ours(found, &wanted));
    let there: BTreeSet<(String, i64)> =
        view.found.iter().map(|found| (found.project_id.clone(), found.id)).collect();
    let key = |found: &&Found| (found.project_id.clone(), found.id);
    let mut plan = Plan {
        adopted: ours.iter().map(key).filter(|key| !view.ours.contains(key)).collect(),
        // A project that merely cannot be seen comes back with our policies.
        forgotten: view
            .ours
            .difference(&there)
            .filter(|(project, _)| view.read.contains(project))
            .cloned()
            .collect(),
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
        let mut ids = scopes.iter().filter_map(|scope| scope.repository_id.as_deref()).peekable();
        let is_unseen = |id: &str| view.repository(id).is_none();
        let is_unseen = ids.peek().is_some() && ids.clone().all(is_unseen);
        let has_no_default = gaps(view).iter().any(|(gap, _)| {
            gap.branches == Branches::Default
                && is_same(&gap.context, context)
                && ids.clone().any(|id| id == gap.repository_id)
        });
        let check = view.check_of(context);
        let mut same = wanted.iter().zip(matched).filter_map(|(one, taken)| {
            let is_it = is_same(&one.context, context)
                && scopes.iter().any(|scope| is_same_scope(scope, &one.scope()));
            taken.filter(|_| is_it)
        });
        let why = match (same.next(), check) {
            (Some(taken), _) => format!("it is a duplicate of policy {}", taken.id),
            (None, None) => "no check posts what it waits for any more".into(),
            (None, Some(check)) if !check.required => "the check is not required any more".into(),
            (None, Some(check)) if !is_enforced(check) => {
                "the check shows nothing on pull requests".into()
            }
            // Who cannot see a repository must not take its protection away.
            (None, Some(_)) if is_unseen => {
                let why = "the identity does not see its repository any more: the policy is left, \
                           let the identity read the repository, or delete the policy";
                return self.leave(view, found, why.to_owned());
            }
            (None, Some(_)) if has_no_default => {
                let why = "its repository has no default branch now: the policy is left until \
                           there is one";
                return self.leave(view, found, why.to_owned());
            }
            (None, Some(_)) => "the check does not want these branches any more".into(),
        };
        let (kind, deed) = (Kind::Removal, Deed::Delete(found.id));
        self.steps.push(Step { kind, deed, ..at(view, found, why) });
    }

    /// Tells of a policy that is left as it is.
    fn leave(&mut self, view: &View<'_>, found: &Found, why: String) {
        self.steps.push(at(view, found, why));
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
        }
        for (gap, why) in gaps(view) {
            self.steps.push(step(&gap, &why));
        }
        for found in foreign.iter().filter(|found| view.looks_like_ours(found)) {
            if !self.steps.iter().any(|step| step.policy == Some(found.id)) {
                let why = "our account made it, but we do not remember it, and no check wants it \
                           there: it is left, delete it where nobody needs it";
                self.leave(view, found, why.to_owned());
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

/// A report at the place of a policy that is there.
fn at(view: &View<'_>, found: &Found, why: String) -> Step {
    let Settings { context, scopes, .. } = &found.settings;
    let ids = scopes.iter().filter_map(|scope| scope.repository_id.as_deref());
    let repository = ids.filter_map(|id| view.repository(id)).next();
    Step {
        kind: Kind::Report,
        policy: Some(found.id),
        project_id: found.project_id.clone(),
        project: view.project(&found.project_id),
        repository: repository.map(|watched| watched.repository.name.clone()),
        branches: listed(scopes),
        context: title(context),
        changes: Vec::new(),
        why,
        deed: Deed::Nothing,
    }
}

//! The plan for the policies of an organization: what to do so that merging waits for every
//! required check.
//!
//! Every step says where, what and why. A policy that somebody else made is never changed; where it
//! keeps a check from being enforced, that is reported.

use std::collections::BTreeSet;

use super::assignment::assign;
use super::branches::Branches;
use super::desired::{Desired, is_enforced};
use super::difference::changes;
use super::found::{Found, Settings, is_same, title};
use super::gaps::gaps;
use super::step::{Action, Kind, Step};
use super::verdict::objection;
use super::view::View;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// How many policies are as desired.
    pub unchanged: usize,
    /// Policies of ours that the store does not know: the answer to their creation was lost, or the
    /// store is a new one. To be recorded.
    pub adopted: Vec<(String, i64)>,
    /// Policies that the store says we created, and that do not exist any more. To be forgotten.
    pub forgotten: Vec<(String, i64)>,
}

impl Plan {
    /// Whether it changes something at Azure DevOps.
    pub fn is_something_to_do(&self) -> bool {
        self.steps.iter().any(|step| step.kind != Kind::Report)
    }
}

/// Makes the plan.
pub fn plan(view: &View<'_>) -> Plan {
    let desired = view.desired();
    let (owned, foreign): (Vec<&Found>, Vec<&Found>) =
        view.found.iter().partition(|found| view.is_owned(found, &desired));
    let key = |found: &Found| (found.project_id.clone(), found.id);
    let existing: BTreeSet<(String, i64)> = view.found.iter().map(key).collect();
    let unrecorded = owned.iter().filter(|found| !view.is_recorded(found));
    let mut plan = Plan {
        adopted: unrecorded.map(|found| key(found)).collect(),
        // A project that is only hidden from us still has our policies.
        forgotten: view
            .owned
            .difference(&existing)
            .filter(|(project, _)| view.read.contains(project))
            .cloned()
            .collect(),
        ..Plan::default()
    };
    let assigned = assign(view, &desired, &owned, &foreign);
    for (one, found) in desired.iter().zip(&assigned) {
        match found {
            Some(found) => plan.compare(view, one, found),
            None => plan.add(view, one, &foreign),
        }
    }
    let is_used = |found: &Found| assigned.iter().flatten().any(|used| used.id == found.id);
    for found in owned.iter().filter(|found| !is_used(found)) {
        plan.remove(view, found, &desired, &assigned);
    }
    plan.report(view, &desired, &foreign);
    plan.adopted
        .retain(|(_, id)| !plan.steps.iter().any(|step| step.action == Action::Delete(*id)));
    plan
}

impl Plan {
    fn compare(&mut self, view: &View<'_>, desired: &Desired, found: &Found) {
        let settings = desired.settings(view.me);
        let changes = changes(view, &found.settings, &settings);
        if changes.is_empty() {
            self.unchanged += 1;
            return;
        }
        self.steps.push(Step {
            kind: Kind::Change,
            policy: Some(found.id),
            changes,
            action: Action::Replace(found.id, settings),
            ..report_desired(desired, "it differs from what the check needs")
        });
    }

    fn add(&mut self, view: &View<'_>, desired: &Desired, foreign: &[&Found]) {
        if let Some(found) = foreign.iter().find(|found| found.enforces(desired, view.me)) {
            let reason = format!("{} does it already: none is added", found.title());
            let step = report_desired(desired, &reason);
            self.steps.push(Step { policy: Some(found.id), ..step });
            return;
        }
        let action = Action::Create(desired.settings(view.me));
        let reason = "the check is required, and no policy makes merging wait for it";
        let step = report_desired(desired, reason);
        self.steps.push(Step { kind: Kind::Addition, action, ..step });
    }

    /// Removes one of ours that serves no desired policy.
    fn remove(
        &mut self,
        view: &View<'_>,
        found: &Found,
        desired: &[Desired],
        assigned: &[Option<&Found>],
    ) {
        let Settings { context, scopes, .. } = &found.settings;
        let ids: Vec<&str> =
            scopes.iter().filter_map(|scope| scope.repository_id.as_deref()).collect();
        let is_hidden = !ids.is_empty() && ids.iter().all(|id| view.repository(id).is_none());
        let has_no_default = gaps(view).iter().any(|(gap, _)| {
            gap.branches == Branches::Default
                && is_same(&gap.context, context)
                && ids.contains(&gap.repository_id.as_str())
        });
        let check = view.check_of(context);
        let mut same = desired.iter().zip(assigned).filter_map(|(one, used)| {
            let is_it = is_same(&one.context, context)
                && scopes.iter().any(|scope| scope.is_same(&one.scope()));
            used.filter(|_| is_it)
        });
        let reason = match (same.next(), check) {
            (Some(used), _) => format!("it is a duplicate of policy {}", used.id),
            (None, None) => "no check posts its status any more".into(),
            (None, Some(check)) if !check.required => "the check is not required any more".into(),
            (None, Some(check)) if !is_enforced(check) => {
                "the check posts no status on pull requests".into()
            }
            // A repository that is only hidden from us must not lose its protection.
            (None, Some(_)) if is_hidden => {
                let reason = "the identity cannot see its repository any more, so the policy is \
                              kept: let the identity read the repository, or delete the policy";
                return self.leave(view, found, reason);
            }
            (None, Some(_)) if has_no_default => {
                let reason = "its repository has no default branch, so the policy is kept until \
                              there is one";
                return self.leave(view, found, reason);
            }
            (None, Some(_)) => "these are no target branches of the check any more".into(),
        };
        let (kind, action) = (Kind::Removal, Action::Delete(found.id));
        self.steps.push(Step { kind, action, ..report_found(view, found, &reason) });
    }

    /// Reports a policy that is left as it is.
    fn leave(&mut self, view: &View<'_>, found: &Found, reason: &str) {
        self.steps.push(report_found(view, found, reason));
    }

    /// Reports what only a person can correct.
    fn report(&mut self, view: &View<'_>, desired: &[Desired], foreign: &[&Found]) {
        let mut reported: BTreeSet<(i64, String)> = BTreeSet::new();
        for one in desired {
            for found in foreign {
                let Some(reason) = objection(view, one, found) else { continue };
                if reported.insert((found.id, reason.clone())) {
                    let step = report_desired(one, &reason);
                    self.steps.push(Step { policy: Some(found.id), ..step });
                }
            }
        }
        for (gap, reason) in gaps(view) {
            self.steps.push(report_desired(&gap, &reason));
        }
        for found in foreign.iter().filter(|found| view.looks_owned(found)) {
            if !self.steps.iter().any(|step| step.policy == Some(found.id)) {
                let reason = "our account created it, but this gateway has no record of it, and no \
                              check needs it there, so it is kept: delete it if nobody needs it";
                self.leave(view, found, reason);
            }
        }
    }
}

/// A report about a desired policy.
fn report_desired(desired: &Desired, reason: &str) -> Step {
    Step {
        kind: Kind::Report,
        policy: None,
        project_id: desired.project_id.clone(),
        project: desired.project.clone(),
        repository: Some(desired.repository.clone()),
        branches: desired.branches.to_string(),
        context: title(&desired.context),
        changes: Vec::new(),
        reason: reason.to_owned(),
        action: Action::Nothing,
    }
}

/// A report about a policy that exists.
fn report_found(view: &View<'_>, found: &Found, reason: &str) -> Step {
    let Settings { context, scopes, .. } = &found.settings;
    let ids = scopes.iter().filter_map(|scope| scope.repository_id.as_deref());
    let repository = ids.filter_map(|id| view.repository(id)).next();
    let branches: Vec<String> = scopes.iter().map(|scope| scope.branches.to_string()).collect();
    Step {
        kind: Kind::Report,
        policy: Some(found.id),
        project_id: found.project_id.clone(),
        project: view.project(&found.project_id),
        repository: repository.map(|watched| watched.repository.name.clone()),
        branches: branches.join(", "),
        context: title(context),
        changes: Vec::new(),
        reason: reason.to_owned(),
        action: Action::Nothing,
    }
}

//! What people see of the subscriptions: rows for lists, problems, and gauges.

use std::collections::BTreeMap;

use super::snapshot::Snapshot;
use crate::domain::subscription::{HookScope, Kind, OwnedHook, State, Step, Topic};
use crate::domain::time::Timestamp;
use crate::reconcile::catch_up::Report;
use crate::reconcile::context::OrganizationContext;
use crate::storage::SubscriptionRow;

const STATES: [State; 6] = [
    State::Enabled,
    State::OnProbation,
    State::DisabledByUser,
    State::DisabledBySystem,
    State::DisabledByInactiveIdentity,
    State::Unknown,
];

/// The subscriptions as they were found, each with what the plan does about it.
pub(super) fn rows(
    organization: &str,
    snapshot: &Snapshot,
    steps: &[Step],
    seen_at: Timestamp,
) -> Vec<SubscriptionRow> {
    let row = |one: &OwnedHook| {
        let step = steps.iter().find(|step| step.id.as_ref() == Some(&one.found.id));
        let project_id = one.found.project_id.as_ref();
        let desired = snapshot.desired.iter().find(|desired| {
            let HookScope { project_id: of, topic } = &desired.hook_scope;
            *topic == one.found.topic && Some(of) == project_id
        });
        SubscriptionRow {
            organization: organization.to_owned(),
            project: project_id.and_then(|id| snapshot.projects.get(id)).cloned(),
            found: one.found.clone(),
            hook: one.hook.clone(),
            action: step.map_or("keep", |step| step.kind.as_str()).to_owned(),
            reason: step.map_or(String::new(), |step| step.reason.clone()),
            checks: desired.map(|desired| desired.checks.clone()).unwrap_or_default(),
            last_delivery_at: None,
            seen_at,
        }
    };
    snapshot.owned.iter().map(row).collect()
}

/// The problem of an identity that sees no repository at all while there are hooks of ours. Then
/// nothing is done, since every hook would look superfluous.
pub(super) fn blindness(snapshot: &Snapshot) -> Option<String> {
    // Hooks about builds need no repository.
    let mut of_repositories =
        snapshot.owned.iter().filter(|one| one.found.topic != Topic::BuildsCompleted);
    let is_blind = snapshot.with_repositories.is_empty() && of_repositories.next().is_some();
    (is_blind && !snapshot.hook_state.is_held).then(|| {
        "the identity cannot see any repository, so all hooks are kept as they are: let the \
         identity read the repositories"
            .to_owned()
    })
}

/// The problem of pipelines in projects that the identity does not see: nothing tells that their
/// builds have ended.
pub(super) fn unseen(snapshot: &Snapshot) -> Option<String> {
    if snapshot.unseen.is_empty() || snapshot.hook_state.is_held {
        return None;
    }
    let unseen = snapshot.unseen.iter().map(|(project, checks)| {
        let checks = checks.join(", ");
        format!(
            "the identity cannot see project {project}, in which builds of {checks} are, so there \
             is no hook for their ends: let it read the project, or correct the project in [ci]"
        )
    });
    Some(unseen.collect::<Vec<_>>().join("; "))
}

/// The problem of subscriptions that Azure DevOps or a person has stopped. Also sets the gauge of
/// their states.
pub(super) fn stopped(organization: &str, snapshot: &Snapshot, steps: &[Step]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> =
        STATES.iter().map(|state| (state.as_str(), 0)).collect();
    for one in &snapshot.owned {
        *counts.entry(one.found.state.as_str()).or_default() += 1;
    }
    for (state, count) in &counts {
        let (organization, count) = (organization.to_owned(), u32::try_from(*count));
        metrics::gauge!("azdo_gateway_subscriptions", "organization" => organization,
            "state" => *state)
        .set(f64::from(count.unwrap_or(u32::MAX)));
    }
    let stopped: Vec<String> = counts
        .iter()
        .filter(|(state, count)| **state != State::Enabled.as_str() && **count > 0)
        .map(|(state, count)| format!("{count} {}", state.replace('_', " ")))
        .collect();
    if stopped.is_empty() || snapshot.hook_state.is_held {
        return None;
    }
    let report = steps.iter().find(|step| step.kind == Kind::Report);
    let what = report.map_or("they are being healed", |step| step.reason.as_str());
    Some(format!("subscriptions that lose every event: {} ({what})", stopped.join(", ")))
}

/// The problem of hooks that are enabled and did not deliver what the last scan of catch-up found.
pub(super) fn silence(snapshot: &Snapshot, last_scan: &Report) -> Option<String> {
    let silent = last_scan.missed_by_hooks.iter().filter_map(|(hook_scope, missed)| {
        let desired =
            snapshot.desired.iter().filter(|desired| covers(&desired.hook_scope, hook_scope));
        let hooks: Vec<&str> = desired.map(|desired| desired.hook.as_str()).collect();
        let active = hooks.iter().filter_map(|hook| snapshot.active(hook));
        let last_at = active.map(|active| active.last_at).max();
        // A hook that is newer, or has delivered since, is not blamed for earlier events.
        let found = snapshot.owned.iter().filter(|one| hooks.contains(&one.hook.as_str()));
        let is_new = found.filter_map(|one| one.found.created_at).max() >= Some(missed.last_at);
        if hooks.is_empty() || is_new || last_at.is_some_and(|last_at| last_at > last_scan.at) {
            return None;
        }
        let project =
            snapshot.projects.get(&hook_scope.project_id).unwrap_or(&hook_scope.project_id);
        let count = missed.count;
        let what = if hook_scope.topic == Topic::Pushes { "pushes" } else { "pull requests" };
        let last = last_at.map_or("never".to_owned(), |last_at| last_at.to_string());
        Some(format!(
            "hooks of project {project} are silent about {what}: catch-up found {count} events \
             that they did not deliver; last delivery: {last}; look at the history of the hooks in \
             Azure DevOps"
        ))
    });
    let problems: Vec<String> = silent.collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// Whether the hook of one scope delivers the events of the other, which catch-up has found. All
/// topics of pull requests count as one, comments excepted.
fn covers(hook: &HookScope, of: &HookScope) -> bool {
    let is_pushes = |hook_scope: &HookScope| hook_scope.topic == Topic::Pushes;
    hook.project_id == of.project_id
        && !matches!(hook.topic, Topic::Comments | Topic::BuildsCompleted)
        && is_pushes(hook) == is_pushes(of)
}

/// Sets the gauges of how long ago each hook last delivered. One that never did counts from its
/// creation.
pub(super) fn set_age_gauges(context: &OrganizationContext, snapshot: &Snapshot, now: Timestamp) {
    let organization = &context.organization;
    for desired in &snapshot.desired {
        let found = snapshot.owned.iter().find(|one| one.hook == desired.hook);
        let last_at = snapshot.active(&desired.hook).map(|active| active.last_at);
        let since = last_at.or(found.and_then(|one| one.found.created_at));
        let Some(since) = since else { continue };
        let (organization, project) = (organization.clone(), desired.project.clone());
        metrics::gauge!("azdo_gateway_hook_last_delivery_age_seconds",
            "organization" => organization, "project" => project,
            "topic" => desired.hook_scope.topic.as_str())
        .set(now.since(since).as_secs_f64());
    }
}

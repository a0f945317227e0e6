//! What people see of the subscriptions: rows for lists, alarms for what does not deliver, ages of
//! the last deliveries.
//!
//! Probation and disabling lose events, so they are never only a line in a list. It must never
//! change anything.

use std::collections::BTreeMap;

use super::Beside;
use super::picture::Picture;
use crate::domain::subscription::{HookScope, Kind, OwnedHook, State, Step, Topic, Wanted};
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::storage::{HookActivity, SubscriptionRow};

const STATES: [State; 6] = [
    State::Enabled,
    State::OnProbation,
    State::DisabledByUser,
    State::DisabledBySystem,
    State::DisabledByInactiveIdentity,
    State::Unknown,
];

/// OwnedHook as they were found, each with what the plan does about it.
pub(super) fn rows(
    organization: &str,
    picture: &Picture,
    steps: &[Step],
    seen_at: Timestamp,
) -> Vec<SubscriptionRow> {
    let row = |one: &OwnedHook| {
        let step = steps.iter().find(|step| step.id.as_ref() == Some(&one.found.id));
        let wanted = picture.wanted.iter().find(|wanted| {
            wanted.hook_scope.topic == one.found.topic
                && Some(&wanted.hook_scope.project_id) == one.found.project_id.as_ref()
        });
        let project_id = one.found.project_id.as_ref();
        SubscriptionRow {
            organization: organization.to_owned(),
            project: project_id.and_then(|id| picture.projects.get(id)).cloned(),
            found: one.found.clone(),
            hook: one.hook.clone(),
            action: step.map_or("keep", |step| step.kind.as_str()).to_owned(),
            reason: step.map_or(String::new(), |step| step.why.clone()),
            checks: wanted.map(|wanted| wanted.checks.clone()).unwrap_or_default(),
            seen_at,
        }
    };
    picture.ours.iter().map(row).collect()
}

/// Says what is wrong with ours, once, and what ended being so.
pub(super) fn alarm(
    health: &Health,
    organization: &str,
    picture: &Picture,
    steps: &[Step],
    mut told: Vec<String>,
) {
    let mut counts: BTreeMap<&str, usize> =
        STATES.iter().map(|state| (state.as_str(), 0)).collect();
    for one in &picture.ours {
        *counts.entry(one.found.state.as_str()).or_default() += 1;
    }
    for (state, count) in &counts {
        let (organization, count) = (organization.to_owned(), u32::try_from(*count));
        metrics::gauge!("azdo_gateway_subscriptions", "organization" => organization,
            "state" => *state)
        .set(f64::from(count.unwrap_or(u32::MAX)));
    }
    let broken: Vec<String> = counts
        .iter()
        .filter(|(state, count)| **state != State::Enabled.as_str() && **count > 0)
        .map(|(state, count)| format!("{count} {}", state.replace('_', " ")))
        .collect();
    if !broken.is_empty() && !picture.hook_state.is_held {
        let left = steps.iter().find(|step| step.kind == Kind::Report);
        let what = left.map_or("they are being healed", |step| step.why.as_str());
        told.push(format!("subscriptions that lose every event: {} ({what})", broken.join(", ")));
    }
    if told.is_empty() {
        health.clear(organization, ProblemKind::Hooks);
    } else if health.raise(organization, ProblemKind::Hooks, &told.join("; ")) {
        tracing::error!(organization, "{}", told.join("; "));
    }
}

/// The hooks that seem to deliver and do not tell what catch-up finds.
pub(super) fn silence(beside: &Beside, organization: &str, picture: &Picture) -> Option<String> {
    let pass = beside.catch_up.last(organization)?;
    let silent = pass.missed_by_hooks.iter().filter_map(|(hook_scope, unheard)| {
        let of_place = |wanted: &&Wanted| tells(&wanted.hook_scope, hook_scope);
        let ours = picture.wanted.iter().filter(of_place);
        let hooks: Vec<&str> = ours.map(|wanted| wanted.hook.as_str()).collect();
        let last_at = beside.hook_activity.last_of(organization, &|hook| hooks.contains(&hook));
        // One that is new, or has spoken since, is not blamed for what was before.
        let its = picture.ours.iter().filter(|one| hooks.contains(&one.hook.as_str()));
        let is_new = its.filter_map(|one| one.found.created_at).max() >= Some(unheard.last_at);
        if hooks.is_empty() || is_new || last_at.is_some_and(|last_at| last_at > pass.at) {
            return None;
        }
        let project =
            picture.projects.get(&hook_scope.project_id).unwrap_or(&hook_scope.project_id);
        let count = unheard.count;
        let what = if hook_scope.topic == Topic::Pushes { "pushes" } else { "pull requests" };
        let since = last_at.map_or("never".to_owned(), |last_at| last_at.to_string());
        Some(format!(
            "hooks of project {project} are silent about {what}: catch-up found {count} events \
             that they did not tell; they last delivered: {since}; look at their history in Azure \
             DevOps"
        ))
    });
    let told: Vec<String> = silent.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether the hook of one hook_scope is to tell what is known to be of the other.
fn tells(hook: &HookScope, of: &HookScope) -> bool {
    let about = |hook_scope: &HookScope| hook_scope.topic == Topic::Pushes;
    hook.project_id == of.project_id && hook.topic != Topic::Comments && about(hook) == about(of)
}

/// How long ago each of ours last delivered; never since it was created counts from then.
pub(super) fn ages(
    organization: &str,
    picture: &Picture,
    hook_activity: &HookActivity,
    now: Timestamp,
) {
    for wanted in &picture.wanted {
        let ours = picture.ours.iter().find(|one| one.hook == wanted.hook);
        let since = hook_activity
            .last_at(organization, &wanted.hook)
            .or(ours.and_then(|one| one.found.created_at));
        let Some(since) = since else { continue };
        let (organization, project) = (organization.to_owned(), wanted.project.clone());
        metrics::gauge!("azdo_gateway_hook_last_delivery_age_seconds",
            "organization" => organization, "project" => project,
            "topic" => wanted.hook_scope.topic.as_str())
        .set(now.since(since).as_secs_f64());
    }
}

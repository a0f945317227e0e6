//! The desired subscriptions: one for each scope that the checks need, with the URL and the
//! settings of its newest secret.

use std::collections::BTreeMap;

use crate::ado::{hook_url, settings};
use crate::domain::check::Check;
use crate::domain::subscription::{Desired, HookName, HookScope, Watched, desired_scopes};
use crate::reconcile::context::OrganizationContext;
use crate::storage::{HookRow, HookState};

/// The desired subscriptions of the repositories and projects that our identity sees; projects by
/// id.
pub(super) fn desired(
    context: &OrganizationContext,
    checks: &[Check],
    seen: &[Watched],
    projects: &BTreeMap<String, String>,
    hook_state: &HookState,
) -> Vec<Desired> {
    let scopes = desired_scopes(checks, &context.organization, seen, projects).into_iter();
    let desired = scopes.map(|(hook_scope, (project, checks))| {
        let generation = row(hook_state, &hook_scope).map_or(1, |row| row.secret.generation);
        let (hook, settings) = (String::new(), Default::default());
        let desired = Desired { hook_scope, project, hook, settings, checks };
        with_generation(context, desired, generation)
    });
    desired.collect()
}

/// The same subscription with the secret of this generation.
pub(super) fn with_generation(
    context: &OrganizationContext,
    desired: Desired,
    generation: u32,
) -> Desired {
    let hook = hook_name(context, &desired.hook_scope, generation);
    let url = hook_url(&context.deps.public_url, &context.organization, &hook);
    let settings = settings(&desired.hook_scope, &url);
    Desired { hook, settings, ..desired }
}

/// The name of the hook with the secret of this generation.
pub(super) fn hook_name(
    context: &OrganizationContext,
    hook_scope: &HookScope,
    generation: u32,
) -> String {
    let untagged = HookName::untagged(hook_scope, generation);
    let tag = context.deps.keys.hook_tag(&context.organization, &untagged);
    HookName { hook_scope: hook_scope.clone(), generation, tag }.to_string()
}

/// What the store knows of a scope.
pub(super) fn row<'b>(hook_state: &'b HookState, hook_scope: &HookScope) -> Option<&'b HookRow> {
    hook_state.hook_scopes.iter().find(|row| row.hook_scope == *hook_scope)
}

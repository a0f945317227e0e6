//! Ends the older secrets of hooks after the newest has proved that it works.

use super::desired::hook_name;
use super::snapshot::Snapshot;
use crate::domain::subscription::HookName;
use crate::domain::time::Timestamp;
use crate::reconcile::context::OrganizationContext;
use crate::storage::{self, HookRow};

/// Ends the secrets that no hook needs any more.
pub(super) async fn retire(
    context: &OrganizationContext,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<(), storage::Error> {
    let OrganizationContext { organization, deps, .. } = context;
    let store = deps.store.as_ref();
    let mut is_changed = false;
    for HookRow { hook_scope, secret } in &snapshot.hook_state.hook_scopes {
        let generation = secret.generation;
        let newest = hook_name(context, hook_scope, generation);
        let is_older = |hook: &str| {
            HookName::parse(hook)
                .is_some_and(|name| name.hook_scope == *hook_scope && name.generation < generation)
        };
        if snapshot.owned.iter().any(|one| is_older(&one.hook)) {
            store.older_hook_seen(organization, hook_scope.clone(), now).await?;
            continue;
        }
        let proved_at = snapshot.active(&newest).map(|active| active.first_at);
        if !secret.retires_older(proved_at, now) {
            continue;
        }
        store.retire_hooks(organization, hook_scope.clone(), generation).await?;
        is_changed = true;
        let hook = HookName::untagged(hook_scope, generation);
        tracing::info!(organization, hook, "secrets older than this one are not accepted any more");
    }
    if is_changed {
        deps.retired_hooks.refresh(store, organization).await?;
    }
    Ok(())
}

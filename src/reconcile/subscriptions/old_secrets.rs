//! Ends secrets: the older ones after the newest has proved that it works, and all of them after
//! the removal of the hooks.

use super::desired::hook_name;
use super::snapshot::Snapshot;
use crate::domain::subscription::HookName;
use crate::domain::time::Timestamp;
use crate::reconcile::context::OrganizationContext;
use crate::storage::{self, HookRow};

/// Ends the secrets that no hook needs any more. `is_removed` is true where all hooks have just
/// been removed.
pub(super) async fn retire(
    context: &OrganizationContext,
    snapshot: &Snapshot,
    is_removed: bool,
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
        let is_older_used = snapshot.owned.iter().any(|one| is_older(&one.hook));
        let proved_at = snapshot.active(&newest).map(|active| active.first_at);
        let live_from = if is_removed && secret.is_live() {
            generation.saturating_add(1)
        } else if secret.retires_older(proved_at, is_older_used, now) {
            generation
        } else {
            continue;
        };
        store.retire_hooks(organization, hook_scope.clone(), live_from).await?;
        is_changed = true;
        let hook = HookName::untagged(hook_scope, live_from);
        tracing::info!(organization, hook, "secrets older than this one are not accepted any more");
    }
    if is_changed {
        deps.retired_hooks.refresh(store, organization).await?;
    }
    Ok(())
}

//! Ends secrets that were replaced by one that delivers.

use std::time::Duration;

use super::desired::hook_name;
use super::snapshot::Snapshot;
use crate::domain::subscription::HookName;
use crate::domain::time::Timestamp;
use crate::reconcile::context::OrganizationContext;
use crate::storage;

/// How long an old secret is accepted after its last delivery and after the first one with the new
/// secret: longer than Azure DevOps repeats a delivery (183 s, docs/azure-devops.md §1.3).
const RETIRE_AFTER: Duration = Duration::from_secs(240);

/// Ends the old secrets that no delivery can have any more. One may have been under way when the
/// new secret was set, or may be repeated.
pub(super) async fn retire(
    context: &OrganizationContext,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<(), storage::Error> {
    let OrganizationContext { organization, deps, .. } = context;
    let (store, hook_activity) = (deps.store.as_ref(), &deps.hook_activity);
    let rows = snapshot.hook_state.hook_scopes.iter();
    for row in rows.filter(|row| row.secret.live_from < row.secret.generation) {
        let (hook_scope, generation) = (&row.hook_scope, row.secret.generation);
        let newest = hook_name(context, hook_scope, generation);
        let is_older = |hook: &str| {
            HookName::parse(hook)
                .is_some_and(|name| name.hook_scope == *hook_scope && name.generation < generation)
        };
        let is_used = snapshot.owned.iter().any(|one| is_older(&one.hook));
        let Some(proved_at) = hook_activity.first_at(organization, &newest).filter(|_| !is_used)
        else {
            continue;
        };
        let last_at = hook_activity.last_of(organization, &is_older).unwrap_or_default();
        if now.since(proved_at.max(last_at)) < RETIRE_AFTER {
            continue;
        }
        store.retire_hooks(organization, hook_scope.clone(), generation).await?;
        hook_activity.exchange(store, organization).await?;
        let hook = HookName::untagged(hook_scope, generation);
        tracing::info!(organization, hook, "secrets older than this one are not accepted any more");
    }
    Ok(())
}

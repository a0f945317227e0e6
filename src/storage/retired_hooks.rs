//! Which secrets of hooks have ended. It is in memory, because every delivery needs it, and is read
//! from the store before the first delivery and with each pass over the subscriptions.

use dashmap::DashMap;

use super::error::Error;
use super::reconciliation::{HookRow, HookState, Reconciliation};
use crate::domain::subscription::{HookName, HookScope};

/// See the module. The first live generation of each scope; organizations are in lower case.
#[derive(Debug, Default)]
pub struct RetiredHooks(DashMap<(String, HookScope), u32>);

/// A hook as it is looked up; cached by the caller, because every delivery needs it. None for a
/// hook that was made by hand.
#[derive(Clone, Debug)]
pub struct HookKey(Option<((String, HookScope), u32)>);

impl HookKey {
    /// The key of `hook`.
    pub fn new(organization: &str, hook: &str) -> Self {
        let name = HookName::parse(hook);
        Self(name.map(|HookName { hook_scope, generation, .. }| {
            ((organization.to_ascii_lowercase(), hook_scope), generation)
        }))
    }
}

impl RetiredHooks {
    /// Whether the secret of this hook has ended.
    pub fn contains(&self, hook: &HookKey) -> bool {
        let Some((hook_scope, generation)) = &hook.0 else { return false };
        self.0.get(hook_scope).is_some_and(|live_from| *generation < *live_from)
    }

    /// Reads which secrets have ended. Returns everything that the store knows of the hooks of the
    /// organization.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn refresh(
        &self,
        store: &dyn Reconciliation,
        organization: &str,
    ) -> Result<HookState, Error> {
        let hook_state = store.hooks(organization).await?;
        for HookRow { hook_scope, secret } in &hook_state.hook_scopes {
            let key = (organization.to_ascii_lowercase(), hook_scope.clone());
            // Another pass may have read the store later: an ended secret never comes back.
            let mut live_from = self.0.entry(key).or_default();
            *live_from = (*live_from).max(secret.live_from);
        }
        Ok(hook_state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscription::Topic;

    #[test]
    fn secrets_before_the_first_live_generation_have_ended() {
        let retired = RetiredHooks::default();
        let project_id = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c".to_owned();
        let hook_scope = HookScope { project_id, topic: Topic::Pushes };
        let name = |generation| {
            let (hook_scope, tag) = (hook_scope.clone(), "00000000".into());
            HookName { hook_scope, generation, tag }.to_string()
        };
        let is_retired =
            |organization: &str, hook: &str| retired.contains(&HookKey::new(organization, hook));
        assert!(!is_retired("Fabrikam", &name(1)), "no generation is known yet");
        retired.0.insert(("fabrikam".into(), hook_scope.clone()), 3);
        assert!(is_retired("Fabrikam", &name(2)));
        assert!(!is_retired("Fabrikam", &name(3)));
        assert!(!is_retired("contoso", &name(2)));
        assert!(!is_retired("Fabrikam", "made-by-hand"));
    }
}

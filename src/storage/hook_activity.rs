//! When each hook delivered last, and which secrets of hooks have ended. Both are in memory,
//! because every delivery needs them, and are exchanged with the store from time to time; a crash
//! loses the times of the last minutes.

use std::collections::BTreeSet;

use dashmap::DashMap;

use super::error::Error;
use super::reconciliation::{ActiveHook, HookRow, Reconciliation};
use crate::domain::subscription::{HookName, HookScope};
use crate::domain::time::Timestamp;

/// Further hooks are not remembered. Adding one takes a valid hook password.
const HOOKS_MAX: usize = 10_000;

/// See the module. Organizations are in lower case.
#[derive(Debug, Default)]
pub struct HookActivity {
    seen: DashMap<(String, String), Seen>,
    live_from: DashMap<(String, HookScope), u32>,
}

/// A hook as it is looked up; cached by the caller, because every delivery needs it.
#[derive(Clone, Debug)]
pub struct HookKey {
    seen: (String, String),
    /// The scope and the generation of the secret; none for a hook that somebody else created.
    created: Option<((String, HookScope), u32)>,
}

impl HookKey {
    /// The key of `hook`.
    pub fn new(organization: &str, hook: &str) -> Self {
        let organization = organization.to_ascii_lowercase();
        let created = HookName::parse(hook).map(|HookName { hook_scope, generation, .. }| {
            ((organization.clone(), hook_scope), generation)
        });
        Self { seen: (organization, hook.to_owned()), created }
    }
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    first_at: Timestamp,
    last_at: Timestamp,
    is_stored: bool,
}

impl HookActivity {
    /// Notes a delivery to `hook`.
    pub fn note(&self, hook: &HookKey, now: Timestamp) {
        if let Some(mut seen) = self.seen.get_mut(&hook.seen) {
            seen.last_at = seen.last_at.max(now);
            seen.is_stored = false;
            return;
        }
        if self.seen.len() < HOOKS_MAX {
            let new = Seen { first_at: now, last_at: now, is_stored: false };
            self.seen.insert(hook.seen.clone(), new);
        }
    }

    /// Whether the secret of this hook has ended: a newer one was proved to work.
    pub fn is_retired(&self, hook: &HookKey) -> bool {
        let Some((hook_scope, generation)) = &hook.created else { return false };
        self.live_from.get(hook_scope).is_some_and(|live_from| *generation < *live_from)
    }

    /// When a hook delivered last.
    pub fn last_at(&self, organization: &str, hook: &str) -> Option<Timestamp> {
        let key = (organization.to_ascii_lowercase(), hook.to_owned());
        self.seen.get(&key).map(|seen| seen.last_at)
    }

    /// When a hook delivered first.
    pub fn first_at(&self, organization: &str, hook: &str) -> Option<Timestamp> {
        let key = (organization.to_ascii_lowercase(), hook.to_owned());
        self.seen.get(&key).map(|seen| seen.first_at)
    }

    /// When any of the selected hooks delivered last.
    pub fn last_of(&self, organization: &str, selects: &dyn Fn(&str) -> bool) -> Option<Timestamp> {
        let organization = organization.to_ascii_lowercase();
        let of = |entry: &dashmap::mapref::multiple::RefMulti<'_, (String, String), Seen>| {
            entry.key().0 == organization && selects(&entry.key().1)
        };
        self.seen.iter().filter(of).map(|entry| entry.value().last_at).max()
    }

    /// Whether a hook has ever delivered.
    pub fn is_proved(&self, organization: &str, hook: &str) -> bool {
        self.last_at(organization, hook).is_some()
    }

    /// Stores the new times of an organization, and reads those that other replicas stored.
    ///
    /// # Errors
    /// The store does not answer; the times are stored by a later exchange.
    pub async fn exchange(
        &self,
        store: &dyn Reconciliation,
        organization: &str,
    ) -> Result<(), Error> {
        let lower = organization.to_ascii_lowercase();
        let new: Vec<ActiveHook> = self
            .seen
            .iter()
            .filter(|entry| entry.key().0 == lower && !entry.value().is_stored)
            .map(|entry| ActiveHook {
                hook: entry.key().1.clone(),
                first_at: entry.value().first_at,
                last_at: entry.value().last_at,
            })
            .collect();
        if !new.is_empty() {
            store.note_hook_activity(organization, new.clone()).await?;
        }
        for arrival in new {
            let key = (lower.clone(), arrival.hook);
            if let Some(mut seen) = self.seen.get_mut(&key)
                && seen.last_at == arrival.last_at
            {
                seen.is_stored = true;
            }
        }
        let hook_state = store.hooks(organization).await?;
        for HookRow { hook_scope, secret } in hook_state.hook_scopes {
            self.live_from.insert((lower.clone(), hook_scope), secret.live_from);
        }
        // A hook that retention has deleted is deleted here, too.
        let stored: BTreeSet<&str> =
            hook_state.hook_activity.iter().map(|one| one.hook.as_str()).collect();
        self.seen.retain(|(of, hook), seen| {
            *of != lower || !seen.is_stored || stored.contains(hook.as_str())
        });
        for ActiveHook { hook, first_at, last_at } in hook_state.hook_activity {
            let read = Seen { first_at, last_at, is_stored: true };
            let mut seen = self.seen.entry((lower.clone(), hook)).or_insert(read);
            seen.first_at = seen.first_at.min(first_at);
            seen.last_at = seen.last_at.max(last_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscription::Topic;

    #[test]
    fn secrets_before_the_first_live_generation_have_ended() {
        let hook_activity = HookActivity::default();
        let project_id = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c".to_owned();
        let hook_scope = HookScope { project_id, topic: Topic::Pushes };
        let name = |generation| {
            let (hook_scope, tag) = (hook_scope.clone(), "00000000".into());
            HookName { hook_scope, generation, tag }.to_string()
        };
        assert!(
            !hook_activity.is_retired(&HookKey::new("Fabrikam", &name(1))),
            "no generation is known yet"
        );
        hook_activity.live_from.insert(("fabrikam".into(), hook_scope.clone()), 3);
        assert!(hook_activity.is_retired(&HookKey::new("Fabrikam", &name(2))));
        assert!(!hook_activity.is_retired(&HookKey::new("Fabrikam", &name(3))));
        assert!(!hook_activity.is_retired(&HookKey::new("contoso", &name(2))));
        assert!(!hook_activity.is_retired(&HookKey::new("Fabrikam", "made-by-hand")));
    }

    #[test]
    fn the_latest_time_counts() {
        let hook_activity = HookActivity::default();
        let at = Timestamp::from_ms;
        assert!(!hook_activity.is_proved("Fabrikam", "push"));
        hook_activity.note(&HookKey::new("Fabrikam", "push"), at(20));
        hook_activity.note(&HookKey::new("fabrikam", "push"), at(10));
        assert_eq!(hook_activity.last_at("FABRIKAM", "push"), Some(at(20)));
    }
}

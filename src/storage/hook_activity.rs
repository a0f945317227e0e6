//! When deliveries last came to each hook, and which secrets are not taken any more: in memory,
//! since every delivery asks, and written down from time to time.
//!
//! A crash loses the times of the last minutes. It must never hold a delivery up.

use std::collections::BTreeSet;

use dashmap::DashMap;

use super::{Arrival, Error, HookRow, Store};
use crate::domain::subscription::{HookName, HookScope};
use crate::domain::time::Timestamp;

/// Hooks that are remembered: a password is needed to add one.
const HOOKS_MAX: usize = 10_000;

/// See the module. Organizations are keyed in lower case.
#[derive(Debug, Default)]
pub struct HookActivity {
    seen: DashMap<(String, String), Seen>,
    live_from: DashMap<(String, HookScope), u32>,
}

/// A hook as it is looked up here: made once, since every delivery asks.
#[derive(Clone, Debug)]
pub struct HookKey {
    seen: (String, String),
    /// Of hooks that we made: where, and with which secret.
    made: Option<((String, HookScope), u32)>,
}

impl HookKey {
    /// The key of `hook`.
    pub fn new(organization: &str, hook: &str) -> Self {
        let organization = organization.to_ascii_lowercase();
        let made = HookName::parse(hook).map(|HookName { hook_scope, generation, .. }| {
            ((organization.clone(), hook_scope), generation)
        });
        Self { seen: (organization, hook.to_owned()), made }
    }
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    first_at: Timestamp,
    last_at: Timestamp,
    is_written: bool,
}

impl HookActivity {
    /// A delivery came to `hook`.
    pub fn note(&self, hook: &HookKey, now: Timestamp) {
        if let Some(mut seen) = self.seen.get_mut(&hook.seen) {
            seen.last_at = seen.last_at.max(now);
            seen.is_written = false;
            return;
        }
        if self.seen.len() < HOOKS_MAX {
            let new = Seen { first_at: now, last_at: now, is_written: false };
            self.seen.insert(hook.seen.clone(), new);
        }
    }

    /// Whether the secret of this hook was replaced by one that has proved itself.
    pub fn is_retired(&self, hook: &HookKey) -> bool {
        let Some((hook_scope, generation)) = &hook.made else { return false };
        self.live_from.get(hook_scope).is_some_and(|live_from| *generation < *live_from)
    }

    /// When something last came to a hook.
    pub fn last_at(&self, organization: &str, hook: &str) -> Option<Timestamp> {
        let key = (organization.to_ascii_lowercase(), hook.to_owned());
        self.seen.get(&key).map(|seen| seen.last_at)
    }

    /// When something first came to a hook.
    pub fn first_at(&self, organization: &str, hook: &str) -> Option<Timestamp> {
        let key = (organization.to_ascii_lowercase(), hook.to_owned());
        self.seen.get(&key).map(|seen| seen.first_at)
    }

    /// When something last came to any of the hooks that `is_meant`.
    pub fn last_of(
        &self,
        organization: &str,
        is_meant: &dyn Fn(&str) -> bool,
    ) -> Option<Timestamp> {
        let organization = organization.to_ascii_lowercase();
        let of = |entry: &dashmap::mapref::multiple::RefMulti<'_, (String, String), Seen>| {
            entry.key().0 == organization && is_meant(&entry.key().1)
        };
        self.seen.iter().filter(of).map(|entry| entry.value().last_at).max()
    }

    /// Whether anything ever came to a hook.
    pub fn is_proved(&self, organization: &str, hook: &str) -> bool {
        self.last_at(organization, hook).is_some()
    }

    /// Writes down what is new for an organization, and reads what others wrote.
    ///
    /// # Errors
    /// The store does not answer; nothing is forgotten then.
    pub async fn exchange(&self, store: &dyn Store, organization: &str) -> Result<(), Error> {
        let lower = organization.to_ascii_lowercase();
        let new: Vec<Arrival> = self
            .seen
            .iter()
            .filter(|entry| entry.key().0 == lower && !entry.value().is_written)
            .map(|entry| Arrival {
                hook: entry.key().1.clone(),
                first_at: entry.value().first_at,
                last_at: entry.value().last_at,
            })
            .collect();
        if !new.is_empty() {
            store.note_arrivals(organization, new.clone()).await?;
        }
        for arrival in new {
            let key = (lower.clone(), arrival.hook);
            if let Some(mut seen) = self.seen.get_mut(&key)
                && seen.last_at == arrival.last_at
            {
                seen.is_written = true;
            }
        }
        let hook_state = store.hooks(organization).await?;
        for HookRow { hook_scope, live_from, .. } in hook_state.hook_scopes {
            self.live_from.insert((lower.clone(), hook_scope), live_from);
        }
        // What the store has forgotten is forgotten here, too.
        let kept: BTreeSet<&str> =
            hook_state.hook_activity.iter().map(|one| one.hook.as_str()).collect();
        self.seen.retain(|(of, hook), seen| {
            *of != lower || !seen.is_written || kept.contains(hook.as_str())
        });
        for Arrival { hook, first_at, last_at } in hook_state.hook_activity {
            let read = Seen { first_at, last_at, is_written: true };
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
    fn only_what_is_older_than_the_first_live_secret_is_retired() {
        let hook_activity = HookActivity::default();
        let project_id = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c".to_owned();
        let hook_scope = HookScope { project_id, topic: Topic::Pushes };
        let name = |generation| {
            let (hook_scope, tag) = (hook_scope.clone(), "00000000".into());
            HookName { hook_scope, generation, tag }.to_string()
        };
        assert!(
            !hook_activity.is_retired(&HookKey::new("Fabrikam", &name(1))),
            "nothing is known yet"
        );
        hook_activity.live_from.insert(("fabrikam".into(), hook_scope.clone()), 3);
        assert!(hook_activity.is_retired(&HookKey::new("Fabrikam", &name(2))));
        assert!(!hook_activity.is_retired(&HookKey::new("Fabrikam", &name(3))));
        assert!(!hook_activity.is_retired(&HookKey::new("contoso", &name(2))));
        assert!(!hook_activity.is_retired(&HookKey::new("Fabrikam", "made-by-hand")));
    }

    #[test]
    fn the_last_time_is_kept() {
        let hook_activity = HookActivity::default();
        let at = Timestamp::from_ms;
        assert!(!hook_activity.is_proved("Fabrikam", "push"));
        hook_activity.note(&HookKey::new("Fabrikam", "push"), at(20));
        hook_activity.note(&HookKey::new("fabrikam", "push"), at(10));
        assert_eq!(hook_activity.last_at("FABRIKAM", "push"), Some(at(20)));
    }
}

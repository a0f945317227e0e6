//! The generation of the secret of a hook scope: which secret a new hook gets, and which secrets
//! are still accepted. Secrets themselves are derived from it.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// How long older secrets are accepted after the first delivery with the newest: longer than Azure
/// DevOps repeats a delivery (183 s, docs/azure-devops.md §1.3).
const RETIRE_AFTER: Duration = Duration::from_secs(240);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookSecret {
    /// Counts secrets from 1; the newest is the wanted one.
    pub generation: u32,
    /// Secrets before this generation are refused.
    pub live_from: u32,
    /// When the newest was introduced.
    pub renewed_at: Timestamp,
    /// How many in a row were introduced to heal a subscription.
    pub healings: u32,
    /// When Azure DevOps was last seen to have a hook with an older secret than the newest: what it
    /// delivered then may still be repeated.
    pub older_seen_at: Option<Timestamp>,
}

impl HookSecret {
    /// The next secret of a scope; the first one where none is known. Healings count only in a row.
    pub fn renewed(known: Option<&Self>, heals: bool, now: Timestamp) -> Self {
        let healings = known.map_or(0, |known| known.healings);
        Self {
            generation: known.map_or(1, |known| known.generation.saturating_add(1)),
            live_from: known.map_or(1, |known| known.live_from),
            renewed_at: now,
            healings: if heals { healings.saturating_add(1) } else { 0 },
            older_seen_at: known.and_then(|known| known.older_seen_at),
        }
    }

    /// The secrets before `live_from` end. They never come back.
    pub fn retired(&self, live_from: u32) -> Self {
        Self { live_from: self.live_from.max(live_from), healings: 0, ..self.clone() }
    }

    /// While the hooks are removed no secret is live. When they are created again there is a new
    /// one.
    pub fn held(&self, is_held: bool, now: Timestamp) -> Self {
        match (is_held, self.live_from <= self.generation) {
            (true, true) => self.retired(self.generation.saturating_add(1)),
            (false, false) => Self::renewed(Some(self), false, now),
            _ => self.clone(),
        }
    }

    /// A hook with an older secret than the newest was seen.
    pub fn older_seen(&self, at: Timestamp) -> Self {
        Self { older_seen_at: self.older_seen_at.max(Some(at)), ..self.clone() }
    }

    /// Whether the secrets before the newest end now. `proved_at` is when something was first
    /// delivered with the newest. What is delivered with an older one does not prolong its life:
    /// otherwise somebody who has stolen the old secret could keep it valid by delivering with it.
    pub fn retires_older(&self, proved_at: Option<Timestamp>, now: Timestamp) -> bool {
        let Some(proved_at) = proved_at else { return false };
        let since = proved_at.max(self.older_seen_at.unwrap_or(proved_at));
        self.live_from < self.generation && now.since(since) >= RETIRE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_ms(second * 1_000)
    }

    #[test]
    fn generations_count_from_one_and_healings_only_in_a_row() {
        let first = HookSecret::renewed(None, true, at(1));
        assert_eq!((first.generation, first.live_from, first.healings), (1, 1, 1));
        let second = HookSecret::renewed(Some(&first), true, at(2));
        assert_eq!((second.generation, second.renewed_at, second.healings), (2, at(2), 2));
        let third = HookSecret::renewed(Some(&second), false, at(3));
        assert_eq!((third.generation, third.live_from, third.healings), (3, 1, 0));
    }

    fn third(healings: u32) -> HookSecret {
        HookSecret { generation: 3, live_from: 1, renewed_at: at(1), healings, older_seen_at: None }
    }

    #[test]
    fn a_retired_secret_does_not_come_back() {
        let third = third(2);
        let retired = third.retired(3);
        assert_eq!((retired.live_from, retired.healings), (3, 0));
        assert_eq!(retired.retired(2).live_from, 3);
        assert_eq!(retired.renewed_at, at(1));
    }

    #[test]
    fn while_hooks_are_removed_no_secret_is_live_and_afterwards_a_new_one_is() {
        let third = third(0);
        let removed = third.held(true, at(2));
        assert_eq!((removed.generation, removed.live_from), (3, 4));
        assert_eq!(removed.held(true, at(3)), removed);
        let again = removed.held(false, at(4));
        assert_eq!((again.generation, again.live_from, again.renewed_at), (4, 4, at(4)));
        assert_eq!(again.held(false, at(5)), again);
        assert_eq!(third.held(false, at(5)), third);
    }

    #[test]
    fn older_secrets_end_at_a_fixed_time_after_the_newest_was_used() {
        let third = third(0);
        assert!(!third.retires_older(None, at(9_999)), "the newest is not proved");
        assert!(!third.retires_older(Some(at(10)), at(249)));
        assert!(third.older_seen(at(9)).retires_older(Some(at(10)), at(250)));
        let removed = third.older_seen(at(100)).older_seen(at(50));
        assert!(!removed.retires_older(Some(at(10)), at(339)), "it may be repeated");
        assert!(removed.retires_older(Some(at(10)), at(340)));
        assert!(!third.retired(3).retires_older(Some(at(10)), at(250)), "none is older");
        let renewed = HookSecret::renewed(Some(&removed), false, at(120));
        assert_eq!(renewed.older_seen_at, Some(at(100)), "it is older now, too");
    }
}

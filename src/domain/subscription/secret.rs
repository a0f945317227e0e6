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
        }
    }

    /// The secrets before `live_from` end. They never come back.
    pub fn retired(&self, live_from: u32) -> Self {
        Self { live_from: self.live_from.max(live_from), healings: 0, ..self.clone() }
    }

    /// Whether the newest secret is accepted. After the removal of the hooks no secret is.
    pub fn is_live(&self) -> bool {
        self.live_from <= self.generation
    }

    /// Whether the secrets before the newest end now. `proved_at` is when something was first
    /// delivered with the newest, and `is_older_used` whether Azure DevOps still has a hook with an
    /// older one. What is delivered with an older one does not prolong its life: otherwise whoever
    /// has stolen it could keep it valid.
    pub fn retires_older(
        &self,
        proved_at: Option<Timestamp>,
        is_older_used: bool,
        now: Timestamp,
    ) -> bool {
        let is_over = |proved_at: Timestamp| now.since(proved_at) >= RETIRE_AFTER;
        self.live_from < self.generation && !is_older_used && proved_at.is_some_and(is_over)
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

    #[test]
    fn a_retired_secret_does_not_come_back() {
        let third = HookSecret { generation: 3, live_from: 1, renewed_at: at(1), healings: 2 };
        let retired = third.retired(3);
        assert_eq!((retired.live_from, retired.healings), (3, 0));
        assert_eq!(retired.retired(2).live_from, 3);
        assert_eq!(retired.renewed_at, at(1));
    }

    #[test]
    fn after_all_secrets_have_ended_the_next_one_is_live() {
        let third = HookSecret { generation: 3, live_from: 1, renewed_at: at(1), healings: 0 };
        let ended = third.retired(4);
        assert!(third.is_live() && !ended.is_live());
        let next = HookSecret::renewed(Some(&ended), false, at(2));
        assert_eq!((next.generation, next.live_from, next.is_live()), (4, 4, true));
    }

    #[test]
    fn older_secrets_end_at_a_fixed_time_after_the_newest_was_used() {
        let third = HookSecret { generation: 3, live_from: 1, renewed_at: at(1), healings: 0 };
        assert!(!third.retires_older(None, false, at(9_999)), "the newest is not proved");
        assert!(!third.retires_older(Some(at(10)), false, at(249)));
        assert!(third.retires_older(Some(at(10)), false, at(250)));
        assert!(!third.retires_older(Some(at(10)), true, at(250)), "a hook still has an older one");
        assert!(!third.retired(3).retires_older(Some(at(10)), false, at(250)), "none is older");
    }
}

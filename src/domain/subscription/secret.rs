//! The generation of the secret of a hook scope: which secret a new hook gets, and which secrets
//! are still accepted. Secrets themselves are derived from it.

use crate::domain::time::Timestamp;

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

    /// After a secret has proved that it works, those before `live_from` end. They never come back.
    pub fn retired(&self, live_from: u32) -> Self {
        Self { live_from: self.live_from.max(live_from), healings: 0, ..self.clone() }
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
}

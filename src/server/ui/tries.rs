//! Counts the wrong tokens that came from each address, so that nobody tries them in numbers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::time::Timestamp;

/// Wrong tokens that an address may send in a minute.
const TRIES_MAX: u32 = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Addresses that are counted. Beyond them nobody gets further tries before the minute is over.
const ADDRESSES_MAX: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    begun_at: Timestamp,
    wrong: HashMap<IpAddr, u32>,
}

impl Tries {
    /// Whether a token from this address is looked at.
    pub(super) fn may(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut minute = self.0.lock();
        minute.begin(now);
        match minute.wrong.get(&address) {
            Some(wrong) => *wrong < TRIES_MAX,
            None => minute.wrong.len() < ADDRESSES_MAX,
        }
    }

    /// The token was wrong.
    pub(super) fn wrong(&self, address: IpAddr, now: Timestamp) {
        let mut minute = self.0.lock();
        minute.begin(now);
        let wrong = minute.wrong.entry(address).or_default();
        *wrong = wrong.saturating_add(1);
    }
}

impl Minute {
    /// Forgets what is more than a minute old.
    fn begin(&mut self, now: Timestamp) {
        if now.since(self.begun_at) >= MINUTE {
            *self = Self { begun_at: now, wrong: HashMap::new() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_tokens_a_minute_and_address() {
        let tries = Tries::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let now = Timestamp::from_ms(1_790_000_000_000);
        for _ in 0..TRIES_MAX {
            assert!(tries.may(one, now));
            tries.wrong(one, now);
        }
        assert!(!tries.may(one, now));
        assert!(tries.may(other, now));
        assert!(tries.may(one, now.plus(MINUTE)));
    }
}

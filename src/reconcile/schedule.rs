//! When each organization has its next turn, and what became of the last.
//!
//! Usually every so often; sooner while a turn leaves something to do, ever more seldom while it
//! cannot do it; at once when asked. It must never know what a turn does.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::worker::Wake;

/// The pause after a first turn that leaves something to do, doubled with each further one.
const SOON: Duration = Duration::from_secs(1);

/// What became of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    pub at: Timestamp,
    /// What was changed at Azure DevOps, or found there.
    pub changes: usize,
    /// There is more to do soon.
    pub goes_on: bool,
    /// What did not work, and what to do about it.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Next {
    due_at: Timestamp,
    /// Turns in a row that left something to do.
    in_a_row: u32,
    last: Option<Turned>,
}

/// See the module. By organization.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Mutex<HashMap<String, Next>>,
    wake: Wake,
}

impl Schedule {
    /// What wakes the worker.
    pub(super) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// The next turn is at once.
    pub(super) fn ask(&self, organization: &str) {
        self.change(organization, |next| next.due_at = Timestamp::ZERO);
        self.wake.wake();
    }

    /// Whether a turn is due; the first one is due at once.
    pub(super) fn is_due(&self, organization: &str, now: Timestamp) -> bool {
        self.change(organization, |next| next.due_at <= now)
    }

    /// What became of the last turn; none before the first.
    pub(super) fn last(&self, organization: &str) -> Option<Turned> {
        self.change(organization, |next| next.last.clone())
    }

    /// A turn is over; nothing is known of it where another replica had it. The next one is usually
    /// `every` so often, and where something goes on `longest` at most after a row of others.
    pub(super) fn turned(
        &self,
        organization: &str,
        turned: Option<Turned>,
        (every, longest): (Duration, Duration),
        now: Timestamp,
    ) {
        self.change(organization, |next| {
            let goes_on = turned.as_ref().is_some_and(|turned| turned.goes_on);
            next.in_a_row = if goes_on { next.in_a_row.saturating_add(1) } else { 0 };
            let wait = match next.in_a_row.checked_sub(1) {
                None => every,
                Some(doublings) => SOON.saturating_mul(1 << doublings.min(16)).min(longest),
            };
            next.due_at = now.plus(wait);
            next.last = turned.or(next.last.take());
        });
    }

    fn change<T>(&self, organization: &str, change: impl FnOnce(&mut Next) -> T) -> T {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        change(next.entry(organization.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);
    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn turned(goes_on: bool) -> Option<Turned> {
        Some(Turned { at: NOW, changes: 0, goes_on, problem: None })
    }

    /// Seconds until the next turn is due.
    fn wait_s(schedule: &Schedule) -> u64 {
        let is_due = |wait_s: &u64| schedule.is_due("x", NOW.plus(Duration::from_secs(*wait_s)));
        (0..100_000).find(is_due).expect("it is due some day")
    }

    #[test]
    fn a_turn_is_due_at_once_then_every_so_often_and_when_asked() {
        let schedule = Schedule::default();
        assert_eq!(wait_s(&schedule), 0);
        schedule.turned("x", turned(false), (EVERY, EVERY), NOW);
        assert_eq!(wait_s(&schedule), 300);
        assert!(schedule.is_due("y", NOW), "others are not held up");
        schedule.ask("x");
        assert_eq!(wait_s(&schedule), 0);
    }

    #[test]
    fn what_goes_on_comes_soon_and_then_ever_more_seldom() {
        let schedule = Schedule::default();
        let mut waits = Vec::new();
        for _ in 0..11 {
            schedule.turned("x", turned(true), (EVERY, 2 * EVERY), NOW);
            waits.push(wait_s(&schedule));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
        schedule.turned("x", turned(false), (EVERY, EVERY), NOW);
        schedule.turned("x", turned(true), (EVERY, EVERY), NOW);
        assert_eq!(wait_s(&schedule), 1);
    }

    #[test]
    fn what_another_replica_did_is_not_known() {
        let schedule = Schedule::default();
        assert_eq!(schedule.last("x"), None);
        schedule.turned("x", turned(true), (EVERY, EVERY), NOW);
        schedule.turned("x", None, (EVERY, EVERY), NOW);
        assert_eq!(schedule.last("x"), turned(true));
        assert_eq!(wait_s(&schedule), 300);
    }
}

//! When each organization has its next turn, and what became of the last.
//!
//! Usually every so often; sooner while something goes on, more seldom where a person has to do
//! something first; at once when asked. It must never know what a turn does.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::time::Timestamp;
use crate::storage::Error;
use crate::worker::{self, Progress, Tick};

/// The pause after a first turn that leaves something to do, doubled with each further one.
const SOON: Duration = Duration::from_secs(1);
/// The pause after another replica had the turn: it may die.
const AFTER_ANOTHER: Duration = Duration::from_secs(5);
/// The longest pause where a person has to do something first.
const REFUSED_MAX: Duration = Duration::from_secs(3_600);

/// What became of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// When it began.
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
    /// Somebody asked since the turn began that goes on.
    is_asked: bool,
    /// Turns in a row that left something to do, or could not do it.
    in_a_row: u32,
    last: Option<Turned>,
}

/// Upkeep that takes its turns organization by organization.
#[async_trait]
pub trait Upkeep: Send + Sync + Debug + 'static {
    /// For logs and metrics.
    fn name(&self) -> &'static str;

    /// The organizations that are kept up, as configured.
    fn organizations(&self) -> Vec<String>;

    /// The turn of one organization, where it is due.
    async fn due(&self, organization: &str) -> Result<Progress, Error>;
}

/// One organization's share of some upkeep: a worker of its own, so that one organization that
/// does not answer, or has much to do, holds up no other.
#[derive(Debug)]
struct Share<T> {
    of: Arc<T>,
    organization: String,
}

#[async_trait]
impl<T: Upkeep> Tick for Share<T> {
    fn name(&self) -> &'static str {
        self.of.name()
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        Ok(self.of.due(&self.organization).await?)
    }
}

/// A worker for each organization.
pub fn shares<T: Upkeep>(of: &Arc<T>) -> Vec<Arc<dyn Tick>> {
    let share =
        |organization| -> Arc<dyn Tick> { Arc::new(Share { of: Arc::clone(of), organization }) };
    of.organizations().into_iter().map(share).collect()
}

/// See the module. By organization.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Mutex<HashMap<String, Next>>,
}

impl Schedule {
    /// The next turn is at once.
    pub(super) fn ask(&self, organization: &str) {
        self.change(organization, |next| (next.due_at, next.is_asked) = (Timestamp::ZERO, true));
    }

    /// Whether a turn is due; the first one is due at once.
    pub(super) fn is_due(&self, organization: &str, now: Timestamp) -> bool {
        self.change(organization, |next| next.due_at <= now)
    }

    /// What became of the last turn; none before the first.
    pub(super) fn last(&self, organization: &str) -> Option<Turned> {
        self.change(organization, |next| next.last.clone())
    }

    /// A turn begins: it does what was asked for until now.
    pub(super) fn begin(&self, organization: &str) {
        self.change(organization, |next| next.is_asked = false);
    }

    /// A turn is over, one that comes `every` so often when all is well; none where another replica
    /// had it.
    pub(super) fn turned(
        &self,
        organization: &str,
        turned: Option<Turned>,
        every: Duration,
        now: Timestamp,
    ) {
        self.change(organization, |next| {
            let goes_on = turned.as_ref().is_some_and(|turned| turned.goes_on);
            let is_refused = turned.as_ref().is_some_and(|turned| turned.problem.is_some());
            next.in_a_row = if goes_on || is_refused { next.in_a_row.saturating_add(1) } else { 0 };
            let doubled =
                |wait: Duration| wait.saturating_mul(1 << next.in_a_row.saturating_sub(1).min(16));
            let wait = match () {
                () if turned.is_none() => AFTER_ANOTHER.min(every),
                () if goes_on => doubled(SOON).min(every),
                () if is_refused => doubled(every).min(REFUSED_MAX.max(every)),
                () => every,
            };
            next.due_at = if next.is_asked { Timestamp::ZERO } else { now.plus(wait) };
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

    /// The waits after turns like this one.
    fn waits(schedule: &Schedule, like: &Option<Turned>, turns: usize) -> Vec<u64> {
        let wait = |_| {
            schedule.begin("x");
            schedule.turned("x", like.clone(), EVERY, NOW);
            wait_s(schedule)
        };
        (0..turns).map(wait).collect()
    }

    #[test]
    fn a_turn_is_due_at_once_then_every_so_often_and_when_asked() {
        let schedule = Schedule::default();
        assert_eq!(wait_s(&schedule), 0);
        assert_eq!(waits(&schedule, &turned(false), 3), [300, 300, 300]);
        assert!(schedule.is_due("y", NOW), "others are not held up");
        schedule.ask("x");
        assert_eq!(wait_s(&schedule), 0);
    }

    #[test]
    fn what_goes_on_comes_soon_and_then_ever_more_seldom() {
        let schedule = Schedule::default();
        let seldom = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        assert_eq!(waits(&schedule, &turned(true), 11), seldom);
        assert_eq!(waits(&schedule, &turned(false), 1), [300]);
        assert_eq!(waits(&schedule, &turned(true), 1), [1]);
    }

    #[test]
    fn what_a_person_has_to_mend_is_tried_ever_more_seldom() {
        let schedule = Schedule::default();
        let refused = Turned { at: NOW, changes: 0, goes_on: false, problem: Some("no".into()) };
        assert_eq!(waits(&schedule, &Some(refused), 6), [300, 600, 1200, 2400, 3600, 3600]);
    }

    #[test]
    fn what_another_replica_did_is_not_known() {
        let schedule = Schedule::default();
        assert_eq!(schedule.last("x"), None);
        assert_eq!(waits(&schedule, &turned(true), 1), [1]);
        assert_eq!(waits(&schedule, &None, 1), [5]);
        assert_eq!(schedule.last("x"), turned(true));
    }

    #[test]
    fn whoever_asks_during_a_turn_gets_another_one() {
        let schedule = Schedule::default();
        schedule.begin("x");
        schedule.ask("x");
        schedule.turned("x", turned(false), EVERY, NOW);
        assert_eq!(wait_s(&schedule), 0);
        assert_eq!(waits(&schedule, &turned(false), 1), [300]);
    }
}

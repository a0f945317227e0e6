//! Who was waited for between two things that happened.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::concurrency::limits;
use super::super::id::RunId;
use super::super::run::{Run, State};
use super::{Entry, Kind};

/// Whose time it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    AzureDevOps,
    Gateway,
    Ci,
    /// The limits of concurrency: other runs had to end first.
    Concurrency,
    /// Somebody had to push, comment or click.
    Person,
}

/// How much time was whose. That of people is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    pub azure_devops: Duration,
    pub gateway: Duration,
    pub ci: Duration,
    pub concurrency: Duration,
}

impl Shares {
    pub(super) fn add(&mut self, party: Party, lasted: Duration) {
        let share = match party {
            Party::AzureDevOps => &mut self.azure_devops,
            Party::Gateway => &mut self.gateway,
            Party::Ci => &mut self.ci,
            Party::Concurrency => &mut self.concurrency,
            Party::Person => return,
        };
        *share = share.saturating_add(lasted);
    }

    /// All of it.
    pub fn sum(&self) -> Duration {
        let all = [self.azure_devops, self.gateway, self.ci, self.concurrency];
        all.into_iter().fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// How far the runs are, entry by entry.
pub(super) struct Progress<'r> {
    runs: BTreeMap<RunId, &'r Run>,
    /// Those of which an entry was seen.
    states: BTreeMap<RunId, State>,
}

impl<'r> Progress<'r> {
    pub(super) fn new(runs: &[&'r Run]) -> Self {
        let runs = runs.iter().map(|run| (run.id, *run)).collect();
        Self { runs, states: BTreeMap::new() }
    }

    /// The entry has happened.
    pub(super) fn follow(&mut self, entry: &Entry) {
        if let (Some(run), Some(state)) = (entry.run, entry.state)
            && entry.kind != Kind::Planned
        {
            self.states.insert(run, state);
        }
    }

    /// Who was waited for until `next` happened; without a next entry, who is waited for now: none
    /// when every run has ended.
    pub(super) fn party(&self, next: Option<&Entry>) -> Option<Party> {
        let is_delivery = |next: &Entry| matches!(next.kind, Kind::Delivery(_)) && next.is_dated;
        if next.is_some_and(is_delivery) {
            return Some(Party::AzureDevOps);
        }
        let is_at_ci = |state: &State| matches!(state, State::Dispatched | State::Running);
        if self.states.values().any(is_at_ci) {
            return Some(Party::Ci);
        }
        let Some(next) = next else {
            let mut live = self.runs.values().filter(|run| !run.state.is_final());
            return live.next().map(|run| self.before_attempt(run));
        };
        let run = next.run.and_then(|id| self.runs.get(&id));
        Some(match next.kind {
            Kind::Decision(_) | Kind::Status(..) => Party::Gateway,
            Kind::Attempt | Kind::Lease => {
                run.map_or(Party::Gateway, |run| self.before_attempt(run))
            }
            Kind::Report | Kind::RefusedReport | Kind::Ended(State::TimedOut) => Party::Ci,
            Kind::Ended(State::Cancelled) => Party::Person,
            Kind::Ended(_) => Party::Gateway,
            Kind::AzureDevOps | Kind::Delivery(_) | Kind::Planned => Party::Person,
        })
    }

    /// Whom a run waits for that is not at its CI. A CI that was asked before did not take it.
    fn before_attempt(&self, run: &Run) -> Party {
        match (self.states.contains_key(&run.id), limits(run).is_empty()) {
            (true, _) => Party::Ci,
            (false, false) => Party::Concurrency,
            (false, true) => Party::Gateway,
        }
    }
}

//! What happened to a pull request, a commit or a branch, oldest first, for people who ask what it
//! waits for and who was slow. No decision looks at it.
//!
//! It is put together from what is stored anyway: deliveries, the steps of runs, statuses.

mod party;

pub use party::{Party, Shares};

use std::collections::BTreeMap;
use std::time::Duration;

use super::check_outcome::CheckOutcome;
use super::decision::{Outcome, Source};
use super::event::Event;
use super::id::{DeliveryId, RunId};
use super::run::{Run, State, is_rerun};
use super::slot::StatusOutcome;
use super::status::Shown;
use super::steps::What;
use super::time::Timestamp;
use party::Progress;

/// A shorter time between two entries needs no words of its own.
const GAP_MIN: Duration = Duration::from_secs(2);

/// A delivery and what was decided about it.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub id: DeliveryId,
    /// By the clock of Azure DevOps.
    pub created_at: Option<Timestamp>,
    pub received_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub source: Source,
    pub event: Option<Event>,
    pub outcome: Outcome,
    pub reason: String,
    pub checks: Vec<CheckOutcome>,
    pub runs: Vec<RunId>,
}

/// A status of a run.
#[derive(Clone, Debug)]
pub struct Reported {
    pub run: RunId,
    /// `genre/name`.
    pub context: String,
    /// What shows it.
    pub on: &'static str,
    pub state: Shown,
    pub outcome: StatusOutcome,
    pub reason: String,
    pub queued_at: Timestamp,
    pub posted_at: Option<Timestamp>,
}

/// Everything that is known of one subject, in any order.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub deliveries: Vec<Delivered>,
    pub runs: Vec<Run>,
    pub statuses: Vec<Reported>,
    /// Whether a new head begins a new iteration; a commit has only one.
    pub has_iterations: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something happened at Azure DevOps, by its own clock.
    AzureDevOps,
    Delivery(Source),
    Decision(Outcome),
    /// A run that a person asked for.
    Planned,
    Attempt,
    Report,
    RefusedReport,
    Lease,
    Ended(State),
    Status(Shown, StatusOutcome),
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Timestamp,
    pub kind: Kind,
    /// A clause.
    pub words: String,
    pub delivery: Option<DeliveryId>,
    pub run: Option<RunId>,
    /// The state of its run after it, where it says one.
    state: Option<State>,
    /// Azure DevOps could have delivered it earlier: it says when it happened.
    is_dated: bool,
}

/// A row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// With the time since the row before it.
    Entry(Entry, Option<Duration>),
    Gap {
        lasted: Duration,
        waited_for: Party,
        goes_on: bool,
    },
}

/// What one check came to in one iteration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfCheck {
    /// The newest run.
    pub run: Option<RunId>,
    /// Why there is none, as was decided last.
    pub outcome: Option<CheckOutcome>,
}

/// What happened from one new head to the next.
#[derive(Clone, Debug, Default)]
pub struct Iteration {
    /// The head, as its runs say.
    pub commit: Option<String>,
    pub begun_at: Timestamp,
    /// By the name of the check.
    pub checks: BTreeMap<String, OfCheck>,
    pub rows: Vec<Row>,
    pub shares: Shares,
    /// Whether a run of it has not ended.
    pub goes_on: bool,
}

impl Iteration {
    /// How many things happened.
    pub fn entries(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row, Row::Entry(..))).count()
    }
}

/// The iterations of a subject, oldest first. Without anything known there is none.
pub fn compose(known: &Known, now: Timestamp) -> Vec<Iteration> {
    let begins = begins(known);
    let index = |at: Timestamp| begins.iter().rposition(|begun| *begun <= at).unwrap_or_default();
    let mut parts: Vec<Part<'_>> = begins.iter().map(|_| Part::default()).collect();
    for delivery in &known.deliveries {
        if let Some(part) = parts.get_mut(index(delivery.received_at)) {
            part.deliveries.push(delivery);
        }
    }
    for run in &known.runs {
        if let Some(part) = parts.get_mut(index(run.created_at)) {
            part.runs.push(run);
        }
    }
    let iteration =
        |(part, begun_at): (Part<'_>, &Timestamp)| part.iteration(&known.statuses, *begun_at, now);
    parts.into_iter().zip(&begins).map(iteration).collect()
}

/// When each iteration began; the first one has also what happened before its beginning was seen.
fn begins(known: &Known) -> Vec<Timestamp> {
    let is_new_head = |one: &&Delivered| {
        let is_current = !matches!(one.outcome, Outcome::Stale | Outcome::Duplicate);
        is_current
            && matches!(
                one.event,
                Some(
                    Event::PullRequestOpened
                        | Event::PullRequestPushed
                        | Event::BranchCreated
                        | Event::BranchPushed
                )
            )
    };
    let heads = known.deliveries.iter().filter(is_new_head).map(|one| one.received_at);
    let mut begins: Vec<Timestamp> = heads.filter(|_| known.has_iterations).collect();
    begins.sort_unstable();
    if begins.is_empty() {
        let received = known.deliveries.iter().map(|one| one.received_at);
        let first = received.chain(known.runs.iter().map(|run| run.created_at)).min();
        begins.extend(first);
    }
    begins
}

/// What belongs to one iteration.
#[derive(Default)]
struct Part<'k> {
    deliveries: Vec<&'k Delivered>,
    runs: Vec<&'k Run>,
}

impl Part<'_> {
    fn iteration(&self, statuses: &[Reported], begun_at: Timestamp, now: Timestamp) -> Iteration {
        let mut entries: Vec<Entry> =
            self.deliveries.iter().copied().flat_map(of_delivery).collect();
        for run in &self.runs {
            entries.extend(of_run(run));
        }
        let is_here = |one: &&Reported| self.runs.iter().any(|run| run.id == one.run);
        entries.extend(statuses.iter().filter(is_here).filter_map(of_status));
        entries.sort_by_key(|entry| entry.at);
        let (rows, shares) = self.rows(entries, now);
        let newest = self.runs.iter().max_by_key(|run| run.number);
        Iteration {
            commit: newest.map(|run| run.commit.clone()),
            begun_at,
            checks: self.checks(),
            rows,
            shares,
            goes_on: self.runs.iter().any(|run| !run.state.is_final()),
        }
    }

    fn checks(&self) -> BTreeMap<String, OfCheck> {
        let mut checks: BTreeMap<String, OfCheck> = BTreeMap::new();
        let mut decided = self.deliveries.clone();
        decided.sort_by_key(|one| one.received_at);
        for outcome in decided.into_iter().flat_map(|one| &one.checks) {
            if !outcome.started && outcome.run.is_none() {
                checks.entry(outcome.check.clone()).or_default().outcome = Some(outcome.clone());
            }
        }
        let mut runs = self.runs.clone();
        runs.sort_by_key(|run| run.number);
        for run in runs {
            checks.entry(run.check.clone()).or_default().run = Some(run.id);
        }
        checks
    }

    /// The rows, and whose time passed until the last run had ended and was shown.
    fn rows(&self, entries: Vec<Entry>, now: Timestamp) -> (Vec<Row>, Shares) {
        let mut progress = Progress::new(&self.runs);
        let (mut rows, mut shares, mut counted) =
            (Vec::new(), Shares::default(), Shares::default());
        let mut before: Option<Timestamp> = None;
        for entry in entries {
            if let Some(before) = before {
                let (lasted, waited_for) = (entry.at.since(before), progress.party(Some(&entry)));
                if let Some(party) = waited_for {
                    shares.add(party, lasted);
                }
                if lasted > GAP_MIN {
                    let waited_for = waited_for.unwrap_or(Party::Person);
                    rows.push(Row::Gap { lasted, waited_for, goes_on: false });
                }
            }
            progress.follow(&entry);
            if entry.run.is_some() {
                counted = shares;
            }
            let after = before.map(|before| entry.at.since(before));
            before = Some(entry.at);
            rows.push(Row::Entry(entry, after));
        }
        if let (Some(before), Some(party)) = (before, progress.party(None)) {
            let lasted = now.since(before);
            shares.add(party, lasted);
            counted = shares;
            if lasted > GAP_MIN {
                rows.push(Row::Gap { lasted, waited_for: party, goes_on: true });
            }
        }
        (rows, counted)
    }
}

fn entry(at: Timestamp, kind: Kind, words: impl Into<String>) -> Entry {
    let words = words.into();
    Entry { at, kind, words, delivery: None, run: None, state: None, is_dated: false }
}

fn of_delivery(delivered: &Delivered) -> impl Iterator<Item = Entry> {
    let Delivered { id, created_at, received_at, source, event, .. } = delivered;
    let what = event.map_or("something", Event::as_str).replace('_', " ");
    // A clock that is ahead of ours must not turn the order round.
    let happened = created_at
        .filter(|_| *source != Source::Replay)
        .map(|at| entry(at.min(*received_at), Kind::AzureDevOps, what.clone()));
    let received = Entry {
        is_dated: happened.is_some(),
        ..entry(*received_at, Kind::Delivery(*source), what)
    };
    let decided = delivered
        .decided_at
        .map(|at| entry(at, Kind::Decision(delivered.outcome), delivered.reason.clone()));
    let all = [happened, Some(received), decided].into_iter().flatten();
    all.map(|entry| Entry { delivery: Some(*id), ..entry })
}

/// A decision says what it has started: the first step of such a run is no entry.
fn of_run(run: &Run) -> impl Iterator<Item = Entry> {
    run.steps.iter().filter_map(|step| {
        let kind = match step.what {
            What::Planned if is_rerun(step) => Kind::Planned,
            What::Planned => return None,
            What::Attempt { .. } => Kind::Attempt,
            What::Report { .. } => Kind::Report,
            What::RefusedReport { .. } => Kind::RefusedReport,
            What::Lease => Kind::Lease,
            What::Ended => Kind::Ended(step.state),
        };
        let not = if kind == Kind::RefusedReport { "not applied: " } else { "" };
        let words = format!("{}: {not}{}", run.check, step.words);
        let state = Some(step.state);
        Some(Entry { run: Some(run.id), state, ..entry(step.at, kind, words) })
    })
}

/// None for what nobody was to see: a newer status came first, or the same is shown already.
fn of_status(status: &Reported) -> Option<Entry> {
    let Reported { context, on, state, outcome, reason, .. } = status;
    if matches!(outcome, StatusOutcome::Unchanged | StatusOutcome::Superseded) {
        return None;
    }
    let at = status.posted_at.unwrap_or(status.queued_at);
    let words = match outcome {
        StatusOutcome::Posted => format!("{context} {} shown on {on}", state.as_str()),
        _ => format!("{context} {} on {on} {}: {reason}", state.as_str(), outcome.as_str()),
    };
    let words = words.trim_end_matches([':', ' ']);
    Some(Entry { run: Some(status.run), ..entry(at, Kind::Status(*state, *outcome), words) })
}

#[cfg(test)]
mod tests;

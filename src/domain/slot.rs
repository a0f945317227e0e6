//! A slot is the place at Azure DevOps that shows one status. Decides which run owns it, which
//! statuses are superseded before they are posted, and what an attempt to post changes.
//!
//! A slot belongs to the newest run that wanted something shown there, so an old run never replaces
//! the status of a newer one.

use serde::{Deserialize, Serialize};

use super::id::{RunId, StatusId};
use super::status::{Shown, Status, Target};
use super::time::Timestamp;

const OWNED_BY_NEWER_RUN: &str = "not posted: a newer run owns this context";
const RUN_GOES_ON: &str = "not posted: a run of this context has not ended";
/// Why a status that waited was never posted.
pub const SUPERSEDED_REASON: &str = "not posted: a newer status came first";
const SHOWN_ALREADY: &str = "Azure DevOps shows it already";

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The number of the run that it belongs to; 0 while it belongs to none.
    pub owner: i64,
    /// The status to show.
    pub newest: StatusId,
    /// When the next attempt to post is due; none while the slot shows `newest`.
    pub due_at: Option<Timestamp>,
    /// An attempt that is under way ends by then.
    pub leased_until: Timestamp,
    /// Failed attempts to post `newest`.
    pub attempts: u32,
    /// An attempt was begun and its outcome is not known: the slot may show either status.
    pub is_doubtful: bool,
    /// The status that it shows, as far as is known.
    pub posted: Option<Posted>,
    /// The iteration that was found for a run; a further status of that run goes there, too.
    pub iteration: Option<FoundIteration>,
    /// An iteration that was found for a status older than this one is not remembered.
    pub renewed: StatusId,
}

/// A status as a slot shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    pub state: Shown,
    pub description: String,
    pub url: Option<String>,
    pub iteration: Option<i64>,
}

/// The iteration of a pull request that shows the statuses of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundIteration {
    pub run: RunId,
    pub number: i64,
}

/// Why a status is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The run of this number wants it shown.
    OfRun(i64),
    /// The run of this number wants it shown once more, although it may be shown already: there may
    /// be a newer iteration with the same commit.
    OfRunAgain(i64),
    /// It was reported for no run. It is shown now, and the slot keeps its owner.
    WithoutRun,
    /// Its check does not run here. It is shown unless a run owns the slot that has not ended:
    /// somebody may have asked for that run.
    UnlessRunning,
}

/// The part of a slot that decides about a new status.
#[derive(Clone, Copy, Debug)]
pub struct Current<'a> {
    /// As in [`Slot`].
    pub owner: i64,
    /// Whether the run that owns the slot has not ended.
    pub is_owner_live: bool,
    /// The status to show; none when Azure DevOps refused it.
    pub newest: Option<&'a Status>,
    /// As [`Slot::waits`] says.
    pub waits: bool,
}

/// What to do with a new status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// Store it, and have the slot show it for this owner. `is_again` as for [`Slot::show`].
    Show { owner: i64, is_again: bool },
    /// Store it in place of the status that waits: only its words differ. The slot is due as
    /// before.
    Replace,
    /// Store it as superseded, for this reason.
    Superseded(&'static str),
    /// Store nothing: the slot is to show the same, or belongs to a newer run.
    Nothing,
}

/// Decides about a new status; there may be no slot for it yet.
pub fn queue(slot: Option<Current<'_>>, status: &Status, request: Request) -> Queued {
    let show = |owner| Queued::Show { owner, is_again: false };
    let Some(slot) = slot else {
        return match request {
            Request::OfRun(number) | Request::OfRunAgain(number) => show(number),
            Request::WithoutRun | Request::UnlessRunning => show(0),
        };
    };
    let owner = match request {
        Request::OfRunAgain(number) if number == slot.owner => {
            return Queued::Show { owner: number, is_again: true };
        }
        Request::OfRunAgain(_) => return Queued::Nothing,
        Request::UnlessRunning if slot.is_owner_live => return Queued::Superseded(RUN_GOES_ON),
        Request::OfRun(number) => number,
        Request::WithoutRun | Request::UnlessRunning => slot.owner,
    };
    if owner < slot.owner {
        return Queued::Superseded(OWNED_BY_NEWER_RUN);
    }
    if owner == slot.owner && !may_move(status) && slot.newest == Some(status) {
        return Queued::Nothing;
    }
    if owner == slot.owner
        && slot.waits
        && slot.newest.is_some_and(|old| is_same_but_words(old, status))
    {
        return Queued::Replace;
    }
    show(owner)
}

/// Whether a status of a run differs at most in description and URL from an older one of the slot.
fn is_same_but_words(old: &Status, status: &Status) -> bool {
    status.run.is_some() && (old.run, old.state) == (status.run, status.state)
}

/// Whether an equal status may belong to another iteration by now: a CI that starts by itself
/// reports on a pull request without naming a commit.
fn may_move(status: &Status) -> bool {
    status.run.is_none() && matches!(status.target, Target::PullRequest { .. })
}

/// The outcome of an attempt to post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    Posted {
        iteration: Option<i64>,
    },
    /// Azure DevOps showed the status already.
    Unchanged {
        iteration: Option<i64>,
    },
    /// Azure DevOps refused it and would refuse it again.
    Refused(String),
    /// The attempt is to be repeated.
    Later {
        due_at: Timestamp,
        /// Whether it counts among the failed attempts.
        counts: bool,
        /// Whether the status may have been posted.
        doubtful: bool,
        reason: String,
    },
}

impl Posting {
    /// Whether Azure DevOps may have got the status in this attempt.
    pub fn may_be_posted(&self) -> bool {
        matches!(self, Posting::Posted { .. } | Posting::Later { doubtful: true, .. })
    }
}

/// What became of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusOutcome {
    Queued,
    Posted,
    Unchanged,
    Superseded,
    Refused,
}

impl StatusOutcome {
    const ALL: [StatusOutcome; 5] = [
        StatusOutcome::Queued,
        StatusOutcome::Posted,
        StatusOutcome::Unchanged,
        StatusOutcome::Superseded,
        StatusOutcome::Refused,
    ];

    /// The name in answers, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusOutcome::Queued => "queued",
            StatusOutcome::Posted => "posted",
            StatusOutcome::Unchanged => "unchanged",
            StatusOutcome::Superseded => "superseded",
            StatusOutcome::Refused => "refused",
        }
    }

    /// The outcome of that name.
    pub fn parse(text: &str) -> Option<StatusOutcome> {
        StatusOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// What to store with a status after an attempt to post it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub outcome: StatusOutcome,
    pub reason: String,
    pub posted_at: Option<Timestamp>,
}

impl Slot {
    /// A slot that is to show its first status now.
    pub fn new(owner: i64, newest: StatusId, now: Timestamp) -> Self {
        Self {
            owner,
            newest,
            due_at: Some(now),
            leased_until: Timestamp::ZERO,
            attempts: 0,
            is_doubtful: false,
            posted: None,
            iteration: None,
            renewed: StatusId(0),
        }
    }

    /// Whether `newest` waits and no attempt to post it is under way, nor was given up without an
    /// outcome.
    pub fn waits(&self) -> bool {
        self.due_at.is_some() && self.leased_until == Timestamp::ZERO
    }

    /// Makes a stored status the one to show. With `is_again` its iteration is looked up again.
    ///
    /// Returns whether older statuses that wait are superseded now. While an attempt is under way
    /// they are not: it gives its status an outcome, and the next lease supersedes the others.
    pub fn show(&mut self, id: StatusId, owner: i64, is_again: bool, now: Timestamp) -> bool {
        self.owner = owner;
        self.newest = id;
        self.due_at = Some(self.due_at.map_or(now, |due_at| due_at.min(now)));
        self.attempts = 0;
        if is_again {
            self.iteration = None;
            self.renewed = id;
        }
        self.leased_until <= now
    }

    /// Begins an attempt. Until its outcome is committed, the slot is doubtful: the attempt may
    /// have reached Azure DevOps.
    pub fn lease(&mut self, until: Timestamp) {
        self.leased_until = until;
        self.is_doubtful = true;
    }

    /// The iteration for a status of `run`.
    pub fn iteration_of(&self, run: Option<RunId>) -> Option<i64> {
        self.iteration.filter(|found| Some(found.run) == run).map(|found| found.number)
    }

    /// Ends an attempt to post `status`, which is stored as `id`.
    pub fn finish(
        &mut self,
        id: StatusId,
        status: &Status,
        posting: &Posting,
        now: Timestamp,
    ) -> Ended {
        let is_newest = self.newest == id;
        self.leased_until = Timestamp::ZERO;
        let (outcome, reason, posted_at) = match posting {
            Posting::Later { due_at, counts, doubtful, reason } => {
                // A newer status is due at once, and a failure of the older one does not count for
                // it.
                self.due_at = Some(if is_newest { *due_at } else { now });
                self.attempts += u32::from(*counts && is_newest);
                self.is_doubtful = *doubtful;
                let queued = StatusOutcome::Queued;
                (if is_newest { queued } else { StatusOutcome::Superseded }, reason.as_str(), None)
            }
            Posting::Posted { iteration } => {
                self.settle(is_newest, now);
                self.remember(id, status, *iteration);
                (StatusOutcome::Posted, "", Some(now))
            }
            Posting::Unchanged { iteration } => {
                self.settle(is_newest, now);
                self.remember(id, status, *iteration);
                (StatusOutcome::Unchanged, SHOWN_ALREADY, None)
            }
            Posting::Refused(reason) => {
                self.settle(is_newest, now);
                // An earlier attempt without an answer may have succeeded.
                self.posted = None;
                (StatusOutcome::Refused, reason.as_str(), None)
            }
        };
        Ended { outcome, reason: reason.to_owned(), posted_at }
    }

    /// A post whose lease had ended may have reached Azure DevOps after a later one: what the slot
    /// shows is looked up, once the attempt has ended that may be under way.
    pub fn doubt(&mut self, now: Timestamp) {
        self.due_at = Some(now);
        (self.posted, self.is_doubtful) = (None, true);
    }

    /// The attempt is not repeated; a newer status that came meanwhile is due.
    fn settle(&mut self, is_newest: bool, now: Timestamp) {
        self.due_at = (!is_newest).then_some(now);
        (self.attempts, self.is_doubtful) = (0, false);
    }

    fn remember(&mut self, id: StatusId, status: &Status, iteration: Option<i64>) {
        let Status { state, description, url, run, .. } = status.clone();
        self.posted = Some(Posted { state, description, url, iteration });
        let found = run.zip(iteration).filter(|_| id >= self.renewed);
        self.iteration = found.map(|(run, number)| FoundIteration { run, number });
    }
}

#[cfg(test)]
#[path = "slot_tests.rs"]
mod tests;

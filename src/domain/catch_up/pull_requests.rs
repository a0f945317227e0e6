//! Pull requests: which ones differ from what is known, and since when. Votes, titles and
//! descriptions start nothing and are left to the hooks. What is known as of later than Azure
//! DevOps was asked is newer than its answer and never differs.

use super::super::decision::Remembered;
use super::super::pull_request::{PullRequest, Status};
use super::super::time::{CLOCKS_DIFFER, Timestamp};
use super::criteria::Criteria;
use super::pushes::Pushes;

/// A pull request as Azure DevOps lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenPullRequest {
    pub pull_request: PullRequest,
    pub created_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// A change that was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// When the latest change happened; the earliest possible time where Azure DevOps tells none.
    pub at: Timestamp,
    /// Azure DevOps tells when it happened.
    pub is_dated: bool,
    /// The source branch moved and came back to where it was.
    pub came_back: bool,
}

/// How urgent it is to ask for the labels of a pull request, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// They are unknown, and a check may wait for them.
    First,
    /// They are known and may have changed.
    Again,
}

/// The change of a pull request that was missed. `pushes` are those to its repository, as far as
/// they were read.
pub fn missed(
    known: Option<&Remembered>,
    seen: &SeenPullRequest,
    pushes: &Pushes,
    criteria: &Criteria,
) -> Option<Missed> {
    let Some(known) = known else { return unknown(seen, pushes, criteria) };
    if known.as_of >= criteria.asked_at {
        return None;
    }
    let (before, now) = (&known.pull_request, &seen.pull_request);
    if now.status != Status::Active {
        let at = seen.closed_at;
        return (before.status != now.status).then(|| dated(at, known.as_of, criteria));
    }
    let has_moved = now.source_commit.is_some() && now.source_commit != before.source_commit;
    if has_moved {
        return Some(dated(pushed_at(seen, pushes), known.as_of, criteria));
    }
    let is_relabelled = criteria.follows_labels && now.has_new_labels(before);
    let differs = before.status != now.status
        || before.target_ref != now.target_ref
        || before.is_draft != now.is_draft
        || (is_relabelled && before.labels_known);
    if differs {
        return Some(dated(None, known.as_of, criteria));
    }
    if let Some(at) = came_back_at(known, seen, pushes).filter(|_| criteria.is_thorough) {
        return Some(Missed { at, is_dated: true, came_back: true });
    }
    // No change: the labels become known, as of the time of what is known. What was past stays so.
    is_relabelled.then_some(Missed { at: known.as_of, is_dated: false, came_back: false })
}

/// Whether its labels are to be asked for, since the list of pull requests has none.
///
/// A pull request that is known to have no labels is not asked for again: lists show labels where
/// there are any, so a new one is seen there. Where labels are known and the list shows none, the
/// last one may have been removed.
pub fn wants_labels(
    known: Option<&Remembered>,
    seen: &SeenPullRequest,
    criteria: &Criteria,
) -> Option<Urgency> {
    let now = &seen.pull_request;
    if !criteria.follows_labels || now.status != Status::Active || now.labels_known {
        return None;
    }
    let Some(known) = known else { return Some(Urgency::First) };
    // What is known is newer than the list: the next scan compares.
    if known.as_of >= criteria.asked_at {
        return None;
    }
    match &known.pull_request {
        before if !before.labels_known => Some(Urgency::First),
        before => (!before.labels.is_empty()).then_some(Urgency::Again),
    }
}

/// The change of a pull request that is not known yet, by its own dates.
fn unknown(seen: &SeenPullRequest, pushes: &Pushes, criteria: &Criteria) -> Option<Missed> {
    if seen.pull_request.status == Status::Active {
        let at = seen.created_at.max(pushed_at(seen, pushes));
        // The first reading knew all active ones, so an old one was reactivated.
        let is_reactivated = |at: Timestamp| at < criteria.since && criteria.read_until.is_some();
        let at = at.map(|at| if is_reactivated(at) { criteria.earliest() } else { at });
        let past = Timestamp::ZERO;
        return Some(Missed { at: at.unwrap_or(past), is_dated: at.is_some(), came_back: false });
    }
    let at = seen.closed_at.filter(|at| criteria.follows_closing && *at >= criteria.since)?;
    Some(Missed { at, is_dated: true, came_back: false })
}

/// When its source branch was pushed back to the known head, from which it had moved away.
///
/// A push of about the time as of which the head is known may be the one that made it the head.
/// Pushes to a branch are in order whatever their times are: it moved only where one left the head.
fn came_back_at(known: &Remembered, seen: &SeenPullRequest, pushes: &Pushes) -> Option<Timestamp> {
    let PullRequest { source_ref, source_commit, .. } = &seen.pull_request;
    let (at, head_as_of) = (pushed_at(seen, pushes)?, known.head_as_of());
    // What is stored is precise to the millisecond.
    let is_later = head_as_of.ms() < at.ms();
    let is_long_after = head_as_of.plus(CLOCKS_DIFFER) < at;
    let has_left = || source_commit.as_ref().is_some_and(|head| pushes.has_left(source_ref, head));
    (is_later && (is_long_after || has_left())).then_some(at)
}

/// A change at a time that is not before what is known, which would make it stale.
fn dated(at: Option<Timestamp>, as_of: Timestamp, criteria: &Criteria) -> Missed {
    let happened_at = at.unwrap_or_else(|| criteria.earliest());
    Missed { at: happened_at.max(as_of), is_dated: at.is_some(), came_back: false }
}

/// When its source branch was pushed to its present head; none for a fork, whose branch lies in
/// another repository.
fn pushed_at(seen: &SeenPullRequest, pushes: &Pushes) -> Option<Timestamp> {
    let PullRequest { source_ref, source_commit, is_fork, .. } = &seen.pull_request;
    let (at, head) = pushes.last_of(source_ref).filter(|_| !is_fork)?;
    (head.is_some() && head == source_commit.as_deref()).then_some(at)
}

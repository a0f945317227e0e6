//! Pull requests: which one is not what we know, and since when. Votes, titles and descriptions
//! start nothing and are left to the hooks. It must never tell anything that is known as of later
//! than Azure DevOps was asked.

use super::super::decision::Remembered;
use super::super::pull_request::{PullRequest, Status};
use super::super::time::Timestamp;
use super::{Frame, Pushes};

/// A pull request as Azure DevOps lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenPullRequest {
    pub pull_request: PullRequest,
    pub created_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
}

/// A difference that nobody told us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// When the latest change happened; where Azure DevOps does not say, the earliest moment at
    /// which it can have.
    pub at: Timestamp,
    /// Azure DevOps says when it happened.
    pub is_dated: bool,
    /// The source branch moved and came back to where it was.
    pub came_back: bool,
}

/// How much it matters to ask for the labels of a pull request, what matters more first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nobody knows them, and somebody may wait for that.
    First,
    /// They are known and may have changed.
    Again,
}

/// What of a pull request was missed, given the pushes to its repository as far as they were read.
pub fn missed(
    known: Option<&Remembered>,
    seen: &SeenPullRequest,
    pushes: &Pushes,
    frame: &Frame,
) -> Option<Missed> {
    let Some(known) = known else { return unknown(seen, pushes, frame) };
    if known.as_of >= frame.asked_at {
        return None;
    }
    let (before, now) = (&known.pull_request, &seen.pull_request);
    if now.status != Status::Active {
        let at = seen.closed_at;
        return (before.status != now.status).then(|| dated(at, known.as_of, frame));
    }
    let has_moved = now.source_commit.is_some() && now.source_commit != before.source_commit;
    if has_moved {
        return Some(dated(pushed_at(seen, pushes), known.as_of, frame));
    }
    let is_relabelled = frame.follows_labels && now.has_new_labels(before);
    let differs = before.status != now.status
        || before.target_ref != now.target_ref
        || before.is_draft != now.is_draft
        || (is_relabelled && before.labels_known);
    if differs {
        return Some(dated(None, known.as_of, frame));
    }
    let is_news = |at: &Timestamp| frame.is_thorough && known.head_as_of() < *at;
    if let Some(at) = pushed_at(seen, pushes).filter(is_news) {
        return Some(Missed { at, is_dated: true, came_back: true });
    }
    // Nothing happened: more is known of what we heard of, and what was past then still is.
    is_relabelled.then_some(Missed { at: known.as_of, is_dated: false, came_back: false })
}

/// Whether its labels are to be asked for, since the list does not tell them.
///
/// Where they are known to be none, they are not asked for again and again: that one was added
/// later is seen only if the list tells it, as lists do when there are any. Where there are some,
/// a list that tells none may mean that the last one was taken away.
pub fn wants_labels(
    known: Option<&Remembered>,
    seen: &SeenPullRequest,
    frame: &Frame,
) -> Option<Urgency> {
    let now = &seen.pull_request;
    if !frame.follows_labels || now.status != Status::Active || now.labels_known {
        return None;
    }
    let Some(known) = known else { return Some(Urgency::First) };
    // What is known is newer than the list: the next reading compares.
    if known.as_of >= frame.asked_at {
        return None;
    }
    match &known.pull_request {
        before if !before.labels_known => Some(Urgency::First),
        before => (!before.labels.is_empty()).then_some(Urgency::Again),
    }
}

/// One that we never heard of counts by its own dates, at the first reading.
fn unknown(seen: &SeenPullRequest, pushes: &Pushes, frame: &Frame) -> Option<Missed> {
    if seen.pull_request.status == Status::Active {
        let at = seen.created_at.max(pushed_at(seen, pushes));
        // All that were active are known since the first reading: an old one is active again.
        let is_back = |at: Timestamp| at < frame.since && frame.read_until.is_some();
        let at = at.map(|at| if is_back(at) { frame.earliest() } else { at });
        let past = Timestamp::ZERO;
        return Some(Missed { at: at.unwrap_or(past), is_dated: at.is_some(), came_back: false });
    }
    let at = seen.closed_at.filter(|at| frame.follows_closing && *at >= frame.since)?;
    Some(Missed { at, is_dated: true, came_back: false })
}

/// Never before what is known: it would be taken for stale.
fn dated(at: Option<Timestamp>, as_of: Timestamp, frame: &Frame) -> Missed {
    let happened_at = at.unwrap_or_else(|| frame.earliest());
    Missed { at: happened_at.max(as_of), is_dated: at.is_some(), came_back: false }
}

/// When its source branch came to the head that it has. The branch of a fork is elsewhere.
fn pushed_at(seen: &SeenPullRequest, pushes: &Pushes) -> Option<Timestamp> {
    let PullRequest { source_ref, source_commit, is_fork, .. } = &seen.pull_request;
    let (at, head) = pushes.last_of(source_ref).filter(|_| !is_fork)?;
    (head.is_some() && head == source_commit.as_deref()).then_some(at)
}

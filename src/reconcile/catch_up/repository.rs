//! One repository: what is known of it against what Azure DevOps shows, and what was missed as
//! deliveries. Pushes are read only where something differs, or is to be looked at closely. It
//! must never store anything.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::turn::{Stop, Upkept};
use super::deliveries::Found;
use super::pass::Going;
use super::reading::{Listed, Reading};
use super::{CLOCKS_DIFFER, OVERLAP};
use crate::ado::{ListedPullRequest, ListedPush};
use crate::domain::catch_up::{
    FoundRefs, Frame, Heads, Missed, Pushes, differs, missed, missed_refs, wants_labels,
};
use crate::domain::check::{Check, Trigger};
use crate::domain::decision::Remembered;
use crate::domain::fact::{CatchUpMeta, RefUpdate};
use crate::domain::pull_request::Status;
use crate::domain::subscription::{HookScope, Topic};
use crate::domain::time::Timestamp;
use crate::storage::{KnownRepository, NewDelivery, WatchRow};

/// Hooks tell what happens within seconds; what is older than this they should have told.
const HOOKS_TAKE: Duration = Duration::from_secs(120);

/// How far back pushes are read after a start, for branches that moved and came back.
const LOOK_BACK: Duration = Duration::from_secs(3_600);

/// A repository, what is known of it, and what the lists of its project say.
pub(super) struct Followable<'a> {
    pub(super) upkept: &'a Upkept,
    pub(super) row: &'a WatchRow,
    /// Those that watch it.
    pub(super) checks: Vec<&'a Check>,
    pub(super) known: KnownRepository,
    pub(super) active: BTreeMap<i64, ListedPullRequest>,
    pub(super) closed: BTreeMap<i64, ListedPullRequest>,
    /// All active ones are among `active`.
    pub(super) is_complete: bool,
    pub(super) asked_at: Timestamp,
    pub(super) has_hooks: bool,
}

/// A pull request as it is, and as we know it.
struct Candidate {
    known: Option<Remembered>,
    listed: ListedPullRequest,
}

/// What was missed, in the order in which it is to be decided.
pub(super) async fn read_repository(
    going: &mut Going,
    reading: &Reading<'_>,
    mut of: Followable<'_>,
) -> Result<Vec<NewDelivery>, Stop> {
    let frame = of.frame(going.is_thorough);
    let mut candidates = candidates(going, reading, &mut of).await?;
    look_for_labels(going, reading, &of, &mut candidates, &frame).await?;
    let heads = match of.prefixes() {
        prefixes if prefixes.is_empty() => Heads::default(),
        prefixes => reading.heads(&of.row.repository, prefixes).await?,
    };
    let pushes = if wants_pushes(&of, &candidates, &heads, &frame) {
        pushes(going, reading, &of, &frame).await?
    } else {
        None
    };
    let (listed, told) = match pushes {
        Some((listed, told)) => (listed, Some(told)),
        None => (Vec::new(), None),
    };
    let refs = missed_refs(&of.known.refs, &heads, told.as_ref(), &frame);
    let (mut found, told) = (Vec::new(), told.unwrap_or_default());
    for Candidate { known, listed } in candidates {
        let missed = missed(known.as_ref(), &listed.seen, &told, &frame);
        let missed = missed.or_else(|| of.judged_again(going, known.as_ref(), &listed));
        let Some(missed) = missed else { continue };
        // What was heard of before it was asked for is older than the answer.
        let heard_at = known.map_or(Timestamp::ZERO, |known| known.as_of);
        found.push(pull_request(going, reading, &of, listed, (missed, heard_at)).await?);
    }
    found.extend(refs_found(going, reading, &of, refs, listed).await?);
    Ok(found)
}

impl Followable<'_> {
    fn frame(&self, is_thorough: bool) -> Frame {
        Frame {
            since: self.row.since,
            read_until: self.row.read_until,
            asked_at: self.asked_at,
            passes_over_until: match self.has_hooks && !is_thorough {
                true => self.asked_at.minus(HOOKS_TAKE),
                false => self.asked_at,
            },
            is_thorough,
            follows_labels: self.checks.iter().any(|check| !check.labels.is_empty()),
            follows_closing: self.is_on(Trigger::PullRequestClosed),
        }
    }

    fn is_on(&self, trigger: Trigger) -> bool {
        self.checks.iter().any(|check| check.is_on(trigger))
    }

    /// Of the kinds of refs that start a check, all are followed, so that none is news when
    /// somebody wants it.
    fn prefixes(&self) -> Vec<&'static str> {
        let heads = self.is_on(Trigger::Push).then_some("refs/heads/");
        heads.into_iter().chain(self.is_on(Trigger::Tag).then_some("refs/tags/")).collect()
    }

    fn found(&self) -> Found<'_> {
        let Upkept { organization, clock, .. } = self.upkept;
        Found { organization, received_at: clock.now() }
    }

    /// Nothing was missed; what required checks show of it is to be judged again, since a policy
    /// is new that waits for them.
    fn judged_again(
        &self,
        going: &Going,
        known: Option<&Remembered>,
        listed: &ListedPullRequest,
    ) -> Option<Missed> {
        let is_active = listed.seen.pull_request.status == Status::Active;
        let is_guarded = self.checks.iter().any(|check| check.required);
        let as_of = known?.as_of;
        let is_due = going.is_guarded_anew && is_active && is_guarded && as_of < self.asked_at;
        is_due.then_some(Missed { at: as_of, is_dated: false, came_back: false })
    }

    /// Hooks had time to tell it.
    fn note_missed(&self, going: &mut Going, topic: Topic, at: Timestamp) {
        if self.row.read_until.is_some() && at.plus(HOOKS_TAKE) < self.asked_at {
            let hook_scope =
                HookScope { project_id: self.row.repository.project_id.clone(), topic };
            let unheard = going.pass.missed_by_hooks.entry(hook_scope).or_default();
            unheard.count += 1;
            unheard.last_at = unheard.last_at.max(at);
        }
    }
}

/// The pull requests that may have been missed: active ones, those that were active when we last
/// heard of them, and closed ones where a check is started by that.
async fn candidates(
    going: &mut Going,
    reading: &Reading<'_>,
    of: &mut Followable<'_>,
) -> Result<Vec<Candidate>, Stop> {
    let mut candidates = Vec::new();
    for known in std::mem::take(&mut of.known.pull_requests) {
        let id = known.pull_request.id;
        let mut listed = of.active.remove(&id).or_else(|| of.closed.remove(&id));
        if listed.is_none() && of.is_complete && going.takes_lookup() {
            listed = reading.pull_request(&of.row.repository.project_id, id).await?;
        }
        let known = Some(known);
        candidates.extend(listed.map(|listed| Candidate { known, listed }));
    }
    let closed = match of.is_on(Trigger::PullRequestClosed) {
        true => std::mem::take(&mut of.closed),
        false => BTreeMap::new(),
    };
    let Upkept { organization, store, .. } = of.upkept;
    let active = std::mem::take(&mut of.active);
    for (id, listed) in active.into_iter().chain(closed) {
        let repository = &of.row.repository.id;
        let known = store.known_pull_request(organization, repository, id).await?;
        candidates.push(Candidate { known: known.value.remembered, listed });
    }
    Ok(candidates)
}

/// Asks for the labels that no list told, as far as a check depends on them; those that nobody
/// knows first, since a pass asks for so many only.
async fn look_for_labels(
    going: &mut Going,
    reading: &Reading<'_>,
    of: &Followable<'_>,
    candidates: &mut [Candidate],
    frame: &Frame,
) -> Result<(), Stop> {
    let wanted = |one: &Candidate| wants_labels(one.known.as_ref(), &one.listed.seen, frame);
    let mut todo: Vec<_> =
        candidates.iter_mut().filter_map(|one| Some((wanted(one)?, one))).collect();
    todo.sort_by_key(|(urgency, _)| *urgency);
    for (_, one) in todo {
        if !going.takes_lookup() {
            break;
        }
        let id = one.listed.seen.pull_request.id;
        if let Some(labels) = reading.labels(&of.row.repository, id).await? {
            one.listed.insert_labels(labels);
        }
    }
    Ok(())
}

/// Whether it matters when something was pushed.
fn wants_pushes(
    of: &Followable<'_>,
    candidates: &[Candidate],
    heads: &Heads,
    frame: &Frame,
) -> bool {
    let is_active = |one: &&Candidate| one.listed.seen.pull_request.status == Status::Active;
    let mut active = candidates.iter().filter(is_active);
    if frame.is_thorough {
        return active.next().is_some() || !heads.prefixes.is_empty();
    }
    let none = Pushes::default();
    let is_missed =
        |one: &Candidate| missed(one.known.as_ref(), &one.listed.seen, &none, frame).is_some();
    active.any(is_missed) || differs(&of.known.refs, heads)
}

/// The pushes since the last reading; since they were last read, where somebody looks closely.
async fn pushes(
    going: &mut Going,
    reading: &Reading<'_>,
    of: &Followable<'_>,
    frame: &Frame,
) -> Result<Option<(Vec<ListedPush>, Pushes)>, Stop> {
    let id = &of.row.repository.id;
    let until = frame.read_until.unwrap_or(frame.since);
    let last = going.pushes_read.get(id).copied();
    let from = match frame.is_thorough {
        // Nobody remembers until when pushes were read before this process began.
        true => last.unwrap_or(until.minus(LOOK_BACK)).min(until),
        false => until,
    };
    let listed = reading.pushes(&of.row.repository, from).await?;
    let Some(Listed { items, is_complete }) = listed else { return Ok(None) };
    if last.is_none_or(|last| from <= last) {
        going.reads_pushes(id, of.asked_at.minus(OVERLAP));
    }
    let oldest = items.iter().filter_map(|listed| listed.push.pushed_at).min();
    let reaches_back = oldest.is_some_and(|oldest| oldest < until);
    let list = items.iter().map(|listed| listed.push.clone()).collect();
    Ok(Some((items, Pushes::new(list, is_complete || reaches_back))))
}

async fn pull_request(
    going: &mut Going,
    reading: &Reading<'_>,
    of: &Followable<'_>,
    listed: ListedPullRequest,
    (missed, heard_at): (Missed, Timestamp),
) -> Result<NewDelivery, Stop> {
    let Missed { at, is_dated, came_back } = missed;
    if is_dated {
        of.note_missed(going, Topic::PullRequestsUpdated, at);
    }
    let labels = listed.labels();
    let mut resource = listed.resource;
    // A description asks for no CI at times, at its end.
    if listed.is_cut && going.takes_lookup() {
        let id = listed.seen.pull_request.id;
        let whole = reading.pull_request(&of.row.repository.project_id, id).await?;
        let same = |whole: &ListedPullRequest| {
            let (whole, part) = (&whole.seen.pull_request, &listed.seen.pull_request);
            whole.source_commit == part.source_commit && whole.status == part.status
        };
        if let Some(mut whole) = whole.filter(same) {
            // What was compared is what is told.
            if let Some(labels) = labels {
                whole.insert_labels(labels);
            }
            resource = whole.resource;
        }
    }
    let catch_up_meta = CatchUpMeta {
        came_back,
        // Clocks may differ a little.
        seen_at: Some(heard_at.max(of.asked_at.minus(CLOCKS_DIFFER))),
        is_guarded_anew: going.is_guarded_anew,
        passed_over: Vec::new(),
    };
    Ok(of.found().pull_request(&resource, at, &catch_up_meta))
}

async fn refs_found(
    going: &mut Going,
    reading: &Reading<'_>,
    of: &Followable<'_>,
    refs: FoundRefs,
    listed: Vec<ListedPush>,
) -> Result<Vec<NewDelivery>, Stop> {
    let (repository, mut found) = (&of.row.repository, Vec::new());
    let mut listed: BTreeMap<i64, ListedPush> =
        listed.into_iter().filter_map(|one| Some((one.push.push_id?, one))).collect();
    for push in refs.pushes {
        let Some(mut one) = listed.remove(&push.push_id) else { continue };
        of.note_missed(going, Topic::Pushes, push.at);
        let is_run = |update: &RefUpdate| {
            update.new.is_some()
                && !push.passed_over.contains(&update.name)
                && is_wanted(of, update)
        };
        // Its commits may ask for no CI; the list does not hold them.
        if one.push.updates.iter().any(is_run) && going.takes_lookup() {
            reading.with_commits(repository, push.push_id, &mut one.resource).await?;
        }
        found.push(of.found().push(&one.resource, push.at, push.passed_over));
    }
    let at = of.row.read_until.map_or(of.row.since, |until| until.max(of.row.since));
    found.extend(refs.heads.into_iter().map(|update| of.found().head(repository, update, at)));
    found.extend(of.found().past(repository, &refs.past, of.row.since));
    Ok(found)
}

/// Whether a check that honours messages may run because of this.
fn is_wanted(of: &Followable<'_>, update: &RefUpdate) -> bool {
    let mut checks = of.checks.iter().filter(|check| check.skip_ci);
    match update.branch() {
        Some(branch) => {
            checks.any(|check| check.is_on(Trigger::Push) && check.branches.matches(branch))
        }
        None => checks.any(|check| check.is_on(Trigger::Tag)),
    }
}

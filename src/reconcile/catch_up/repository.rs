//! Compares what is known of one repository with what Azure DevOps shows, and turns what was missed
//! into deliveries. Pushes are read only where something differs or the scan is thorough.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::pass::Stop;
use super::comments::{MissedComment, missed_comments};
use super::deliveries::Found;
use super::lists::{Listed, Lists};
use super::scan::Scan;
use super::target::Target;
use crate::ado::{ListedPullRequest, ListedPush};
use crate::domain::catch_up::{
    Criteria, FoundRefs, Heads, Missed, Pushes, differs, lists_comments_of, missed, missed_refs,
    wants_labels,
};
use crate::domain::check::{Check, Trigger};
use crate::domain::decision::Remembered;
use crate::domain::fact::{CatchUpMeta, RefUpdate};
use crate::domain::pull_request::{PullRequest, Status};
use crate::domain::subscription::Topic;
use crate::domain::time::{CLOCKS_DIFFER, Timestamp};
use crate::storage::{CatchUpDelivery, KnownRepository, WatchRow};

/// Between the end of one reading and the begin of the next: lists and clock of Azure DevOps may
/// lag a little. What is read twice starts nothing twice.
pub(super) const OVERLAP: Duration = Duration::from_secs(60);
/// How long a hook may take to deliver an event, which is usually seconds.
const HOOKS_TAKE: Duration = Duration::from_secs(120);
/// How far back pushes are read after a start, for branches that moved and came back.
const LOOK_BACK: Duration = Duration::from_secs(3_600);

/// A repository, what is known of it, and its part of the lists of its project.
pub(super) struct Comparison<'a> {
    pub(super) target: &'a Target,
    pub(super) row: &'a WatchRow,
    /// The checks that watch it.
    pub(super) checks: Vec<&'a Check>,
    pub(super) known: KnownRepository,
    pub(super) active: BTreeMap<i64, ListedPullRequest>,
    pub(super) closed: BTreeMap<i64, ListedPullRequest>,
    /// No active pull request is missing in `active`.
    pub(super) is_complete: bool,
    /// When Azure DevOps was asked, by its clock.
    pub(super) asked_at: Timestamp,
}

/// A pull request as it is listed, and as it is known.
struct Candidate {
    known: Option<Remembered>,
    listed: ListedPullRequest,
}

/// What was missed, as deliveries in the order in which they are to be decided.
pub(super) async fn read_repository(
    scan: &mut Scan,
    lists: &Lists<'_>,
    mut of: Comparison<'_>,
) -> Result<Vec<CatchUpDelivery>, Stop> {
    let criteria = of.criteria(scan.is_thorough);
    let mut candidates = candidates(scan, lists, &mut of).await?;
    add_labels(scan, lists, &of, &mut candidates, &criteria).await?;
    let heads = match of.prefixes() {
        prefixes if prefixes.is_empty() => Heads::default(),
        prefixes => lists.heads(&of.row.repository, prefixes).await?,
    };
    let pushes = if wants_pushes(&of, &candidates, &heads, &criteria) {
        pushes(scan, lists, &of, &criteria).await?
    } else {
        None
    };
    let comments = commands(scan, lists, &of, &candidates).await?;
    let (listed, pushes) = pushes.unzip();
    let refs = missed_refs(&of.known.refs, &heads, pushes.as_ref(), &criteria);
    let (mut found, pushes) = (Vec::new(), pushes.unwrap_or_default());
    for Candidate { known, listed } in candidates {
        let missed = missed(known.as_ref(), &listed.seen, &pushes, &criteria);
        let missed = missed.or_else(|| of.recheck(scan, known.as_ref(), &listed));
        let Some(missed) = missed else { continue };
        // What was known before Azure DevOps was asked is older than its answer.
        let known_as_of = known.map_or(Timestamp::ZERO, |known| known.as_of);
        found.push(pull_request(scan, lists, &of, listed, (missed, known_as_of)).await?);
    }
    found.extend(refs_found(scan, lists, &of, refs, listed.unwrap_or_default()).await?);
    found.extend(comments);
    Ok(found)
}

impl Comparison<'_> {
    fn criteria(&self, is_thorough: bool) -> Criteria {
        Criteria {
            since: self.row.since,
            read_until: self.row.read_until,
            asked_at: self.asked_at,
            skips_superseded_until: if self.target.has_hooks && !is_thorough {
                self.asked_at.minus(HOOKS_TAKE)
            } else {
                self.asked_at
            },
            is_thorough,
            follows_labels: self.checks.iter().any(|check| !check.labels.is_empty()),
            follows_closing: self.is_on(Trigger::PullRequestClosed),
        }
    }

    fn is_on(&self, trigger: Trigger) -> bool {
        self.checks.iter().any(|check| check.is_on(trigger))
    }

    /// Tracks all refs of a kind that starts a check, so that a new check starts nothing old.
    fn prefixes(&self) -> Vec<&'static str> {
        let heads = self.is_on(Trigger::Push).then_some("refs/heads/");
        heads.into_iter().chain(self.is_on(Trigger::Tag).then_some("refs/tags/")).collect()
    }

    fn found(&self) -> Found<'_> {
        let context = &self.target.context;
        Found { organization: &context.organization, received_at: context.now() }
    }

    /// An open pull request of which nothing was missed is decided again, where a policy is new
    /// that waits for required checks.
    fn recheck(
        &self,
        scan: &Scan,
        known: Option<&Remembered>,
        listed: &ListedPullRequest,
    ) -> Option<Missed> {
        let is_active = listed.seen.pull_request.status == Status::Active;
        let is_required = self.checks.iter().any(|check| check.required);
        let as_of = known?.as_of;
        let is_due = scan.rechecks_required && is_active && is_required && as_of < self.asked_at;
        is_due.then_some(Missed { at: as_of, is_dated: false, came_back: false })
    }

    /// Counts a missed change that a hook had the time to deliver.
    fn note_missed(&self, scan: &mut Scan, topic: Topic, at: Timestamp) {
        if self.row.read_until.is_some() && at.plus(HOOKS_TAKE) < self.asked_at {
            scan.note_missed(&self.row.repository.project_id, topic, at);
        }
    }
}

/// The pull requests that may have changed: those that are active, those that were active as far as
/// is known, and closed ones where a check is started by that.
async fn candidates(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &mut Comparison<'_>,
) -> Result<Vec<Candidate>, Stop> {
    let mut candidates = Vec::new();
    for known in std::mem::take(&mut of.known.pull_requests) {
        let id = known.pull_request.id;
        let mut listed = of.active.remove(&id).or_else(|| of.closed.remove(&id));
        if listed.is_none() && of.is_complete && scan.takes_lookup() {
            listed = lists.pull_request(&of.row.repository.project_id, id).await?;
        }
        let known = Some(known);
        candidates.extend(listed.map(|listed| Candidate { known, listed }));
    }
    let closed = if of.is_on(Trigger::PullRequestClosed) {
        std::mem::take(&mut of.closed)
    } else {
        BTreeMap::new()
    };
    let (organization, store) = (&of.target.context.organization, &of.target.context.deps.store);
    let active = std::mem::take(&mut of.active);
    for (id, listed) in active.into_iter().chain(closed) {
        let repository = &of.row.repository.id;
        let known = store.known_pull_request(organization, repository, id).await?;
        candidates.push(Candidate { known: known.value.remembered, listed });
    }
    Ok(candidates)
}

/// Asks for labels that the list did not show, as far as a check depends on them. Unknown ones come
/// first, since the number of calls is limited.
async fn add_labels(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &Comparison<'_>,
    candidates: &mut [Candidate],
    criteria: &Criteria,
) -> Result<(), Stop> {
    let wanted = |one: &Candidate| wants_labels(one.known.as_ref(), &one.listed.seen, criteria);
    let mut todo: Vec<_> =
        candidates.iter_mut().filter_map(|one| Some((wanted(one)?, one))).collect();
    todo.sort_by_key(|(urgency, _)| *urgency);
    for (_, one) in todo {
        if !scan.takes_lookup() {
            break;
        }
        let id = one.listed.seen.pull_request.id;
        if let Some(labels) = lists.labels(&of.row.repository, id).await? {
            one.listed.insert_labels(labels);
        }
    }
    Ok(())
}

/// Whether the times of pushes matter.
fn wants_pushes(
    of: &Comparison<'_>,
    candidates: &[Candidate],
    heads: &Heads,
    criteria: &Criteria,
) -> bool {
    let is_active = |one: &&Candidate| one.listed.seen.pull_request.status == Status::Active;
    let mut active = candidates.iter().filter(is_active);
    if criteria.is_thorough {
        return active.next().is_some() || !heads.prefixes.is_empty();
    }
    let none = Pushes::default();
    let is_missed =
        |one: &Candidate| missed(one.known.as_ref(), &one.listed.seen, &none, criteria).is_some();
    active.any(is_missed) || differs(&of.known.refs, heads)
}

/// The pushes since the last reading; a thorough scan goes back to where pushes were last read.
async fn pushes(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &Comparison<'_>,
    criteria: &Criteria,
) -> Result<Option<(Vec<ListedPush>, Pushes)>, Stop> {
    let id = &of.row.repository.id;
    let until = criteria.read_until.unwrap_or(criteria.since);
    let last = scan.pushes_read.get(id).copied();
    let from = if criteria.is_thorough {
        // Until when this process has read pushes is not stored, so a new process goes back
        // further.
        last.unwrap_or(until.minus(LOOK_BACK)).min(until)
    } else {
        until
    };
    let listed = lists.pushes(&of.row.repository, from).await?;
    let Some(Listed { items, is_complete }) = listed else { return Ok(None) };
    if last.is_none_or(|last| from <= last) {
        scan.reads_pushes(id, of.asked_at.minus(OVERLAP));
    }
    let oldest = items.iter().filter_map(|listed| listed.push.pushed_at).min();
    let reaches_back = oldest.is_some_and(|oldest| oldest < until);
    let list = items.iter().map(|listed| listed.push.clone()).collect();
    Ok(Some((items, Pushes::new(list, is_complete || reaches_back))))
}

/// Comments with commands. Those of all pull requests are listed only where hooks may have failed:
/// by a thorough scan, and by every one where there are no hooks.
async fn commands(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &Comparison<'_>,
    candidates: &[Candidate],
) -> Result<Vec<CatchUpDelivery>, Stop> {
    if !of.checks.iter().any(|check| check.obeys_commands()) {
        return Ok(Vec::new());
    }
    let lists_all = scan.is_thorough || !of.target.has_hooks;
    let lists_those_of = |one: &&Candidate| {
        let PullRequest { id, status, .. } = one.listed.seen.pull_request;
        let is_turn = |every| lists_comments_of(id, of.asked_at, every);
        status == Status::Active && (lists_all || of.target.every.is_some_and(is_turn))
    };
    // Which scans have listed comments is not stored, so an hour is read again each time.
    let look_back = of.asked_at.minus(LOOK_BACK);
    let read_until = of.row.read_until.map_or(look_back, |until| until.minus(OVERLAP));
    let since = look_back.min(read_until).max(of.row.since);
    let chosen = candidates.iter().filter(lists_those_of);
    let chosen = chosen.map(|Candidate { known, listed }| {
        (known.as_ref().map(|known| &known.pull_request), listed)
    });
    let repository = &of.row.repository;
    let missed = missed_comments(scan, lists, repository, since, chosen.collect()).await?;
    let mut found = Vec::new();
    for MissedComment { comment, listed, at } in missed {
        of.note_missed(scan, Topic::Comments, at);
        found.push(of.found().comment(comment.resource, &listed.resource, at));
    }
    Ok(found)
}

async fn pull_request(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &Comparison<'_>,
    listed: ListedPullRequest,
    (missed, known_as_of): (Missed, Timestamp),
) -> Result<CatchUpDelivery, Stop> {
    let Missed { at, is_dated, came_back } = missed;
    if is_dated {
        of.note_missed(scan, Topic::PullRequestsUpdated, at);
    }
    let labels = listed.labels();
    let mut resource = listed.resource;
    // The cut description may contain a request to skip CI at its end.
    if listed.is_cut && scan.takes_lookup() {
        let id = listed.seen.pull_request.id;
        let whole = lists.pull_request(&of.row.repository.project_id, id).await?;
        let same = |whole: &ListedPullRequest| {
            let (whole, part) = (&whole.seen.pull_request, &listed.seen.pull_request);
            whole.source_commit == part.source_commit && whole.status == part.status
        };
        if let Some(mut whole) = whole.filter(same) {
            // The labels that were compared are the ones to deliver.
            if let Some(labels) = labels {
                whole.insert_labels(labels);
            }
            resource = whole.resource;
        }
    }
    let catch_up_meta = CatchUpMeta {
        came_back,
        seen_at: Some(known_as_of.max(of.asked_at.minus(CLOCKS_DIFFER))),
        is_guarded_anew: scan.rechecks_required,
        passed_over: Vec::new(),
    };
    Ok(of.found().pull_request(&resource, at, catch_up_meta))
}

async fn refs_found(
    scan: &mut Scan,
    lists: &Lists<'_>,
    of: &Comparison<'_>,
    refs: FoundRefs,
    listed: Vec<ListedPush>,
) -> Result<Vec<CatchUpDelivery>, Stop> {
    let (repository, mut found) = (&of.row.repository, Vec::new());
    let mut listed: BTreeMap<i64, ListedPush> =
        listed.into_iter().filter_map(|one| Some((one.push.push_id?, one))).collect();
    for push in refs.pushes {
        let Some(mut one) = listed.remove(&push.push_id) else { continue };
        of.note_missed(scan, Topic::Pushes, push.at);
        let is_run = |update: &RefUpdate| {
            update.new.is_some() && !push.superseded.contains(&update.name) && is_wanted(of, update)
        };
        // The messages of its commits may ask to skip CI; the list has no commits.
        if one.push.updates.iter().any(is_run) && scan.takes_lookup() {
            lists.with_commits(repository, push.push_id, &mut one.resource).await?;
        }
        found.push(of.found().push(&one.resource, push.at, push.superseded));
    }
    let at = of.row.read_until.map_or(of.row.since, |until| until.max(of.row.since));
    found.extend(refs.heads.into_iter().map(|update| of.found().head(repository, update, at)));
    found.extend(of.found().past(repository, &refs.past, of.row.since));
    Ok(found)
}

/// Whether this may start a check that skips CI where a commit message asks for it.
fn is_wanted(of: &Comparison<'_>, update: &RefUpdate) -> bool {
    let mut checks = of.checks.iter().filter(|check| check.skip_ci);
    match update.branch() {
        Some(branch) => {
            checks.any(|check| check.is_on(Trigger::Push) && check.branches.matches(branch))
        }
        None => checks.any(|check| check.is_on(Trigger::Tag)),
    }
}

//! Some watched repositories of one project: reads the lists that they share, then each repository
//! by itself. One that cannot be read does not keep the others from being read.

use std::collections::BTreeMap;

use super::super::pass::{Pass, Stop};
use super::lists::{Listed, Lists};
use super::repository::{Comparison, OVERLAP, read_repository};
use super::scan::{Scan, ends_the_scan};
use super::target::Target;
use crate::ado::{ListedPullRequest, Which};
use crate::domain::check::{Check, Trigger};
use crate::domain::decision::Remembered;
use crate::domain::time::Timestamp;
use crate::storage::{self, CatchUpDelivery, KnownRepository, WatchRow, Watermark};

/// The most bytes of deliveries that are stored in one transaction.
const ENTER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A repository, and what was known of it before Azure DevOps was asked.
struct Watched<'c> {
    row: WatchRow,
    checks: Vec<&'c Check>,
    known: KnownRepository,
}

/// The pull requests of a project.
struct PullRequests {
    active: Listed<ListedPullRequest>,
    closed: Listed<ListedPullRequest>,
}

/// Reads repositories of one project, and removes from `left` those that were read or failed.
pub(super) async fn read_project(
    scan: &mut Scan,
    target: &Target,
    pass: &Pass<'_>,
    left: &mut Vec<WatchRow>,
) -> Result<(), Stop> {
    let lists = Lists { client: &target.context.client, pass };
    let asked_at = target.now_there();
    let watched = watched(target, left).await?;
    let mut pull_requests = pull_requests(&lists, &watched).await?;
    for Watched { row, checks, known } in watched {
        let id = row.repository.id.clone();
        let comparison = Comparison {
            target,
            row: &row,
            checks,
            known,
            active: take_of(&mut pull_requests.active.items, &id),
            closed: take_of(&mut pull_requests.closed.items, &id),
            is_complete: pull_requests.active.is_complete,
            asked_at,
        };
        match read_repository(scan, &lists, comparison).await {
            Ok(found) => {
                let watermark = watermark(&target.context.organization, &row, asked_at);
                enter(scan, target, found, watermark).await?;
                left.retain(|other| other.repository.id != id);
            }
            Err(stop) if ends_the_scan(&stop) => return Err(stop),
            Err(stop) => {
                left.retain(|other| other.repository.id != id);
                scan.fail(&stop, std::slice::from_ref(&row));
                if scan.is_hopeless() {
                    return Err(stop);
                }
            }
        }
    }
    if !(pull_requests.active.is_complete && pull_requests.closed.is_complete) {
        let why = "the project has more pull requests than catch-up reads";
        scan.report.problem.get_or_insert_with(|| why.to_owned());
    }
    Ok(())
}

/// What is known of these repositories. It is read before Azure DevOps is asked, since what becomes
/// known meanwhile is newer than its answers.
async fn watched<'t>(target: &'t Target, rows: &[WatchRow]) -> Result<Vec<Watched<'t>>, Stop> {
    let (organization, store) = (&target.context.organization, &target.context.deps.store);
    let mut watched = Vec::with_capacity(rows.len());
    for row in rows.iter().cloned() {
        let known = store.known_repository(organization, &row.repository.id).await?;
        let watches =
            |check: &&Check| check.watches(organization, &row.repository, &row.former_names);
        let checks = target.checks.iter().filter(watches).collect();
        watched.push(Watched { row, checks, known });
    }
    Ok(watched)
}

/// The active pull requests, and the closed ones where they may matter.
async fn pull_requests(lists: &Lists<'_>, watched: &[Watched<'_>]) -> Result<PullRequests, Stop> {
    let first = watched.first().map(|one| one.row.repository.project_id.as_str());
    let project = first.unwrap_or_default();
    let active = lists.pull_requests(project, Which::Active).await?;
    let since = watched.iter().filter_map(|one| closed_since(one, &active.items)).min();
    let closed = match since {
        Some(since) => lists.pull_requests(project, Which::ClosedSince(since)).await?,
        None => Listed { items: Vec::new(), is_complete: true },
    };
    Ok(PullRequests { active, closed })
}

/// Since when closed pull requests of a repository matter; none where they do not.
fn closed_since(watched: &Watched<'_>, active: &[ListedPullRequest]) -> Option<Timestamp> {
    let Watched { row, checks, known } = watched;
    let read_until = row.read_until.unwrap_or(row.since);
    let is_active = |id: i64| active.iter().any(|listed| listed.seen.pull_request.id == id);
    let gone = known.pull_requests.iter().filter(|known| !is_active(known.pull_request.id));
    let since_known = |known: &Remembered| known.as_of.min(read_until);
    let gone = match row.read_until {
        Some(until) => gone.map(|_| until).next(),
        // Never read: it may have been closed at any time after what is known of it.
        None => gone.map(since_known).min(),
    };
    let follows = checks.iter().any(|check| check.is_on(Trigger::PullRequestClosed));
    gone.into_iter().chain(follows.then_some(read_until)).min()
}

/// Takes the pull requests of one repository out of a list.
fn take_of(
    listed: &mut Vec<ListedPullRequest>,
    repository: &str,
) -> BTreeMap<i64, ListedPullRequest> {
    let is_of = |one: &mut ListedPullRequest| one.seen.pull_request.repository.id == repository;
    let found = listed.extract_if(.., is_of);
    found.map(|one| (one.seen.pull_request.id, one)).collect()
}

/// Until when a repository is read after Azure DevOps was asked at this time.
fn watermark(organization: &str, row: &WatchRow, asked_at: Timestamp) -> Watermark {
    let before = row.read_until.unwrap_or(row.since).max(row.since);
    Watermark {
        organization: organization.to_owned(),
        repository: row.repository.id.clone(),
        read_until: asked_at.minus(OVERLAP).max(before),
    }
}

/// Puts what was found into the inbox, the last part together with the watermark.
async fn enter(
    scan: &mut Scan,
    target: &Target,
    found: Vec<CatchUpDelivery>,
    watermark: Watermark,
) -> Result<(), storage::Error> {
    let deps = &target.context.deps;
    let (count, mut part, mut bytes) = (found.len(), Vec::new(), 0);
    for delivery in found {
        if bytes > 0 && bytes + delivery.body.len() > ENTER_BYTES_MAX {
            deps.store.commit_catch_up(std::mem::take(&mut part), Vec::new()).await?;
            bytes = 0;
        }
        bytes += delivery.body.len();
        part.push(delivery);
    }
    deps.store.commit_catch_up(part, vec![watermark.clone()]).await?;
    scan.commit(&watermark, count);
    if count > 0 {
        deps.notifiers.decide.notify();
    }
    Ok(())
}

//! Some watched repositories of one project: the lists that they share, then each by itself. It
//! must never let one that cannot be read stop the others.

use std::collections::BTreeMap;

use super::super::turn::{Stop, Turn};
use super::pass::{Going, is_of_all, watermark};
use super::reading::{Listed, Reading};
use super::repository::{Followable, read_repository};
use super::{Followed, their_now};
use crate::ado::{ListedPullRequest, Which};
use crate::domain::check::{Check, Trigger};
use crate::domain::decision::Remembered;
use crate::domain::time::Timestamp;
use crate::storage::{self, KnownRepository, NewDelivery, WatchRow, Watermark};
use crate::worker::Notifier;

/// Found deliveries are stored together up to so much; more goes in several parts.
const ENTER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A repository, and what is known of it before anything is asked.
struct Watched<'c> {
    row: WatchRow,
    checks: Vec<&'c Check>,
    known: KnownRepository,
}

/// The pull requests of a project.
struct Lists {
    active: Listed<ListedPullRequest>,
    closed: Listed<ListedPullRequest>,
}

/// Reads repositories of one project and takes out of `left` what is dealt with.
pub(super) async fn read_project(
    going: &mut Going,
    followed: &Followed,
    turn: &Turn<'_>,
    left: &mut Vec<WatchRow>,
    decide: &Notifier,
) -> Result<(), Stop> {
    let Followed { upkept, checks, .. } = followed;
    let reading = Reading { client: &upkept.client, turn };
    let organization = upkept.organization.as_str();
    let asked_at = their_now(upkept);
    // Before anything is asked: whatever becomes known meanwhile is not what is compared.
    let mut watched = Vec::with_capacity(left.len());
    for row in left.iter().cloned() {
        let known = upkept.store.known_repository(organization, &row.repository.id).await?;
        let watches =
            |check: &&Check| check.watches(organization, &row.repository, &row.former_names);
        let checks = checks.iter().filter(watches).collect();
        watched.push(Watched { row, checks, known });
    }
    let mut lists = lists(&reading, &watched).await?;
    for Watched { row, checks, known } in watched {
        let id = row.repository.id.clone();
        let (active, closed) = (of(&mut lists.active.items, &id), of(&mut lists.closed.items, &id));
        let repository = Followable {
            upkept,
            row: &row,
            checks,
            known,
            active,
            closed,
            is_complete: lists.active.is_complete,
            asked_at,
            has_hooks: followed.has_hooks,
        };
        match read_repository(going, &reading, repository).await {
            Ok(found) => {
                let read_until = watermark(organization, &row, asked_at);
                enter(going, followed, found, read_until, decide).await?;
                left.retain(|other| other.repository.id != id);
            }
            Err(stop) if is_of_all(&stop) => return Err(stop),
            Err(stop) => {
                left.retain(|other| other.repository.id != id);
                going.note(&stop, std::slice::from_ref(&row));
                if going.is_hopeless() {
                    return Err(stop);
                }
            }
        }
    }
    if !(lists.active.is_complete && lists.closed.is_complete) {
        let why = "it has more pull requests than catch-up reads";
        going.pass.problem.get_or_insert_with(|| why.to_owned());
    }
    Ok(())
}

/// The active pull requests, and the closed ones where somebody wants to know of them.
async fn lists(reading: &Reading<'_>, watched: &[Watched<'_>]) -> Result<Lists, Stop> {
    let first = watched.first().map(|one| one.row.repository.project_id.as_str());
    let project = first.unwrap_or_default();
    let active = reading.pull_requests(project, Which::Active).await?;
    let since = watched.iter().filter_map(|one| closed_since(one, &active.items)).min();
    let closed = match since {
        Some(since) => reading.pull_requests(project, Which::ClosedSince(since)).await?,
        None => Listed { items: Vec::new(), is_complete: true },
    };
    Ok(Lists { active, closed })
}

/// From when on closed pull requests of a repository are of interest.
fn closed_since(watched: &Watched<'_>, active: &[ListedPullRequest]) -> Option<Timestamp> {
    let Watched { row, checks, known } = watched;
    let read_until = row.read_until.unwrap_or(row.since);
    let is_active = |id: i64| active.iter().any(|listed| listed.seen.pull_request.id == id);
    let gone = known.pull_requests.iter().filter(|known| !is_active(known.pull_request.id));
    let since_known = |known: &Remembered| known.as_of.min(read_until);
    let gone = match row.read_until {
        Some(until) => gone.map(|_| until).next(),
        // Never read: it may have been closed any time since we last heard of it.
        None => gone.map(since_known).min(),
    };
    let follows = checks.iter().any(|check| check.is_on(Trigger::PullRequestClosed));
    gone.into_iter().chain(follows.then_some(read_until)).min()
}

/// Takes those of one repository out of a list.
fn of(listed: &mut Vec<ListedPullRequest>, repository: &str) -> BTreeMap<i64, ListedPullRequest> {
    let is_of = |one: &mut ListedPullRequest| one.seen.pull_request.repository.id == repository;
    let found = listed.extract_if(.., is_of);
    found.map(|one| (one.seen.pull_request.id, one)).collect()
}

/// Stores what was found, and then that it was read.
async fn enter(
    going: &mut Going,
    followed: &Followed,
    found: Vec<NewDelivery>,
    watermark: Watermark,
    decide: &Notifier,
) -> Result<(), storage::Error> {
    let store = &followed.upkept.store;
    let (count, mut part, mut bytes) = (found.len(), Vec::new(), 0);
    for delivery in found {
        if bytes > 0 && bytes + delivery.body.len() > ENTER_BYTES_MAX {
            store.enter(std::mem::take(&mut part), Vec::new()).await?;
            bytes = 0;
        }
        bytes += delivery.body.len();
        part.push(delivery);
    }
    store.enter(part, vec![watermark.clone()]).await?;
    going.pass.found += count;
    going.done(&watermark);
    if count > 0 {
        decide.notify();
    }
    Ok(())
}

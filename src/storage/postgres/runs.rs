//! Runs: planned once, leased to be started, replaced by later revisions of themselves.

mod claim;
mod follow;
pub(super) mod list;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::try_join;

use super::Postgres;
use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, limit, run, to_json};
use super::statuses::slots::{self, NewStatus};
use crate::domain::follow::{due_after_change, is_followed};
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::run::{Run, State};
use crate::domain::run_keys::{check_key, subject};
use crate::domain::slot::Request;
use crate::domain::status::{self, Status, Target};
use crate::domain::time::Timestamp;
use crate::storage::{
    CiPause, Claim, Commit, Error, Lease, LeasedRun, Page, Paged, Postponed, RunCommit, RunFilter,
    Runs,
};

#[async_trait]
impl Runs for Postgres {
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        let args = (claim, Arc::clone(&self.instance));
        let claimed = self
            .pool
            .write(args, |db, args| async move { claim::claim_due(&db, args.0, &args.1).await });
        claimed.await
    }

    async fn claim_followed_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        let args = (claim, Arc::clone(&self.instance));
        let claimed = self.pool.write(args, |db, args| async move {
            claim::claim_followed(&db, args.0, &args.1).await
        });
        claimed.await
    }

    async fn postpone_run(&self, postponed: Postponed) -> Result<Commit, Error> {
        let ended = self.pool.write(postponed, |db, postponed| async move {
            follow::postpone(&db, &postponed).await
        });
        ended.await
    }

    async fn runs_at_ci(&self, ci: &str, ci_id: &str) -> Result<Vec<Run>, Error> {
        let args = (ci.to_owned(), ci_id.to_owned());
        let found = self
            .pool
            .read(args, |db, args| async move { follow::at_ci(&db, &args.0, &args.1).await });
        found.await
    }

    async fn pause_ci(&self, pause: CiPause) -> Result<(), Error> {
        self.pool.write(pause, |db, pause| async move { follow::pause(&db, &pause).await }).await
    }

    async fn ci_pauses(&self, now: Timestamp) -> Result<Vec<CiPause>, Error> {
        self.pool.read(now, |db, now| async move { follow::pauses(&db, *now).await }).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        self.pool.read(id, |db, id| async move { find(&db, *id).await }).await
    }

    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error> {
        self.pool.write(commit, |db, commit| async move { replace(&db, &commit).await }).await
    }

    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error> {
        let committed = self.pool.write((old, new), |db, runs| async move {
            rerun(&db, runs.0.as_ref(), &runs.1).await
        });
        committed.await
    }

    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error> {
        let found = self
            .pool
            .read((now, limit), |db, args| async move { overdue(&db, args.0, args.1).await });
        found.await
    }

    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error> {
        let found = self.pool.read_snapshot((filter, page), |db, args| async move {
            list::runs(&db, &args.0, args.1).await
        });
        found.await
    }
}

/// What a decision changes about runs and their statuses.
#[derive(Debug)]
pub(super) struct RunChanges<'a> {
    /// New runs.
    pub(super) planned: &'a [Run],
    /// Later revisions of runs for which [`are_current`] has answered.
    pub(super) ended: &'a [Run],
    /// Runs whose statuses the pull request is to show once more.
    pub(super) shown_again: &'a [Run],
    /// Runs for which [`are_current`] has answered, and that their CIs are asked about at once.
    pub(super) polled: &'a [Run],
    /// Statuses of checks that do not run.
    pub(super) without_run: &'a [Status],
    /// The delivery that the new runs are planned for.
    pub(super) delivery: Option<DeliveryId>,
    pub(super) now: Timestamp,
}

/// Locks runs, and tells whether all are at the revisions that they name.
pub(super) async fn are_current(db: &Db, runs: &[&Run]) -> Result<bool, Failure> {
    if runs.is_empty() {
        return Ok(true);
    }
    let numbers: Vec<i64> = runs.iter().map(|run| run.number).collect();
    let sql = "SELECT number, revision FROM run WHERE number = ANY($1) ORDER BY number FOR UPDATE";
    let rows = db.rows(sql, params![numbers]).await?;
    let stored = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    let stored: HashMap<i64, i64> = stored.collect::<Result<_, Failure>>()?;
    Ok(runs.iter().all(|run| stored.get(&run.number) == Some(&run.revision)))
}

/// Writes the runs of a decision, and queues their statuses.
pub(super) async fn store(db: &Db, changes: &RunChanges<'_>) -> Result<(), Failure> {
    let RunChanges { planned, ended, shown_again, polled, without_run, delivery, now } = changes;
    let polled = polled.iter().map(|run| Later { run, lease: None, due_at: Some(*now) });
    let later: Vec<Later<'_>> = ended.iter().map(Later::without_lease).chain(polled).collect();
    let (updated, numbers) = try_join(update(db, &later), insert(db, planned, *delivery)).await?;
    if updated != later.len() {
        return Err(Failure::Value("a run changed although it was locked".into()));
    }
    let mut statuses: Vec<NewStatus<'_>> = Vec::new();
    later.iter().for_each(|one| statuses.extend(of_run(one.run, one.run.number)));
    planned.iter().zip(numbers).for_each(|(run, number)| statuses.extend(of_run(run, number)));
    shown_again.iter().for_each(|run| statuses.extend(of_run_again(run, *now)));
    statuses.extend(without_run.iter().map(|status| NewStatus {
        status: Cow::Borrowed(status),
        request: Request::UnlessRunning,
        now: *now,
    }));
    slots::queue_all(db, &statuses).await?;
    Ok(())
}

/// The statuses of a run, which its change queues.
fn of_run<'a>(run: &Run, number: i64) -> impl Iterator<Item = NewStatus<'a>> + use<'a> {
    let (request, now) = (Request::OfRun(number), run.updated_at);
    let of_run = status::of(run).into_iter();
    of_run.map(move |status| NewStatus { status: Cow::Owned(status), request, now })
}

/// The statuses that the pull request is to show once more.
fn of_run_again<'a>(run: &Run, now: Timestamp) -> impl Iterator<Item = NewStatus<'a>> + use<'a> {
    let on_pull_request = |status: &Status| matches!(status.target, Target::PullRequest { .. });
    let request = Request::OfRunAgain(run.number);
    let again = status::of(run).into_iter().filter(on_pull_request);
    again.map(move |status| NewStatus { status: Cow::Owned(status), request, now })
}

/// Inserts planned runs. Their numbers, which grow in the order of the runs.
async fn insert(
    db: &Db,
    planned: &[Run],
    delivery: Option<DeliveryId>,
) -> Result<Vec<i64>, Failure> {
    assert!(planned.iter().all(|run| run.state == State::Planned), "a run begins as planned");
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = planned.iter().map(|run| run.id.0.as_bytes().as_slice()).collect();
    let organizations: Vec<_> = planned.iter().map(|run| text(&run.organization)).collect();
    let (subjects, keys): (Vec<String>, Vec<String>) =
        planned.iter().map(|run| (subject(run), check_key(run))).unzip();
    let subjects: Vec<_> = subjects.iter().map(|subject| text(subject)).collect();
    let keys: Vec<_> = keys.iter().map(|key| text(key)).collect();
    let commits: Vec<_> = planned.iter().map(|run| text(&run.commit)).collect();
    let cis: Vec<_> = planned.iter().map(|run| text(&run.ci)).collect();
    let bodies = bodies(planned.iter())?;
    let updated_at: Vec<i64> = planned.iter().map(|run| run.updated_at.micros()).collect();
    let overdue_at: Vec<i64> = planned.iter().map(|run| run.overdue_at.micros()).collect();
    let sql = "INSERT INTO run (id, revision, delivery, organization, subject, check_key, state,
            body, updated_at, overdue_at, due_at, commit_start, ci)
        SELECT id, 1, $10, organization, subject, check_key, 'planned', body, updated_at,
            overdue_at, updated_at, substr(commit_id, 1, 16), ci
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS planned (id, organization, subject,
            check_key, body, updated_at, overdue_at, commit_id, ci)
        RETURNING number";
    let delivery = delivery.map(|delivery| delivery.0);
    db.rows(
        sql,
        params![
            ids,
            organizations,
            subjects,
            keys,
            bodies,
            updated_at,
            overdue_at,
            commits,
            cis,
            delivery,
        ],
    )
    .await?
    .iter()
    .map(|row| get(row, 0))
    .collect()
}

fn bodies<'a>(runs: impl Iterator<Item = &'a Run>) -> Result<Vec<Cow<'static, str>>, Failure> {
    runs.map(|run| Ok(to_json(run)?.into())).collect()
}

/// A run as it is to be stored; the fields are those of a [`RunCommit`].
struct Later<'a> {
    run: &'a Run,
    lease: Option<Lease<RunId>>,
    due_at: Option<Timestamp>,
}

impl<'a> Later<'a> {
    fn without_lease(run: &'a Run) -> Self {
        Self { run, lease: None, due_at: None }
    }

    fn of(RunCommit { run, lease, due_at }: &'a RunCommit) -> Self {
        Self { run, lease: *lease, due_at: *due_at }
    }
}

/// Replaces runs that are at the revisions which they name, and whose leases are held; their leases
/// end. How many there were.
async fn update(db: &Db, later: &[Later<'_>]) -> Result<usize, Failure> {
    if later.is_empty() {
        return Ok(0);
    }
    let runs = || later.iter().map(|later| later.run);
    let numbers: Vec<i64> = runs().map(|run| run.number).collect();
    let revisions: Vec<i64> = runs().map(|run| run.revision).collect();
    let leased = later.iter().map(|one| one.lease.map_or(one.run.id, |lease| lease.id));
    let leased: Vec<Vec<u8>> = leased.map(|id| id.0.as_bytes().to_vec()).collect();
    let leases: Vec<Option<i64>> =
        later.iter().map(|one| one.lease.map(|lease| lease.number)).collect();
    let states: Vec<Cow<'_, str>> = runs().map(|run| run.state.as_str().into()).collect();
    let bodies = bodies(runs())?;
    let updated_at: Vec<i64> = runs().map(|run| run.updated_at.micros()).collect();
    let overdue_at = |run: &Run| (!run.state.is_final()).then_some(run.overdue_at.micros());
    let overdue_at: Vec<Option<i64>> = runs().map(overdue_at).collect();
    let due_at = |one: &Later<'_>| one.due_at.or(due_after_change(one.run)).map(Timestamp::micros);
    let due_at: Vec<Option<i64>> = later.iter().map(due_at).collect();
    let followed: Vec<bool> = runs().map(is_followed).collect();
    let sql = "UPDATE run SET revision = run.revision + 1, state = later.state, body = later.body,
            updated_at = later.updated_at, overdue_at = later.overdue_at,
            due_at = CASE WHEN later.state = 'planned' THEN coalesce(later.due_at, run.due_at) END,
            follow_at = CASE WHEN later.is_followed
                THEN coalesce(later.due_at, run.follow_at) END,
            leased_until = CASE WHEN later.lease IS NULL THEN run.leased_until ELSE 0 END
        FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS later (number, revision, id, lease,
            state, body, updated_at, overdue_at, due_at, is_followed)
        WHERE run.number = ANY($1) AND run.number = later.number
            AND run.revision = later.revision AND run.id = later.id
            AND (later.lease IS NULL OR run.lease = later.lease)";
    Ok(usize::try_from(
        db.execute(
            sql,
            params![
                numbers, revisions, leased, leases, states, bodies, updated_at, overdue_at, due_at,
                followed,
            ],
        )
        .await?,
    )
    .unwrap_or(usize::MAX))
}

async fn find(db: &Db, id: RunId) -> Result<Option<Run>, Failure> {
    let sql = "SELECT number, revision, body FROM run WHERE id = $1";
    let found = db.row(sql, params![id.0.as_bytes().as_slice()]).await?;
    found.map(|row| run(&row, 0)).transpose()
}

async fn overdue(db: &Db, now: Timestamp, count: usize) -> Result<Vec<Run>, Failure> {
    let sql = "SELECT number, revision, body FROM run WHERE overdue_at <= $1
        ORDER BY overdue_at LIMIT $2";
    let rows = db.rows(sql, params![now.micros(), limit(count)]).await?;
    rows.iter().map(|row| run(row, 0)).collect()
}

async fn replace(db: &Db, commit: &RunCommit) -> Result<Commit, Failure> {
    let statuses: Vec<_> = of_run(&commit.run, commit.run.number).collect();
    // The statuses are sent along, although they are not wanted if another change came first: that
    // is rare, and then all is taken back. The update comes first, so runs are locked before slots.
    let later = [Later::of(commit)];
    let (updated, _) = try_join(update(db, &later), slots::queue_all(db, &statuses)).await?;
    match updated {
        0 => overtaken(db, commit).await,
        _ => Ok(Commit::Committed),
    }
}

/// Takes everything back, and tells why the commit was not possible.
async fn overtaken(db: &Db, commit: &RunCommit) -> Result<Commit, Failure> {
    let is_held = match commit.lease {
        Some(lease) => {
            let sql = "SELECT 1 FROM run WHERE id = $1 AND lease = $2";
            db.exists(sql, params![lease.id.0.as_bytes().as_slice(), lease.number]).await?
        }
        None => true,
    };
    db.roll_back().await?;
    Ok(if is_held { Commit::Conflict } else { Commit::LeaseLost })
}

async fn rerun(db: &Db, old: Option<&RunCommit>, new: &Run) -> Result<Commit, Failure> {
    let later: Vec<Later<'_>> = old.map(Later::of).into_iter().collect();
    let planned = std::slice::from_ref(new);
    let (updated, numbers) = try_join(update(db, &later), insert(db, planned, None)).await?;
    if updated != later.len() {
        db.roll_back().await?;
        return Ok(Commit::Conflict);
    }
    let of_old = old.into_iter().flat_map(|old| of_run(&old.run, old.run.number));
    let of_new = numbers.into_iter().flat_map(|number| of_run(new, number));
    let statuses: Vec<_> = of_old.chain(of_new).collect();
    slots::queue_all(db, &statuses).await?;
    Ok(Commit::Committed)
}

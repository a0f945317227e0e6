//! Stage 4: applies reports of runners, callbacks of CI systems, and cancels and re-runs of
//! operators, to runs.
//!
//! Reports come late, twice, all at once, and contradict each other: `domain::run` decides which of
//! them count, and the reporter is told why one does not. A run is locked while it is changed here,
//! so that changes of one run wait for each other instead of failing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::changes::Changes;
use crate::ci::{Callback, CallbackError, Mentioned, Systems};
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::follow::obeys_hints;
use crate::domain::id::RunId;
use crate::domain::report_rate::ReportRate;
use crate::domain::run::{self, Advance, Report, Run, State};
use crate::domain::text::cut;
use crate::domain::time::Timestamp;
use crate::storage::{CONFLICTS_MAX, Changed, Commit, Error, RunCommit, Runs, change_run};
use crate::worker::{self, Notifiers, Progress, Tick};

/// Descriptions of reports are cut at this many characters before they are stored.
const DESCRIPTION_CHARS_MAX: usize = 400;
/// Runs that one callback may mention.
const MENTIONED_MAX: usize = 8;
/// Why a report is not applied yet.
const TOO_FAST: &str = "too fast: 10 reports of a run are applied at once, then one each second; \
                        the newest is applied when its time has come";

/// See the module. All clones share one state. As a worker it applies what was reported too fast.
#[derive(Clone, Debug)]
pub struct Observe {
    runs: Arc<dyn Runs>,
    systems: Systems,
    recent: Arc<Mutex<HashMap<RunId, Arc<Locked>>>>,
    notifiers: Notifiers,
    changes: Changes,
    clock: Clock,
}

type Locked = tokio::sync::Mutex<Recent>;

/// What lately happened to one run. Reports are limited in memory: after a restart a run may report
/// some more.
#[derive(Debug, Default)]
struct Recent {
    rate: ReportRate,
    /// The newest report, where it came too fast.
    held: Option<Report>,
}

/// A run that was planned because somebody asked for it.
#[derive(Clone, Debug)]
pub struct Rerun {
    pub run: Run,
    /// False where it was planned before.
    pub is_new: bool,
}

impl Observe {
    /// Changes runs and notifies the stages that go on with them.
    pub fn new(systems: Systems, deps: &Deps) -> Self {
        Self {
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            systems,
            recent: Arc::default(),
            notifiers: deps.notifiers.clone(),
            changes: deps.changes.clone(),
            clock: deps.clock.clone(),
        }
    }

    /// The CI systems whose callbacks are read.
    pub fn systems(&self) -> &Systems {
        &self.systems
    }

    /// Applies a report, or holds it back where the run reports too fast.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing: the reporter has to try again.
    pub async fn report(&self, id: RunId, report: Report) -> Result<Changed, Error> {
        let description = report.description.map(|text| cut(&text, DESCRIPTION_CHARS_MAX));
        let report = Report { description, ..report };
        let recent = self.recent(id);
        let mut recent = recent.lock().await;
        let report = report.after(recent.held.as_ref());
        let now = self.clock.now();
        let changed = if report.is_final() || recent.rate.allows(now) {
            self.apply(id, &report, &mut recent, now).await?
        } else {
            self.hold(id, report, &mut recent, now).await?
        };
        let applied = matches!(changed, Changed::To(_));
        metrics::counter!("azdo_gateway_reports_total", "applied" => applied.to_string())
            .increment(1);
        self.announce("report", &changed);
        Ok(changed)
    }

    async fn apply(
        &self,
        id: RunId,
        report: &Report,
        recent: &mut Recent,
        now: Timestamp,
    ) -> Result<Changed, Error> {
        // Counted first: nothing goes on here where the caller goes away during the commit.
        let (before, held) = (recent.rate, recent.held.take());
        recent.rate.count(now);
        let decide = |run: &Run| run::advance(run, report, now);
        let changed = change_run(self.runs.as_ref(), id, decide).await;
        let is_applied = matches!(changed, Ok(Changed::To(_)));
        if let Ok(Changed::Not(run, why)) = &changed {
            self.remember_refused(run, report, why, now).await;
        }
        if !is_applied {
            recent.rate = before;
        }
        // A final report that does not count says nothing about how far the run is.
        if changed.is_err() || (!is_applied && report.is_final()) {
            recent.held = held;
        }
        changed
    }

    /// Notes in the run that a report did not count. Where that cannot be stored nothing but the
    /// note is lost.
    async fn remember_refused(&self, run: &Run, report: &Report, why: &str, now: Timestamp) {
        let Some(run) = run.with_refused(report, why, now) else { return };
        let id = run.id;
        let commit = RunCommit { run: run.clone(), lease: None, due_at: None };
        match self.runs.commit_run(commit).await {
            Ok(Commit::Committed) => self.changes.run(&run),
            Ok(Commit::Conflict | Commit::LeaseLost) => {}
            Err(error) => tracing::warn!(run = %id, "a refused report is not noted: {error}"),
        }
    }

    /// Keeps a report that would change the run, in place of an older one.
    async fn hold(
        &self,
        id: RunId,
        report: Report,
        recent: &mut Recent,
        now: Timestamp,
    ) -> Result<Changed, Error> {
        let Some(run) = self.runs.run(id).await? else { return Ok(Changed::Unknown) };
        let (held, why) = match run::advance(&run, &report, now) {
            Advance::To(_) => (Some(report), TOO_FAST.to_owned()),
            Advance::Not(why) => (None, why),
        };
        recent.held = held;
        Ok(Changed::Not(Box::new(run), why))
    }

    /// Applies what was held back: what is due, or with `is_last` all of it.
    async fn apply_held(&self, is_last: bool) -> Result<(), Error> {
        let mut result = Ok(());
        for (id, recent) in self.holding() {
            let mut recent = recent.lock().await;
            let now = self.clock.now();
            if is_last || recent.rate.allows(now) {
                let Some(report) = recent.held.clone() else { continue };
                match self.apply(id, &report, &mut recent, now).await {
                    Ok(changed) => self.announce("report", &changed),
                    Err(error) => result = result.and(Err(error)),
                }
            }
        }
        result
    }

    /// Polls at once the runs that a verified callback of a CI mentions. One that mentions none
    /// that is known here changes nothing.
    ///
    /// # Errors
    /// It is not from that CI; or the store is not available.
    pub async fn callback(
        &self,
        ci: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Result<(), CallbackError>, Error> {
        let callback = Callback { headers, body, now: self.clock.now() };
        let mentioned = match self.systems.read_callback(ci, &callback) {
            Ok(mentioned) => mentioned,
            Err(why) => return Ok(Err(why)),
        };
        // By run and by its id at the CI, a callback may mention one twice.
        let mut found = BTreeMap::new();
        for one in mentioned.into_iter().take(MENTIONED_MAX) {
            let runs = match one {
                Mentioned::Run(id) => self.runs.run(id).await?.into_iter().collect(),
                Mentioned::AtCi(id) => self.runs.runs_at_ci(ci, &id).await?,
            };
            let runs: Vec<Run> = runs;
            found.extend(runs.into_iter().filter(|run| run.ci == ci).map(|run| (run.number, run)));
        }
        for run in found.into_values() {
            self.poll_now(run).await?;
        }
        self.notifiers.follow.notify();
        Ok(Ok(()))
    }

    async fn poll_now(&self, mut run: Run) -> Result<(), Error> {
        for _ in 0..CONFLICTS_MAX {
            if !obeys_hints(&run) {
                return Ok(());
            }
            let (id, due_at) = (run.id, Some(self.clock.now()));
            match self.runs.commit_run(RunCommit { run, lease: None, due_at }).await? {
                Commit::Committed => return Ok(()),
                Commit::Conflict | Commit::LeaseLost => {}
            }
            run = match self.runs.run(id).await? {
                Some(changed) => changed,
                None => return Ok(()),
            };
        }
        Ok(())
    }

    /// Cancels a run for the operator `who`.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing.
    pub async fn cancel(&self, id: RunId, who: &str) -> Result<Changed, Error> {
        let recent = self.recent(id);
        let _locked = recent.lock().await;
        let now = self.clock.now();
        let decide = |run: &Run| run::end(run, State::Cancelled, format!("by {who}"), now);
        let changed = change_run(self.runs.as_ref(), id, decide).await?;
        self.announce("cancel", &changed);
        Ok(changed)
    }

    /// Plans a run like this one for the operator `who` under the id `new`, and supersedes this one
    /// if it has not ended. Where that was done before, the run that was planned. None when there
    /// is no such run.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing.
    pub async fn rerun(&self, id: RunId, new: RunId, who: &str) -> Result<Option<Rerun>, Error> {
        let recent = self.recent(id);
        let _locked = recent.lock().await;
        let planned = self.plan_rerun(id, new, who).await;
        if let Err(error) = &planned {
            // Another replica may have planned it at the same time.
            tracing::debug!(run = %new, "not planned: {error}");
            if let Ok(Some(run)) = self.planned_rerun(id, new).await {
                return Ok(Some(Rerun { run, is_new: false }));
            }
        }
        planned
    }

    /// The run under the id `new`, where it was planned as a rerun of this one.
    async fn planned_rerun(&self, id: RunId, new: RunId) -> Result<Option<Run>, Error> {
        let planned = self.runs.run(new).await?;
        Ok(planned.filter(|planned| run::is_rerun_of(planned, id)))
    }

    async fn plan_rerun(&self, id: RunId, new: RunId, who: &str) -> Result<Option<Rerun>, Error> {
        for _ in 0..CONFLICTS_MAX {
            let now = self.clock.now();
            let Some(old) = self.runs.run(id).await? else { return Ok(None) };
            if let Some(run) = self.planned_rerun(id, new).await? {
                return Ok(Some(Rerun { run, is_new: false }));
            }
            let new = run::rerun(&old, new, who, now);
            let ended = match run::supersede(&old, &new, now) {
                Advance::To(run) => Some(RunCommit { run: *run, lease: None, due_at: None }),
                Advance::Not(_) => None,
            };
            if self.runs.commit_rerun(ended, new.clone()).await? == Commit::Committed {
                tracing::info!(run = %new.id, check = new.check, "planned: {}", new.reason);
                [&old, &new].into_iter().for_each(|run| self.changes.run(run));
                self.notifiers.dispatch.notify();
                self.notifiers.follow.notify();
                self.notifiers.publish.notify();
                return Ok(Some(Rerun { run: new, is_new: true }));
            }
        }
        Err(Error::Contended(id))
    }

    fn recent(&self, id: RunId) -> Arc<Locked> {
        Arc::clone(self.recent.lock().entry(id).or_default())
    }

    /// The runs of which a report may be held back. Forgets those that are quiet.
    fn holding(&self) -> Vec<(RunId, Arc<Locked>)> {
        let now = self.clock.now();
        let mut holding = Vec::new();
        self.recent.lock().retain(|id, locked| {
            // Whoever has a clone is about to lock it, or has.
            let is_busy = Arc::strong_count(locked) > 1;
            let Ok(recent) = locked.try_lock() else { return true };
            if recent.held.is_some() {
                holding.push((*id, Arc::clone(locked)));
            }
            is_busy || recent.held.is_some() || !recent.rate.is_whole(now)
        });
        holding
    }

    /// Logs the outcome, and wakes the stages that have work after a change.
    fn announce(&self, what: &str, changed: &Changed) {
        match changed {
            Changed::To(run) => {
                tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(),
                    "{what} applied: {}", run.reason);
                self.changes.run(run);
                self.notifiers.publish.notify();
                // The end of a run may let a waiting run of its check start, and its CI is told.
                self.notifiers.dispatch.notify();
                self.notifiers.follow.notify();
            }
            // There may be any number of these, and whoever asked is told.
            Changed::Not(run, why) => {
                tracing::debug!(run = %run.id, check = run.check, "{what} not applied: {why}");
            }
            Changed::Unknown => {}
        }
    }
}

#[async_trait]
impl Tick for Observe {
    fn name(&self) -> &'static str {
        "observe"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        self.apply_held(false).await?;
        Ok(Progress::Idle)
    }

    async fn drain(&self) {
        if let Err(error) = self.apply_held(true).await {
            tracing::warn!("the last reports of some runs are not applied: {error}");
        }
    }
}

//! Stage 4: applies reports of runners, and cancels and re-runs of operators, to runs.
//!
//! Reports come late, twice and contradict each other: `domain::run` decides which of them count,
//! and the reporter is told why one does not.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::id::RunId;
use crate::domain::run::{self, Advance, Report, Run, State};
use crate::storage::{CONFLICTS_MAX, Changed, Commit, Error, RunCommit, Runs, change_run};
use crate::worker::Notifiers;

/// See the module.
#[derive(Clone, Debug)]
pub struct Observe {
    runs: Arc<dyn Runs>,
    notifiers: Notifiers,
    clock: Clock,
}

impl Observe {
    /// Changes runs and notifies the stages that go on with them.
    pub fn new(deps: &Deps) -> Self {
        let runs = Arc::clone(&deps.store) as Arc<dyn Runs>;
        Self { runs, notifiers: deps.notifiers.clone(), clock: deps.clock.clone() }
    }

    /// Applies a report.
    ///
    /// # Errors
    /// The store is not available: the reporter has to try again.
    pub async fn report(&self, id: RunId, report: &Report) -> Result<Changed, Error> {
        let now = self.clock.now();
        let decide = |run: &Run| run::advance(run, report, now);
        let changed = change_run(self.runs.as_ref(), id, decide).await?;
        let applied = matches!(changed, Changed::To(_));
        metrics::counter!("azdo_gateway_reports_total", "applied" => applied.to_string())
            .increment(1);
        self.announce("report", &changed);
        Ok(changed)
    }

    /// Cancels a run for the operator `who`.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn cancel(&self, id: RunId, who: &str) -> Result<Changed, Error> {
        let now = self.clock.now();
        let decide = |run: &Run| run::end(run, State::Cancelled, format!("by {who}"), now);
        let changed = change_run(self.runs.as_ref(), id, decide).await?;
        self.announce("cancel", &changed);
        Ok(changed)
    }

    /// Plans a new run like this one for the operator `who`, and supersedes this one if it has not
    /// ended. None when there is no such run.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing.
    pub async fn rerun(&self, id: RunId, who: &str) -> Result<Option<Run>, Error> {
        for _ in 0..CONFLICTS_MAX {
            let now = self.clock.now();
            let Some(old) = self.runs.run(id).await? else { return Ok(None) };
            let new = run::rerun(&old, RunId(Uuid::now_v7()), who, now);
            let ended = match run::supersede(&old, &new, now) {
                Advance::To(run) => Some(RunCommit { run: *run, lease: None, due_at: None }),
                Advance::Not(_) => None,
            };
            if self.runs.commit_rerun(ended, new.clone()).await? == Commit::Committed {
                tracing::info!(run = %new.id, check = new.check, "planned: {}", new.reason);
                self.notifiers.dispatch.notify();
                self.notifiers.publish.notify();
                return Ok(Some(new));
            }
        }
        Err(Error::unavailable("the run keeps changing"))
    }

    /// Logs the outcome, and wakes the stages that have work after a change.
    fn announce(&self, what: &str, changed: &Changed) {
        match changed {
            Changed::To(run) => {
                tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(),
                    "{what} applied: {}", run.reason);
                self.notifiers.publish.notify();
                // The end of a run may let a waiting run of its check start.
                self.notifiers.dispatch.notify();
            }
            Changed::Not(run, why) => {
                tracing::info!(run = %run.id, check = run.check, "{what} not applied: {why}");
            }
            Changed::Unknown => {}
        }
    }
}

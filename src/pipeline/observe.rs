//! Stage 4: what runners and operators say about runs.
//!
//! Reports come late, twice and contradicting each other; the rules decide, and whoever reported
//! is told whether it counted and why. It must never know how the reporter proved who it is.

use std::sync::Arc;

use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::id::RunId;
use crate::domain::run::{self, Advance, Report, Run, State};
use crate::storage::{Changed, Commit, Error, RunCommit, Store, change_run};
use crate::worker::Notifiers;

/// See the module.
#[derive(Clone, Debug)]
pub struct Observe {
    pub store: Arc<dyn Store>,
    pub notifiers: Notifiers,
    pub clock: Clock,
}

impl Observe {
    /// What a report does.
    ///
    /// # Errors
    /// The store does not answer: the reporter has to try again.
    pub async fn report(&self, id: RunId, report: &Report) -> Result<Changed, Error> {
        let now = self.clock.now();
        let decide = |run: &Run| run::advance(run, report, now);
        let changed = change_run(self.store.as_ref(), id, decide).await?;
        let applied = matches!(changed, Changed::To(_));
        metrics::counter!("azdo_gateway_reports_total", "applied" => applied.to_string())
            .increment(1);
        self.told("report", &changed);
        Ok(changed)
    }

    /// Ends a run because a person wants it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn cancel(&self, id: RunId, who: &str) -> Result<Changed, Error> {
        let now = self.clock.now();
        let decide = |run: &Run| run::end(run, State::Cancelled, format!("by {who}"), now);
        let changed = change_run(self.store.as_ref(), id, decide).await?;
        self.told("cancel", &changed);
        Ok(changed)
    }

    /// Starts a run anew; the one before ends if it still goes on. None when there is no such run.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn rerun(&self, id: RunId, who: &str) -> Result<Option<Run>, Error> {
        loop {
            let now = self.clock.now();
            let Some(old) = self.store.run(id).await? else { return Ok(None) };
            let new = run::rerun(&old, RunId(Uuid::now_v7()), who, now);
            let ended = match run::supersede(&old, &new, now) {
                Advance::To(run) => Some(RunCommit { run: *run, lease: None, due_at: None }),
                Advance::Not(_) => None,
            };
            if self.store.commit_rerun(ended, new.clone()).await? == Commit::Committed {
                tracing::info!(run = %new.id, check = new.check, "planned: {}", new.reason);
                self.notifiers.dispatch.notify();
                self.notifiers.publish.notify();
                return Ok(Some(new));
            }
        }
    }

    fn told(&self, what: &str, changed: &Changed) {
        match changed {
            Changed::To(run) => {
                tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(),
                    "{what} applied: {}", run.reason);
                self.notifiers.publish.notify();
                // A run that ended may make room for one that waits.
                self.notifiers.dispatch.notify();
            }
            Changed::Not(run, why) => {
                tracing::info!(run = %run.id, check = run.check, "{what} not applied: {why}");
            }
            Changed::Unknown => {}
        }
    }
}

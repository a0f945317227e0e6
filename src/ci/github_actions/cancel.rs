//! Cancels a run: `POST …/actions/runs/{id}/cancel` → 202, or 409 when it has ended. A run that
//! goes on is forced a minute later: `…/force-cancel` skips what runs `always()`.
//! Source: docs/ci.md, "Kind `github_actions`".

use std::time::Duration;

use super::GithubActions;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

/// How long a run has to clean up.
const FORCED_AFTER: Duration = Duration::from_secs(60);

impl GithubActions {
    pub(super) async fn cancel_run(&self, run: &Run) -> Result<Cancelled, Error> {
        let Some(ci_id) = &run.ci_id else { return Ok(Cancelled::Done) };
        // An attempt before that failed has told it nothing.
        let was_told = run.cancel_attempts.unwrap_or(0) > 0 && run.ci_problem.is_none();
        let how = if was_told { "force-cancel" } else { "cancel" };
        let answer = self.send(self.post(&["actions", "runs", ci_id, how])).await?;
        match answer.status.as_u16() {
            200..=299 if was_told => Ok(Cancelled::Done),
            200..=299 => Ok(Cancelled::Again(FORCED_AFTER)),
            409 => Ok(Cancelled::Done),
            _ => Err(self.client.failure(&answer)),
        }
    }
}

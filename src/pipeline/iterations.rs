//! Which iteration of a pull request shows the statuses of a commit.
//!
//! Azure DevOps is asked once for all statuses that were queued before it was asked: the checks of
//! one push want their statuses shown at the same moment. A status without a run, of which a CI may
//! report many one after the other, uses an earlier answer too, unless the pull request has changed
//! since.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::ado::Iteration;
use crate::clock::Clock;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;

/// An answer is forgotten after this, whatever the clock says.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(60);
/// Pull requests whose answers are remembered.
const PULL_REQUESTS_MAX: usize = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Iterations(Mutex<HashMap<Key, Arc<AsyncMutex<Option<Answer>>>>>);

/// Organization, repository and number of a pull request.
type Key = (String, String, i64);

#[derive(Debug)]
struct Answer {
    /// By the clock of the gateway, and by one that is never set.
    asked_at: (Timestamp, Instant),
    /// As in [`Wanted`].
    revision: Option<i64>,
    iterations: Vec<Iteration>,
}

/// For what an iteration is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) status: &'a Status,
    /// The pull request.
    pub(super) id: i64,
    /// The newest iteration where none is given.
    pub(super) commit: Option<&'a str>,
    pub(super) queued_at: Timestamp,
    /// Of the stored state of the pull request, where an answer holds until that changes.
    pub(super) revision: Option<i64>,
    /// An earlier answer did not do.
    pub(super) is_repeated: bool,
}

impl Iterations {
    /// The number of the newest iteration whose source is the commit; none where no iteration is.
    /// Calls `ask` where no earlier answer says it.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn newest<E>(
        &self,
        wanted: Wanted<'_>,
        clock: &Clock,
        ask: impl AsyncFnOnce() -> Result<Vec<Iteration>, E>,
    ) -> Result<Option<i64>, E> {
        let Status { organization, repository, .. } = wanted.status;
        let answer = self.answer((organization.clone(), repository.clone(), wanted.id));
        // Whoever comes meanwhile waits for the same answer.
        let mut answer = answer.lock().await;
        if let Some(found) = answer.as_ref().and_then(|answer| answer.find(wanted)) {
            return Ok(Some(found));
        }
        let asked_at = (clock.now(), Instant::now());
        *answer = None;
        let iterations = ask().await?;
        let found = newest(&iterations, wanted.commit);
        *answer = Some(Answer { asked_at, revision: wanted.revision, iterations });
        Ok(found)
    }

    fn answer(&self, key: Key) -> Arc<AsyncMutex<Option<Answer>>> {
        let mut answers = self.0.lock();
        if answers.len() >= PULL_REQUESTS_MAX {
            answers.retain(|_, answer| Arc::strong_count(answer) > 1);
        }
        Arc::clone(answers.entry(key).or_default())
    }
}

impl Answer {
    /// The iteration, where this answer is new enough to say it.
    fn find(&self, wanted: Wanted<'_>) -> Option<i64> {
        let (asked_at, since) = self.asked_at;
        // A status may be queued because there is a new iteration with the same commit.
        let is_known_to_hold = wanted.revision.is_some() && wanted.revision == self.revision;
        let is_new_enough = (wanted.queued_at <= asked_at || is_known_to_hold)
            && since.elapsed() <= ANSWER_AGE_MAX
            && !wanted.is_repeated;
        newest(&self.iterations, wanted.commit).filter(|_| is_new_enough)
    }
}

fn newest(iterations: &[Iteration], commit: Option<&str>) -> Option<i64> {
    let shows = |found: &&Iteration| commit.is_none() || found.source_commit.as_deref() == commit;
    iterations.iter().rev().find(shows).map(|found| found.id)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use uuid::Uuid;

    use super::*;
    use crate::domain::id::RunId;
    use crate::domain::status::{Context, Shown, Target};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000).plus(Duration::from_secs(second))
    }

    fn status(run: Option<RunId>) -> Status {
        Status {
            organization: "fabrikam".into(),
            project: "Fabrikam".into(),
            repository: "web".into(),
            target: Target::PullRequest { id: 7, commit: None },
            context: Context { genre: "ci".into(), name: "lint".into() },
            state: Shown::Pending,
            description: String::new(),
            url: None,
            run,
        }
    }

    #[tokio::test]
    async fn azure_devops_is_asked_once_for_what_its_answer_is_new_enough_for() {
        let (of_run, alone) = (status(Some(RunId(Uuid::nil()))), status(None));
        let wanted = |status, commit, second, is_repeated| Wanted {
            status,
            id: 7,
            commit,
            queued_at: at(second),
            revision: None,
            is_repeated,
        };
        let reported = |second, revision| Wanted {
            revision: Some(revision),
            ..wanted(&alone, Some("a"), second, false)
        };
        let (asked, iterations) = (Cell::new(0), Iterations::default());
        let clock = Clock::new(|| at(100));
        for (wanted, found, times) in [
            (wanted(&of_run, Some("a"), 90, false), Some(2), 1),
            (wanted(&of_run, Some("b"), 100, false), Some(3), 1),
            (wanted(&alone, Some("a"), 100, false), Some(2), 1),
            (wanted(&alone, None, 99, false), Some(3), 1),
            // The answer is too old, or did not do.
            (wanted(&of_run, Some("a"), 101, false), Some(2), 2),
            (wanted(&alone, Some("a"), 101, false), Some(2), 3),
            (wanted(&alone, None, 101, false), Some(3), 4),
            (wanted(&of_run, Some("a"), 90, true), Some(2), 5),
            (wanted(&alone, Some("c"), 90, false), None, 6),
            (wanted(&alone, Some("c"), 90, false), None, 7),
            // The pull request was not known when the answer was asked for; then it has changed.
            (reported(101, 5), Some(2), 8),
            (reported(102, 5), Some(2), 8),
            (wanted(&alone, Some("a"), 102, false), Some(2), 9),
            (reported(102, 6), Some(2), 10),
            (reported(103, 6), Some(2), 10),
            (reported(103, 7), Some(2), 11),
        ] {
            let ask = async || {
                asked.set(asked.get() + 1);
                let of = |(id, commit): (i64, &str)| Iteration {
                    id,
                    source_commit: Some(commit.to_owned()),
                    made_at: None,
                };
                Ok::<_, ()>([(1, "a"), (2, "a"), (3, "b")].map(of).to_vec())
            };
            let newest = iterations.newest(wanted, &clock, ask).await;
            assert_eq!((newest, asked.get()), (Ok(found), times), "{wanted:?}");
        }
    }
}

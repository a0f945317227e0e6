//! Changes one run although others may change it at the same time: load, decide, commit, and again
//! after a conflict.

use super::error::Error;
use super::lease::Commit;
use super::runs::{RunCommit, Runs};
use crate::domain::id::RunId;
use crate::domain::run::{Advance, Run};

/// Conflicts in a row after which a change is given up: each means that another change was
/// committed in the meantime, so this many mean that something commits without end.
pub const CONFLICTS_MAX: usize = 16;

/// The outcome of changing a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The run as it is now.
    To(Box<Run>),
    /// The unchanged run, and why it was not changed.
    Not(Box<Run>, String),
    /// There is no such run.
    Unknown,
}

/// Asks `decide` what becomes of the run as it is now, and commits the answer.
///
/// # Errors
/// The store does not answer, or the run changed `CONFLICTS_MAX` times during the change.
pub async fn change_run<Store: Runs + ?Sized>(
    store: &Store,
    id: RunId,
    decide: impl Fn(&Run) -> Advance + Send + Sync,
) -> Result<Changed, Error> {
    for _ in 0..CONFLICTS_MAX {
        let Some(run) = store.run(id).await? else { return Ok(Changed::Unknown) };
        let next = match decide(&run) {
            Advance::To(next) => next,
            Advance::Not(why) => return Ok(Changed::Not(Box::new(run), why)),
        };
        let commit = RunCommit { run: *next.clone(), lease: None, due_at: None };
        match store.commit_run(commit).await? {
            Commit::Committed => return Ok(Changed::To(next)),
            Commit::Conflict | Commit::LeaseLost => {}
        }
    }
    Err(Error::Contended(id))
}

//! Changing one run whatever others do to it meanwhile: load, decide, commit, and again when
//! somebody was faster. It must never decide itself.

use super::{Commit, Error, RunCommit, Store};
use crate::domain::id::RunId;
use crate::domain::run::{Advance, Run};

/// Tries before a run that changes all the time is left alone.
const TRIES_MAX: usize = 16;

/// What became of a wish to change a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is this now.
    To(Box<Run>),
    /// It stays as it is, and why.
    Not(Box<Run>, String),
    /// There is no such run.
    Unknown,
}

/// Asks `decide` what becomes of the run as it is now, and commits the answer.
///
/// # Errors
/// The store does not answer, or the run changed faster than we could decide.
pub async fn change_run(
    store: &dyn Store,
    id: RunId,
    decide: impl Fn(&Run) -> Advance + Send + Sync,
) -> Result<Changed, Error> {
    for _ in 0..TRIES_MAX {
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
    Err(Error::unavailable("the run changes too fast"))
}

//! The keys by which runs are grouped: by what they are about, and by their check.

use super::run::Run;

/// The key of all runs of a pull request. `repository` is a GUID.
pub fn pull_request_subject(repository: &str, id: i64) -> String {
    format!("pull_request/{repository}/{id}")
}

/// The key of all runs of a ref. `repository` is a GUID, `name` a full name such as
/// `refs/heads/main`.
pub fn ref_subject(repository: &str, name: &str) -> String {
    format!("ref/{repository}/{name}")
}

/// The key of all runs about the same pull request or ref as `run`.
pub fn subject(run: &Run) -> String {
    match &run.pull_request {
        Some(of) => pull_request_subject(&run.repository.id, of.id),
        None => ref_subject(&run.repository.id, &run.git_ref),
    }
}

/// The key of all runs of one check, which share its concurrency limit. The parts are quoted, since
/// they may contain any character.
pub fn check_key(run: &Run) -> String {
    format!("{:?}/{:?}/{:?}", run.organization, run.genre, run.check)
}

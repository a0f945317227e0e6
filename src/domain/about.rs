//! What deliveries are about, so that those about one pull request, branch or commit are found,
//! also the ones that started nothing.

use std::collections::BTreeSet;
use std::iter;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::fact::Fact;
use super::id::{DeliveryId, RunId};
use super::run::Run;
use super::run_keys::{pull_request_subject, ref_subject, subject};

/// Of a push so many refs count.
const REFS_MAX: usize = 100;

/// The number under which the deliveries about a subject are found. Subjects are those of runs, and
/// [`commit_subject`].
pub fn key(organization: &str, subject: &str) -> i64 {
    let digest = Sha256::digest(format!("{}\0{subject}", organization.to_lowercase()));
    let first = digest.iter().take(8).fold(0_u64, |key, byte| key << 8 | u64::from(*byte));
    first.cast_signed()
}

/// The subject of a commit, in any repository of the organization.
pub fn commit_subject(commit: &str) -> String {
    format!("commit/{commit}")
}

/// The subject of a commit, in one repository.
pub fn commit_in(repository: &str, commit: &str) -> String {
    format!("commit/{repository}/{commit}")
}

/// The key of a delivery itself.
pub fn delivery_key(id: DeliveryId) -> i64 {
    id.0
}

/// The key of a run itself. Its id is random there.
pub fn run_key(id: RunId) -> i64 {
    id.0.as_u64_pair().1.cast_signed()
}

/// The keys of what a run is about: itself, its pull request or ref, and its commit.
pub fn keys_of_run(run: &Run) -> Vec<i64> {
    let subjects = [subject(run), commit_in(&run.repository.id, &run.commit)];
    let keys = subjects.iter().map(|subject| key(&run.organization, subject));
    iter::once(run_key(run.id)).chain(keys).collect()
}

/// The number under which the copy of a delivery is found that a request to replay it has made.
pub fn replay_key(organization: &str, id: DeliveryId, request: Uuid) -> i64 {
    key(organization, &format!("replay/{id}/{request}"))
}

/// The keys of all that a fact is about.
pub fn keys(organization: &str, fact: &Fact) -> Vec<i64> {
    let of_commit = |commit: &Option<String>| commit.as_deref().map(commit_subject);
    let subjects: Vec<String> = match fact {
        Fact::PullRequest(seen) | Fact::MergeAttempted(seen) => {
            let subject = pull_request_subject(&seen.repository.id, seen.id);
            [Some(subject), of_commit(&seen.source_commit)].into_iter().flatten().collect()
        }
        Fact::Comment(comment) => {
            vec![pull_request_subject(&comment.repository.id, comment.pull_request)]
        }
        Fact::Push(push) => {
            let updates = push.updates.iter().take(REFS_MAX);
            let of_update =
                updates.map(|one| (ref_subject(&push.repository.id, &one.name), &one.new));
            of_update.flat_map(|(name, new)| [Some(name), of_commit(new)]).flatten().collect()
        }
        _ => Vec::new(),
    };
    let keys: BTreeSet<i64> = subjects.iter().map(|subject| key(organization, subject)).collect();
    keys.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::event::Repository;
    use super::super::fact::{Push, RefUpdate};
    use super::super::pull_request::PullRequest;
    use super::*;

    fn repository() -> Repository {
        Repository { id: "r1".into(), ..Repository::default() }
    }

    #[test]
    fn a_delivery_is_about_its_pull_request_or_refs_and_their_commits() {
        let commit = "a".repeat(40);
        let seen = PullRequest {
            repository: repository(),
            id: 7,
            source_commit: Some(commit.clone()),
            ..PullRequest::default()
        };
        let found = keys("Fabrikam", &Fact::PullRequest(seen));
        let of_pull_request = key("fabrikam", &pull_request_subject("r1", 7));
        let of_commit = key("FABRIKAM", &commit_subject(&commit));
        assert_eq!(found.len(), 2);
        assert!(found.contains(&of_pull_request) && found.contains(&of_commit));
        let update = |name: &str, new| RefUpdate { name: name.into(), old: None, new };
        let push = Push {
            repository: repository(),
            updates: vec![
                update("refs/heads/a", Some(commit.clone())),
                update("refs/heads/b", None),
            ],
            push_id: None,
            pushed_at: None,
            messages: Vec::new(),
        };
        let found = keys("fabrikam", &Fact::Push(push));
        assert_eq!(found.len(), 3);
        assert!(found.contains(&key("fabrikam", &ref_subject("r1", "refs/heads/b"))));
        assert!(keys("fabrikam", &Fact::Test).is_empty());
    }

    #[test]
    fn keys_never_change() {
        // They are stored.
        assert_eq!(key("fabrikam", "commit/a"), key("Fabrikam", "commit/a"));
        assert_eq!(key("fabrikam", "commit/a"), 8_019_954_865_711_848_106);
    }
}

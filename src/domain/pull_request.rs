//! A pull request as last seen, and what changed since.
//!
//! Azure DevOps sends the same "updated" event for a push, a vote, a new title and a completion,
//! and does not say which. So we keep what we saw last and compare; message texts are never read.
//! It must never know what is started because of a change.

use serde::{Deserialize, Serialize};

use super::event::{Event, Repository};
use super::time::Timestamp;

/// Whether a pull request can still be merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Active,
    Abandoned,
    Completed,
}

/// A pull request at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// The repository of the target branch; for forks that is where statuses go.
    pub repository: Repository,
    pub id: i64,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// Full ref names.
    pub source_ref: String,
    pub target_ref: String,
    /// Head of the source branch. Azure DevOps leaves it out while it is still looking.
    pub source_commit: Option<String>,
    pub target_commit: Option<String>,
    /// The trial merge of the two; absent while it is being made, and on conflicts.
    pub merge_commit: Option<String>,
    /// The two heads cannot be merged.
    pub has_conflicts: bool,
    pub status: Status,
    pub is_draft: bool,
    pub is_fork: bool,
    /// Reviewer id and vote, sorted.
    pub votes: Vec<(String, i64)>,
    /// Sorted; none while nobody has told them.
    pub labels: Vec<String>,
    /// Azure DevOps has told its labels, if only that there are none: hooks leave them out
    /// (docs/azure-devops.md §2.3).
    #[serde(default)]
    pub labels_told: bool,
    /// When its head was last told to be another one, once we remember it: a later push was told by
    /// nobody, whatever else was heard since.
    #[serde(default)]
    pub head_as_of: Option<Timestamp>,
    /// Messages of the commits that the delivery lists, newest first: often none.
    #[serde(default)]
    pub messages: Vec<String>,
}

impl PullRequest {
    /// The target branch without `refs/heads/`.
    pub fn target_branch(&self) -> &str {
        self.target_ref.strip_prefix("refs/heads/").unwrap_or(&self.target_ref)
    }

    /// The ref of the trial merge; it exists only while the merge succeeds.
    pub fn merge_ref(&self) -> String {
        format!("refs/pull/{}/merge", self.id)
    }

    /// Whether this tells labels that are news to who knew `known`: that there are none is news to
    /// who knew nothing about them.
    pub fn tells_new_labels(&self, known: &PullRequest) -> bool {
        self.labels_told && (!known.labels_told || self.labels != known.labels)
    }

    /// What to remember: `seen`, with what it left out taken from what we knew.
    pub fn remembering(seen: &PullRequest, known: Option<&PullRequest>) -> PullRequest {
        let mut next = seen.clone();
        if next.source_commit.is_none() {
            next.source_commit = known.and_then(|known| known.source_commit.clone());
        }
        if let Some(known) = known.filter(|_| !next.labels_told) {
            next.labels = known.labels.clone();
            next.labels_told = known.labels_told;
        }
        next
    }
}

/// What changed from `known` to `seen`, the weightiest first; empty when nothing did.
///
/// A pull request that we never saw was opened, unless it is over already.
pub fn changes(known: Option<&PullRequest>, seen: &PullRequest) -> Vec<Event> {
    let Some(known) = known else {
        return vec![match seen.status {
            Status::Active => Event::PullRequestOpened,
            Status::Abandoned => Event::PullRequestAbandoned,
            Status::Completed => Event::PullRequestCompleted,
        }];
    };
    let mut found = Vec::new();
    match (known.status, seen.status) {
        (before, after) if before == after => {}
        (_, Status::Active) => found.push(Event::PullRequestReactivated),
        (_, Status::Abandoned) => found.push(Event::PullRequestAbandoned),
        (_, Status::Completed) => found.push(Event::PullRequestCompleted),
    }
    if seen.source_commit.is_some() && seen.source_commit != known.source_commit {
        found.push(Event::PullRequestPushed);
    }
    if seen.target_ref != known.target_ref {
        found.push(Event::PullRequestRetargeted);
    }
    match (known.is_draft, seen.is_draft) {
        (true, false) => found.push(Event::PullRequestPublished),
        (false, true) => found.push(Event::PullRequestDrafted),
        _ => {}
    }
    if seen.votes != known.votes {
        found.push(Event::PullRequestVoted);
    }
    let edited = seen.title != known.title
        || seen.description != known.description
        || seen.tells_new_labels(known);
    if edited {
        found.push(Event::PullRequestEdited);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull_request() -> PullRequest {
        PullRequest {
            id: 7,
            title: "Add search".into(),
            source_ref: "refs/heads/search".into(),
            target_ref: "refs/heads/main".into(),
            source_commit: Some("a".repeat(40)),
            ..PullRequest::default()
        }
    }

    #[test]
    fn each_change_has_its_name() {
        use Event::*;
        type Change = fn(&mut PullRequest);
        let table: [(Change, &[Event]); 11] = [
            (|_| {}, &[]),
            (|p| p.source_commit = Some("b".repeat(40)), &[PullRequestPushed]),
            (|p| p.source_commit = None, &[]),
            (|p| p.target_ref = "refs/heads/release/1".into(), &[PullRequestRetargeted]),
            (|p| p.is_draft = true, &[PullRequestDrafted]),
            (|p| p.status = Status::Abandoned, &[PullRequestAbandoned]),
            (|p| p.status = Status::Completed, &[PullRequestCompleted]),
            (|p| p.title = "Add find".into(), &[PullRequestEdited]),
            (|p| p.votes = vec![("r".into(), 10)], &[PullRequestVoted]),
            (|p| p.merge_commit = Some("c".repeat(40)), &[]),
            (
                |p| {
                    p.source_commit = Some("b".repeat(40));
                    p.title = "Add find".into();
                },
                &[PullRequestPushed, PullRequestEdited],
            ),
        ];
        for (change, expected) in table {
            let mut seen = pull_request();
            change(&mut seen);
            assert_eq!(changes(Some(&pull_request()), &seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn the_way_back_has_its_name_too() {
        let draft = PullRequest { is_draft: true, ..pull_request() };
        assert_eq!(changes(Some(&draft), &pull_request()), [Event::PullRequestPublished]);
        let abandoned = PullRequest { status: Status::Abandoned, ..pull_request() };
        assert_eq!(changes(Some(&abandoned), &pull_request()), [Event::PullRequestReactivated]);
    }

    #[test]
    fn what_we_never_saw_was_opened_unless_it_is_over() {
        assert_eq!(changes(None, &pull_request()), [Event::PullRequestOpened]);
        let over = PullRequest { status: Status::Completed, ..pull_request() };
        assert_eq!(changes(None, &over), [Event::PullRequestCompleted]);
    }

    fn labelled(labels: &[&str]) -> PullRequest {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        PullRequest { labels, labels_told: true, ..pull_request() }
    }

    #[test]
    fn labels_differ_only_where_they_are_told() {
        let table = [
            (pull_request(), pull_request(), false),
            (pull_request(), labelled(&[]), true),
            (pull_request(), labelled(&["e2e"]), true),
            (labelled(&[]), labelled(&[]), false),
            (labelled(&[]), labelled(&["e2e"]), true),
            (labelled(&["e2e"]), labelled(&["e2e"]), false),
            (labelled(&["e2e"]), labelled(&[]), true),
            (labelled(&["e2e"]), pull_request(), false),
        ];
        for (known, seen, differs) in table {
            let found = changes(Some(&known), &seen);
            let expected: &[Event] = if differs { &[Event::PullRequestEdited] } else { &[] };
            assert_eq!(found, expected, "{known:?} {seen:?}");
        }
    }

    #[test]
    fn labels_that_are_not_told_are_those_that_we_know() {
        for known in [pull_request(), labelled(&[]), labelled(&["e2e"])] {
            assert_eq!(PullRequest::remembering(&pull_request(), Some(&known)), known);
            let gone = PullRequest::remembering(&labelled(&[]), Some(&known));
            assert_eq!(gone, labelled(&[]));
        }
        assert_eq!(PullRequest::remembering(&pull_request(), None), pull_request());
    }

    #[test]
    fn what_an_older_version_stored_has_not_told_its_labels() {
        let mut stored = serde_json::to_value(labelled(&["e2e"])).unwrap();
        stored.as_object_mut().unwrap().remove("labels_told");
        let read: PullRequest = serde_json::from_value(stored).unwrap();
        assert!(!read.labels_told);
        assert_eq!(read.labels, ["e2e"]);
    }

    #[test]
    fn a_head_that_is_not_told_is_remembered() {
        let seen = PullRequest { source_commit: None, ..pull_request() };
        let next = PullRequest::remembering(&seen, Some(&pull_request()));
        assert_eq!(next.source_commit, pull_request().source_commit);
    }
}

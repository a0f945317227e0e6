//! The state of a pull request, and the changes between two states.
//!
//! Azure DevOps sends the same "updated" event for a push, a vote, a new title and a completion,
//! and does not say which. So the last state is stored and compared; message texts are not read.

use serde::{Deserialize, Serialize};

use super::comment::ActedOn;
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
    /// The repository of the target branch; statuses of pull requests from forks go there, too.
    pub repository: Repository,
    pub id: i64,
    pub title: String,
    #[serde(default)]
    pub description: String,
    /// Full ref names.
    pub source_ref: String,
    pub target_ref: String,
    /// Head of the source branch; absent while Azure DevOps computes it.
    pub source_commit: Option<String>,
    pub target_commit: Option<String>,
    /// The trial merge of the two heads; absent while it is being made, and on conflicts.
    pub merge_commit: Option<String>,
    /// The two heads cannot be merged.
    pub has_conflicts: bool,
    pub status: Status,
    pub is_draft: bool,
    pub is_fork: bool,
    /// Reviewer id and vote, sorted.
    pub votes: Vec<(String, i64)>,
    /// Sorted; empty while they are not known.
    pub labels: Vec<String>,
    /// Whether the labels are known, be it that there are none: hooks omit them
    /// (docs/azure-devops.md §2.3).
    #[serde(default)]
    pub labels_known: bool,
    /// When a new head was last delivered; set in the stored state only. A later push was not
    /// delivered, even if other changes were.
    #[serde(default)]
    pub head_as_of: Option<Timestamp>,
    /// The source commit of a fork that somebody permitted has approved; set in the stored state
    /// only.
    #[serde(default)]
    pub approved_commit: Option<String>,
    /// The comments whose commands were decided about; set in the stored state only.
    #[serde(default)]
    pub acted_on: ActedOn,
    /// Messages of the listed commits, newest first: often none.
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

    /// Whether its code may run as if it came from the repository itself.
    pub fn is_trusted(&self) -> bool {
        let is_approved = self.approved_commit.is_some();
        !self.is_fork || (is_approved && self.approved_commit == self.source_commit)
    }

    /// Whether the labels are known here and differ from `known`, or were not known there.
    pub fn has_new_labels(&self, known: &PullRequest) -> bool {
        self.labels_known && (!known.labels_known || self.labels != known.labels)
    }

    /// The state to store: `seen`, with omitted fields taken from `known`.
    pub fn merged(seen: &PullRequest, known: Option<&PullRequest>) -> PullRequest {
        let mut next = seen.clone();
        if next.source_commit.is_none() {
            next.source_commit = known.and_then(|known| known.source_commit.clone());
        }
        if let Some(known) = known {
            next.acted_on = known.acted_on.clone();
            // A push that was not approved takes the approval back, whatever is pushed later.
            let is_kept = next.source_commit == known.source_commit
                || next.source_commit == known.approved_commit;
            next.approved_commit = known.approved_commit.clone().filter(|_| is_kept);
        }
        if let Some(known) = known.filter(|_| !next.labels_known) {
            next.labels = known.labels.clone();
            next.labels_known = known.labels_known;
        }
        next
    }
}

/// The changes from `known` to `seen`, the most important first; empty when nothing changed.
///
/// An unknown pull request counts as opened, unless it is closed already.
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
        || seen.has_new_labels(known);
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
    fn publishing_and_reactivating_have_names() {
        let draft = PullRequest { is_draft: true, ..pull_request() };
        assert_eq!(changes(Some(&draft), &pull_request()), [Event::PullRequestPublished]);
        let abandoned = PullRequest { status: Status::Abandoned, ..pull_request() };
        assert_eq!(changes(Some(&abandoned), &pull_request()), [Event::PullRequestReactivated]);
    }

    #[test]
    fn an_unknown_pull_request_was_opened_unless_it_is_closed() {
        assert_eq!(changes(None, &pull_request()), [Event::PullRequestOpened]);
        let over = PullRequest { status: Status::Completed, ..pull_request() };
        assert_eq!(changes(None, &over), [Event::PullRequestCompleted]);
    }

    fn labelled(labels: &[&str]) -> PullRequest {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        PullRequest { labels, labels_known: true, ..pull_request() }
    }

    #[test]
    fn labels_differ_only_where_they_are_known() {
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
    fn unknown_labels_are_taken_from_the_stored_state() {
        for known in [pull_request(), labelled(&[]), labelled(&["e2e"])] {
            assert_eq!(PullRequest::merged(&pull_request(), Some(&known)), known);
            let gone = PullRequest::merged(&labelled(&[]), Some(&known));
            assert_eq!(gone, labelled(&[]));
        }
        assert_eq!(PullRequest::merged(&pull_request(), None), pull_request());
    }

    #[test]
    fn an_omitted_head_is_taken_from_the_stored_state() {
        let seen = PullRequest { source_commit: None, ..pull_request() };
        let next = PullRequest::merged(&seen, Some(&pull_request()));
        assert_eq!(next.source_commit, pull_request().source_commit);
    }
}

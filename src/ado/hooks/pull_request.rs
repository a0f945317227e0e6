//! The state of a pull request in a `git.pullrequest.*` delivery (docs/azure-devops.md §2.3).
//!
//! All these events have the same shape. What changed is not in the JSON, only in an English text
//! that is no interface; the decision compares states instead.

use super::lenient::{Raw, filled, flag, id, is_zero, number, object, object_id, objects, text};
use super::push::messages;
use super::repository::repository;
use super::wire;
use crate::domain::pull_request::{PullRequest, Status};

/// Reads a pull request; the error is the name of the required field that is missing.
pub(super) fn pull_request(
    resource: Raw<'_>,
    project: Raw<'_>,
) -> Result<PullRequest, &'static str> {
    let wire: wire::PullRequest<'_> = object(resource).ok_or("resource")?;
    let labels = labels(wire.labels);
    Ok(PullRequest {
        repository: repository(wire.repository, project)?,
        id: number(wire.pull_request_id).ok_or("pullRequestId")?,
        title: owned(wire.title),
        description: owned(wire.description),
        source_ref: filled(wire.source_ref_name).ok_or("sourceRefName")?,
        target_ref: filled(wire.target_ref_name).ok_or("targetRefName")?,
        source_commit: commit(wire.last_merge_source_commit),
        target_commit: commit(wire.last_merge_target_commit),
        merge_commit: commit(wire.last_merge_commit),
        has_conflicts: is(wire.merge_status, "conflicts"),
        status: status(wire.status),
        is_draft: flag(wire.is_draft),
        is_fork: object::<wire::Repository<'_>>(wire.fork_source).is_some(),
        votes: votes(wire.reviewers),
        labels_known: labels.is_some(),
        labels: labels.unwrap_or_default(),
        head_as_of: None,
        approved_commit: None,
        acted_on: Default::default(),
        messages: messages(wire.commits),
    })
}

fn owned(raw: Raw<'_>) -> String {
    text(raw).map(|text| text.into_owned()).unwrap_or_default()
}

fn is(raw: Raw<'_>, value: &str) -> bool {
    text(raw).is_some_and(|text| text.eq_ignore_ascii_case(value))
}

/// `notSet` and unknown values count as active, so that no run is ended by a guess.
fn status(raw: Raw<'_>) -> Status {
    if is(raw, "abandoned") {
        Status::Abandoned
    } else if is(raw, "completed") {
        Status::Completed
    } else {
        Status::Active
    }
}

fn commit(raw: Raw<'_>) -> Option<String> {
    let commit: wire::Commit<'_> = object(raw)?;
    object_id(commit.commit_id).filter(|id| !is_zero(id))
}

fn votes(raw: Raw<'_>) -> Vec<(String, i64)> {
    let reviewers = objects::<wire::Reviewer<'_>>(raw).unwrap_or_default();
    let vote = |reviewer: wire::Reviewer<'_>| {
        Some((id(reviewer.id)?, number(reviewer.vote).unwrap_or_default()))
    };
    let mut votes: Vec<_> = reviewers.into_iter().filter_map(vote).collect();
    votes.sort();
    votes
}

/// None when the delivery has no list of labels.
fn labels(raw: Raw<'_>) -> Option<Vec<String>> {
    let labels = objects::<wire::Label<'_>>(raw)?;
    let is_on = |label: &wire::Label<'_>| label.active.is_none() || flag(label.active);
    let mut names: Vec<_> =
        labels.into_iter().filter(is_on).filter_map(|label| filled(label.name)).collect();
    names.sort();
    Some(names)
}

//! Commands in comments that no hook told of.
//!
//! A list of comments takes a call for each pull request, so the number of calls is limited.

use std::cmp::Reverse;

use super::super::pass::Stop;
use super::lists::Lists;
use super::scan::Scan;
use crate::ado::{ListedComment, ListedPullRequest};
use crate::domain::catch_up::is_missed_command;
use crate::domain::event::Repository;
use crate::domain::pull_request::PullRequest;
use crate::domain::time::Timestamp;

/// A pull request as it is known and as it is listed.
pub(super) type Active<'a> = (Option<&'a PullRequest>, &'a ListedPullRequest);

/// A comment with commands that was missed, the pull request as it is listed, and since when.
pub(super) struct MissedComment<'a> {
    pub(super) comment: ListedComment,
    pub(super) listed: &'a ListedPullRequest,
    pub(super) at: Timestamp,
}

/// Those on active pull requests that were published after `since`, the oldest first.
pub(super) async fn missed_comments<'a>(
    scan: &mut Scan,
    lists: &Lists<'_>,
    repository: &Repository,
    since: Timestamp,
    mut active: Vec<Active<'a>>,
) -> Result<Vec<MissedComment<'a>>, Stop> {
    // People comment on new pull requests most.
    active.sort_by_key(|(_, listed)| Reverse(listed.seen.pull_request.id));
    let mut missed = Vec::new();
    for (known, listed) in active {
        if !scan.takes_lookup() {
            break;
        }
        for comment in lists.comments(repository, listed.seen.pull_request.id).await? {
            if let Some(at) = is_missed_command(&comment.comment, known, since) {
                missed.push(MissedComment { comment, listed, at });
            }
        }
    }
    missed.sort_by_key(|one| one.at);
    Ok(missed)
}

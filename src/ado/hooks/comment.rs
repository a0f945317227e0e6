//! Comments on pull requests: those of the comment event in version 2.0, and those that are listed
//! (docs/azure-devops.md §2.3). The number of the thread is in a link only.

use super::lenient::{Raw, filled, flag, id, number, object, text};
use super::repository::repository;
use super::wire;
use crate::domain::comment::{Author, Comment};
use crate::domain::event::Repository;
use crate::domain::text::cut;
use crate::domain::time::Timestamp;

/// Characters of the name of an author.
const NAME_CHARS_MAX: usize = 100;

/// Reads the comment of a delivery; the error is the name of the required field that is missing.
pub(super) fn comment_event(resource: Raw<'_>, project: Raw<'_>) -> Result<Comment, &'static str> {
    let wire: wire::CommentEvent<'_> = object(resource).ok_or("resource")?;
    let pull_request: wire::PullRequest<'_> = object(wire.pull_request).ok_or("pullRequest")?;
    let repository = repository(pull_request.repository, project)?;
    let number = number(pull_request.pull_request_id).ok_or("pullRequestId")?;
    let links: wire::Comment<'_> = object(wire.comment).ok_or("comment")?;
    let thread = thread(links.links).ok_or("comment._links.threads")?;
    comment(wire.comment, repository, number, thread)
}

/// Reads a comment of a thread.
pub(in crate::ado) fn comment(
    raw: Raw<'_>,
    repository: Repository,
    pull_request: i64,
    thread: i64,
) -> Result<Comment, &'static str> {
    let wire: wire::Comment<'_> = object(raw).ok_or("comment")?;
    let author: wire::Identity<'_> = object(wire.author).unwrap_or_default();
    let at = |raw: Raw<'_>| text(raw).and_then(|at| Timestamp::parse(&at));
    let (published_at, edited_at) = (at(wire.published_date), at(wire.last_content_updated_date));
    let is_system = text(wire.comment_type).is_some_and(|kind| kind.eq_ignore_ascii_case("system"));
    Ok(Comment {
        repository,
        pull_request,
        thread,
        id: number(wire.id).ok_or("comment.id")?,
        author: Author {
            id: id(author.id).ok_or("comment.author.id")?,
            display_name: name(author.display_name),
            account: name(author.unique_name),
        },
        content: text(wire.content).unwrap_or_default().into_owned(),
        published_at,
        is_edited: published_at.zip(edited_at).is_some_and(|(first, last)| last > first),
        is_deleted: flag(wire.is_deleted),
        is_system,
    })
}

/// A name, in one line: it appears in statuses and in the audit log.
fn name(raw: Raw<'_>) -> String {
    cut(&filled(raw).unwrap_or_default(), NAME_CHARS_MAX)
}

/// The number of the thread in the links of a comment; no link is ever called.
fn thread(links: Raw<'_>) -> Option<i64> {
    let links: wire::Links<'_> = object(links)?;
    [links.threads, links.own].into_iter().find_map(|link| {
        let link: wire::Link<'_> = object(link)?;
        let href = text(link.href)?;
        let (_, rest) = href.rsplit_once("/threads/")?;
        let number = rest.split_once('/').map_or(rest, |(number, _)| number);
        number.parse().ok().filter(|number| *number > 0)
    })
}

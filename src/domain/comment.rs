//! A comment on a pull request, and which comments were acted on.

use serde::{Deserialize, Serialize};

use super::event::Repository;
use super::time::Timestamp;

/// A comment on a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comment {
    /// The repository of the target branch.
    pub repository: Repository,
    pub pull_request: i64,
    pub thread: i64,
    /// Unique within its thread.
    pub id: i64,
    pub author: Author,
    pub content: String,
    pub published_at: Option<Timestamp>,
    /// Its content was changed after it was published.
    pub is_edited: bool,
    pub is_deleted: bool,
    /// Azure DevOps wrote it, and no person.
    pub is_system: bool,
}

/// Who wrote a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Author {
    /// GUID, lower case.
    pub id: String,
    pub display_name: String,
    /// Mostly an email address.
    pub account: String,
}

impl Author {
    /// The name for people: of whom the status of a run says that they asked for it.
    pub fn name(&self) -> &str {
        [&self.display_name, &self.account, &self.id]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name)
    }

    /// The name in the audit log.
    pub fn account(&self) -> &str {
        if self.account.is_empty() { &self.id } else { &self.account }
    }
}

/// Comments that are remembered one by one.
const REMEMBERED_MAX: usize = 100;

/// The comments of a pull request whose commands were decided about: each is acted on once, whoever
/// tells of it. The oldest are remembered by their time only, as those before which nothing is
/// acted on any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActedOn {
    /// Thread, number in it, and when it was published; the oldest first.
    comments: Vec<(i64, i64, Timestamp)>,
    until: Option<Timestamp>,
}

impl ActedOn {
    /// Whether a comment was acted on, or is too old to know.
    pub fn has(&self, comment: &Comment, published_at: Timestamp) -> bool {
        let is_it =
            |(thread, id, _): &(i64, i64, _)| (*thread, *id) == (comment.thread, comment.id);
        self.comments.iter().any(is_it) || self.until.is_some_and(|until| published_at <= until)
    }

    /// Remembers a comment.
    pub fn add(&mut self, comment: &Comment, published_at: Timestamp) {
        self.comments.push((comment.thread, comment.id, published_at));
        self.comments.sort_by_key(|(_, _, at)| *at);
        while self.comments.len() > REMEMBERED_MAX {
            let (_, _, at) = self.comments.remove(0);
            self.until = self.until.max(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_acted_on_once_however_many_follow() {
        let comment = |id| Comment { thread: 3, id, ..Comment::default() };
        let at = |id: i64| Timestamp::from_ms(id * 1_000);
        let mut acted_on = ActedOn::default();
        for id in 1..=500 {
            assert!(!acted_on.has(&comment(id), at(id)), "{id}");
            acted_on.add(&comment(id), at(id));
            assert!((1..=id).all(|id| acted_on.has(&comment(id), at(id))), "{id}");
        }
        assert_eq!(acted_on.comments.len(), REMEMBERED_MAX);
        let elsewhere = Comment { thread: 4, ..comment(500) };
        assert!(!acted_on.has(&elsewhere, at(500)));
    }
}

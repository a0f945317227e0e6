//! Which comments hold commands that no hook told of.

use std::time::Duration;

use super::super::command::commands;
use super::super::comment::Comment;
use super::super::pull_request::PullRequest;
use super::super::time::Timestamp;

/// How long it takes until the comments of each active pull request were listed. A list goes back
/// an hour, and a scan that is late may skip a turn.
const ALL_LISTED_EVERY: Duration = Duration::from_secs(1_200);

/// Whether a scan at `at`, one of those that take place every so often, lists the comments of this
/// pull request: each takes its turn, since a list takes a call.
pub fn lists_comments_of(id: i64, at: Timestamp, every: Duration) -> bool {
    let every = every.as_millis().max(1);
    let turns = (ALL_LISTED_EVERY.as_millis() / every).max(1);
    let turn = u128::from(at.ms().unsigned_abs()) / every;
    turn % turns == u128::from(id.unsigned_abs()) % turns
}

/// Whether the commands of a comment were missed: it was published after `since`, may be obeyed as
/// far as it says itself, and was not acted on. `known` is what is stored of its pull request.
pub fn is_missed_command(
    comment: &Comment,
    known: Option<&PullRequest>,
    since: Timestamp,
) -> Option<Timestamp> {
    let published_at = comment.published_at.filter(|at| *at > since)?;
    let is_told = known.is_some_and(|known| known.acted_on.has(comment, published_at));
    let counts = !(comment.is_deleted || comment.is_edited || comment.is_system || is_told);
    (counts && !commands(&comment.content).is_empty()).then_some(published_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comments_of_each_pull_request_are_listed_within_20_minutes() {
        let start = 1_790_000_000;
        for (every, scans) in [(1, 1_200), (300, 4), (420, 2), (1_200, 1), (7_200, 1)] {
            for id in 1..=20 {
                let at = |scan: i64| Timestamp::from_ms((start + scan * every) * 1_000);
                let period = Duration::from_secs(every.unsigned_abs());
                let lists = (0..scans).filter(|scan| lists_comments_of(id, at(*scan), period));
                assert_eq!(lists.count(), 1, "pull request {id}, a scan every {every} s");
            }
        }
    }

    #[test]
    fn commands_that_were_not_acted_on_are_missed() {
        let at = |seconds: i64| Timestamp::from_ms(seconds * 1_000);
        let comment = Comment {
            content: "/retest".into(),
            published_at: Some(at(100)),
            ..Comment::default()
        };
        let mut known = PullRequest::default();
        assert_eq!(is_missed_command(&comment, None, at(0)), Some(at(100)));
        assert_eq!(is_missed_command(&comment, Some(&known), at(0)), Some(at(100)));
        assert_eq!(is_missed_command(&comment, None, at(100)), None, "too old");
        known.acted_on.add(&comment, at(100));
        assert_eq!(is_missed_command(&comment, Some(&known), at(0)), None);
        for change in [
            (|it| it.is_edited = true) as fn(&mut Comment),
            |it| it.is_deleted = true,
            |it| it.is_system = true,
            |it| it.published_at = None,
            |it| it.content = "Looks good".into(),
        ] {
            let mut other = comment.clone();
            change(&mut other);
            assert_eq!(is_missed_command(&other, None, at(0)), None, "{other:?}");
        }
    }
}

//! What counts as missed, in a repository that is watched since second 0, read until second 100,
//! and read again at second 200.

mod pull_requests;
mod refs;

use super::*;
use crate::domain::event::Repository;
use crate::domain::fact::{Push, RefUpdate};
use crate::domain::time::Timestamp;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + seconds * 1_000)
}

/// A commit id of one character, repeated.
fn sha(c: char) -> String {
    c.to_string().repeat(40)
}

fn criteria() -> Criteria {
    Criteria {
        since: at(0),
        read_until: Some(at(100)),
        asked_at: at(200),
        skips_superseded_until: at(200),
        is_thorough: false,
        follows_labels: false,
        follows_closing: false,
    }
}

fn first() -> Criteria {
    Criteria { read_until: None, is_thorough: true, ..criteria() }
}

fn thorough() -> Criteria {
    Criteria { is_thorough: true, ..criteria() }
}

/// A push of these refs, `old` to `new`; `.` stands for no object.
fn push(id: i64, seconds: i64, updates: &[(&str, char, char)]) -> Push {
    let object = |c: char| (c != '.').then(|| sha(c));
    let update = |(name, old, new): &(&str, char, char)| RefUpdate {
        name: format!("refs/heads/{name}"),
        old: object(*old),
        new: object(*new),
    };
    Push {
        repository: Repository::default(),
        push_id: Some(id),
        pushed_at: Some(at(seconds)),
        updates: updates.iter().map(update).collect(),
        messages: vec![],
    }
}

fn pushes(list: &[Push]) -> Pushes {
    Pushes::new(list.to_vec(), true)
}

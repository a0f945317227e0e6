//! Pushes: which refs moved from where to where (docs/azure-devops.md §2.4).
//!
//! Heads are read from the ref updates, never from the list of commits, which may be cut, empty or
//! absent.

use super::lenient::{Raw, filled, is_zero, number, object, object_id, objects, text};
use super::repository::repository;
use super::wire;
use crate::domain::fact::{Push, RefUpdate};
use crate::domain::time::Timestamp;

/// Reads a push; the error is the name of the required field that is missing.
pub(super) fn push(resource: Raw<'_>, project: Raw<'_>) -> Result<Push, &'static str> {
    let wire: wire::Push<'_> = object(resource).ok_or("resource")?;
    let updates = objects::<wire::RefUpdate<'_>>(wire.ref_updates).ok_or("refUpdates")?;
    Ok(Push {
        repository: repository(wire.repository, project)?,
        push_id: number(wire.push_id),
        pushed_at: text(wire.date).and_then(|at| Timestamp::parse(&at)),
        updates: updates.iter().map(update).collect::<Result<_, _>>()?,
        messages: messages(wire.commits),
    })
}

/// `newObjectId` is required: a default would read an incomplete resource as a deleted ref.
fn update(wire: &wire::RefUpdate<'_>) -> Result<RefUpdate, &'static str> {
    let new = object_id(wire.new_object_id).ok_or("refUpdates[].newObjectId")?;
    Ok(RefUpdate {
        name: filled(wire.name).ok_or("refUpdates[].name")?,
        old: object_id(wire.old_object_id).filter(|old| !is_zero(old)),
        new: Some(new).filter(|new| !is_zero(new)),
    })
}

/// The messages of the listed commits, in the order of the list.
pub(super) fn messages(commits: Raw<'_>) -> Vec<String> {
    let commits = objects::<wire::Commit<'_>>(commits).unwrap_or_default();
    commits.into_iter().filter_map(|commit| filled(commit.comment)).collect()
}

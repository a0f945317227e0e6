//! The pushes to a repository, as Azure DevOps lists them.

use super::super::fact::Push;
use super::super::time::Timestamp;

/// Pushes since some moment.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    /// By their ids, ascending; each has an id and a time.
    pub(super) list: Vec<Push>,
    /// None since that moment is missing.
    pub(super) is_complete: bool,
}

impl Pushes {
    /// Leaves out pushes without an id or a time; then the list is not complete.
    pub fn new(list: Vec<Push>, is_complete: bool) -> Self {
        let is_whole = |push: &Push| push.push_id.is_some() && push.pushed_at.is_some();
        let is_complete = is_complete && list.iter().all(is_whole);
        let mut list: Vec<Push> = list.into_iter().filter(is_whole).collect();
        list.sort_by_key(|push| push.push_id);
        list.dedup_by_key(|push| push.push_id);
        Self { list, is_complete }
    }

    /// When a ref was last pushed to, and the head since then.
    pub(super) fn last_of(&self, name: &str) -> Option<(Timestamp, Option<&str>)> {
        self.list.iter().rev().find_map(|push| {
            let update = push.updates.iter().rfind(|update| update.name == name)?;
            Some((push.pushed_at?, update.new.as_deref()))
        })
    }

    /// Whether a push moved a ref away from this head.
    pub(super) fn has_left(&self, name: &str, head: &str) -> bool {
        let mut updates = self.list.iter().flat_map(|push| &push.updates);
        updates.any(|update| update.name == name && update.old.as_deref() == Some(head))
    }
}

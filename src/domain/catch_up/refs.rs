//! Branches and tags: which pushes were missed, and which heads differ without a known push. Of
//! several missed pushes to one ref the last one counts; it supersedes the others. A ref whose
//! prefix was not read does not count as deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::super::decision::RememberedRef;
use super::super::fact::{Push, RefUpdate};
use super::super::time::Timestamp;
use super::criteria::Criteria;
use super::pushes::Pushes;

/// Refs as they are: all of them under each of these prefixes.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// Such as `refs/heads/`.
    pub prefixes: Vec<&'static str>,
    /// Object ids by full name.
    pub list: BTreeMap<String, String>,
}

/// A push that was missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPush {
    pub push_id: i64,
    pub at: Timestamp,
    /// Refs of it for which nothing is to be started, since they were pushed to again.
    pub superseded: Vec<String>,
}

/// What differs, in the order in which it is to be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRefs {
    /// By their ids, ascending.
    pub pushes: Vec<FoundPush>,
    /// Heads that differ from what was known, without a push that says why.
    pub heads: Vec<RefUpdate>,
    /// Refs that existed before the repository was watched.
    pub past: Vec<RefUpdate>,
}

/// Whether any ref differs from what is known.
pub fn differs(known: &[RememberedRef], seen: &Heads) -> bool {
    let known: BTreeMap<&str, &RememberedRef> = by_name(known, seen);
    names(&known, seen).into_iter().any(|name| update(&known, seen, name).is_some())
}

/// What was missed. `pushes` are those since the last reading, where they could be read.
pub fn missed_refs(
    known: &[RememberedRef],
    seen: &Heads,
    pushes: Option<&Pushes>,
    criteria: &Criteria,
) -> FoundRefs {
    let known: BTreeMap<&str, &RememberedRef> = by_name(known, seen);
    let mut found = FoundRefs::default();
    // For each push the refs of which it is the last one.
    let mut last: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for name in names(&known, seen) {
        let missed =
            pushes.map_or_else(Vec::new, |pushes| pushes_to(name, &known, pushes, criteria));
        if let Some((newest, older)) = missed.split_last() {
            for id in older.iter().filter(|id| is_settled(**id, pushes, criteria)) {
                last.entry(*id).or_default();
            }
            last.entry(*newest).or_default().insert(name);
        } else if let Some(update) = update(&known, seen, name) {
            let is_past = is_past(&update, &known, pushes, criteria);
            if is_past { found.past.push(update) } else { found.heads.push(update) }
        }
    }
    let list = pushes.map_or(&[][..], |pushes| pushes.list.as_slice());
    found.pushes = list.iter().filter_map(|push| found_push(push, &last)).collect();
    found
}

/// Whether a push is so old that no hook can still deliver it.
fn is_settled(id: i64, pushes: Option<&Pushes>, criteria: &Criteria) -> bool {
    let mut list = pushes.map_or(&[][..], |pushes| pushes.list.as_slice()).iter();
    let push = list.find(|push| push.push_id == Some(id));
    let pushed_at = push.and_then(|push| push.pushed_at);
    pushed_at.is_some_and(|at| at <= criteria.skips_superseded_until)
}

/// A push with the refs of it that a later push supersedes; none where it was not missed.
fn found_push(push: &Push, last: &BTreeMap<i64, BTreeSet<&str>>) -> Option<FoundPush> {
    let (push_id, at) = (push.push_id?, push.pushed_at?);
    let is_last_of = last.get(&push_id)?;
    let others = push.updates.iter().filter(|update| !is_last_of.contains(update.name.as_str()));
    let superseded = others.map(|update| update.name.clone()).collect();
    Some(FoundPush { push_id, at, superseded })
}

/// The known refs whose prefixes were read.
fn by_name<'k>(known: &'k [RememberedRef], seen: &Heads) -> BTreeMap<&'k str, &'k RememberedRef> {
    let is_read = |name: &str| seen.prefixes.iter().any(|prefix| name.starts_with(prefix));
    let read = known.iter().filter(|known| is_read(&known.name));
    read.map(|known| (known.name.as_str(), known)).collect()
}

fn names<'n>(known: &BTreeMap<&'n str, &RememberedRef>, seen: &'n Heads) -> BTreeSet<&'n str> {
    known.keys().copied().chain(seen.list.keys().map(String::as_str)).collect()
}

/// The change from the known to the actual head of a ref; none where they are equal.
fn update(known: &BTreeMap<&str, &RememberedRef>, seen: &Heads, name: &str) -> Option<RefUpdate> {
    let old = known.get(name).and_then(|known| known.head.clone());
    let new = seen.list.get(name).cloned();
    (old != new).then(|| RefUpdate { name: name.to_owned(), old, new })
}

/// The ids of the pushes to a ref after the last known one.
fn pushes_to(
    name: &str,
    known: &BTreeMap<&str, &RememberedRef>,
    pushes: &Pushes,
    criteria: &Criteria,
) -> Vec<i64> {
    let to_ref: Vec<(i64, &RefUpdate)> = pushes
        .list
        .iter()
        .filter(|push| push.pushed_at.is_some_and(|at| at >= criteria.since))
        .filter_map(|push| {
            let update = push.updates.iter().rfind(|update| update.name == name)?;
            Some((push.push_id?, update))
        })
        .collect();
    let ids = |of: &[(i64, &RefUpdate)]| of.iter().map(|(id, _)| *id).collect();
    let Some(known) = known.get(name) else { return ids(&to_ref) };
    if let Some(last) = known.push_id {
        let last = known.settled.iter().copied().fold(last, i64::max);
        return ids(&to_ref).into_iter().filter(|id: &i64| *id > last).collect();
    }
    // The last known push has no id: take those from the one that began at the known head.
    let begins_there = |(_, update): &(i64, &RefUpdate)| update.old == known.head;
    let from = to_ref.iter().rposition(begins_there).unwrap_or(to_ref.len());
    ids(to_ref.get(from..).unwrap_or_default())
}

/// Whether a difference without a known push is older than the watch.
fn is_past(
    update: &RefUpdate,
    known: &BTreeMap<&str, &RememberedRef>,
    pushes: Option<&Pushes>,
    criteria: &Criteria,
) -> bool {
    let is_first = criteria.read_until.is_none();
    if pushes.is_some_and(|pushes| pushes.is_complete) {
        // A ref without a push existed before any check wanted refs of its kind.
        return is_first || !known.contains_key(update.name.as_str());
    }
    // Its time is unknown. Where no ref of its kind is known yet, all of them are old.
    let kind = update.name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    is_first || !known.keys().any(|name| name.starts_with(&kind))
}

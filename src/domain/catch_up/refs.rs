//! Branches and tags: which pushes nobody told us, and which heads differ without a push that says
//! why. Of several missed pushes to one ref the last one counts, the others are passed over. It
//! must never take a head that was not read for one that is gone.

use std::collections::{BTreeMap, BTreeSet};

use super::super::decision::RememberedRef;
use super::super::fact::{Push, RefUpdate};
use super::super::time::Timestamp;
use super::{Frame, Pushes};

/// Refs as they are, whole for each of these prefixes.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    /// Such as `refs/heads/`.
    pub prefixes: Vec<&'static str>,
    /// Object ids by full name.
    pub list: BTreeMap<String, String>,
}

/// A push that nobody told us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPush {
    pub push_id: i64,
    pub at: Timestamp,
    /// Refs of it for which nothing is to be started: they were pushed to again.
    pub passed_over: Vec<String>,
}

/// What differs. To be told in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRefs {
    /// By their ids, upwards.
    pub pushes: Vec<FoundPush>,
    /// Heads that differ from what we knew, for whatever reason.
    pub heads: Vec<RefUpdate>,
    /// Those that were there before anybody watched.
    pub past: Vec<RefUpdate>,
}

/// Whether any ref is not what we know.
pub fn differs(known: &[RememberedRef], seen: &Heads) -> bool {
    let known: BTreeMap<&str, &RememberedRef> = by_name(known, seen);
    names(&known, seen).into_iter().any(|name| update(&known, seen, name).is_some())
}

/// What was missed, given the pushes since the last reading where they could be read.
pub fn missed_refs(
    known: &[RememberedRef],
    seen: &Heads,
    pushes: Option<&Pushes>,
    frame: &Frame,
) -> FoundRefs {
    let known: BTreeMap<&str, &RememberedRef> = by_name(known, seen);
    let mut found = FoundRefs::default();
    // By push: the refs that it brought to where they are.
    let mut last: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for name in names(&known, seen) {
        let missed = pushes.map_or_else(Vec::new, |pushes| pushes_to(name, &known, pushes, frame));
        if let Some((newest, older)) = missed.split_last() {
            for id in older.iter().filter(|id| is_settled(**id, pushes, frame)) {
                last.entry(*id).or_default();
            }
            last.entry(*newest).or_default().insert(name);
        } else if let Some(update) = update(&known, seen, name) {
            let is_past = is_past(&update, &known, pushes, frame);
            if is_past { found.past.push(update) } else { found.heads.push(update) }
        }
    }
    let list = pushes.map_or(&[][..], |pushes| pushes.list.as_slice());
    found.pushes = list.iter().filter_map(|push| told(push, &last)).collect();
    found
}

/// Whether no hook can be about to tell a push.
fn is_settled(id: i64, pushes: Option<&Pushes>, frame: &Frame) -> bool {
    let mut list = pushes.map_or(&[][..], |pushes| pushes.list.as_slice()).iter();
    let push = list.find(|push| push.push_id == Some(id));
    let pushed_at = push.and_then(|push| push.pushed_at);
    pushed_at.is_some_and(|at| at <= frame.passes_over_until)
}

/// A push that is among those to be told, with what it is not told for.
fn told(push: &Push, last: &BTreeMap<i64, BTreeSet<&str>>) -> Option<FoundPush> {
    let (push_id, at) = (push.push_id?, push.pushed_at?);
    let brought = last.get(&push_id)?;
    let others = push.updates.iter().filter(|update| !brought.contains(update.name.as_str()));
    let passed_over = others.map(|update| update.name.clone()).collect();
    Some(FoundPush { push_id, at, passed_over })
}

/// Those that were read.
fn by_name<'k>(known: &'k [RememberedRef], seen: &Heads) -> BTreeMap<&'k str, &'k RememberedRef> {
    let is_read = |name: &str| seen.prefixes.iter().any(|prefix| name.starts_with(prefix));
    let read = known.iter().filter(|known| is_read(&known.name));
    read.map(|known| (known.name.as_str(), known)).collect()
}

fn names<'n>(known: &BTreeMap<&'n str, &RememberedRef>, seen: &'n Heads) -> BTreeSet<&'n str> {
    known.keys().copied().chain(seen.list.keys().map(String::as_str)).collect()
}

/// How a ref got from what we know to what is there; none where it is the same.
fn update(known: &BTreeMap<&str, &RememberedRef>, seen: &Heads, name: &str) -> Option<RefUpdate> {
    let old = known.get(name).and_then(|known| known.head.clone());
    let new = seen.list.get(name).cloned();
    (old != new).then(|| RefUpdate { name: name.to_owned(), old, new })
}

/// The pushes to a ref that come after what we know of it.
fn pushes_to(
    name: &str,
    known: &BTreeMap<&str, &RememberedRef>,
    pushes: &Pushes,
    frame: &Frame,
) -> Vec<i64> {
    let to_ref: Vec<(i64, &RefUpdate)> = pushes
        .list
        .iter()
        .filter(|push| push.pushed_at.is_some_and(|at| at >= frame.since))
        .filter_map(|push| {
            let update = push.updates.iter().rfind(|update| update.name == name)?;
            Some((push.push_id?, update))
        })
        .collect();
    let ids = |of: &[(i64, &RefUpdate)]| of.iter().map(|(id, _)| *id).collect();
    let Some(known) = known.get(name) else { return ids(&to_ref) };
    if let Some(told) = known.push_id {
        let told = known.settled.iter().copied().fold(told, i64::max);
        return ids(&to_ref).into_iter().filter(|id: &i64| *id > told).collect();
    }
    // Known without a number: what goes on from the head that we know.
    let goes_on = |(_, update): &(i64, &RefUpdate)| update.old == known.head;
    let from = to_ref.iter().rposition(goes_on).unwrap_or(to_ref.len());
    ids(to_ref.get(from..).unwrap_or_default())
}

/// Whether a difference without a push that tells of it is older than the watch.
fn is_past(
    update: &RefUpdate,
    known: &BTreeMap<&str, &RememberedRef>,
    pushes: Option<&Pushes>,
    frame: &Frame,
) -> bool {
    let is_first = frame.read_until.is_none();
    if pushes.is_some_and(|pushes| pushes.is_complete) {
        // A new ref of which no push tells was there before somebody wanted to know of its kind.
        return is_first || !known.contains_key(update.name.as_str());
    }
    // Nobody can say when it was pushed to. Of a kind of which nothing is known all is old.
    let kind = update.name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
    is_first || !known.keys().any(|name| name.starts_with(&kind))
}

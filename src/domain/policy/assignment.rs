//! Which policy of ours serves which desired one.
//!
//! A policy that exists is used again and moved, so that merging waits all the time. One that the
//! store does not say we created is never moved.

use super::desired::Desired;
use super::found::{Found, is_same};
use super::view::View;

/// For each desired policy the one of ours that serves it: first those with the same branches and
/// status, then those that were moved or renamed by us or by a person.
pub(super) fn assign<'f>(
    view: &View<'_>,
    desired: &[Desired],
    owned: &[&'f Found],
    foreign: &[&Found],
) -> Vec<Option<&'f Found>> {
    let has_scope = |one: &Desired, found: &Found| {
        found.settings.scopes.iter().any(|scope| scope.is_same(&one.scope()))
    };
    let has_context = |one: &Desired, found: &Found| is_same(&found.settings.context, &one.context);
    let has_repository = |one: &Desired, found: &Found| {
        found.settings.scopes.iter().any(|scope| scope.is_of(&one.repository_id))
    };
    type Match<'n> = &'n dyn Fn(&Desired, &Found) -> bool;
    let rounds: [Match<'_>; 3] = [
        &|one, found| has_scope(one, found) && has_context(one, found),
        &|one, found| has_repository(one, found) && has_context(one, found),
        &|one, found| has_scope(one, found),
    ];
    let mut assigned: Vec<Option<&Found>> = vec![None; desired.len()];
    for (round, matches) in rounds.iter().enumerate() {
        for (at, one) in desired.iter().enumerate() {
            // Where a policy of somebody else enforces it, one of ours is used only if it needs no
            // move.
            let is_done = foreign.iter().any(|found| found.enforces(one, view.me));
            let has_one = assigned.get(at).is_some_and(Option::is_some);
            if has_one || (round > 0 && is_done) {
                continue;
            }
            let is_free =
                |found: &&&Found| !assigned.iter().flatten().any(|taken| taken.id == found.id);
            let candidates = owned
                .iter()
                .filter(|found| found.project_id == one.project_id && matches(one, found))
                .filter(|found| round == 0 || view.is_recorded(found))
                .filter(is_free);
            let best = candidates.min_by_key(|found| (!view.is_recorded(found), found.id));
            if let (Some(best), Some(slot)) = (best.copied(), assigned.get_mut(at)) {
                *slot = Some(best);
            }
        }
    }
    assigned
}

//! Which policy of ours serves which wanted one.
//!
//! What is there is used again, so that merging never stops to wait while a policy is moved. It
//! must never move one that we do not remember.

use super::{Found, Scope, View, Wanted, is_same};

/// Which of ours serves each wanted one: first those that are about the same, then those that were
/// moved or renamed, by us or by somebody else.
pub(super) fn assign<'f>(
    view: &View<'_>,
    wanted: &[Wanted],
    ours: &[&'f Found],
    foreign: &[&Found],
) -> Vec<Option<&'f Found>> {
    let is_about = |one: &Wanted, found: &Found| {
        let same = |scope: &Scope| is_same_scope(scope, &one.scope());
        found.settings.scopes.iter().any(same)
    };
    let has_context = |one: &Wanted, found: &Found| is_same(&found.settings.context, &one.context);
    let is_in = |one: &Wanted, found: &Found| {
        let here = |id: &String| *id == one.repository_id;
        found.settings.scopes.iter().any(|scope| scope.repository_id.as_ref().is_none_or(here))
    };
    type Near<'n> = &'n dyn Fn(&Wanted, &Found) -> bool;
    let rounds: [Near<'_>; 3] = [
        &|one, found| is_about(one, found) && has_context(one, found),
        &|one, found| is_in(one, found) && has_context(one, found),
        &|one, found| is_about(one, found),
    ];
    let mut matched: Vec<Option<&Found>> = vec![None; wanted.len()];
    for (round, is_near) in rounds.iter().enumerate() {
        for (at, one) in wanted.iter().enumerate() {
            // Where somebody else's does it, ours is only kept if it is there already.
            let is_done = foreign.iter().any(|found| found.does(one, view.me));
            let has_one = matched.get(at).is_some_and(Option::is_some);
            if has_one || (round > 0 && is_done) {
                continue;
            }
            let is_free = |found: &&&Found| !matched.iter().flatten().any(|had| had.id == found.id);
            let near = ours.iter().filter(|found| found.project_id == one.project_id);
            let near = near.filter(|found| is_near(one, found)).filter(is_free);
            // What we do not remember is never moved.
            let near = near.filter(|found| round == 0 || view.is_remembered(found));
            let best = near.min_by_key(|found| (!view.is_remembered(found), found.id));
            if let (Some(best), Some(place)) = (best.copied(), matched.get_mut(at)) {
                *place = Some(best);
            }
        }
    }
    matched
}

pub(super) fn is_same_scope(one: &Scope, other: &Scope) -> bool {
    one.repository_id == other.repository_id && one.branches.is_same(&other.branches)
}

impl Found {
    /// Whether it is exactly where a wanted one belongs.
    pub(super) fn is_placed_as(&self, wanted: &Wanted) -> bool {
        let is_there = match self.settings.scopes.as_slice() {
            [scope] => is_same_scope(scope, &wanted.scope()),
            _ => false,
        };
        let Found { project_id, settings, .. } = self;
        is_there && *project_id == wanted.project_id && is_same(&settings.context, &wanted.context)
    }
}

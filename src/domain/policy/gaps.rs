//! Required checks whose target branches no policy can express.

use super::branches::{Branches, need_default, vague};
use super::desired::{Desired, enforced};
use super::view::View;

/// What cannot be had as the target branches of a check say, and why.
pub(super) fn gaps(view: &View<'_>) -> Vec<(Desired, String)> {
    let mut gaps = Vec::new();
    for (watched, check) in enforced(view.checks, view.organization, view.seen) {
        let globs = check.target_branches.texts();
        for glob in vague(globs) {
            let why = format!(
                "`{glob}` begins with a wildcard, which no policy can express: there is one for \
                 the default branch only; list the branches in `target_branches` by name"
            );
            gaps.push((Desired::new(watched, check, Branches::all()), why));
        }
        if need_default(globs) && !view.defaults.contains_key(&watched.repository.id) {
            let why = "the repository has no default branch, so it gets no policy: push a branch, \
                       or list the branches in `target_branches` by name";
            gaps.push((Desired::new(watched, check, Branches::Default), why.to_owned()));
        }
    }
    gaps
}

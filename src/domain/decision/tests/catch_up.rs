//! What catch-up tells: what is past starts nothing, what was passed over neither, and a hook that
//! comes late finds nothing left.

use super::super::super::check::{Patterns, Trigger};
use super::super::super::fact::{CatchUpMeta, Push, RefUpdate};
use super::super::super::pull_request::{PullRequest, Status};
use super::super::super::status::Shown;
use super::super::*;
use super::world::*;

const MAIN: &str = "refs/heads/main";

/// Observation by catch-up of a repository that is watched since second 0.
fn found(seconds: i64, catch_up_meta: &CatchUpMeta) -> Observation<'_> {
    let caught_up = CaughtUp { watched_since: Some(at(0)), catch_up_meta };
    observation(Source::CatchUp, at(seconds), Some(caught_up))
}

fn nothing() -> CatchUpMeta {
    CatchUpMeta::default()
}

fn passed_over() -> CatchUpMeta {
    CatchUpMeta { passed_over: vec![MAIN.into()], ..CatchUpMeta::default() }
}

fn opened() -> World {
    let mut world = World::of([check("unit", &[Trigger::PullRequest])]);
    world.deliver(0, &pull_request());
    world
}

#[test]
fn a_pull_request_older_than_the_watch_is_recorded_only() {
    let mut world = World::of([check("unit", &[Trigger::PullRequest])]);
    let decision = world.decide_observed(&found(-1, &nothing()), &pull_request());
    assert_eq!((decision.outcome, decision.planned.len()), (Outcome::Ignored, 0));
    assert_eq!(
        decision.reason,
        "pull request 7 is older than the watch on Webshop/storefront (since \
         2026-09-21T14:13:20Z): recorded only"
    );
    world.commit(&decision);
    assert_eq!(world.deliver(2, &pull_request()).event, Event::PullRequestUnchanged);
    let moved = PullRequest { source_commit: Some(sha('b')), ..pull_request() };
    assert_eq!(named(&world.deliver(3, &moved).planned), ["unit@b"], "what happens later runs");
}

#[test]
fn an_event_after_the_start_of_watching_runs_however_late_it_is_found() {
    let world = World::of([check("unit", &[Trigger::PullRequest])]);
    let decision = world.decide_observed(&found(0, &nothing()), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
}

#[test]
fn a_hook_delivery_is_never_older_than_the_watch() {
    let world = World::of([check("unit", &[Trigger::PullRequest])]);
    let decision = world.decide(Source::Hook, at(-1), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
}

#[test]
fn a_late_hook_delivery_changes_nothing() {
    let mut world = opened();
    let moved = PullRequest { source_commit: Some(sha('b')), ..pull_request() };
    let decision = world.decide_observed(&found(20, &nothing()), &moved);
    assert_eq!(named(&decision.planned), ["unit@b"]);
    world.commit(&decision);
    let late = world.deliver(21, &moved);
    assert_eq!((late.outcome, late.event), (Outcome::Ignored, Event::PullRequestUnchanged));
    let older = PullRequest { source_commit: Some(sha('c')), ..pull_request() };
    assert_eq!(world.deliver(10, &older).outcome, Outcome::Stale);
}

#[test]
fn a_branch_that_came_back_has_its_result_posted_again() {
    let back = CatchUpMeta { came_back: true, ..CatchUpMeta::default() };
    let mut world = opened();
    world.end_all(State::Succeeded);
    let decision = world.decide_observed(&found(20, &back), &pull_request());
    assert_eq!(named(&decision.shown_again), ["unit@a"]);
    assert!(decision.planned.is_empty(), "{}", decision.reason);
    world.commit(&decision);
    let again = world.decide_observed(&found(20, &back), &pull_request());
    assert!(again.shown_again.is_empty(), "observation twice");
    // One that came to no verdict runs again.
    let mut world = opened();
    world.end_all(State::Superseded);
    let decision = world.decide_observed(&found(20, &back), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
}

#[test]
fn catch_up_finds_an_abandoned_pull_request() {
    let mut world = opened();
    let seen = PullRequest { status: Status::Abandoned, ..pull_request() };
    let decision = world.decide_observed(&found(20, &nothing()), &seen);
    assert_eq!(decision.ended.len(), 1);
    world.commit(&decision);
    assert!(world.live().is_empty());
}

#[test]
fn refs_older_than_the_watch_are_recorded_in_one_sentence() {
    let update = |name: &str| RefUpdate { name: name.into(), old: None, new: Some(sha('a')) };
    let pushed = Push {
        updates: vec![update(MAIN), update("refs/heads/x"), update("refs/tags/v1")],
        ..push(None, MAIN, '.', 'a')
    };
    let mut world = World::of([check("build", &[Trigger::Push])]);
    let decision = world.decide_push_observed(&found(-1, &nothing()), &pushed);
    assert_eq!(decision.outcome, Outcome::Ignored);
    assert_eq!(
        decision.reason,
        "3 refs: older than the watch on Webshop/storefront (since \
         2026-09-21T14:13:20Z): recorded only"
    );
    world.commit(&decision);
    assert_eq!(world.refs.len(), 3);
    // Observation again, after one of them moved.
    world.deliver_push(&push(Some(1), MAIN, 'a', 'b'));
    let decision = world.decide_push_observed(&found(-1, &nothing()), &pushed);
    assert!(decision.refs.is_empty(), "{:?}", decision.refs);
}

#[test]
fn passed_over_pushes_start_nothing_from_hook_or_catch_up() {
    let mut world = World::of([check("build", &[Trigger::Push])]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    let older = push(Some(2), MAIN, 'a', 'b');
    let decision = world.decide_push_observed(&found(5, &passed_over()), &older);
    assert_eq!(
        decision.reason,
        "branch main pushed at bbbbbbbb: passed over: it was pushed to again before catch-up \
         found this push"
    );
    world.commit(&decision);
    let newest = push(Some(3), MAIN, 'b', 'c');
    let decision = world.decide_push_observed(&found(6, &nothing()), &newest);
    assert_eq!(named(&decision.planned), ["build@c"]);
    world.commit(&decision);
    for late in [&older, &newest, &older] {
        assert_eq!(world.deliver_push(late).outcome, Outcome::Duplicate);
    }
    let decision = world.decide_push(Source::Replay, &older);
    assert_eq!(named(&decision.planned), ["build@b"], "whoever replays wants it");
    assert!(decision.refs.is_empty(), "and the head stays");
}

#[test]
fn a_branch_that_was_deleted_and_created_again_runs_again() {
    let mut world = World::of([check("build", &[Trigger::Push])]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    let gone = push(Some(2), MAIN, 'a', '.');
    let decision = world.decide_push_observed(&found(5, &passed_over()), &gone);
    world.commit(&decision);
    assert!(world.live().is_empty(), "{}", decision.reason);
    let decision =
        world.decide_push_observed(&found(6, &nothing()), &push(Some(3), MAIN, '.', 'a'));
    assert_eq!(named(&decision.planned), ["build@a"]);
}

#[test]
fn a_late_hook_delivery_does_not_revert_a_newer_state() {
    let mut world = World::of([check("unit", &[Trigger::PullRequest])]);
    // Opened at 1 and retargeted at 5, and no hook delivered either; seen at 9.
    let seen = CatchUpMeta { seen_at: Some(at(9)), ..CatchUpMeta::default() };
    let before = PullRequest { target_ref: "refs/heads/next".into(), ..pull_request() };
    let decision = world.decide_observed(&found(1, &seen), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
    world.commit(&decision);
    let late = world.deliver(2, &before);
    assert_eq!((late.outcome, late.planned.len(), late.ended.len()), (Outcome::Stale, 0, 0));
}

#[test]
fn a_new_policy_decides_the_statuses_of_open_pull_requests_again() {
    let required = Check { required: true, ..check("unit", &[Trigger::PullRequest]) };
    let anew = CatchUpMeta { is_guarded_anew: true, ..CatchUpMeta::default() };
    let shown = |world: &World, seen: &PullRequest| -> Vec<(Shown, String)> {
        let decision = world.decide_observed(&found(3, &anew), seen);
        assert!(decision.planned.is_empty(), "it starts nothing");
        decision.without_run.into_iter().map(|one| (one.state, one.description)).collect()
    };
    let mut before = World::of([check("unit", &[])]);
    before.deliver(0, &pull_request());
    before.checks = vec![required.clone()];
    let world = before;
    let waits = shown(&world, &pull_request());
    assert_eq!(waits[0].0, Shown::Pending);
    assert!(waits[0].1.starts_with("Waits: it was open before"), "{waits:?}");
    let patterns = Patterns::of_branches(&["next".into()]).unwrap();
    let elsewhere = Check { target_branches: patterns, ..required.clone() };
    let world = World { checks: vec![elsewhere], ..world };
    assert_eq!(shown(&world, &pull_request())[0].0, Shown::NotApplicable);
    // One that ran shows what came of it.
    let mut ran = World::of([required]);
    ran.deliver(0, &pull_request());
    assert_eq!(shown(&ran, &pull_request()), []);
    let decision = ran.decide_observed(&found(3, &anew), &pull_request());
    assert_eq!(decision.shown_again.len(), 1);
}

#[test]
fn a_pull_request_older_than_the_watch_shows_what_merging_waits_for() {
    let required = Check { required: true, ..check("unit", &[Trigger::PullRequest]) };
    let world = World::of([required]);
    let decision = world.decide_observed(&found(-1, &nothing()), &pull_request());
    assert!(decision.planned.is_empty() && decision.reason.contains("is older than the watch"));
    assert_eq!(decision.without_run[0].state, Shown::Pending);
}

#[test]
fn a_branch_that_came_back_is_posted_again_whatever_else_was_delivered() {
    let mut world = opened();
    world.runs[0].state = State::Succeeded;
    // The head moved at 2 and came back at 3, and no hook delivered that; a vote is delivered at 5.
    let voted = PullRequest { votes: vec![("r".into(), 10)], ..pull_request() };
    world.deliver(5, &voted);
    let back = CatchUpMeta { came_back: true, seen_at: Some(at(9)), ..CatchUpMeta::default() };
    let decision = world.decide_observed(&found(3, &back), &voted);
    assert_eq!(decision.shown_again.len(), 1, "{}", decision.reason);
    world.commit(&decision);
    let again = world.decide_observed(&found(3, &back), &voted);
    assert!(again.shown_again.is_empty(), "observation twice, it is no news");
}

#[test]
fn a_return_that_may_be_the_known_push_starts_nothing_where_a_run_is_known() {
    let back = CatchUpMeta { came_back: true, ..CatchUpMeta::default() };
    for state in [State::Cancelled, State::Errored, State::TimedOut, State::Failed] {
        let mut world = opened();
        world.end_all(state);
        let decision = world.decide_observed(&found(2, &back), &pull_request());
        assert_eq!(named(&decision.shown_again), ["unit@a"], "{state}");
        assert!(decision.planned.is_empty(), "{state}: {}", decision.reason);
        world.commit(&decision);
        let again = world.decide_observed(&found(2, &back), &pull_request());
        assert!(again.shown_again.is_empty(), "{state}: it is no news");
        let precise = Observation { at: at(2).plus(Duration::from_micros(456)), ..found(2, &back) };
        let again = world.decide_observed(&precise, &pull_request());
        assert!(again.shown_again.is_empty(), "{state}: it is stored to the millisecond");
    }
    // Nobody decided against a run that another one replaced, nor against one that never was.
    let mut world = opened();
    world.end_all(State::Superseded);
    let decision = world.decide_observed(&found(2, &back), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
    world.runs.clear();
    let decision = world.decide_observed(&found(2, &back), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
    // Well after the known push it is a return, and asks for a result.
    let mut world = opened();
    world.end_all(State::Cancelled);
    let decision = world.decide_observed(&found(6, &back), &pull_request());
    assert_eq!(named(&decision.planned), ["unit@a"]);
}

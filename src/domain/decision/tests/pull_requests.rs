//! Pull requests: what starts a check, what ends a run, and the sentences that say so.

use super::super::super::check::{Forks, Patterns, Trigger};
use super::super::super::pull_request::{PullRequest, Status};
use super::super::super::status::{Shown, Target};
use super::super::*;
use super::world::*;

fn unit() -> Check {
    check("unit", &[Trigger::PullRequest])
}

/// A world in which pull request 7 was opened at `a`, and its run goes on.
fn opened() -> World {
    let mut world = World::of([unit()]);
    world.deliver(0, &pull_request());
    world
}

fn at_commit(c: char) -> PullRequest {
    PullRequest { source_commit: Some(sha(c)), ..pull_request() }
}

#[test]
fn opening_starts_the_check() {
    let decision = World::of([unit()]).deliver(0, &pull_request());
    assert_eq!(decision.outcome, Outcome::Started);
    assert_eq!(decision.event, Event::PullRequestOpened);
    assert_eq!(decision.reason, "pull request 7 opened at aaaaaaaa: unit started");
    let [run] = decision.planned.as_slice() else { panic!("{decision:?}") };
    assert_eq!(run.state, State::Planned);
    assert_eq!(run.reason, "pull request 7 opened at aaaaaaaa");
    assert_eq!((run.commit.as_str(), run.git_ref.as_str()), (&*sha('a'), "refs/heads/search"));
    assert_eq!(run.overdue_at, at(3_600));
    assert_eq!(run.pull_request.as_ref().unwrap().merge_ref, "refs/pull/7/merge");
}

#[test]
fn each_change_starts_what_it_should() {
    type Change = fn(&mut PullRequest);
    let cases: [(Change, Outcome, &str); 9] = [
        (
            |_| {},
            Outcome::Ignored,
            "pull request 7 unchanged at aaaaaaaa: nothing that could start a check",
        ),
        (
            |seen| seen.source_commit = Some(sha('b')),
            Outcome::Started,
            "pull request 7 pushed at bbbbbbbb: unit started",
        ),
        (
            |seen| seen.title = "Add find".into(),
            Outcome::Ignored,
            "pull request 7 edited at aaaaaaaa: starts no check",
        ),
        (
            |seen| seen.votes = vec![("ada".into(), 10)],
            Outcome::Ignored,
            "pull request 7 voted at aaaaaaaa: starts no check",
        ),
        (
            |seen| seen.is_draft = true,
            Outcome::Ignored,
            "pull request 7 drafted at aaaaaaaa: starts no check",
        ),
        (
            |seen| seen.target_ref = "refs/heads/topic".into(),
            Outcome::Ignored,
            "pull request 7 retargeted at aaaaaaaa: unit not started: target branch topic \
             does not match target_branches [main]",
        ),
        (
            |seen| seen.status = Status::Abandoned,
            Outcome::Ignored,
            "pull request 7 abandoned at aaaaaaaa: unit cancelled",
        ),
        (
            |seen| seen.status = Status::Completed,
            Outcome::Ignored,
            "pull request 7 completed at aaaaaaaa: no check watches Webshop/storefront for this",
        ),
        (
            |seen| {
                seen.source_commit = Some(sha('b'));
                seen.title = "Add search [skip ci]".into();
            },
            Outcome::Ignored,
            "pull request 7 pushed at bbbbbbbb: unit not started: its text contains [skip ci] \
             (skip_ci = true)",
        ),
    ];
    for (change, outcome, reason) in cases {
        let mut seen = pull_request();
        change(&mut seen);
        let decision = opened().deliver(1, &seen);
        assert_eq!((decision.outcome, decision.reason.as_str()), (outcome, reason));
    }
}

#[test]
fn a_push_supersedes_the_run_of_the_older_commit() {
    let mut world = opened();
    let decision = world.deliver(1, &at_commit('b'));
    assert_eq!(decision.ended[0].state, State::Superseded);
    assert_eq!(decision.ended[0].reason, "superseded by the newer commit bbbbbbbb");
    assert_eq!(named(world.live()), ["unit@b"]);
}

#[test]
fn without_supersede_both_go_on() {
    let mut world = World::of([Check { supersede: false, ..unit() }]);
    world.deliver(0, &pull_request());
    assert!(world.deliver(1, &at_commit('b')).ended.is_empty());
    assert_eq!(named(world.live()), ["unit@a", "unit@b"]);
}

#[test]
fn a_verdict_is_never_superseded() {
    let mut world = opened();
    world.end_all(State::Succeeded);
    assert!(world.deliver(1, &at_commit('b')).ended.is_empty());
}

#[test]
fn going_back_to_an_older_commit_runs_it_again() {
    let mut world = opened();
    world.end_all(State::Failed);
    world.deliver(1, &at_commit('b'));
    let decision = world.deliver(2, &at_commit('a'));
    assert_eq!(named(&decision.planned), ["unit@a"]);
    assert_eq!(named(&decision.ended), ["unit@b"]);
}

#[test]
fn a_repeated_delivery_starts_one_run() {
    let mut world = opened();
    for source in [Source::Hook, Source::CatchUp, Source::Replay] {
        let decision = world.decide(source, at(0), &pull_request());
        assert_eq!(decision.outcome, Outcome::Ignored, "{}", decision.reason);
        world.commit(&decision);
    }
    assert_eq!(named(&world.runs), ["unit@a"]);
}

#[test]
fn a_stale_delivery_changes_nothing() {
    let mut world = opened();
    world.deliver(10, &at_commit('b'));
    let decision = world.deliver(5, &at_commit('c'));
    assert_eq!(decision.outcome, Outcome::Stale);
    assert_eq!(
        decision.reason,
        "pull request 7: the delivery is of 2026-09-21T14:13:25Z, and a state of \
         2026-09-21T14:13:30Z is stored already"
    );
    let nothing =
        Decision::nothing(Outcome::Stale, Event::PullRequestPushed, decision.reason.clone());
    assert_eq!(decision, nothing);
}

#[test]
fn a_run_starts_once_the_source_commit_is_known() {
    let mut world = World::of([unit()]);
    let decision = world.deliver(0, &PullRequest { source_commit: None, ..pull_request() });
    assert_eq!(
        decision.reason,
        "pull request 7 opened: unit not started: the delivery does not name its source \
         commit"
    );
    assert_eq!(named(&world.deliver(1, &pull_request()).planned), ["unit@a"]);
    let decision = world.deliver(2, &PullRequest { source_commit: None, ..pull_request() });
    assert_eq!(decision.event, Event::PullRequestUnchanged);
    assert_eq!(world.remembered.unwrap().pull_request.source_commit, Some(sha('a')));
}

#[test]
fn a_draft_waits_until_it_is_published() {
    let mut world = World::of([unit()]);
    let draft = PullRequest { is_draft: true, ..pull_request() };
    let decision = world.deliver(0, &draft);
    assert_eq!(
        decision.reason,
        "pull request 7 opened at aaaaaaaa: unit not started: it is a draft (drafts = false)"
    );
    let decision = world.deliver(1, &pull_request());
    assert_eq!(decision.reason, "pull request 7 published at aaaaaaaa: unit started");
    world.end_all(State::Succeeded);
    world.deliver(2, &draft);
    let decision = world.deliver(3, &pull_request());
    assert_eq!(
        decision.reason,
        "pull request 7 published at aaaaaaaa: unit not started: it has already run on aaaaaaaa"
    );
}

#[test]
fn a_result_is_posted_again_when_the_pull_request_is_reactivated() {
    let mut world = World::of([check("unit", &[Trigger::PullRequest])]);
    world.deliver(1, &pull_request());
    world.end_all(State::Succeeded);
    world.deliver(2, &PullRequest { status: Status::Abandoned, ..pull_request() });
    let decision = world.deliver(3, &pull_request());
    assert_eq!(decision.outcome, Outcome::Ignored);
    assert_eq!(named(&decision.shown_again), ["unit@a"]);
    assert!(world.deliver(4, &pull_request()).shown_again.is_empty());
}

#[test]
fn only_the_newest_run_with_the_same_target_makes_another_needless() {
    let drafted = PullRequest { is_draft: true, ..pull_request() };
    let elsewhere = PullRequest { target_ref: "refs/heads/next".into(), ..drafted.clone() };
    let mut unit = check("unit", &[Trigger::PullRequest]);
    unit.target_branches = Patterns::of_branches(&["main".into(), "next".into()]).unwrap();
    let mut world = World::of([unit]);
    world.deliver(1, &pull_request());
    world.end_all(State::Succeeded);
    world.deliver(2, &drafted);
    // What is into another branch now is built anew, even if it could not be at once.
    world.deliver(3, &elsewhere);
    let decision = world.deliver(4, &PullRequest { is_draft: false, ..elsewhere.clone() });
    assert_eq!(named(&decision.planned), ["unit@a"]);
    // That one was cancelled: the older verdict is not what is shown.
    world.deliver(
        5,
        &PullRequest { status: Status::Abandoned, is_draft: false, ..elsewhere.clone() },
    );
    let decision = world.deliver(6, &PullRequest { is_draft: false, ..elsewhere });
    assert_eq!(named(&decision.planned), ["unit@a"]);
    assert!(decision.shown_again.is_empty());
}

#[test]
fn abandoning_cancels_and_reactivating_starts_again() {
    let mut world = opened();
    let abandoned = PullRequest { status: Status::Abandoned, ..pull_request() };
    let decision = world.deliver(1, &abandoned);
    assert_eq!(decision.ended[0].reason, "the pull request was abandoned");
    assert!(world.live().is_empty());
    let decision = world.deliver(2, &pull_request());
    assert_eq!(decision.reason, "pull request 7 reactivated at aaaaaaaa: unit started");
}

#[test]
fn a_retargeted_pull_request_is_built_against_the_new_target() {
    let any = Patterns::of_branches(&["**".to_owned()]).unwrap();
    let mut world = World::of([Check { target_branches: any, ..unit() }]);
    world.deliver(0, &pull_request());
    let topic = PullRequest { target_ref: "refs/heads/topic".into(), ..pull_request() };
    let decision = world.deliver(1, &topic);
    assert_eq!(decision.reason, "pull request 7 retargeted at aaaaaaaa: unit started");
    assert_eq!(decision.ended[0].reason, "superseded by a newer run of aaaaaaaa");
}

#[test]
fn retargeting_away_cancels_the_run() {
    let topic = PullRequest { target_ref: "refs/heads/topic".into(), ..pull_request() };
    let decision = opened().deliver(1, &topic);
    assert_eq!(decision.ended[0].state, State::Cancelled);
    assert_eq!(
        decision.ended[0].reason,
        "target branch topic does not match target_branches [main]"
    );
}

#[test]
fn closing_starts_checks_on_pull_request_closed() {
    let mut world = World::of([unit(), check("cleanup", &[Trigger::PullRequestClosed])]);
    world.deliver(0, &pull_request());
    let completed = PullRequest { status: Status::Completed, ..pull_request() };
    let decision = world.deliver(1, &completed);
    assert_eq!(decision.reason, "pull request 7 completed at aaaaaaaa: cleanup started");
    assert_eq!(named(world.live()), ["unit@a", "cleanup@a"]);
    assert!(world.deliver(2, &completed).planned.is_empty());
}

#[test]
fn a_repeated_abandoned_delivery_does_not_cancel_its_runs() {
    let mut world = World::of([unit(), check("cleanup", &[Trigger::PullRequestClosed])]);
    world.deliver(0, &pull_request());
    let abandoned = PullRequest { status: Status::Abandoned, ..pull_request() };
    let decision = world.deliver(1, &abandoned);
    assert_eq!(
        decision.reason,
        "pull request 7 abandoned at aaaaaaaa: unit cancelled; cleanup started"
    );
    let voted = PullRequest { votes: vec![("ada".into(), 5)], ..abandoned.clone() };
    for seen in [&abandoned, &voted] {
        assert!(world.deliver(2, seen).ended.is_empty());
    }
    assert_eq!(named(world.live()), ["cleanup@a"]);
}

#[test]
fn a_label_starts_the_check_that_waits_for_it() {
    let mut world = World::of([Check { labels: vec!["e2e".into()], ..unit() }]);
    let decision = world.deliver(0, &pull_request());
    assert_eq!(
        decision.reason,
        "pull request 7 opened at aaaaaaaa: unit not started: it has none of the labels [e2e]"
    );
    let labelled = PullRequest { labels: vec!["e2e".into()], ..pull_request() };
    let decision = world.deliver(1, &labelled);
    assert_eq!(decision.reason, "pull request 7 edited at aaaaaaaa: unit started");
    let retitled = PullRequest { title: "Add find".into(), ..labelled };
    assert!(world.deliver(2, &retitled).planned.is_empty());
}

#[test]
fn a_replay_repeats_runs_without_a_result() {
    for state in [State::Errored, State::TimedOut, State::Cancelled, State::Superseded] {
        let mut world = opened();
        world.end_all(state);
        let decision = world.decide(Source::Replay, at(0), &pull_request());
        assert_eq!(decision.reason, "pull request 7 unchanged at aaaaaaaa: unit started");
        assert_eq!(decision.planned[0].reason, "pull request 7 replay at aaaaaaaa");
    }
    for state in [State::Succeeded, State::Failed, State::Running] {
        let mut world = opened();
        world.end_all(state);
        assert!(world.decide(Source::Replay, at(0), &pull_request()).planned.is_empty());
    }
}

#[test]
fn only_the_matching_one_of_two_checks_is_started() {
    let forks = Check { name: "forks".into(), forks: Forks::Ignore, ..unit() };
    let elsewhere = Check { name: "elsewhere".into(), organization: "fabrikam".into(), ..unit() };
    let other = Patterns::of_names(&["Other/*".to_owned()]).unwrap();
    let other = Check { name: "other".into(), repositories: other, ..unit() };
    let mut world = World::of([forks, unit(), elsewhere, other]);
    let decision = world.deliver(0, &PullRequest { is_fork: true, ..pull_request() });
    assert_eq!(
        decision.reason,
        "pull request 7 opened at aaaaaaaa: forks not started: it comes from a fork \
         (forks = \"ignore\"); unit started"
    );
    assert_eq!(named(&decision.planned), ["unit@a"]);
}

#[test]
fn the_reason_says_that_no_check_watches_the_repository() {
    let elsewhere = Check { organization: "fabrikam".into(), ..unit() };
    let decision = World::of([elsewhere]).deliver(0, &pull_request());
    assert_eq!(
        decision.reason,
        "pull request 7 opened at aaaaaaaa: no check watches Webshop/storefront for this"
    );
    assert!(decision.pull_request.is_some(), "remembered all the same");
}

#[test]
fn outcomes_and_sources_have_names() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
    }
    for source in [Source::Hook, Source::CatchUp, Source::Replay] {
        assert_eq!(Source::parse(source.as_str()), Some(source));
    }
}

#[test]
fn a_time_of_the_future_is_not_believed() {
    let at = Timestamp::from_ms;
    for (source, created_ms, expected_ms) in [
        (Source::Hook, 4_000, 4_000),
        (Source::Hook, 15_000, 15_000),
        (Source::Hook, 15_001, 5_000),
        (Source::Replay, i64::from(i32::MAX), 5_000),
        (Source::CatchUp, 15_001, 15_001),
    ] {
        assert_eq!(happened_at(source, Some(at(created_ms)), at(5_000)), at(expected_ms));
    }
    assert_eq!(happened_at(Source::Hook, None, at(5_000)), at(5_000));
}

#[test]
fn a_result_of_another_pull_request_stands_where_the_check_reuses_results() {
    let reusing = Check { reuse_results: true, ..unit() };
    let world = World::of([reusing]);
    let mut elsewhere = world.decide(Source::Hook, at(0), &pull_request()).planned;
    elsewhere[0].state = State::Failed;
    let of = elsewhere[0].pull_request.as_mut().unwrap();
    of.id = 6;
    let world = World { elsewhere, ..world };
    let decision = world.decide(Source::Hook, at(1), &pull_request());
    assert!(decision.planned.is_empty());
    let shown = &decision.without_run[0];
    assert_eq!(shown.target, Target::PullRequest { id: 7, commit: Some(sha('a')) });
    assert_eq!(shown.state, Shown::Failed);
    let why = "unit not started: it has failed on aaaaaaaa already, for pull request 6";
    assert!(decision.reason.ends_with(why), "{}", decision.reason);
    type Change = fn(&mut World);
    let changes: [Change; 4] = [
        |world| world.checks[0].reuse_results = false,
        |world| world.elsewhere[0].state = State::Errored,
        |world| world.elsewhere[0].pull_request.as_mut().unwrap().target_ref = "x".into(),
        // Code of a fork may have reported it.
        |world| world.elsewhere[0].pull_request.as_mut().unwrap().is_fork = true,
    ];
    for change in changes {
        let mut world = world.clone();
        change(&mut world);
        let decision = world.decide(Source::Hook, at(1), &pull_request());
        assert_eq!(named(&decision.planned), ["unit@a"], "{decision:?}");
    }
}

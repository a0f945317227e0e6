//! Checks with rules about paths: when Azure DevOps is asked, and what follows from the answer.

use super::super::super::changed_files::{Base, ChangedFiles, Comparison};
use super::super::super::check::{Check, Patterns, Trigger, tests::texts};
use super::super::super::pull_request::{PullRequest, Status};
use super::super::super::question::{Answers, Question};
use super::super::super::run::Run;
use super::super::super::status::Shown;
use super::super::{Decision, Observation, Source};
use super::world::{World, at, check, named, observation, pull_request, push, sha};

/// A check of the files below `src`.
fn source(on: &[Trigger]) -> Check {
    Check { paths: Patterns::of_paths(&texts(&["src/**"])).unwrap(), ..check("source", on) }
}

fn opened() -> PullRequest {
    PullRequest { target_commit: Some(sha('f')), ..pull_request() }
}

/// The comparison that a decision asks for; there must be one.
fn asked(decision: &Decision) -> Comparison {
    match decision.questions.as_slice() {
        [Question::ChangedFiles(comparison)] => comparison.clone(),
        other => panic!("{other:?}"),
    }
}

/// What is decided about a pull request where its files are these.
fn with_files(world: &World, seen: &PullRequest, files: ChangedFiles) -> Decision {
    let first = world.decide(Source::Hook, at(1), seen);
    let mut answers = Answers::default();
    answers.add_changed_files(asked(&first), files);
    let circumstances = observation(Source::Hook, at(1), None);
    world.decide_observed(&Observation { answers: &answers, ..circumstances }, seen)
}

fn files(paths: &[&str]) -> ChangedFiles {
    ChangedFiles::of(texts(paths))
}

fn unknown() -> ChangedFiles {
    ChangedFiles::Unknown("no answer in time".into())
}

#[test]
fn the_whole_pull_request_is_compared_with_its_merge_base() {
    let world = World::of([source(&[Trigger::PullRequest])]);
    let comparison = asked(&world.decide(Source::Hook, at(1), &opened()));
    let base = Base::Commit(sha('f'));
    assert_eq!(comparison, Comparison::new(&opened().repository, base, &sha('a'), true));
    // The stored head of the target may be that of the former one.
    let mut world = world;
    world.commit(&with_files(&world, &opened(), files(&["docs/a.md"])));
    let retargeted = PullRequest { target_ref: "refs/heads/main".into(), ..opened() };
    let before = world.remembered.as_mut().unwrap();
    before.pull_request.target_ref = "refs/heads/release".into();
    let comparison = asked(&world.decide(Source::Hook, at(2), &retargeted));
    assert_eq!(comparison.base, Base::Branch("main".into()));
}

#[test]
fn nothing_is_asked_where_the_answer_would_not_matter() {
    let on = &[Trigger::PullRequest];
    let drafts = PullRequest { is_draft: true, ..opened() };
    let elsewhere = PullRequest { target_ref: "refs/heads/release".into(), ..opened() };
    let closed = PullRequest { status: Status::Abandoned, ..opened() };
    for seen in [&drafts, &elsewhere, &closed] {
        let decision = World::of([source(on)]).decide(Source::Hook, at(1), seen);
        assert!(decision.questions.is_empty(), "{decision:?}");
    }
    let without_rules = World::of([check("unit", on)]).decide(Source::Hook, at(1), &opened());
    assert!(without_rules.questions.is_empty());
    // Both checks need the same answer.
    let two = World::of([source(on), Check { name: "other".into(), ..source(on) }]);
    asked(&two.decide(Source::Hook, at(1), &opened()));
    // It has run on this commit.
    let mut world = World::of([source(on)]);
    world.commit(&with_files(&world, &opened(), files(&["src/a.rs"])));
    let again = world.decide(Source::Replay, at(2), &opened());
    assert!(again.questions.is_empty() && again.shown_again.len() == 1, "{again:?}");
}

#[test]
fn a_check_starts_where_a_changed_file_matches_or_none_is_known() {
    let world = World::of([source(&[Trigger::PullRequest])]);
    let started = with_files(&world, &opened(), files(&["/docs/a.md", "/src/a.rs"]));
    assert_eq!(named(&started.planned), ["source@a"]);
    let started = with_files(&world, &opened(), unknown());
    let because = "pull request 7 opened at aaaaaaaa (which files change is not known: no answer \
                   in time)";
    assert_eq!(started.planned[0].reason, because);
    let not = with_files(&world, &opened(), files(&["/docs/a.md"]));
    assert!(not.planned.is_empty() && not.without_run.is_empty());
    let why = "source not started: its only changed file does not match paths [src/**]";
    assert!(not.reason.ends_with(why), "{}", not.reason);
}

#[test]
fn a_required_check_that_no_file_matches_is_not_applicable_and_never_on_suspicion() {
    let required = Check { required: true, ..source(&[Trigger::PullRequest]) };
    let world = World::of([required]);
    let not = with_files(&world, &opened(), files(&["/docs/a.md"]));
    let shown: Vec<_> = not.without_run.iter().map(|status| status.state).collect();
    assert_eq!(shown, [Shown::NotApplicable]);
    let unknown = with_files(&world, &opened(), unknown());
    assert!(unknown.without_run.is_empty() && unknown.planned.len() == 1);
}

#[test]
fn a_push_is_compared_with_the_head_before_it() {
    let world = World::of([source(&[Trigger::Push, Trigger::Tag])]);
    let moved = push(Some(1), "refs/heads/main", 'a', 'b');
    let comparison = asked(&world.decide_push(Source::Hook, &moved));
    let base = Base::Commit(sha('a'));
    assert_eq!(comparison, Comparison::new(&moved.repository, base, &sha('b'), false));
    let decided = |files| {
        let mut answers = Answers::default();
        answers.add_changed_files(comparison.clone(), files);
        let circumstances = observation(Source::Hook, at(0), None);
        world.decide_push_observed(&Observation { answers: &answers, ..circumstances }, &moved)
    };
    assert_eq!(named(&decided(files(&["src/a.rs"])).planned), ["source@b"]);
    assert!(decided(files(&["docs/a.md"])).planned.is_empty());
    assert_eq!(named(&decided(unknown()).planned), ["source@b"]);
}

#[test]
fn a_new_branch_and_a_tag_run_unasked() {
    let world = World::of([source(&[Trigger::Push, Trigger::Tag])]);
    let reason = |planned: &[Run]| planned.iter().map(|run| run.reason.clone()).collect::<Vec<_>>();
    let branch = world.decide_push(Source::Hook, &push(Some(1), "refs/heads/main", '.', 'b'));
    assert!(branch.questions.is_empty());
    let because =
        "branch main created at bbbbbbbb (which files change is not known: the branch is new)";
    assert_eq!(reason(&branch.planned), [because]);
    let tag = world.decide_push(Source::Hook, &push(Some(2), "refs/tags/v1", 'a', 'b'));
    assert!(tag.questions.is_empty() && tag.planned.len() == 1);
}

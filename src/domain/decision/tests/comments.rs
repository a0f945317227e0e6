//! Commands in comments: who may give them, which comments count, and what they change.

use super::super::super::audit::{Outcome as Ended, Via};
use super::super::super::check::{Check, Forks, Patterns, Trigger};
use super::super::super::comment::{Author, Comment};
use super::super::super::pull_request::{PullRequest, Status};
use super::super::super::question::{AboutComment, Answers, Iteration, Question};
use super::super::super::run::Verdict;
use super::super::super::status::{Shown, Target};
use super::super::*;
use super::world::{World, at, check, named, pull_request, repository, sha};

fn unit() -> Check {
    Check { commands: true, ..check("unit", &[Trigger::PullRequest]) }
}

fn lint() -> Check {
    Check { name: "lint".into(), ..unit() }
}

fn comment(seconds: i64, content: &str) -> Comment {
    let author = Author {
        id: "jo".into(),
        display_name: "Jo Doe".into(),
        account: "jo@contoso.example".into(),
    };
    Comment {
        repository: repository(),
        pull_request: 7,
        thread: 3,
        id: seconds,
        author,
        content: content.into(),
        published_at: Some(at(seconds)),
        ..Comment::default()
    }
}

/// The pull request of a fork.
fn of_fork() -> PullRequest {
    PullRequest { is_fork: true, ..pull_request() }
}

fn iterations(of: &[(char, i64)]) -> Vec<Iteration> {
    let iteration = |(commit, seconds): &(char, i64)| Iteration {
        source_commit: Some(sha(*commit)),
        made_at: Some(at(*seconds)),
    };
    of.iter().map(iteration).collect()
}

impl World {
    fn decide_comment(&self, comment: &Comment, answers: &Answers, source: Source) -> Decision {
        let now = comment.published_at.unwrap_or(at(0)).plus(Duration::from_secs(1));
        let observation = Observation {
            organization: super::world::ORGANIZATION,
            source,
            at: now,
            former_names: &[],
            caught_up: None,
            answers,
        };
        let known = KnownPullRequest {
            remembered: self.remembered.clone(),
            runs: self.runs.clone(),
            ..KnownPullRequest::default()
        };
        on_comment(&self.checks, &observation, comment, &known, &mut self.next_id(), now)
    }

    /// Tells of a comment by somebody who may contribute, while the pull request has these
    /// iterations.
    fn command(&mut self, comment: &Comment, iterations: &[Iteration]) -> Decision {
        let about = AboutComment {
            comment: Some(comment.clone()),
            is_own: false,
            may: true,
            iterations: iterations.to_vec(),
        };
        self.command_as(comment, about)
    }

    fn command_as(&mut self, comment: &Comment, about: AboutComment) -> Decision {
        let asked = self.decide_comment(comment, Answers::none(), Source::Hook);
        if asked.questions.is_empty() {
            return asked;
        }
        let mut answers = Answers::default();
        answers.add_comment(Ok(about));
        let decision = self.decide_comment(comment, &answers, Source::Hook);
        self.commit(&decision);
        decision
    }
}

/// A world in which the checks have run on a pull request, and are in these states.
fn after_runs(checks: &[Check], states: &[State]) -> World {
    let mut world = World::of(checks);
    world.deliver(0, &pull_request());
    for (run, state) in world.runs.iter_mut().zip(states) {
        run.state = *state;
    }
    world
}

#[test]
fn retest_repeats_what_did_not_succeed_and_leaves_what_goes_on() {
    let checks = ["ok", "red", "broken", "live"].map(|name| Check { name: name.into(), ..unit() });
    let states = [State::Succeeded, State::Failed, State::Errored, State::Running];
    let mut world = after_runs(&checks, &states);
    let decision = world.command(&comment(10, "/retest"), &[]);
    assert_eq!(named(&decision.planned), ["red@a", "broken@a"]);
    assert_eq!(decision.outcome, Outcome::Started);
    assert!(decision.ended.is_empty(), "{:?}", decision.ended);
    assert_eq!(
        decision.reason,
        "pull request 7: a comment by Jo Doe: /retest: ok has succeeded, red started, broken \
         started, live goes on"
    );
    assert_eq!(decision.planned[0].description.as_deref(), Some("Queued: /retest by Jo Doe"));
    let [entry] = &decision.audit[..] else { panic!("{:?}", decision.audit) };
    assert_eq!((entry.actor.as_str(), entry.via), ("jo@contoso.example", Via::Comment));
    assert_eq!(entry.outcome, Ended::Done);
}

#[test]
fn retest_with_a_name_runs_that_check_again_and_replaces_what_goes_on() {
    let mut world = after_runs(&[unit(), lint()], &[State::Succeeded, State::Running]);
    let decision = world.command(&comment(10, "/retest CI/Unit\n/retest lint"), &[]);
    assert_eq!(named(&decision.planned), ["unit@a", "lint@a"]);
    assert_eq!(named(&decision.ended), ["lint@a"]);
    assert_eq!(decision.ended[0].state, State::Superseded);
    let decision = world.command(&comment(20, "/retest typo"), &[]);
    assert!(decision.planned.is_empty());
    assert!(decision.reason.contains("these do: unit, lint"), "{}", decision.reason);
    assert_eq!(decision.audit[0].outcome, Ended::Refused);
}

#[test]
fn cancel_ends_what_runs_and_names_who_did_it() {
    let mut world = after_runs(&[unit(), lint()], &[State::Running, State::Dispatched]);
    let decision = world.command(&comment(10, "/cancel lint"), &[]);
    assert_eq!(named(&decision.ended), ["lint@a"]);
    let decision = world.command(&comment(20, "/cancel"), &[]);
    assert_eq!(named(&decision.ended), ["unit@a"]);
    let ended = &decision.ended[0];
    assert_eq!((ended.state, ended.reason.as_str()), (State::Cancelled, "by Jo Doe"));
    let decision = world.command(&comment(30, "/cancel"), &[]);
    assert!(decision.reason.contains("nothing runs"), "{}", decision.reason);
}

#[test]
fn only_who_may_contribute_is_obeyed_and_never_the_gateway_itself() {
    let mut world = after_runs(&[unit()], &[State::Failed]);
    let told = comment(10, "/retest");
    let about = |is_own, may| AboutComment {
        comment: Some(told.clone()),
        is_own,
        may,
        ..Default::default()
    };
    let decision = world.clone().command_as(&told, about(true, true));
    assert!(decision.planned.is_empty() && decision.audit.is_empty(), "{}", decision.reason);
    let decision = world.command_as(&told, about(false, false));
    assert!(decision.planned.is_empty());
    assert!(decision.reason.contains("Jo Doe may not contribute"), "{}", decision.reason);
    assert_eq!(decision.audit[0].outcome, Ended::Refused);
    // It was decided about, and is not again once the permission is there.
    let again = world.command_as(&told, about(false, true));
    assert_eq!(again.outcome, Outcome::Duplicate);
}

#[test]
fn a_failed_look_up_permits_nobody_and_is_tried_again() {
    let world = after_runs(&[unit()], &[State::Failed]);
    let told = comment(10, "/retest");
    let asked = world.decide_comment(&told, Answers::none(), Source::Hook);
    let question = Question::Comment { comment: told.clone(), needs_iterations: false };
    assert_eq!(asked.questions, [question]);
    let mut answers = Answers::default();
    answers.add_comment(Err("no answer in time".into()));
    let decision = world.decide_comment(&told, &answers, Source::Hook);
    assert!(decision.is_early && decision.planned.is_empty());
    assert!(decision.reason.contains("no answer in time"), "{}", decision.reason);
    assert_eq!(decision.audit[0].outcome, Ended::Failed);
    let unknown = World::of([unit()]).decide_comment(&told, Answers::none(), Source::Hook);
    assert!(unknown.is_early && unknown.questions.is_empty());
}

#[test]
fn comments_that_do_not_count_are_not_even_asked_about() {
    type Change = fn(&mut Comment);
    let table: [(Change, &str); 7] = [
        (|it| it.content = "Looks good".into(), "no command"),
        (|it| it.is_deleted = true, "deleted"),
        (|it| it.is_edited = true, "edited"),
        (|it| it.is_system = true, "itself"),
        (|it| it.published_at = None, "when it was published"),
        (|it| it.content = "> /retest".into(), "no command"),
        (|it| it.repository.name = "other".into(), "no check obeys"),
    ];
    let mut one = unit();
    one.repositories = Patterns::of_names(&["Webshop/storefront".to_owned()]).unwrap();
    let world = after_runs(&[one], &[State::Failed]);
    for (change, why) in table {
        let mut told = comment(10, "/retest");
        change(&mut told);
        let decision = world.decide_comment(&told, Answers::none(), Source::Hook);
        assert!(decision.reason.contains(why), "{why}: {}", decision.reason);
        assert!(decision.questions.is_empty() && decision.planned.is_empty(), "{why}");
    }
    let told = comment(10, "/retest");
    let replayed = world.decide_comment(&told, Answers::none(), Source::Replay);
    assert!(replayed.reason.contains("replayed"), "{}", replayed.reason);
    let mut closed = world.clone();
    closed.remembered.as_mut().unwrap().pull_request.status = Status::Completed;
    let decision = closed.decide_comment(&told, Answers::none(), Source::Hook);
    assert!(decision.reason.contains("is closed"), "{}", decision.reason);
}

#[test]
fn what_azure_devops_shows_counts_and_not_what_the_delivery_says() {
    let mut world = after_runs(&[unit()], &[State::Failed]);
    let told = comment(10, "/retest");
    let shown = |change: fn(&mut Comment)| {
        let mut comment = told.clone();
        change(&mut comment);
        AboutComment { comment: Some(comment), may: true, ..AboutComment::default() }
    };
    let forged = shown(|it| it.content = "Looks good".into());
    let gone = AboutComment { may: true, ..AboutComment::default() };
    for about in [forged, shown(|it| it.is_edited = true), gone] {
        let decision = world.command_as(&told, about);
        assert!(decision.planned.is_empty(), "{}", decision.reason);
    }
}

#[test]
fn a_fork_waits_for_the_approval_of_its_head_and_each_push_for_another_one() {
    let fork = Check { forks: Forks::Approve, ..unit() };
    let mut world = World::of([fork]);
    let opened = world.deliver(0, &of_fork());
    assert!(opened.planned.is_empty());
    let [shown] = &opened.without_run[..] else { panic!("{:?}", opened.without_run) };
    assert_eq!(shown.state, Shown::Pending);
    assert!(shown.description.contains("/ok-to-test"), "{}", shown.description);
    let decision = world.command(&comment(60, "/ok-to-test"), &iterations(&[('a', 0)]));
    assert_eq!(named(&decision.planned), ["unit@a"]);
    assert_eq!(decision.planned[0].verdict, Verdict::Report);
    let pushed = PullRequest { source_commit: Some(sha('b')), ..of_fork() };
    let decision = world.deliver(70, &pushed);
    assert!(decision.planned.is_empty(), "{}", decision.reason);
    // Pushing the approved commit again does not bring the approval back.
    let decision = world.deliver(80, &of_fork());
    assert!(decision.planned.is_empty(), "{}", decision.reason);
    assert!(world.remembered.unwrap().pull_request.approved_commit.is_none());
}

#[test]
fn a_push_that_races_with_the_approval_is_not_approved() {
    let fork = Check { forks: Forks::Approve, ..unit() };
    // Made 5 s before the comment, or later: whoever wrote it cannot have looked at it.
    for made_at in [55, 58, 60, 65] {
        let mut world = World::of([fork.clone()]);
        world.deliver(0, &of_fork());
        let both = iterations(&[('a', 0), ('b', made_at)]);
        let decision = world.command(&comment(60, "/ok-to-test"), &both);
        assert!(decision.planned.is_empty(), "{made_at}: {}", decision.reason);
        assert!(world.remembered.as_ref().unwrap().pull_request.approved_commit.is_none());
        let [shown] = &decision.without_run[..] else { panic!("{:?}", decision.without_run) };
        assert!(shown.description.contains("/ok-to-test bbbbbbbb"), "{}", shown.description);
        // Naming the commit approves it, and its checks start when its push is delivered.
        let decision = world.command(&comment(61, "/ok-to-test BBBBBBBB"), &both);
        assert!(decision.planned.is_empty(), "{}", decision.reason);
        let pushed = PullRequest { source_commit: Some(sha('b')), ..of_fork() };
        assert_eq!(named(&world.deliver(66, &pushed).planned), ["unit@b"]);
    }
    let mut world = World::of([fork]);
    world.deliver(0, &of_fork());
    for wrong in ["/ok-to-test cccccccc", "/ok-to-test aaaa", "/ok-to-test please"] {
        let decision = world.command(&comment(60, wrong), &iterations(&[('a', 0)]));
        assert!(decision.planned.is_empty(), "{wrong}: {}", decision.reason);
        world.remembered.as_mut().unwrap().pull_request.acted_on = Default::default();
    }
    let retargeted = iterations(&[('a', 0), ('a', 59)]);
    let decision = world.command(&comment(60, "/ok-to-test"), &retargeted);
    assert_eq!(named(&decision.planned), ["unit@a"], "the code is the same");
}

#[test]
fn code_of_a_fork_that_nobody_approved_cannot_end_its_run() {
    let mut world = World::of([unit()]);
    let decision = world.deliver(0, &of_fork());
    assert_eq!(decision.planned[0].verdict, Verdict::Reporter);
    world.end_all(State::Failed);
    world.command(&comment(60, "/ok-to-test"), &iterations(&[('a', 0)]));
    let decision = world.command(&comment(70, "/retest"), &[]);
    assert_eq!(decision.planned[0].verdict, Verdict::Report);
}

#[test]
fn answers_are_posted_where_a_check_wants_them() {
    let mut world = after_runs(&[Check { replies: true, ..unit() }], &[State::Failed]);
    let decision = world.command(&comment(10, "/status\n/help"), &[]);
    let [answer] = &decision.without_run[..] else { panic!("{:?}", decision.without_run) };
    let target = Target::Comment { pull_request: 7, thread: 3, comment: 10 };
    assert_eq!(answer.target, target);
    assert!(answer.description.contains("unit is failed"), "{}", answer.description);
    let commands = super::super::super::command::commands(&answer.description);
    assert!(commands.is_empty(), "an answer commands nothing: {commands:?}");
    let quiet = after_runs(&[unit()], &[State::Failed]).command(&comment(10, "/status"), &[]);
    assert!(quiet.without_run.is_empty());
}

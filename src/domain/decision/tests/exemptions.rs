//! Required checks that do not run: when merging may go on without them, and when it must wait.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::check::{Forks, Patterns, Trigger};
use super::super::super::pull_request::PullRequest;
use super::super::super::status::{Shown, Target};
use super::super::*;
use super::world::*;

fn required() -> Check {
    let labels = vec!["e2e".to_owned()];
    Check { required: true, labels, ..check("unit", &[Trigger::PullRequest]) }
}

fn labelled() -> PullRequest {
    PullRequest { labels: vec!["e2e".into()], ..pull_request() }
}

/// State and words of what is shown without a run.
fn statuses_of(decision: &Decision) -> Vec<(Shown, &str)> {
    decision.without_run.iter().map(|shown| (shown.state, shown.description.as_str())).collect()
}

const EXEMPT: (Shown, &str) =
    (Shown::NotApplicable, "Not applicable: it has none of the labels [e2e]");

#[test]
fn a_required_check_that_does_not_match_is_shown_as_not_applicable() {
    let mut world = World::of([required()]);
    let decision = world.deliver(0, &pull_request());
    assert_eq!(statuses_of(&decision), [EXEMPT]);
    let shown = &decision.without_run[0];
    assert_eq!(shown.target, Target::PullRequest { id: 7, commit: Some(sha('a')) });
    assert_eq!((shown.organization.as_str(), shown.run), (ORGANIZATION, None));
    assert_eq!(decision.outcome, Outcome::Ignored);
    assert!(decision.reason.contains("unit not started (shown as not applicable): it has"));
    // What is not required keeps nobody waiting.
    let other = World::of([Check { required: false, ..required() }]);
    assert!(other.decide(Source::Hook, at(0), &pull_request()).without_run.is_empty());
}

#[test]
fn each_mismatch_says_whether_merging_waits() {
    type Case = (fn(&mut Check, &mut PullRequest), &'static str);
    let table: [Case; 6] = [
        (|_, seen| seen.target_ref = "refs/heads/other".into(), "Not applicable: target branch"),
        (
            |check, seen| {
                check.forks = Forks::Ignore;
                seen.is_fork = true;
            },
            "",
        ),
        (
            |check, seen| {
                check.forks = Forks::Approve;
                seen.is_fork = true;
            },
            "",
        ),
        (|_, seen| seen.is_draft = true, ""),
        (
            |_, seen| {
                seen.is_draft = true;
                seen.target_ref = "refs/heads/other".into();
            },
            "",
        ),
        (|_, seen| seen.source_commit = None, ""),
    ];
    for (change, words) in table {
        let (mut check, mut seen) = (required(), labelled());
        change(&mut check, &mut seen);
        let decision = World::of([check]).deliver(0, &seen);
        assert!(decision.planned.is_empty(), "{words}");
        let found = statuses_of(&decision);
        assert_eq!(found.len(), usize::from(!words.is_empty()), "{found:?}");
        assert!(found.iter().all(|(_, said)| said.starts_with(words)), "{found:?}");
    }
}

#[test]
fn a_required_check_ignores_skip_ci() {
    let seen = PullRequest { title: "Fix [skip ci]".into(), ..labelled() };
    let decision = World::of([required()]).deliver(0, &seen);
    let why = "(it is required, so [skip ci] is ignored)";
    assert!(decision.reason.ends_with(&format!("unit started {why}")), "{}", decision.reason);
    assert!(decision.planned[0].reason.ends_with(why), "{}", decision.planned[0].reason);
    let other = Check { required: false, ..required() };
    assert!(World::of([other]).deliver(0, &seen).planned.is_empty());
}

#[test]
fn adding_a_label_starts_the_run_and_removing_it_cancels_the_run() {
    let mut world = World::of([required()]);
    world.deliver(0, &pull_request());
    let decision = world.deliver(1, &labelled());
    assert_eq!(named(&decision.planned), ["unit@a"]);
    assert!(decision.without_run.is_empty());
    let decision = world.deliver(2, &pull_request());
    assert_eq!(decision.ended[0].state, State::Cancelled);
    assert_eq!(statuses_of(&decision), [EXEMPT]);
    // A check that is not required goes on, as ever.
    let mut world = World::of([Check { required: false, ..required() }]);
    world.deliver(0, &labelled());
    assert!(world.deliver(1, &pull_request()).ended.is_empty());
}

fn without_labels() -> PullRequest {
    PullRequest { labels_known: false, ..pull_request() }
}

#[test]
fn merging_waits_until_the_labels_are_known() {
    let mut world = World::of([required()]);
    let decision = world.deliver(0, &without_labels());
    assert!(decision.planned.is_empty() && decision.without_run.is_empty());
    let why = "unit not started: its labels are not known yet";
    assert!(decision.reason.contains(why), "{}", decision.reason);
    // As of the same moment: catch-up only says more about it.
    assert_eq!(statuses_of(&world.deliver(0, &pull_request())), [EXEMPT]);
    // What is known stays known though hooks leave it out.
    let pushed = PullRequest { source_commit: Some(sha('b')), ..without_labels() };
    assert_eq!(statuses_of(&world.deliver(1, &pushed)), [EXEMPT]);
    let mut world = World::of([required()]);
    world.deliver(0, &without_labels());
    assert_eq!(named(&world.deliver(0, &labelled()).planned), ["unit@a"]);
    let decision = world.deliver(1, &pushed);
    assert_eq!(named(&decision.planned), ["unit@b"]);
}

#[test]
fn a_retargeted_pull_request_waits_for_unknown_labels() {
    let mut world = World::of([required()]);
    let away = PullRequest { target_ref: "refs/heads/other".into(), ..without_labels() };
    assert_eq!(world.deliver(0, &away).without_run[0].state, Shown::NotApplicable);
    let words = "Waits: its labels are not known yet: catch-up reads them";
    assert_eq!(statuses_of(&world.deliver(1, &without_labels())), [(Shown::Pending, words)]);
    assert_eq!(statuses_of(&world.deliver(1, &pull_request())), [EXEMPT]);
}

#[test]
fn retargeting_away_cancels_the_run_and_shows_not_applicable() {
    let mut world = World::of([required()]);
    world.deliver(0, &labelled());
    let away = PullRequest { target_ref: "refs/heads/other".into(), ..labelled() };
    let decision = world.deliver(1, &away);
    assert_eq!(decision.ended[0].state, State::Cancelled);
    assert_eq!(decision.without_run[0].state, Shown::NotApplicable);
    assert_eq!(named(&world.deliver(2, &labelled()).planned), ["unit@a"]);
}

#[test]
fn a_draft_shown_as_not_applicable_becomes_pending_before_it_is_published() {
    let mut world = World::of([required()]);
    world.deliver(0, &pull_request());
    world.deliver(1, &PullRequest { is_draft: true, ..pull_request() });
    let decision = world.deliver(2, &PullRequest { is_draft: true, ..labelled() });
    assert_eq!(statuses_of(&decision), [(Shown::Pending, "Waits: it is a draft (drafts = false)")]);
    assert_eq!(named(&world.deliver(3, &labelled()).planned), ["unit@a"]);
}

#[test]
fn a_result_is_posted_again_when_the_check_applies_again() {
    let mut world = World::of([required()]);
    world.deliver(0, &labelled());
    world.end_all(State::Failed);
    assert_eq!(statuses_of(&world.deliver(1, &pull_request())), [EXEMPT]);
    let decision = world.deliver(2, &labelled());
    assert_eq!(named(&decision.shown_again), ["unit@a"]);
    world.deliver(3, &pull_request());
    let decision = world.deliver(4, &PullRequest { is_draft: true, ..labelled() });
    assert_eq!(named(&decision.shown_again), ["unit@a"]);
    assert!(decision.without_run.is_empty());
}

#[test]
fn a_published_draft_that_matches_no_required_check_may_be_merged() {
    let mut world = World::of([required()]);
    let draft = PullRequest { is_draft: true, ..pull_request() };
    assert!(world.deliver(0, &draft).without_run.is_empty());
    assert_eq!(statuses_of(&world.deliver(1, &pull_request())), [EXEMPT]);
}

fn any_pull_request() -> impl Strategy<Value = PullRequest> {
    let targets = vec!["refs/heads/main", "refs/heads/topic"];
    let commits = vec![None, Some('a'), Some('b')];
    let labels = vec![vec![], vec!["e2e".to_owned()]];
    (select(targets), select(commits), select(labels), any::<[bool; 4]>()).prop_map(
        |(target, commit, labels, [is_draft, is_fork, skips, labels_known])| PullRequest {
            target_ref: target.into(),
            source_commit: commit.map(sha),
            labels: if labels_known { labels } else { vec![] },
            labels_known,
            is_draft,
            is_fork,
            title: if skips { "Search [skip ci]".into() } else { "Search".into() },
            ..pull_request()
        },
    )
}

fn any_source() -> impl Strategy<Value = Source> {
    select(vec![Source::Hook, Source::Replay])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Never an exemption while a run is to happen or goes on in its place, and never one that is
    /// not deserved.
    #[test]
    fn nothing_is_exempt_that_runs_or_will_run(
        forks in select(vec![Forks::Run, Forks::Approve, Forks::Ignore]),
        labels in select(vec![vec![], vec!["e2e".to_owned()]]),
        [drafts, supersede, reruns] in any::<[bool; 3]>(),
        story in prop::collection::vec(
            (any_pull_request(), select(State::ALL.to_vec()), any_source()),
            1..12,
        ),
    ) {
        let target_branches = Patterns::of_branches(&["main".to_owned()]).unwrap();
        let check = Check { forks, labels, drafts, supersede, target_branches, ..required() };
        let mut world = World::of([check.clone()]);
        for (seconds, (seen, state, source)) in (0..).zip(story) {
            let decision = world.decide(source, at(seconds), &seen);
            world.commit(&decision);
            for shown in &decision.without_run {
                let Target::PullRequest { commit: Some(commit), .. } = &shown.target else {
                    panic!("{shown:?}");
                };
                let goes_on = world.live().iter().any(|run| run.commit == *commit);
                prop_assert!(!goes_on, "{shown:?} beside a run");
                prop_assert!(matches!(shown.state, Shown::NotApplicable | Shown::Pending));
                let next = &decision.pull_request.as_ref().unwrap().pull_request;
                let is_exempt = check.exempts(next).is_some();
                prop_assert_eq!(shown.state == Shown::NotApplicable, is_exempt);
                prop_assert!(check.admits(next).is_err());
                prop_assert!(!(next.is_draft && !drafts && is_exempt));
                let knows = next.labels_known
                    || check.labels.is_empty()
                    || next.target_branch() != "main";
                prop_assert!(knows || !is_exempt, "{shown:?} though nobody knows the labels");
            }
            if !reruns && state != State::Planned {
                world.end_all(state);
            }
        }
    }
}

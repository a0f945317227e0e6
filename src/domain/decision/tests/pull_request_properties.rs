//! Pull requests: what holds for any deliveries about them, in any order.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::super::check::{Forks, Trigger};
use super::super::super::pull_request::{PullRequest, Status};
use super::super::*;
use super::world::*;

fn any_pull_request() -> impl Strategy<Value = PullRequest> {
    let statuses = vec![Status::Active, Status::Active, Status::Abandoned, Status::Completed];
    let targets = vec!["refs/heads/main", "refs/heads/topic"];
    let commits = vec![None, Some('a'), Some('b'), Some('c')];
    (
        select(statuses),
        select(targets),
        select(commits),
        (any::<bool>(), any::<bool>()),
        select(vec!["Add search", "Add search [skip ci]"]),
        select(vec![vec![], vec!["e2e".to_owned()]]),
        -1..2_i64,
    )
        .prop_map(|(status, target, commit, (is_draft, is_fork), title, labels, vote)| {
            PullRequest {
                status,
                target_ref: target.into(),
                source_commit: commit.map(sha),
                is_draft,
                is_fork,
                title: title.into(),
                labels,
                votes: vec![("ada".into(), vote)],
                ..pull_request()
            }
        })
}

fn any_check() -> impl Strategy<Value = Check> {
    let triggers = select(vec![
        vec![Trigger::PullRequest],
        vec![Trigger::PullRequestClosed],
        vec![Trigger::PullRequest, Trigger::PullRequestClosed],
        vec![Trigger::Push],
    ]);
    let forks = select(vec![Forks::Run, Forks::Approve, Forks::Ignore]);
    let labels = select(vec![vec![], vec!["e2e".to_owned()]]);
    (triggers, forks, labels, any::<[bool; 3]>()).prop_map(|(on, forks, labels, flags)| {
        let [drafts, skip_ci, supersede] = flags;
        Check { on, forks, labels, drafts, skip_ci, supersede, ..check("unit", &[]) }
    })
}

fn checks() -> impl Strategy<Value = Vec<Check>> {
    prop::collection::vec(any_check(), 1..3).prop_map(|checks| {
        let name = |(at, check): (usize, Check)| Check { name: format!("check{at}"), ..check };
        checks.into_iter().enumerate().map(name).collect()
    })
}

fn deliveries() -> impl Strategy<Value = (Source, i64, PullRequest)> {
    let sources = vec![Source::Hook, Source::Hook, Source::CatchUp, Source::Replay];
    (select(sources), 0..20_i64, any_pull_request())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_fact_told_twice_plans_nothing_the_second_time(
        checks in checks(),
        story in prop::collection::vec((deliveries(), select(State::ALL.to_vec())), 1..12),
    ) {
        let mut world = World::of(checks);
        for ((source, seconds, seen), state) in story {
            let first = world.decide(source, at(seconds), &seen);
            prop_assert_eq!(&first, &world.decide(source, at(seconds), &seen), "deterministic");
            prop_assert_eq!(first.planned.is_empty(), first.outcome != Outcome::Started);
            prop_assert!(!first.reason.is_empty());
            world.commit(&first);
            for source in [source, Source::Hook, Source::CatchUp] {
                let again = world.decide(source, at(seconds), &seen);
                prop_assert!(again.planned.is_empty() && again.ended.is_empty(), "{again:?}");
                world.commit(&again);
            }
            if state != State::Planned {
                world.end_all(state);
            }
        }
    }

    #[test]
    fn with_supersede_one_run_of_a_check_goes_on(
        checks in checks(),
        story in prop::collection::vec(deliveries(), 1..12),
    ) {
        let mut world = World::of(checks);
        for (source, seconds, seen) in story {
            let decision = world.decide(source, at(seconds), &seen);
            world.commit(&decision);
            for check in world.checks.iter().filter(|check| check.supersede) {
                if check.is_on(Trigger::PullRequestClosed) {
                    continue;
                }
                let live = world.live().into_iter().filter(|run| is_of(run, check)).count();
                prop_assert!(live <= 1, "{live} runs of {}", check.name);
            }
            let abandoned = decision.event == Event::PullRequestAbandoned;
            if abandoned && decision.outcome == Outcome::Ignored {
                prop_assert!(world.live().is_empty());
            }
        }
    }
}

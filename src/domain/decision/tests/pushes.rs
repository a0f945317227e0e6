//! Pushes: every commit of a matching ref runs once, in whatever order they are delivered.

use proptest::prelude::*;

use super::super::super::check::Trigger;
use super::super::super::fact::{Push, RefUpdate};
use super::super::*;
use super::world::*;

const MAIN: &str = "refs/heads/main";

fn build() -> Check {
    check("build", &[Trigger::Push])
}

fn release() -> Check {
    check("release", &[Trigger::Tag])
}

#[test]
fn a_push_starts_the_check() {
    let mut world = World::of([build()]);
    let decision = world.deliver_push(&push(Some(1), MAIN, 'a', 'b'));
    assert_eq!((decision.outcome, decision.event), (Outcome::Started, Event::BranchPushed));
    assert_eq!(decision.reason, "branch main pushed at bbbbbbbb: build started");
    let [run] = decision.planned.as_slice() else { panic!("{decision:?}") };
    assert_eq!((run.git_ref.as_str(), run.commit.as_str()), (MAIN, &*sha('b')));
    assert_eq!(run.pull_request, None);
    assert_eq!(run.reason, "branch main pushed at bbbbbbbb");
}

#[test]
fn each_kind_of_update_has_its_reason() {
    let cases = [
        ("refs/heads/x/y", '.', 'b', "branch x/y created at bbbbbbbb: build started"),
        ("refs/heads/x", 'a', '.', "branch x deleted: nothing to run"),
        ("refs/tags/v1", '.', 'b', "tag v1 created at bbbbbbbb: release started"),
        ("refs/tags/v1", 'a', 'b', "tag v1 moved at bbbbbbbb: release started"),
        ("refs/tags/v1", 'a', '.', "tag v1 deleted: nothing to run"),
        (
            "refs/notes/n",
            'a',
            'b',
            "other ref refs/notes/n updated at bbbbbbbb: no check watches Webshop/storefront for \
             this",
        ),
    ];
    for (name, old, new, reason) in cases {
        let decision = World::of([build(), release()]).deliver_push(&push(Some(1), name, old, new));
        assert_eq!(decision.reason, reason);
    }
}

#[test]
fn a_push_of_several_refs_is_decided_one_by_one() {
    let update = |name: &str, new: char| RefUpdate {
        name: name.into(),
        old: None,
        new: (new != '.').then(|| sha(new)),
    };
    let pushed = Push {
        updates: vec![
            update(MAIN, 'b'),
            update("refs/tags/v1", 'c'),
            update("refs/heads/old", '.'),
        ],
        ..push(Some(1), MAIN, 'a', 'b')
    };
    let mut world = World::of([build(), release()]);
    let decision = world.deliver_push(&pushed);
    assert_eq!(
        decision.reason,
        "branch main created at bbbbbbbb: build started. tag v1 created at cccccccc: release \
         started. branch old deleted: nothing to run"
    );
    assert_eq!(named(&decision.planned), ["build@b", "release@c"]);
    assert_eq!(decision.refs.len(), 3);
    assert_eq!(world.deliver_push(&pushed).outcome, Outcome::Duplicate);
}

#[test]
fn a_repeat_is_a_duplicate() {
    let mut world = World::of([build()]);
    let pushed = push(Some(1), MAIN, 'a', 'b');
    world.deliver_push(&pushed);
    for source in [Source::Hook, Source::CatchUp] {
        let decision = world.decide_push(source, &pushed);
        assert_eq!(decision.outcome, Outcome::Duplicate);
        assert_eq!(decision.reason, "branch main pushed at bbbbbbbb is known already");
    }
    let decision = world.decide_push(Source::Replay, &pushed);
    assert_eq!(
        decision.reason,
        "branch main pushed at bbbbbbbb: build not started: it has already run on bbbbbbbb"
    );
}

#[test]
fn a_push_without_refs_says_so() {
    let pushed = Push { updates: vec![], ..push(Some(1), MAIN, 'a', 'b') };
    let decision = World::of([build()]).deliver_push(&pushed);
    assert_eq!(decision.outcome, Outcome::Ignored);
    assert_eq!(decision.reason, "the push moves no ref");
}

#[test]
fn skip_ci_in_a_message_starts_nothing() {
    let pushed =
        Push { messages: vec!["Docs ***NO_CI***".into()], ..push(Some(1), MAIN, 'a', 'b') };
    let mut world = World::of([build()]);
    let decision = world.deliver_push(&pushed);
    assert_eq!(
        decision.reason,
        "branch main pushed at bbbbbbbb: build not started: its text contains ***no_ci*** \
         (skip_ci = true)"
    );
    assert_eq!(world.refs[0].head, Some(sha('b')));
}

#[test]
fn deleting_a_branch_cancels_its_runs() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'b'));
    world.deliver_push(&push(Some(2), "refs/heads/other", '.', 'c'));
    let decision = world.deliver_push(&push(Some(3), MAIN, 'b', '.'));
    assert_eq!(decision.reason, "branch main deleted: build cancelled");
    assert_eq!(decision.ended[0].reason, "refs/heads/main was deleted");
    assert_eq!(named(world.live()), ["build@c"]);
    let decision = world.deliver_push(&push(Some(4), MAIN, '.', 'b'));
    assert_eq!(named(&decision.planned), ["build@b"], "created again, it runs again");
}

#[test]
fn an_older_deletion_cancels_nothing() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    world.deliver_push(&push(Some(3), MAIN, '.', 'b'));
    let decision = world.deliver_push(&push(Some(2), MAIN, 'a', '.'));
    assert_eq!(
        decision.reason,
        "branch main deleted: nothing cancelled: the ref was created again"
    );
    assert_eq!(named(world.live()), ["build@a", "build@b"]);
    assert_eq!(world.refs[0].head, Some(sha('b')));
}

#[test]
fn an_older_push_still_runs_once() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(2), MAIN, 'b', 'c'));
    let late = push(Some(1), MAIN, 'a', 'b');
    assert_eq!(named(&world.deliver_push(&late).planned), ["build@b"]);
    let decision = world.deliver_push(&late);
    assert_eq!(
        decision.reason,
        "branch main pushed at bbbbbbbb: build not started: it has already run on bbbbbbbb"
    );
    assert_eq!(world.refs[0].head, Some(sha('c')), "the newer head is kept");
}

#[test]
fn a_branch_set_back_runs_the_older_commit_again() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    world.deliver_push(&push(Some(2), MAIN, 'a', 'b'));
    let decision = world.deliver_push(&push(Some(3), MAIN, 'b', 'a'));
    assert_eq!(named(&decision.planned), ["build@a"]);
}

#[test]
fn a_push_that_catch_up_found_is_not_run_again() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    world.deliver_push_from(Source::CatchUp, &push(None, MAIN, 'a', 'c'));
    assert_eq!(named(&world.deliver_push(&push(Some(2), MAIN, 'a', 'b')).planned), ["build@b"]);
    assert_eq!(world.deliver_push(&push(Some(3), MAIN, 'b', 'c')).outcome, Outcome::Duplicate);
    let decision = world.deliver_push(&push(Some(4), MAIN, 'c', 'd'));
    assert_eq!(named(&decision.planned), ["build@d"]);
    assert_eq!(world.refs[0].push_id, Some(4));
}

#[test]
fn catch_up_with_an_older_head_runs_nothing_again() {
    let mut world = World::of([build()]);
    world.deliver_push(&push(Some(1), MAIN, '.', 'a'));
    world.deliver_push(&push(Some(2), MAIN, 'a', 'b'));
    let decision = world.deliver_push_from(Source::CatchUp, &push(None, MAIN, 'b', 'a'));
    assert!(decision.planned.is_empty(), "{}", decision.reason);
    let decision = world.deliver_push_from(Source::CatchUp, &push(None, MAIN, 'a', 'b'));
    assert!(decision.planned.is_empty(), "{}", decision.reason);
}

#[test]
fn another_organization_is_not_watched() {
    let elsewhere = Check { organization: "fabrikam".into(), ..build() };
    let decision = World::of([elsewhere]).deliver_push(&push(Some(1), MAIN, 'a', 'b'));
    assert_eq!(
        decision.reason,
        "branch main pushed at bbbbbbbb: no check watches Webshop/storefront for this"
    );
}

const COMMITS: [char; 6] = ['a', 'b', 'c', 'd', 'e', 'f'];

/// The pushes that led from nothing to the last commit, in an order of their own.
fn shuffled() -> impl Strategy<Value = Vec<usize>> {
    Just((0..COMMITS.len()).collect::<Vec<_>>()).prop_shuffle()
}

fn nth(at: usize) -> Push {
    let old = at.checked_sub(1).map_or('.', |before| COMMITS[before]);
    push(i64::try_from(at).ok(), MAIN, old, COMMITS[at])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_commit_runs_once_in_any_order(
        order in shuffled(),
        caught_up in prop::collection::vec(prop::option::of(0..COMMITS.len()), COMMITS.len()),
    ) {
        let mut world = World::of([build()]);
        let mut seen_by_catch_up = 0;
        for (at, caught_up) in order.into_iter().zip(caught_up) {
            let decision = world.decide_push(Source::Hook, &nth(at));
            prop_assert_eq!(&decision, &world.decide_push(Source::Hook, &nth(at)));
            world.commit(&decision);
            for source in [Source::Hook, Source::CatchUp, Source::Replay] {
                let again = world.deliver_push_from(source, &nth(at));
                prop_assert!(again.planned.is_empty() && again.ended.is_empty(), "{again:?}");
            }
            // Catch-up lists the heads now and then, never earlier ones than the last time.
            if let Some(head) = caught_up {
                seen_by_catch_up = seen_by_catch_up.max(head);
                let before = world.refs[0].head.clone();
                let mut pushed = push(None, MAIN, '.', COMMITS[seen_by_catch_up]);
                pushed.updates[0].old = before;
                world.deliver_push_from(Source::CatchUp, &pushed);
            }
        }
        let mut ran = named(&world.runs);
        ran.sort();
        prop_assert_eq!(ran, COMMITS.map(|c| format!("build@{c}")).to_vec());
    }
}

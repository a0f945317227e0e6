//! Attempts to post: what the outcome of one means for the next, and the order of slots.

use azdo_gateway::domain::run::State;
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::status::{self, Shown, Status};
use azdo_gateway::storage::{Commit, LeasedSlot};

use super::{Bench, at, make};

fn later(due: i64, counts: bool, doubtful: bool) -> Posting {
    Posting::Later { due_at: at(due), counts, doubtful, reason: "not now".into() }
}

const POSTED: Posting = Posting::Posted { iteration: Some(1) };

async fn one(bench: &Bench, second: i64) -> LeasedSlot {
    let mut slots = bench.slots(second).await;
    assert_eq!(slots.len(), 1, "{slots:?}");
    slots.remove(0)
}

#[tokio::test]
async fn the_statuses_of_one_target_are_those_to_show_in_its_slots() {
    for bench in Bench::all().await {
        let queue = |status| bench.store.queue_status(status, at(0));
        let first = make::status("a", 'a', Shown::Pending);
        queue(make::status("b", 'a', Shown::Failed)).await.unwrap();
        queue(make::status("a", 'b', Shown::Failed)).await.unwrap();
        queue(first.clone()).await.unwrap();
        let newest = make::status("a", 'a', Shown::Succeeded);
        queue(newest.clone()).await.unwrap();
        let found = bench.store.statuses_of_target(&first).await.unwrap();
        assert_eq!(found, [newest, make::status("b", 'a', Shown::Failed)]);
    }
}

#[tokio::test]
async fn after_an_abandoned_attempt_the_slot_is_doubtful_and_due_again() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let abandoned = one(&bench, 0).await;
        assert!(!abandoned.doubtful);
        let done = make::moved(&run, State::Succeeded, 1);
        assert_eq!(bench.change(done).await, Commit::Committed);
        let next = one(&bench, 30).await;
        assert_eq!((next.status.state, next.doubtful), (Shown::Succeeded, true));
        assert_eq!(next.lease.number, abandoned.lease.number + 1);
        let unchanged = Posting::Unchanged { iteration: Some(1) };
        assert_eq!(bench.posted(&abandoned, 31, unchanged).await, Commit::LeaseLost);
        assert_eq!(bench.posted(&next, 32, POSTED).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["superseded", "posted"]);
        assert!(bench.slots(90).await.is_empty());
    }
}

#[tokio::test]
async fn after_a_post_outside_its_lease_the_slot_is_looked_up_again() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let late = one(&bench, 0).await;
        let done = make::moved(&run, State::Succeeded, 1);
        assert_eq!(bench.change(done).await, Commit::Committed);
        let next = one(&bench, 30).await;
        assert_eq!(bench.posted(&next, 31, POSTED).await, Commit::Committed);
        // It has posted the older status, after the newer one.
        assert_eq!(bench.posted(&late, 32, POSTED).await, Commit::LeaseLost);
        let last = one(&bench, 32).await;
        assert_eq!((last.status.state, last.doubtful), (Shown::Succeeded, true));
        assert_eq!(bench.posted(&last, 33, POSTED).await, Commit::Committed);
        assert!(bench.slots(90).await.is_empty());
    }
}

#[tokio::test]
async fn two_attempts_at_once_are_both_in_doubt() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let late = one(&bench, 0).await;
        let second = one(&bench, 30).await;
        assert_eq!(bench.posted(&late, 31, POSTED).await, Commit::LeaseLost);
        assert_eq!(bench.posted(&second, 32, POSTED).await, Commit::LeaseLost);
        assert!(bench.slots(59).await.is_empty(), "the second attempt may still be under way");
        let last = one(&bench, 60).await;
        assert!(last.doubtful);
        assert_eq!(bench.posted(&last, 61, POSTED).await, Commit::Committed);
        assert!(bench.slots(99).await.is_empty());
    }
}

#[tokio::test]
async fn the_last_attempt_decides_whether_a_slot_is_doubtful() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        for (second, doubtful) in [(0, true), (10, false), (20, true)] {
            let slot = one(&bench, second).await;
            let posting = later(second + 10, true, doubtful);
            assert_eq!(bench.posted(&slot, second, posting).await, Commit::Committed);
            assert!(bench.slots(second + 9).await.is_empty());
            let again = one(&bench, second + 10).await;
            assert_eq!(again.doubtful, doubtful);
            let posting = later(second + 10, false, doubtful);
            assert_eq!(bench.posted(&again, second + 10, posting).await, Commit::Committed);
        }
    }
}

#[tokio::test]
async fn only_attempts_that_count_are_counted() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        for (second, counts, attempts) in [(0, true, 0), (1, false, 1), (2, true, 1), (3, true, 2)]
        {
            let slot = one(&bench, second).await;
            assert_eq!(slot.attempts, attempts);
            let posting = later(second + 1, counts, false);
            assert_eq!(bench.posted(&slot, second, posting).await, Commit::Committed);
            assert_eq!(bench.statuses().await[0].reason, "not now");
        }
        // A newer status has attempts of its own, even if it was queued during an attempt at the
        // old one.
        let slot = one(&bench, 4).await;
        let done = make::moved(&run, State::Succeeded, 4);
        assert_eq!(bench.change(done).await, Commit::Committed);
        assert_eq!(bench.posted(&slot, 5, later(100, true, true)).await, Commit::Committed);
        // It is due before the time at which the old one was to be repeated.
        let next = one(&bench, 5).await;
        assert_eq!((next.attempts, next.doubtful), (0, true));
        assert_eq!(bench.outcomes().await, ["superseded", "queued"]);
    }
}

#[tokio::test]
async fn an_iteration_is_reused_for_statuses_of_the_same_run_only() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let slot = one(&bench, 0).await;
        let posting = Posting::Posted { iteration: Some(3) };
        assert_eq!(bench.posted(&slot, 0, posting).await, Commit::Committed);
        bench.plan(2, &[make::run(2, "a", 'a')]).await;
        let slot = one(&bench, 1).await;
        assert_eq!(slot.iteration, None);
        assert_eq!(slot.posted.as_ref().and_then(|shown| shown.iteration), Some(3));
        let posting = Posting::Unchanged { iteration: Some(4) };
        assert_eq!(bench.posted(&slot, 1, posting).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["posted", "unchanged"]);
        let run = bench.run(make::run(2, "a", 'a').id).await;
        assert_eq!(bench.change(make::moved(&run, State::Failed, 2)).await, Commit::Committed);
        assert_eq!(one(&bench, 2).await.iteration, Some(4));
    }
}

#[tokio::test]
async fn slots_that_are_due_later_do_not_hide_others() {
    for bench in Bench::all().await {
        let queue = async |name: String| {
            let status = make::status(&name, 'a', Shown::Pending);
            bench.store.queue_status(status, at(0)).await.unwrap()
        };
        for number in 0..300 {
            queue(format!("throttled-{number}")).await;
        }
        queue("free".into()).await;
        let (mut put_off, mut free) = (0, 0);
        for _ in 0..40 {
            let claim = super::claim(1, 10);
            for slot in bench.store.claim_slots(claim).await.unwrap() {
                let is_free = slot.status.context.name == "free";
                let posting = if is_free { POSTED } else { later(60, false, false) };
                assert_eq!(bench.posted(&slot, 1, posting).await, Commit::Committed);
                if is_free { free += 1 } else { put_off += 1 }
            }
        }
        assert_eq!((put_off, free), (300, 1));
    }
}

#[tokio::test]
async fn the_slot_that_waited_longest_is_claimed_first() {
    for bench in Bench::all().await {
        let queue = async |name: &str, second| {
            let status = make::status(name, 'a', Shown::Pending);
            bench.store.queue_status(status, at(second)).await.unwrap()
        };
        queue("retried", 0).await;
        let slot = one(&bench, 0).await;
        assert_eq!(bench.posted(&slot, 1, later(5, true, false)).await, Commit::Committed);
        queue("newer", 6).await;
        let first = bench.store.claim_slots(super::claim(7, 1)).await.unwrap();
        assert_eq!(first[0].status.context.name, "retried", "new work must not starve a retry");
    }
}

#[tokio::test]
async fn a_status_that_is_shown_again_looks_up_its_iteration_again() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let show_again = async |number| {
            let mut commit = make::decision(&bench.delivered(number).await, &[], &[]);
            commit.decision.shown_again = vec![run.clone()];
            assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        };
        let slot = one(&bench, 0).await;
        show_again(2).await;
        // The iteration that the attempt under way found does not count any more.
        assert_eq!(bench.posted(&slot, 1, POSTED).await, Commit::Committed);
        let slot = one(&bench, 2).await;
        assert_eq!((slot.iteration, slot.attempts), (None, 0));
        let refused = Posting::Refused("abandoned".into());
        assert_eq!(bench.posted(&slot, 2, refused).await, Commit::Committed);
        show_again(3).await;
        let again = one(&bench, 10).await;
        assert_eq!(again.iteration, None);
        assert!(again.posted.is_none(), "after a refusal it is not known what is shown");
        let found = Posting::Posted { iteration: Some(2) };
        assert_eq!(bench.posted(&again, 11, found).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["posted", "refused", "posted"]);
        let rows = bench.statuses().await;
        assert!(rows.iter().all(|row| row.status == rows[0].status));
        // Later statuses of the run go to the same iteration.
        let ended = make::moved(&run, State::Failed, 12);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        assert_eq!(one(&bench, 12).await.iteration, Some(2));
    }
}

#[tokio::test]
async fn what_waits_for_its_time_can_be_due() {
    for bench in Bench::all().await {
        for (name, organization) in [("a", "fabrikam"), ("b", "Fabrikam"), ("c", "contoso")] {
            let status = make::status(name, 'a', Shown::Pending);
            let status = Status { organization: organization.into(), ..status };
            bench.store.queue_status(status, at(0)).await.unwrap();
        }
        let make_due = |second| bench.store.make_slots_due("FABRIKAM", at(second));
        assert_eq!(make_due(0).await.unwrap(), 0, "they are due already");
        let slots = bench.slots(0).await;
        assert_eq!(make_due(1).await.unwrap(), 0, "an attempt is under way");
        for slot in &slots {
            assert_eq!(bench.posted(slot, 1, later(500, true, false)).await, Commit::Committed);
        }
        assert!(bench.slots(2).await.is_empty());
        assert_eq!(make_due(2).await.unwrap(), 2);
        assert_eq!(make_due(2).await.unwrap(), 0);
        let due = bench.slots(2).await;
        let names: Vec<_> = due.iter().map(|slot| slot.status.context.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(due.iter().all(|slot| slot.attempts == 1), "attempts stay counted");
        for slot in &due {
            assert_eq!(bench.posted(slot, 3, POSTED).await, Commit::Committed);
        }
        assert_eq!(make_due(4).await.unwrap(), 0, "a slot that shows its status is not made due");
    }
}

#[tokio::test]
async fn a_status_without_a_run_is_superseded_by_a_run_that_has_not_ended() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let shown = status::of(&run).remove(0);
        let exempt = Status { run: None, state: Shown::NotApplicable, ..shown };
        let exempt_by = async |number, ended: &[_]| {
            let mut commit = make::decision(&bench.delivered(number).await, &[], ended);
            commit.decision.without_run = vec![exempt.clone()];
            assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        };
        exempt_by(2, &[]).await;
        let slot = one(&bench, 2).await;
        assert_eq!(slot.status.state, Shown::Pending);
        assert_eq!(bench.posted(&slot, 2, POSTED).await, Commit::Committed);
        // The run is cancelled in the same decision; the status without a run replaces its status.
        exempt_by(3, &[make::moved(&run, State::Cancelled, 3)]).await;
        let slot = one(&bench, 3).await;
        assert_eq!((slot.status.state, slot.status.run), (Shown::NotApplicable, None));
        assert_eq!(bench.posted(&slot, 3, POSTED).await, Commit::Committed);
        // A later run owns the slot.
        bench.plan(4, &[make::run(2, "a", 'a')]).await;
        assert_eq!(one(&bench, 4).await.status.state, Shown::Pending);
    }
}

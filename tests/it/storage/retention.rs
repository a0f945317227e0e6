//! Retention: old finished rows are deleted a few at a time, unfinished rows stay, and no number is
//! used twice.

use azdo_gateway::domain::run::State;
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::status::Shown;
use azdo_gateway::storage::{Commit, DeliveryFilter, Page, RunFilter};

use super::{Bench, at, make};

const POSTED: Posting = Posting::Posted { iteration: None };
const ALL: Page = Page { limit: 500, before: None };

async fn counts(bench: &Bench) -> (usize, usize, usize) {
    let deliveries = bench.store.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
    let runs = bench.store.runs(RunFilter::default(), ALL).await.unwrap();
    (deliveries.items.len(), runs.items.len(), bench.statuses().await.len())
}

/// Deletes until there is nothing left to delete, as the reconciler does.
async fn delete_older(bench: &Bench, second: i64) {
    while bench.store.delete_older(at(second), at(second), 2).await.unwrap() > 0 {}
}

/// Plans a run, ends it and posts its statuses.
async fn finish(bench: &Bench, number: u32, second: i64) {
    let run = make::run(number.into(), &format!("check-{number}"), 'a');
    let run = bench.plan(number.into(), &[run]).await.remove(0);
    assert_eq!(bench.change(make::moved(&run, State::Succeeded, second)).await, Commit::Committed);
    for slot in bench.slots(second).await {
        assert_eq!(bench.posted(&slot, second, POSTED).await, Commit::Committed);
    }
}

#[tokio::test]
async fn old_finished_rows_are_deleted() {
    for bench in Bench::all().await {
        for number in 1..=5 {
            finish(&bench, number, i64::from(number)).await;
        }
        // Two statuses each: queued, and the one that was posted.
        assert_eq!(counts(&bench).await, (5, 5, 10));
        delete_older(&bench, -1).await;
        assert_eq!(counts(&bench).await, (5, 5, 10));
        assert!(
            bench.store.delete_older(at(100), at(100), 2).await.unwrap() <= 6,
            "a few at a time"
        );
        delete_older(&bench, 100).await;
        let (deliveries, runs, statuses) = counts(&bench).await;
        assert!(deliveries <= 1 && runs <= 1 && statuses <= 1, "{:?}", counts(&bench).await);
    }
}

#[tokio::test]
async fn unfinished_rows_are_never_deleted() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        bench.accept(make::delivery(2)).await.unwrap();
        bench.store.queue_status(make::status("scan", 'a', Shown::Pending), at(0)).await.unwrap();
        for number in 3..=6 {
            finish(&bench, number, 1).await;
        }
        let before = bench.store.backlog().await.unwrap();
        delete_older(&bench, 1_000_000).await;
        assert_eq!(bench.store.backlog().await.unwrap(), before);
        let claim = super::claim(1_000_000, 9);
        assert_eq!(bench.store.claim_deliveries(claim).await.unwrap().len(), 1);
        assert_eq!(bench.store.claim_runs(claim).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_status_outlives_its_run() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        assert_eq!(bench.change(make::moved(&run, State::Failed, 1)).await, Commit::Committed);
        finish_unposted(&bench).await;
        delete_older(&bench, 100).await;
        assert!(bench.store.run(run.id).await.unwrap().is_none());
        let slot = bench.slots(100).await.into_iter().find(|slot| slot.status.run == Some(run.id));
        let slot = slot.expect("it still waits to be posted");
        assert_eq!(slot.status.state, Shown::Failed);
        assert_eq!(bench.posted(&slot, 101, POSTED).await, Commit::Committed);
        delete_older(&bench, 200).await;
        assert_eq!(bench.store.backlog().await.unwrap().unposted, 1);
    }
}

/// One more run, since the newest of a kind may be kept.
async fn finish_unposted(bench: &Bench) {
    let run = bench.plan(2, &[make::run(2, "b", 'a')]).await.remove(0);
    assert_eq!(bench.change(make::moved(&run, State::Failed, 2)).await, Commit::Committed);
}

#[tokio::test]
async fn numbers_are_never_used_twice() {
    for mut bench in Bench::all().await {
        let mut last = (0, 0, 0);
        for number in 1..=4 {
            finish(&bench, number, 1).await;
            let id =
                bench.store.deliveries(DeliveryFilter::default(), ALL).await.unwrap().items[0].id;
            let run = bench.store.runs(RunFilter::default(), ALL).await.unwrap().items[0].number;
            let status = bench.statuses().await.last().unwrap().id;
            let next = (id.0, run, status.0);
            assert!(next.0 > last.0 && next.1 > last.1 && next.2 > last.2, "{last:?} {next:?}");
            last = next;
            delete_older(&bench, 100).await;
            bench = bench.reopened().await;
        }
    }
}

#[tokio::test]
async fn after_runs_were_deleted_a_newer_run_still_owns_its_slot() {
    for bench in Bench::all().await {
        for number in 1..=3 {
            finish(&bench, number, 1).await;
        }
        // The slot of this run stays, since its status waits to be posted.
        let run = bench.plan(4, &[make::run(4, "a", 'a')]).await.remove(0);
        assert_eq!(bench.change(make::moved(&run, State::Failed, 2)).await, Commit::Committed);
        delete_older(&bench, 100).await;
        bench.plan(5, &[make::run(5, "a", 'a')]).await;
        let slots = bench.slots(100).await;
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].status.run, Some(make::run(5, "a", 'a').id));
    }
}

#[tokio::test]
async fn a_notification_is_stored_again_after_its_delivery_was_deleted() {
    for bench in Bench::all().await {
        finish(&bench, 1, 1).await;
        finish(&bench, 2, 1).await;
        delete_older(&bench, 100).await;
        assert!(bench.accept(make::delivery(1)).await.is_some());
    }
}

//! A store that is closed and opened again: everything is stored, and every lease has ended.

use azdo_gateway::domain::run::State;
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::storage::{Commit, DeliveryFilter, Error, Page, RunFilter};

use super::{Bench, at, claim, make, receive};

const ALL: Page = Page { limit: 500, before: None };

/// Deliveries, runs, statuses, the backlog, and a pull request.
pub(super) async fn everything(bench: &Bench) -> String {
    let deliveries = bench.store.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
    let runs = bench.store.runs(RunFilter::default(), ALL).await.unwrap();
    let (statuses, backlog) = (bench.statuses().await, bench.store.backlog().await.unwrap());
    let id = make::repository().id;
    let known = bench.store.known_pull_request(make::ORGANIZATION, &id, 7).await.unwrap();
    format!("{:#?}", (deliveries.items, runs.items, statuses, backlog, known))
}

#[tokio::test]
async fn everything_survives_a_restart() {
    for bench in Bench::all().await {
        let leased = bench.delivered(1).await;
        let mut commit = make::decision(&leased, &[make::run(1, "a", 'a')], &[]);
        commit.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let run = bench.run(make::run(1, "a", 'a').id).await;
        let slot = bench.slots(1).await.remove(0);
        let posted = Posting::Posted { iteration: Some(1) };
        assert_eq!(bench.posted(&slot, 2, posted).await, Commit::Committed);
        assert_eq!(bench.change(make::moved(&run, State::Running, 3)).await, Commit::Committed);
        bench.accept(make::delivery(2)).await.unwrap();
        let before = everything(&bench).await;
        let bench = bench.reopened().await;
        assert_eq!(everything(&bench).await, before);
        assert_eq!(bench.accept(make::delivery(2)).await, None);
    }
}

#[tokio::test]
async fn a_restart_ends_every_lease_and_keeps_its_number() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let delivery = bench.delivered(2).await;
        let run = bench.store.claim_runs(claim(0, 1)).await.unwrap().remove(0);
        let slot = bench.slots(0).await.remove(0);
        let bench = bench.reopened().await;
        let delivery_now = bench.store.claim_deliveries(claim(1, 9)).await.unwrap().remove(0);
        assert_eq!(delivery_now.lease.number, delivery.lease.number + 1);
        let run_now = bench.store.claim_runs(claim(1, 9)).await.unwrap().remove(0);
        assert_eq!(run_now.lease.number, run.lease.number + 1);
        let slot_now = bench.slots(1).await.remove(0);
        assert_eq!(slot_now.lease.number, slot.lease.number + 1);
        assert!(slot_now.doubtful, "the outcome of the earlier attempt is not known");
        // A lease from before the restart is lost.
        let commit = make::decision(&delivery, &[], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::LeaseLost);
        let posted = Posting::Posted { iteration: None };
        assert_eq!(bench.posted(&slot, 2, posted).await, Commit::LeaseLost);
    }
}

#[tokio::test]
async fn a_slot_that_is_due_later_is_due_later_after_a_restart() {
    for bench in Bench::all().await {
        bench
            .store
            .queue_status(
                make::status("scan", 'a', azdo_gateway::domain::status::Shown::Pending),
                at(0),
            )
            .await
            .unwrap();
        let slot = bench.slots(0).await.remove(0);
        let later = Posting::Later {
            due_at: at(50),
            counts: true,
            doubtful: false,
            reason: "throttled".into(),
        };
        assert_eq!(bench.posted(&slot, 0, later).await, Commit::Committed);
        let bench = bench.reopened().await;
        assert!(bench.slots(49).await.is_empty());
        assert_eq!(bench.slots(50).await[0].attempts, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_carries_out_accepted_writes_and_refuses_further_ones() {
    for bench in Bench::all().await {
        let writes: Vec<_> = (0..500)
            .map(|number| {
                let store = bench.store.clone();
                tokio::spawn(async move { receive(&*store, &make::delivery(number)).await })
            })
            .collect();
        bench.store.close(std::time::Duration::from_secs(5)).await;
        let mut promised = 0;
        for write in writes {
            match write.await.unwrap() {
                Ok(_) => promised += 1,
                Err(Error::Unavailable { advice, .. }) => assert!(advice.contains("closed")),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(receive(&*bench.store, &make::delivery(999)).await.is_err());
        let bench = bench.reopened().await;
        bench.store.claim_deliveries(claim(0, 0)).await.unwrap();
        let all = bench.store.deliveries(DeliveryFilter::default(), ALL).await.unwrap();
        assert_eq!(all.items.len(), promised);
    }
}

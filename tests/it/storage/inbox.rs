//! Deliveries: each stored once whoever brings it and how often, leased to one worker at a time.

use azdo_gateway::domain::decision::{Outcome, Source};
use azdo_gateway::domain::id::DeliveryId;
use azdo_gateway::storage::{Accepted, Commit, DeliveryFilter, NewDelivery, Page};
use futures_util::future::join_all;

use super::{Accepting, Bench, at, claim, make};

fn id(accepted: Accepted) -> DeliveryId {
    match accepted {
        Accepted::Stored(id) => id,
        Accepted::AlreadyThere => panic!("it was there already"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_notification_is_stored_once_however_many_bring_it() {
    for bench in Bench::all() {
        let brought = (0..64).map(|_| {
            let store = bench.store.clone();
            tokio::spawn(async move { store.accept(make::delivery(1)).await.unwrap() })
        });
        let answers = join_all(brought).await;
        let stored =
            answers.into_iter().filter(|one| *one.as_ref().unwrap() != Accepted::AlreadyThere);
        assert_eq!(stored.count(), 1);
        let page = Page { limit: 10, before: None };
        let all = bench.store.deliveries(DeliveryFilter::default(), page).await.unwrap();
        assert_eq!(all.items.len(), 1);
        assert_eq!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn one_event_through_two_subscriptions_is_decided_once() {
    for bench in Bench::all() {
        let tell = |subscription, number| {
            let told = make::delivery_of(make::ORGANIZATION, subscription, number, "event");
            bench.store.accept(told)
        };
        let first = id(tell("subscription-a", 1).await.unwrap());
        let second = id(tell("subscription-b", 1).await.unwrap());
        let found = bench.store.delivery(second).await.unwrap().unwrap();
        assert_eq!(found.outcome, Outcome::Duplicate);
        assert!(found.reason.contains(&format!("delivery {first}")), "{}", found.reason);
        assert_eq!(tell("subscription-b", 1).await.unwrap(), Accepted::AlreadyThere);
        let claimed = bench.store.claim_deliveries(claim(0, 10)).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.lease.id).collect();
        assert_eq!(ids, [first]);
    }
}

#[tokio::test]
async fn organizations_do_not_interfere() {
    for bench in Bench::all() {
        for organization in ["fabrikam", "contoso"] {
            let told = make::delivery_of(organization, "subscription-a", 1, "event");
            id(bench.store.accept(told).await.unwrap());
        }
        let claimed = bench.store.claim_deliveries(claim(0, 10)).await.unwrap();
        let organizations: Vec<_> = claimed.iter().map(|one| one.organization.as_str()).collect();
        assert_eq!(organizations, ["fabrikam", "contoso"]);
    }
}

#[tokio::test]
async fn what_has_no_key_is_stored_every_time() {
    for bench in Bench::all() {
        for _ in 0..3 {
            let told = NewDelivery { subscription: None, notification: None, ..make::delivery(1) };
            id(bench.store.accept(told).await.unwrap());
        }
        assert_eq!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn what_is_no_json_is_kept_and_waits_for_nobody() {
    for bench in Bench::all() {
        let told = NewDelivery { quarantined: Some("no JSON".into()), ..make::delivery(1) };
        let id = id(bench.store.accept(told).await.unwrap());
        let found = bench.store.delivery(id).await.unwrap().unwrap();
        assert_eq!((found.outcome, found.reason.as_str()), (Outcome::Quarantined, "no JSON"));
        assert_eq!(bench.store.delivery_body(id).await.unwrap().unwrap(), make::BODY);
        assert!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_replay_is_decided_although_it_was_told_before() {
    for bench in Bench::all() {
        let first = bench.delivered(1).await;
        let commit = make::decision(&first, &[], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let again = bench.store.replay(first.lease.id, at(5)).await.unwrap().unwrap();
        assert!(again > first.lease.id);
        let found = bench.store.delivery(again).await.unwrap().unwrap();
        assert_eq!((found.source, found.outcome), (Source::Replay, Outcome::Pending));
        assert_eq!(found.received_at, at(5));
        let claimed = bench.store.claim_deliveries(claim(5, 10)).await.unwrap();
        assert_eq!(claimed[0].lease.id, again);
        assert_eq!(claimed[0].body, make::BODY);
        // The same notification is as well known as before, and the next one is no duplicate.
        let repeated = bench.store.accept(make::delivery(1)).await.unwrap();
        assert_eq!(repeated, Accepted::AlreadyThere);
        assert_eq!(bench.store.replay(DeliveryId(99), at(5)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn claims_take_the_oldest_and_last_until_their_lease_ends() {
    for bench in Bench::all() {
        for number in 1..=5 {
            id(bench.store.accept(make::delivery(number)).await.unwrap());
        }
        let ids = |claimed: &[azdo_gateway::storage::LeasedDelivery]| -> Vec<_> {
            claimed.iter().map(|one| (one.lease.id.0, one.lease.number, one.attempts)).collect()
        };
        let first = bench.store.claim_deliveries(claim(0, 2)).await.unwrap();
        assert_eq!(ids(&first), [(1, 1, 1), (2, 1, 1)]);
        let second = bench.store.claim_deliveries(claim(29, 10)).await.unwrap();
        assert_eq!(ids(&second), [(3, 1, 1), (4, 1, 1), (5, 1, 1)]);
        assert!(bench.store.claim_deliveries(claim(29, 10)).await.unwrap().is_empty());
        let again = bench.store.claim_deliveries(claim(30, 10)).await.unwrap();
        assert_eq!(ids(&again), [(1, 2, 2), (2, 2, 2)]);
        assert_eq!(again[0].body, make::BODY);
    }
}

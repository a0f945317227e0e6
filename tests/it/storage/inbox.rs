//! Deliveries: each stored once however often it is received, leased to one worker at a time.

use std::sync::Arc;

use azdo_gateway::domain::decision::{Outcome, Source};
use azdo_gateway::domain::id::DeliveryId;
use azdo_gateway::storage::{Commit, DeliveryFilter, Page, Replayed, Store};
use futures_util::future::join_all;

use super::make::HookCall;
use super::{Bench, Engine, LEASE, at, claim, make, receive};

async fn count(store: &dyn Store) -> usize {
    let page = Page { limit: 500, before: None };
    store.deliveries(DeliveryFilter::default(), page).await.unwrap().items.len()
}

async fn undecided(store: &dyn Store) -> u64 {
    store.backlog().await.unwrap().undecided
}

#[tokio::test(flavor = "multi_thread")]
async fn one_notification_is_stored_once_however_many_bring_it() {
    for bench in Bench::all().await {
        let calls = (0..64).map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { receive(&*store, &make::delivery(1)).await.unwrap() })
        });
        join_all(calls).await.into_iter().for_each(|call| call.unwrap());
        assert_eq!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().len(), 1);
        assert_eq!(count(&*bench.store).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_claims_lease_every_delivery_once() {
    for bench in Bench::all().await {
        let calls = (0..600).map(|number| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { receive(&*store, &make::delivery(number)).await.unwrap() })
        });
        join_all(calls).await.into_iter().for_each(|call| call.unwrap());
        let claims = (0..8).map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                loop {
                    let claimed = store.claim_deliveries(claim(0, 50)).await.unwrap();
                    if claimed.is_empty() {
                        return ids;
                    }
                    ids.extend(claimed.iter().map(|one| one.lease.id.0));
                }
            })
        });
        let claimed = join_all(claims).await.into_iter().flat_map(Result::unwrap);
        let mut claimed: Vec<i64> = claimed.collect();
        claimed.sort_unstable();
        assert_eq!(claimed, (1..=600).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn one_event_through_two_subscriptions_is_decided_once() {
    for bench in Bench::all().await {
        let call = |subscription, number| {
            bench.accept(make::delivery_of(make::ORGANIZATION, subscription, number, "event"))
        };
        let first = call("subscription-a", 1).await.unwrap();
        let second = call("subscription-b", 1).await.unwrap();
        let found = bench.store.delivery(second).await.unwrap().unwrap();
        assert_eq!(found.outcome, Outcome::Duplicate);
        assert!(found.reason.contains(&format!("delivery {first}")), "{}", found.reason);
        assert_eq!(call("subscription-b", 1).await, None);
        let claimed = bench.store.claim_deliveries(claim(0, 10)).await.unwrap();
        let ids: Vec<_> = claimed.iter().map(|one| one.lease.id).collect();
        assert_eq!(ids, [first]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_different_projects_do_not_interfere() {
    for bench in Bench::all().await {
        let to = |hook: &str| HookCall { hook: hook.into(), ..make::delivery(1) };
        for hook in ["by-hand@tools", "by-hand@fabrikam", "by-hand@fabrikam", "git-push"] {
            receive(&*bench.store, &to(hook)).await.unwrap();
        }
        let claimed = bench.store.claim_deliveries(claim(0, 10)).await.unwrap();
        let hooks: Vec<&str> = claimed.iter().map(|one| one.hook.as_str()).collect();
        assert_eq!(hooks, ["by-hand@tools", "by-hand@fabrikam", "git-push"], "none is a duplicate");
    }
}

/// A text that no compression makes much shorter.
fn long_text(seed: u64) -> String {
    let step = |number: &u64| Some(number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(seed));
    let numbers = std::iter::successors(Some(seed), step);
    numbers.take(1_000).map(|number| format!("{:08x}", number >> 32)).collect()
}

#[tokio::test]
async fn a_delivery_is_stored_however_long_its_keys_are() {
    for bench in Bench::all().await {
        let call = make::delivery_of(make::ORGANIZATION, &long_text(3), 1, &long_text(5));
        let body = String::from_utf8(call.body.clone()).unwrap().replace("git.push", &long_text(7));
        let call = HookCall { body: body.into_bytes(), ..call };
        let id = bench.accept(call.clone()).await.unwrap();
        assert_eq!(bench.accept(call.clone()).await, None, "it is a repeat");
        assert_eq!(bench.store.delivery_body(id).await.unwrap().unwrap(), call.body);
        let claimed = bench.store.claim_deliveries(claim(0, 9)).await.unwrap();
        assert_eq!(claimed.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_store_each_notification_once() {
    let bench = Bench::of(Engine::Postgres).await;
    let other = bench.location.open().await;
    let calls = (0..200).map(|at| {
        let store = Arc::clone([&bench.store, &other][at % 2]);
        // Both bring all, the second one the other way round.
        let number = [at / 2, 99 - at / 2][at % 2];
        let call = make::delivery(number.try_into().unwrap());
        // What is refused is sent again.
        let sent = async move { while receive(&*store, &call).await.is_err() {} };
        tokio::spawn(tokio::time::timeout(LEASE, sent))
    });
    join_all(calls).await.into_iter().for_each(|call| call.unwrap().unwrap());
    let claimed = other.claim_deliveries(claim(0, 999)).await.unwrap();
    assert_eq!((claimed.len(), count(&*bench.store).await), (100, 100));
}

#[tokio::test]
async fn organizations_do_not_interfere() {
    for bench in Bench::all().await {
        for organization in ["fabrikam", "contoso"] {
            let call = make::delivery_of(organization, "subscription-a", 1, "event");
            bench.accept(call).await.unwrap();
        }
        let claimed = bench.store.claim_deliveries(claim(0, 10)).await.unwrap();
        let organizations: Vec<_> = claimed.iter().map(|one| one.organization.as_str()).collect();
        assert_eq!(organizations, ["fabrikam", "contoso"]);
    }
}

#[tokio::test]
async fn a_delivery_without_a_key_is_stored_every_time() {
    for bench in Bench::all().await {
        for _ in 0..3 {
            bench.accept(make::keyless("event")).await.unwrap();
        }
        assert_eq!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_stored_and_quarantined() {
    for bench in Bench::all().await {
        let call = make::not_json(make::ORGANIZATION, "1");
        let id = bench.accept(call.clone()).await.unwrap();
        let found = bench.store.delivery(id).await.unwrap().unwrap();
        assert_eq!(found.outcome, Outcome::Quarantined);
        assert!(found.reason.starts_with("not "), "{}", found.reason);
        assert_eq!(bench.store.delivery_body(id).await.unwrap().unwrap(), call.body);
        assert!(bench.store.claim_deliveries(claim(0, 10)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_replay_is_decided_although_its_event_is_known() {
    for bench in Bench::all().await {
        let first = bench.delivered(1).await;
        let commit = make::decision(&first, &[], &[]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        let replay = async |id, request| bench.store.replay(id, request, at(5)).await.unwrap();
        let Replayed { id: again, is_new } = replay(first.lease.id, 100).await.unwrap();
        let repeated = replay(first.lease.id, 100).await;
        assert_eq!((is_new, repeated), (true, Some(Replayed { id: again, is_new: false })));
        assert!(again > first.lease.id);
        let found = bench.store.delivery(again).await.unwrap().unwrap();
        assert_eq!((found.source, found.outcome), (Source::Replay, Outcome::Pending));
        assert_eq!(found.received_at, at(5));
        let claimed = bench.store.claim_deliveries(claim(5, 10)).await.unwrap();
        assert_eq!(claimed[0].lease.id, again);
        assert_eq!(claimed[0].body, first.body);
        // The replay changes nothing for the notification itself.
        assert_eq!(bench.accept(make::delivery(1)).await, None);
        assert_eq!(replay(DeliveryId(99), 101).await, None);
    }
}

#[tokio::test]
async fn claims_take_the_oldest_and_last_until_their_lease_ends() {
    for bench in Bench::all().await {
        for number in 1..=5 {
            bench.accept(make::delivery(number)).await.unwrap();
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
        assert_eq!(again[0].body, make::delivery(1).body);
    }
}

#[tokio::test]
async fn received_deliveries_count_as_undecided_and_are_claimed_in_order() {
    for bench in Bench::all().await {
        let store = &*bench.store;
        for number in 0..5 {
            receive(store, &make::delivery(number)).await.unwrap();
        }
        assert_eq!(undecided(store).await, 5);
        let claimed = store.claim_deliveries(claim(0, 3)).await.unwrap();
        let bodies: Vec<_> = claimed.into_iter().map(|one| one.body).collect();
        assert_eq!(bodies, [0, 1, 2].map(|number| make::delivery(number).body));
        assert_eq!(undecided(store).await, 5, "a leased delivery is not decided yet");
    }
}

#[tokio::test]
async fn a_repeated_notification_is_stored_once() {
    for bench in Bench::all().await {
        let store = &*bench.store;
        for number in [7, 7, 8] {
            receive(store, &make::delivery(number)).await.unwrap();
        }
        assert_eq!(store.claim_deliveries(claim(0, 9)).await.unwrap().len(), 2);
        receive(store, &make::delivery(7)).await.unwrap();
        assert!(store.claim_deliveries(claim(0, 9)).await.unwrap().is_empty());
        assert_eq!((count(store).await, undecided(store).await), (2, 2));
    }
}

#[tokio::test]
async fn bodies_may_be_empty_and_long() {
    for bench in Bench::all().await {
        let store = &*bench.store;
        let long: Vec<u8> = (0..9_000_000_u32).map(|at| (at.wrapping_mul(97) >> 3) as u8).collect();
        for body in [&[], long.as_slice(), b"{", &long, &[]] {
            store.receive(make::ORGANIZATION, "git-push", at(1), body).await.unwrap();
        }
        store.claim_deliveries(claim(0, 0)).await.unwrap();
        let mut bodies = Vec::new();
        for id in 1..=5 {
            bodies.push(store.delivery_body(DeliveryId(id)).await.unwrap().unwrap());
        }
        let lengths: Vec<usize> = bodies.iter().map(Vec::len).collect();
        assert_eq!(lengths, [0, long.len(), 1, long.len(), 0]);
        assert!(bodies[1] == long && bodies[3] == long);
    }
}

#[tokio::test]
async fn a_claim_of_none_shows_received_deliveries_in_lists() {
    for bench in Bench::all().await {
        receive(&*bench.store, &make::delivery(1)).await.unwrap();
        assert!(bench.store.claim_deliveries(claim(0, 0)).await.unwrap().is_empty());
        assert_eq!(count(&*bench.store).await, 1);
    }
}

#[tokio::test]
async fn a_list_waits_a_moment_for_deliveries_that_were_received_before() {
    for bench in Bench::all().await {
        receive(&*bench.store, &make::delivery(1)).await.unwrap();
        let claiming = bench.store.claim_deliveries(claim(0, 9));
        let (found, claimed) = tokio::join!(count(&*bench.store), claiming);
        assert_eq!((found, claimed.unwrap().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_closed_store_refuses_hook_calls() {
    for bench in Bench::all().await {
        receive(&*bench.store, &make::delivery(1)).await.unwrap();
        bench.store.close(LEASE).await;
        assert!(receive(&*bench.store, &make::delivery(2)).await.is_err());
        let bench = bench.reopened().await;
        assert_eq!(bench.store.claim_deliveries(claim(0, 9)).await.unwrap().len(), 1);
    }
}

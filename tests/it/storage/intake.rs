//! Hook calls as they come: kept before they are answered, taken in once and in order, whatever
//! becomes of whoever takes them in.

use std::sync::Arc;

use azdo_gateway::domain::decision::Outcome;
use azdo_gateway::storage::{
    Accepted, Arrived, DeliveryFilter, NewDelivery, Page, Received, Store, TakeIn,
};
use futures_util::future::join_all;
use futures_util::poll;

use super::{Bench, at, claim, make};

/// The body of that number.
pub(super) fn body(number: i64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(8 + bytes, b'x');
    body
}

/// The number of a body.
pub(super) fn number(body: &[u8]) -> i64 {
    i64::from_le_bytes(*body.first_chunk().expect("each begins with its number"))
}

pub(super) async fn receive(store: &dyn Store, number: i64, bytes: usize) {
    let body = body(number, bytes);
    let kept = store.receive(make::ORGANIZATION, "git-push", at(number), &body);
    kept.await.expect("it is kept");
}

/// What arrived, to be taken in under the number that each body tells.
pub(super) fn to_take_in(arrived: Arrived) -> TakeIn {
    let Arrived { deliveries, from, upto } = arrived;
    let one = |received: Received| NewDelivery {
        body: lz4_flex::compress_prepend_size(&received.body),
        body_bytes: received.body.len(),
        received_at: received.received_at,
        ..make::delivery(number(&received.body))
    };
    TakeIn { deliveries: deliveries.into_iter().map(one).collect(), from, upto }
}

/// Takes in up to so many; how many there were.
pub(super) async fn take_in(store: &dyn Store, limit: usize) -> usize {
    let arrived = store.arrived(limit).await.expect("it reads");
    let count = arrived.deliveries.len();
    if count > 0 {
        store.take_in(to_take_in(arrived)).await.expect("it is writable");
    }
    count
}

/// The numbers of all that is in the database, in order.
pub(super) async fn stored(store: &dyn Store) -> Vec<i64> {
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = Page { limit: 500, before };
        let found = store.deliveries(DeliveryFilter::default(), page).await.expect("it reads");
        for delivery in &found.items {
            let body = store.delivery_body(delivery.id).await.expect("it reads");
            let body = body.expect("each has one");
            assert_eq!(delivery.body_bytes, i64::try_from(body.len()).unwrap());
            assert_eq!(delivery.received_at, at(number(&body)));
            numbers.push(number(&body));
        }
        before = found.next;
        if before.is_none() {
            numbers.reverse();
            return numbers;
        }
    }
}

async fn undecided(store: &dyn Store) -> u64 {
    store.backlog().await.expect("it reads").undecided
}

#[tokio::test]
async fn what_was_kept_is_taken_in_once_and_as_it_came() {
    for bench in Bench::all() {
        let store = &*bench.store;
        assert!(store.arrived(10).await.unwrap().deliveries.is_empty());
        for number in 0..5 {
            receive(store, number, 10).await;
        }
        assert_eq!(undecided(store).await, 5);
        let arrived = store.arrived(2).await.unwrap();
        let first = Received {
            organization: make::ORGANIZATION.into(),
            hook: "git-push".into(),
            received_at: at(0),
            body: body(0, 10),
        };
        assert_eq!(arrived.deliveries[0], first);
        let again = store.arrived(2).await.unwrap();
        assert_eq!(again.deliveries, arrived.deliveries, "reading takes nothing away");
        assert_eq!(take_in(store, 2).await, 2);
        assert_eq!(undecided(store).await, 5, "what is taken in waits as before");
        assert_eq!((take_in(store, 9).await, take_in(store, 9).await), (3, 0));
        assert_eq!(stored(store).await, [0, 1, 2, 3, 4]);
        assert_eq!(store.claim_deliveries(claim(9, 9)).await.unwrap().len(), 5);
    }
}

#[tokio::test]
async fn of_two_who_take_in_the_same_the_second_does_nothing() {
    for bench in Bench::all() {
        let store = &*bench.store;
        for number in 0..4 {
            receive(store, number, 10).await;
        }
        let first = to_take_in(store.arrived(3).await.unwrap());
        let second = to_take_in(store.arrived(4).await.unwrap());
        let (first, second) = tokio::join!(store.take_in(first), store.take_in(second));
        assert_eq!(first.unwrap().unwrap().len(), 3);
        assert_eq!(second.unwrap(), None);
        assert_eq!(take_in(store, 9).await, 1);
        assert_eq!(stored(store).await, [0, 1, 2, 3]);
    }
}

#[tokio::test]
async fn what_was_taken_in_though_nobody_heard_of_it_is_not_taken_in_again() {
    for bench in Bench::all() {
        let store = &*bench.store;
        for number in 0..4 {
            receive(store, number, 10).await;
        }
        let arrived = to_take_in(store.arrived(3).await.unwrap());
        {
            // Once asked for it is done, whoever goes away.
            let mut taking = std::pin::pin!(store.take_in(arrived));
            drop(poll!(&mut taking));
        }
        while take_in(store, 9).await > 0 {}
        assert_eq!(stored(store).await, [0, 1, 2, 3]);
        assert_eq!(undecided(store).await, 4, "nothing is counted that is not there");
        receive(store, 4, 10).await;
        assert_eq!(undecided(store).await, 5);
        assert_eq!(take_in(store, 9).await, 1, "nor is anything overlooked");
    }
}

#[tokio::test]
async fn what_azure_devops_repeats_is_kept_again_and_stored_once() {
    for bench in Bench::all() {
        let store = &*bench.store;
        for number in [7, 7, 8] {
            receive(store, number, 10).await;
        }
        let arrived = to_take_in(store.arrived(9).await.unwrap());
        let accepted = store.take_in(arrived).await.unwrap().unwrap();
        assert!(matches!(accepted[0], Accepted::Stored(_)));
        assert_eq!(accepted[1], Accepted::AlreadyThere);
        assert!(matches!(accepted[2], Accepted::Stored(_)));
        receive(store, 7, 10).await;
        assert_eq!(take_in(store, 9).await, 1);
        assert_eq!(stored(store).await, [7, 8]);
        assert_eq!(undecided(store).await, 2);
    }
}

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart() {
    for mut bench in Bench::all() {
        for number in 0..6 {
            receive(&*bench.store, number, 10).await;
            if number == 3 {
                assert_eq!(take_in(&*bench.store, 2).await, 2);
            }
        }
        bench = bench.reopened().await;
        assert_eq!(undecided(&*bench.store).await, 6);
        receive(&*bench.store, 6, 10).await;
        bench = bench.reopened().await;
        assert_eq!(take_in(&*bench.store, 3).await, 3);
        bench = bench.reopened().await;
        while take_in(&*bench.store, 9).await > 0 {}
        bench = bench.reopened().await;
        assert_eq!(take_in(&*bench.store, 9).await, 0);
        assert_eq!(stored(&*bench.store).await, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(undecided(&*bench.store).await, 7);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_answered_at_the_same_time_is_kept() {
    for bench in Bench::all() {
        let each = (0..300).map(|number| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { receive(&*store, number, 3_000).await })
        });
        for kept in join_all(each).await {
            kept.unwrap();
        }
        while take_in(&*bench.store, 64).await > 0 {}
        let mut numbers = stored(&*bench.store).await;
        numbers.sort_unstable();
        assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn bodies_may_be_empty_and_long() {
    for bench in Bench::all() {
        let store = &*bench.store;
        let long: Vec<u8> = (0..9_000_000_u32).map(|at| (at.wrapping_mul(97) >> 3) as u8).collect();
        for body in [&[], long.as_slice(), b"{", &long, &[]] {
            store.receive(make::ORGANIZATION, "git-push", at(1), body).await.unwrap();
        }
        let mut bodies = Vec::new();
        loop {
            let Arrived { deliveries, from, upto } = store.arrived(256).await.unwrap();
            if deliveries.is_empty() {
                break;
            }
            bodies.extend(deliveries.into_iter().map(|one| one.body));
            let taken = TakeIn { deliveries: Vec::new(), from, upto };
            assert!(store.take_in(taken).await.unwrap().is_some());
        }
        let lengths: Vec<usize> = bodies.iter().map(Vec::len).collect();
        assert_eq!(lengths, [0, long.len(), 1, long.len(), 0]);
        assert!(bodies[1] == long && bodies[3] == long);
    }
}

#[tokio::test]
async fn however_much_comes_what_is_taken_in_needs_no_room() {
    for mut bench in Bench::all() {
        let room = |bench: &Bench| -> u64 {
            let entries = std::fs::read_dir(bench.folder.path()).unwrap().map(Result::unwrap);
            let ours = entries.filter(|entry| entry.file_name().to_string_lossy().contains("take"));
            ours.map(|entry| entry.metadata().unwrap().len()).sum()
        };
        let mut next = 0;
        for round in 0..3 {
            for number in next..next + 60 {
                receive(&*bench.store, number, 3_000_000).await;
            }
            next += 60;
            if round == 1 {
                bench = bench.reopened().await;
            }
            while take_in(&*bench.store, 7).await > 0 {}
        }
        assert_eq!(stored(&*bench.store).await, (0..next).collect::<Vec<_>>());
        let mib = room(&bench) >> 20;
        assert!(mib < 5 * 36, "{mib} MiB for nothing");
    }
}

#[tokio::test]
async fn after_it_is_closed_nothing_is_kept() {
    for bench in Bench::all() {
        receive(&*bench.store, 1, 10).await;
        bench.store.close(super::LEASE).await;
        let refused = bench.store.receive(make::ORGANIZATION, "git-push", at(0), b"{}").await;
        assert!(refused.is_err());
        let bench = bench.reopened().await;
        assert_eq!(take_in(&*bench.store, 9).await, 1);
    }
}

#[tokio::test]
async fn a_list_waits_a_moment_for_what_arrived_before() {
    for bench in Bench::all() {
        receive(&*bench.store, 1, 10).await;
        let pending = DeliveryFilter { outcome: Some(Outcome::Pending), ..Default::default() };
        let listing = bench.store.deliveries(pending, Page { limit: 9, before: None });
        let (found, taken) = tokio::join!(listing, take_in(&*bench.store, 9));
        assert_eq!((found.unwrap().items.len(), taken), (1, 1));
    }
}

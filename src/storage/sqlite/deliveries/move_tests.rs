//! Moving deliveries from the intake into the inbox: each once and in order, whatever happens to
//! the move.

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::domain::time::Timestamp;
use crate::storage::sqlite::Sqlite;
use crate::storage::{Admin, Claim, Deliveries, DeliveryFilter, Envelope, Page};

/// The body of that number.
fn body(number: i64, bytes: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(8 + bytes, b'x');
    body
}

fn number(body: &[u8]) -> i64 {
    i64::from_le_bytes(*body.first_chunk().unwrap())
}

fn read_number(body: &[u8]) -> Envelope {
    let notification = Some(number(body));
    Envelope { subscription: Some("a".into()), notification, ..Envelope::default() }
}

/// In memory where the machine has such a folder: these tests are not about the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(&folder.join("gateway.db"), read_number).unwrap()
}

async fn receive(store: &Sqlite, number: i64, bytes: usize) {
    let received_at = Timestamp::from_micros(number);
    store.receive("fabrikam", "push", received_at, &body(number, bytes)).await.unwrap();
}

/// Moves up to so many deliveries; how many there were.
async fn move_some(store: &Sqlite, limit: usize) -> usize {
    let batch = store.intake.read(limit).await.unwrap();
    let count = batch.received.len();
    if !batch.is_empty() {
        store.move_to_inbox(batch).await.unwrap();
    }
    count
}

/// The numbers of all stored deliveries, oldest first.
async fn stored(store: &Sqlite) -> Vec<i64> {
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = Page { limit: 500, before };
        let found = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
        for item in &found.items {
            let body = store.delivery_body(item.id).await.unwrap().unwrap();
            assert_eq!(item.body_bytes, i64::try_from(body.len()).unwrap());
            assert_eq!(item.received_at.micros(), number(&body));
            numbers.push(number(&body));
        }
        before = found.next;
        if before.is_none() {
            numbers.reverse();
            return numbers;
        }
    }
}

async fn undecided(store: &Sqlite) -> u64 {
    store.backlog().await.unwrap().undecided
}

#[tokio::test]
async fn of_two_moves_of_the_same_deliveries_the_second_does_nothing() {
    let folder = folder();
    let store = open(folder.path());
    for number in 0..4 {
        receive(&store, number, 10).await;
    }
    let first = store.intake.read(3).await.unwrap();
    let second = store.intake.read(4).await.unwrap();
    let (first, second) = tokio::join!(store.move_to_inbox(first), store.move_to_inbox(second));
    first.unwrap();
    second.unwrap();
    assert_eq!(store.intake.waiting(), 1);
    assert_eq!(move_some(&store, 9).await, 1);
    assert_eq!(stored(&store).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_move_whose_caller_stopped_waiting_is_not_repeated() {
    let folder = folder();
    let store = open(folder.path());
    for number in 0..4 {
        receive(&store, number, 10).await;
    }
    let batch = store.intake.read(3).await.unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let mut first = Box::pin(store.writer.write(0, move |_: &Connection| {
        assert!(held.recv().is_ok());
        Ok(())
    }));
    assert!((&mut first).now_or_never().is_none(), "the writer waits");
    // Polled once, so that the write is in the queue behind the first one, and then dropped.
    assert!(Box::pin(store.move_to_inbox(batch)).now_or_never().is_none());
    release.send(()).unwrap();
    first.await.unwrap();
    while move_some(&store, 9).await > 0 {}
    assert_eq!(stored(&store).await, [0, 1, 2, 3]);
    assert_eq!(undecided(&store).await, 4);
    receive(&store, 4, 10).await;
    assert_eq!(undecided(&store).await, 5);
    assert_eq!(move_some(&store, 9).await, 1);
}

#[tokio::test]
async fn a_claim_leases_a_delivery_behind_many_that_are_stored_already() {
    let folder = folder();
    let store = open(folder.path());
    receive(&store, 0, 10).await;
    let claim = |limit| Claim { now: Timestamp::ZERO, limit, lease: Duration::from_secs(15) };
    assert_eq!(store.claim_deliveries(claim(9)).await.unwrap().len(), 1);
    for _ in 0..3 * super::MOVE_MAX {
        receive(&store, 0, 10).await;
    }
    receive(&store, 1, 10).await;
    assert_eq!(store.claim_deliveries(claim(9)).await.unwrap().len(), 1);
    assert_eq!(store.intake.waiting(), 0);
}

#[tokio::test]
async fn a_clean_stop_leaves_nothing_in_the_intake() {
    let folder = folder();
    let store = open(folder.path());
    for number in 0..1_000 {
        receive(&store, number, 10).await;
    }
    store.close(Duration::from_secs(60)).await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.intake.waiting(), 0);
    assert_eq!(stored(&store).await.len(), 1_000);
}

#[tokio::test]
async fn moved_deliveries_need_no_room_in_the_intake() {
    let folder = folder();
    let mut store = open(folder.path());
    for round in 0..3 {
        for number in round * 60..(round + 1) * 60 {
            receive(&store, number, 3_000_000).await;
        }
        if round == 1 {
            drop(store);
            store = open(folder.path());
        }
        while move_some(&store, 7).await > 0 {}
    }
    assert_eq!(undecided(&store).await, 180);
    let entries = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
    let intake = entries.filter(|entry| entry.file_name().to_string_lossy().contains("-intake-"));
    let mib = intake.map(|entry| entry.metadata().unwrap().len()).sum::<u64>() >> 20;
    assert!(mib < 5 * 36, "the last segment and four unused files: {mib} MiB");
}

#[derive(Clone, Debug)]
enum Step {
    Receive {
        count: i64,
        bytes: usize,
    },
    Move {
        limit: usize,
    },
    /// The caller stops waiting for the move.
    MoveUnheard {
        limit: usize,
    },
    /// A batch that was read before another one was moved.
    MoveLate {
        limit: usize,
    },
    /// The store is opened again without a clean stop.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let limit = || 1..12_usize;
    let bytes = prop_oneof![8 => 0..3_000_usize, 1 => Just(5_000_000)];
    prop_oneof![
        6 => (1..8_i64, bytes).prop_map(|(count, bytes)| Step::Receive { count, bytes }),
        4 => limit().prop_map(|limit| Step::Move { limit }),
        2 => limit().prop_map(|limit| Step::MoveUnheard { limit }),
        2 => limit().prop_map(|limit| Step::MoveLate { limit }),
        1 => Just(Step::Reopen),
    ]
}

async fn check(steps: Vec<Step>) {
    let folder = folder();
    let (mut store, mut received) = (open(folder.path()), 0);
    for step in steps {
        match step {
            Step::Receive { count, bytes } => {
                for number in received..received + count {
                    receive(&store, number, bytes).await;
                }
                received += count;
            }
            Step::Move { limit } => drop(move_some(&store, limit).await),
            Step::MoveUnheard { limit } => {
                let batch = store.intake.read(limit).await.unwrap();
                if !batch.is_empty() {
                    drop(Box::pin(store.move_to_inbox(batch)).now_or_never());
                }
            }
            Step::MoveLate { limit } => {
                let late = store.intake.read(limit).await.unwrap();
                move_some(&store, 3).await;
                if !late.is_empty() {
                    store.move_to_inbox(late).await.unwrap();
                }
            }
            Step::Reopen => {
                drop(store);
                store = open(folder.path());
            }
        }
    }
    let waiting = undecided(&store).await;
    assert!(waiting >= received.unsigned_abs(), "{waiting} of {received}");
    while move_some(&store, 50).await > 0 {}
    assert_eq!(stored(&store).await, (0..received).collect::<Vec<_>>());
    assert_eq!(undecided(&store).await, received.unsigned_abs());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_delivery_is_moved_once_and_in_order(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check(steps));
    }
}

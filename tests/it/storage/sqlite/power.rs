//! Power cuts while hook calls are received. The disk keeps what was synced; of what was written
//! after the last sync any page may be lost. No answered delivery is lost, none is stored twice,
//! and they are stored in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{DeliveryFilter, Page, Store};
use fakes::random::Random;

use super::super::make::long_delivery;
use super::super::{Bench, Engine, LEASE, claim, receive};

const PAGE_BYTES: usize = 4096;

type Files = BTreeMap<String, Vec<u8>>;

/// The files of the intake beside that database.
fn intake_of(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.contains("-intake-") {
            // The gateway may be deleting this one.
            files.extend(std::fs::read(folder.join(&name)).ok().map(|bytes| (name, bytes)));
        }
    }
    files
}

/// The database with its log. A reader keeps the log from starting anew between the two; a disk
/// stops all at once.
fn database_of(folder: &Path) -> Files {
    let path = folder.join("gateway.db");
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM meta;").unwrap();
    let read = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap());
    Files::from([read("gateway.db"), read("gateway.db-wal")])
}

/// Moves every received delivery into the inbox.
async fn move_all(store: &dyn Store) {
    store.claim_deliveries(claim(0, 0)).await.unwrap();
}

/// The numbers of all stored deliveries, in order.
async fn stored(store: &dyn Store) -> Vec<i64> {
    let (mut numbers, mut before) = (Vec::new(), None);
    loop {
        let page = Page { limit: 500, before };
        let found = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
        numbers.extend(found.items.iter().map(|item| item.notification.unwrap()));
        before = found.next;
        if before.is_none() {
            numbers.reverse();
            return numbers;
        }
    }
}

/// The numbers that a start with these files finds in the end.
async fn found(files: &Files) -> Vec<i64> {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let path = folder.path().join("gateway.db");
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, read_envelope).unwrap());
    // A delivery that is received after the cut comes after those from before.
    receive(&*store, &long_delivery(999_999, 100)).await.unwrap();
    move_all(&*store).await;
    let mut numbers = stored(&*store).await;
    assert_eq!(numbers.pop(), Some(999_999), "the delivery that was received last");
    let undecided = store.backlog().await.unwrap().undecided;
    assert_eq!(undecided, numbers.len() as u64 + 1);
    store.close(LEASE).await;
    numbers
}

async fn receive_one(bench: &Bench, number: i64, bytes: u64) {
    let call = long_delivery(number, usize::try_from(bytes).unwrap());
    receive(&*bench.store, &call).await.unwrap();
}

/// As a disk would leave `after` if the power failed before its fsync, which followed on `before`.
fn cut(before: &[u8], after: &[u8], random: &mut Random) -> Vec<u8> {
    let mut left = after.to_vec();
    for (number, page) in left.chunks_mut(PAGE_BYTES).enumerate() {
        let at = number * PAGE_BYTES;
        if after[at..at + page.len()] == *before.get(at..at + page.len()).unwrap_or_default() {
            continue;
        }
        if random.below(3) == 0 {
            for (offset, byte) in page.iter_mut().enumerate() {
                *byte = before.get(at + offset).copied().unwrap_or(0);
            }
        }
    }
    // The length may be as old as the pages.
    let added = left.len().saturating_sub(before.len()) as u64;
    let lost = usize::try_from(random.below(added + 1)).unwrap();
    if random.below(2) == 0 {
        left.truncate(left.len() - lost);
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn every_delivery_that_was_answered_before_the_last_sync_is_there() {
    let bench = Bench::of(Engine::Sqlite).await;
    let mut random = Random::seeded(1);
    let mut answered = 0;
    let mut partly = 0;
    for round in 0..12 {
        for _ in 0..20 {
            receive_one(&bench, answered, random.below(9_000)).await;
            answered += 1;
        }
        // Files are used again, so that older records lie behind the new ones.
        if round % 3 == 2 {
            move_all(&*bench.store).await;
        }
        let (before, promised) = (intake_of(bench.location.folder()), answered);
        for _ in 0..20 {
            receive_one(&bench, answered, random.below(9_000)).await;
            answered += 1;
        }
        let after = intake_of(bench.location.folder());
        let database = database_of(bench.location.folder());
        for _ in 0..6 {
            let mut files = database.clone();
            for (name, after) in &after {
                let before = before.get(name).map(Vec::as_slice).unwrap_or_default();
                files.insert(name.clone(), cut(before, after, &mut random));
            }
            let numbers = found(&files).await;
            let all: Vec<i64> = (0..promised).collect();
            assert!(
                numbers.starts_with(&all),
                "round {round}: {numbers:?} lacks some of {promised}"
            );
            assert!(numbers.is_sorted_by(|one, next| one < next), "round {round}: {numbers:?}");
            partly += usize::from((promised + 1..answered).contains(&(numbers.len() as i64)));
        }
    }
    assert!(partly > 10, "the cuts fall into what was being written: {partly}");
}

/// The files of the intake are copied first: a delivery that they lack by then is in the database
/// or was not answered. They are copied one after the other, so deliveries received meanwhile may
/// be missing.
#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment_the_files_hold_every_answered_delivery() {
    const STEP: i64 = 60;
    let bench = Bench::of(Engine::Sqlite).await;
    let answered = Arc::new(AtomicI64::new(0));
    let wanted = Arc::new(AtomicI64::new(STEP));
    let (store, counted, until) = (bench.store.clone(), answered.clone(), wanted.clone());
    let receiving = tokio::spawn(async move {
        for number in 0.. {
            reached("the next round", || until.load(Ordering::SeqCst) > number).await;
            if until.load(Ordering::SeqCst) == i64::MAX {
                return;
            }
            receive(&*store, &long_delivery(number, 400_000)).await.unwrap();
            counted.store(number + 1, Ordering::SeqCst);
        }
    });
    let (store, until) = (bench.store.clone(), wanted.clone());
    let moving = tokio::spawn(async move {
        while until.load(Ordering::SeqCst) < i64::MAX {
            move_all(&*store).await;
            tokio::task::yield_now().await;
        }
    });
    for round in 1..8 {
        let enough = round * STEP - STEP / 2;
        reached("deliveries are answered", || answered.load(Ordering::SeqCst) >= enough).await;
        let promised = answered.load(Ordering::SeqCst);
        let mut files = intake_of(bench.location.folder());
        files.extend(database_of(bench.location.folder()));
        let numbers = found(&files).await;
        let all: Vec<i64> = (0..promised).collect();
        assert!(numbers.starts_with(&all), "{promised} were answered, {} are there", numbers.len());
        assert!(numbers.is_sorted_by(|one, next| one < next), "round {round}");
        wanted.store((round + 1) * STEP, Ordering::SeqCst);
    }
    wanted.store(i64::MAX, Ordering::SeqCst);
    receiving.await.unwrap();
    moving.await.unwrap();
}

/// Waits for another task; the bound only ends a test that would hang.
async fn reached(what: &str, is_reached: impl Fn() -> bool) {
    let waiting = async {
        while !is_reached() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.expect(what);
}

/// A backup has no intake files, and may be put back beside those of a gateway that went on.
#[tokio::test]
async fn a_backup_finds_the_deliveries_in_the_intake_files_beside_it() {
    let bench = Bench::of(Engine::Sqlite).await;
    for number in 0..30 {
        receive_one(&bench, number, 100).await;
        if number == 9 {
            move_all(&*bench.store).await;
        }
    }
    let backup = database_of(bench.location.folder());
    move_all(&*bench.store).await;
    let beside = intake_of(bench.location.folder());
    assert_eq!(found(&backup).await, (0..10).collect::<Vec<_>>());
    let both = backup.into_iter().chain(beside).collect();
    assert_eq!(found(&both).await, (0..30).collect::<Vec<_>>());
}

//! SQLite: power cuts while hook calls are being kept. What was on disk stays; of what came after
//! the last fsync any page may be lost. Nothing that was answered is lost, nothing is doubled, and
//! what is there is in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use azdo_gateway::storage::Admin;
use azdo_gateway::storage::sqlite::Sqlite;
use fakes::random::Random;

use super::intake::{receive, stored, take_in};
use super::{Bench, Engine, LEASE};

const PAGE_BYTES: usize = 4096;

type Files = BTreeMap<String, Vec<u8>>;

/// The files of the intake beside that database.
fn intake_of(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.contains("-intake-") {
            // One may be given back just now.
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

/// What a start with these files finds, in the end.
async fn found(files: &Files) -> Vec<i64> {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let store = Sqlite::open(&folder.path().join("gateway.db")).unwrap();
    // What comes after the cut must not be taken for what was before it.
    receive(&store, 999_999, 100).await;
    while take_in(&store, 64).await > 0 {}
    let mut numbers = stored(&store).await;
    assert_eq!(numbers.pop(), Some(999_999), "what came last");
    let undecided = store.backlog().await.unwrap().undecided;
    assert_eq!(undecided, numbers.len() as u64 + 1);
    store.close(LEASE).await;
    numbers
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
async fn whatever_the_last_fsync_did_not_reach_what_was_answered_before_is_there() {
    let bench = Bench::of(Engine::Sqlite);
    let mut random = Random::seeded(1);
    let mut answered = 0;
    let mut partly = 0;
    for round in 0..12 {
        for _ in 0..20 {
            receive(&*bench.store, answered, usize::try_from(random.below(9_000)).unwrap()).await;
            answered += 1;
        }
        // So that slots are used anew, what was there before shines through.
        if round % 3 == 2 {
            while take_in(&*bench.store, 64).await > 0 {}
        }
        let (before, promised) = (intake_of(bench.folder.path()), answered);
        for _ in 0..20 {
            receive(&*bench.store, answered, usize::try_from(random.below(9_000)).unwrap()).await;
            answered += 1;
        }
        let after = intake_of(bench.folder.path());
        let database = database_of(bench.folder.path());
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

/// The intake is copied first: what it lacks by then is in the database, or was not answered. Its
/// files are copied one after the other, so that of what came meanwhile some may be missing.
#[tokio::test(flavor = "multi_thread")]
async fn at_any_moment_the_files_hold_all_that_was_answered() {
    const STEP: i64 = 60;
    let bench = Bench::of(Engine::Sqlite);
    let answered = Arc::new(AtomicI64::new(0));
    let wanted = Arc::new(AtomicI64::new(STEP));
    let (store, counted, until) = (bench.store.clone(), answered.clone(), wanted.clone());
    let keeping = tokio::spawn(async move {
        for number in 0.. {
            while number >= until.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            if until.load(Ordering::SeqCst) == i64::MAX {
                return;
            }
            receive(&*store, number, 400_000).await;
            counted.store(number + 1, Ordering::SeqCst);
        }
    });
    let (store, until) = (bench.store.clone(), wanted.clone());
    let taking = tokio::spawn(async move {
        while until.load(Ordering::SeqCst) < i64::MAX {
            take_in(&*store, 30).await;
            tokio::task::yield_now().await;
        }
    });
    for round in 1..8 {
        while answered.load(Ordering::SeqCst) < round * STEP - STEP / 2 {
            tokio::task::yield_now().await;
        }
        let promised = answered.load(Ordering::SeqCst);
        let mut files = intake_of(bench.folder.path());
        files.extend(database_of(bench.folder.path()));
        let numbers = found(&files).await;
        let all: Vec<i64> = (0..promised).collect();
        assert!(numbers.starts_with(&all), "{promised} were answered, {} are there", numbers.len());
        assert!(numbers.is_sorted_by(|one, next| one < next), "round {round}");
        wanted.store((round + 1) * STEP, Ordering::SeqCst);
    }
    wanted.store(i64::MAX, Ordering::SeqCst);
    keeping.await.unwrap();
    taking.await.unwrap();
}

/// A backup holds no intake, and may be put back beside one that went on.
#[tokio::test]
async fn a_backup_that_is_put_back_takes_in_what_lies_beside_it() {
    let bench = Bench::of(Engine::Sqlite);
    for number in 0..30 {
        receive(&*bench.store, number, 100).await;
        if number == 9 {
            while take_in(&*bench.store, 64).await > 0 {}
        }
    }
    let backup = database_of(bench.folder.path());
    while take_in(&*bench.store, 64).await > 0 {}
    let beside = intake_of(bench.folder.path());
    assert_eq!(found(&backup).await, (0..10).collect::<Vec<_>>());
    let both = backup.into_iter().chain(beside).collect();
    assert_eq!(found(&both).await, (0..30).collect::<Vec<_>>());
}

//! What only SQLite can suffer: a foreign lock on the file, a queue before a writer that cannot
//! write, a second process, a file copied while it is being written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azdo_gateway::domain::audit::Action;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{
    Accepted, Admin, AuditFilter, Availability, Deliveries, Error, NewDelivery, Page,
};
use rusqlite::Connection;

use super::{Accepting, Bench, Engine, at, claim, make};

fn file(bench: &Bench) -> PathBuf {
    bench.folder.path().join("gateway.db")
}

/// Another process that writes and does not finish.
fn locked(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        while !condition() {
            pace.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_process_locks_the_file_everybody_is_told_soon_and_why() {
    let bench = Bench::of(Engine::Sqlite);
    assert_eq!(bench.store.health(), Availability::Writable);
    let other = locked(&file(&bench));
    let writes: Vec<_> = (0..300)
        .map(|number| {
            let store = bench.store.clone();
            tokio::spawn(async move { store.accept(make::delivery(number)).await })
        })
        .collect();
    let all = async {
        for write in writes {
            match write.await.unwrap() {
                Err(Error::Unavailable { advice, .. }) => {
                    assert!(advice.contains("locked by another process"), "{advice}");
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let soon = Duration::from_secs(10);
    tokio::time::timeout(soon, all).await.expect("one wait for the lock answers a whole batch");
    assert!(
        matches!(bench.store.health(), Availability::Unwritable(why) if why.contains("locked"))
    );
    other.execute_batch("ROLLBACK").unwrap();
    // Nobody has to send anything for it to be found out.
    until("it is well again", || bench.store.health() == Availability::Writable).await;
    // What was refused was not written by halves.
    assert!(bench.store.claim_deliveries(claim(0, 1_000)).await.unwrap().is_empty());
    assert!(matches!(bench.store.accept(make::delivery(1)).await, Ok(Accepted::Stored(_))));
}

/// A sign-in must not seem to work, nor an entry to be kept, while nothing can be written.
#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_no_right_is_given_or_used() {
    let bench = Bench::of(Engine::Sqlite);
    bench.store.begin_login(make::login(1, 5, 60), at(0)).await.unwrap();
    let other = locked(&file(&bench));
    let take = || bench.store.take_login(make::digest(1), make::digest(5), at(1));
    let refused = |error: Error| matches!(error, Error::Unavailable { .. });
    assert!(take().await.is_err_and(refused));
    let entries = vec![make::entry(1, Action::Use)];
    assert!(bench.store.record(entries).await.is_err_and(refused));
    assert!(matches!(bench.store.health(), Availability::Unwritable(_)));
    // What is read needs no lock.
    assert_eq!(bench.store.link(make::ORGANIZATION).await.unwrap(), None);
    other.execute_batch("ROLLBACK").unwrap();
    until("it is well again", || bench.store.health() == Availability::Writable).await;
    assert!(take().await.unwrap().is_some(), "the try that failed did not use it up");
    let page = Page { limit: 9, before: None };
    let kept = bench.store.audit(AuditFilter::default(), page).await.unwrap();
    assert!(kept.items.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_that_waits_is_refused_as_busy() {
    let bench = Bench::of(Engine::Sqlite);
    let other = locked(&file(&bench));
    // What the writer has taken in hand no longer waits; of what waits, 64 MiB are too much.
    let body = vec![0_u8; 2 * 1024 * 1024];
    let writes: Vec<_> = (0..600)
        .map(|number| {
            let (store, body) = (bench.store.clone(), body.clone());
            let big = NewDelivery { body, ..make::delivery(number) };
            async move { store.accept(big).await }
        })
        .collect();
    let answers = futures_util::future::join_all(writes).await;
    let busy = answers.iter().filter(|one| matches!(one, Err(Error::Busy { .. }))).count();
    let refused = answers.iter().filter(|one| one.is_err()).count();
    assert_eq!(refused, 600);
    assert!(busy > 500, "{busy}");
    other.execute_batch("ROLLBACK").unwrap();
    until("it is well again", || bench.store.health() == Availability::Writable).await;
    assert!(matches!(bench.store.accept(make::delivery(1)).await, Ok(Accepted::Stored(_))));
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_is_gone() {
    let bench = Bench::of(Engine::Sqlite);
    let second = Sqlite::open(&file(&bench));
    let why = second.expect_err("the first still has it").to_string();
    assert!(why.contains("another running gateway"), "{why}");
    bench.reopened().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
    let why = Sqlite::open(&path).expect_err("it is newer").to_string();
    assert!(why.contains("schema version 1000"), "{why}");
}

/// A power failure at any moment leaves a prefix of what was written, with all that was promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_it_is_being_written_holds_all_that_was_promised() {
    let bench = Bench::of(Engine::Sqlite);
    let promised = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let (store, counted) = (bench.store.clone(), Arc::clone(&promised));
    let writing = tokio::spawn(async move {
        for number in 0.. {
            if store.accept(make::delivery(number)).await.is_err() {
                return;
            }
            counted.store(number + 1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let mut copied = 0;
    for _ in 0..20 {
        let enough = copied + 25;
        until("it writes", || promised.load(std::sync::atomic::Ordering::SeqCst) > enough).await;
        copied =
            check_copy(&file(&bench), promised.load(std::sync::atomic::Ordering::SeqCst)).await;
    }
    bench.store.close(Duration::from_secs(5)).await;
    writing.await.unwrap();
}

/// Copies the file and its log as a crash at this moment would leave them, and opens the copy.
async fn check_copy(path: &Path, promised: i64) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("gateway.db");
    // A reader keeps the log from starting anew between the two copies; disks stop all at once.
    let reader = Connection::open(path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM meta;").unwrap();
    std::fs::copy(path, &copy).unwrap();
    std::fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    drop(reader);
    let db = Connection::open(&copy).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    drop(db);
    let store = Sqlite::open(&copy).unwrap();
    let waiting = i64::try_from(store.backlog().await.unwrap().undecided).unwrap();
    assert!(waiting >= promised, "{promised} were promised, {waiting} are there");
    let ids: Vec<i64> = store
        .claim_deliveries(claim(0, 1_000_000))
        .await
        .unwrap()
        .iter()
        .map(|one| one.lease.id.0)
        .collect();
    assert_eq!(ids, (1..=waiting).collect::<Vec<_>>(), "a prefix, without holes");
    waiting
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_holds_up_nobody() {
    let bench = Bench::of(Engine::Sqlite);
    bench.store.accept(make::delivery(1)).await.unwrap();
    bench.store.accept(make::delivery(2)).await.unwrap();
    let other = Connection::open(file(&bench)).unwrap();
    other.execute("UPDATE delivery SET body = x'00' WHERE id = 1", []).unwrap();
    let claimed = bench.store.claim_deliveries(claim(1, 10)).await.unwrap();
    let empty: Vec<bool> = claimed.iter().map(|delivery| delivery.body.is_empty()).collect();
    assert_eq!(empty, [true, false]);
}

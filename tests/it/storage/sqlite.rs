//! SQLite: a foreign lock on the file, a full queue of writes, a second process, a file that is
//! copied while it is being written.

/// Bytes that change on disk.
mod damage;
/// Power cuts while hook calls are received.
mod power;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use azdo_gateway::domain::audit::{Action, Entry};
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{Audit, AuditFilter, Availability, Error, Page, Store};
use rusqlite::Connection;

use super::{Bench, Engine, at, claim, make, receive};

fn file(bench: &Bench) -> PathBuf {
    bench.location.folder().join("gateway.db")
}

/// Another process that writes and does not finish.
fn locked(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// An entry of the audit log, as a write that has to be on disk when it returns.
fn entry(detail: String) -> Vec<Entry> {
    vec![Entry { detail, ..make::entry(1, Action::Use) }]
}

async fn entries(store: &dyn Audit) -> Vec<i64> {
    let page = Page { limit: 1_000_000, before: None };
    let found = store.audit(AuditFilter::default(), page).await.unwrap();
    found.items.into_iter().rev().map(|row| row.id).collect()
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
async fn while_another_process_locks_the_file_every_write_fails_soon_and_says_why() {
    let bench = Bench::of(Engine::Sqlite).await;
    assert_eq!(bench.store.health(), Availability::Writable);
    let other = locked(&file(&bench));
    let writes: Vec<_> = (0..300)
        .map(|number| {
            let store = bench.store.clone();
            tokio::spawn(async move { store.record(entry(format!("entry {number}"))).await })
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
    let refused = receive(&*bench.store, &make::delivery(1)).await.unwrap_err().to_string();
    assert!(refused.contains("locked"), "{refused}");
    other.execute_batch("ROLLBACK").unwrap();
    // A probe finds the database writable although nothing is written meanwhile.
    until("it is writable again", || bench.store.health() == Availability::Writable).await;
    assert!(entries(&*bench.store).await.is_empty(), "a refused write is not written in part");
    assert!(bench.store.claim_deliveries(claim(0, 1_000)).await.unwrap().is_empty());
    assert!(bench.accept(make::delivery(1)).await.is_some());
}

/// A sign-in that cannot be used up is refused, and so is an entry of the audit log.
#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_no_sign_in_is_used_up() {
    let bench = Bench::of(Engine::Sqlite).await;
    bench.store.begin_login(make::login(1, 5, 60), at(0)).await.unwrap();
    let other = locked(&file(&bench));
    let take = || bench.store.take_login(make::digest(1), make::digest(5), at(1));
    let refused = |error: Error| matches!(error, Error::Unavailable { .. });
    assert!(take().await.is_err_and(refused));
    assert!(bench.store.record(entry(String::new())).await.is_err_and(refused));
    assert!(matches!(bench.store.health(), Availability::Unwritable(_)));
    // Reads need no lock.
    assert_eq!(bench.store.link(make::ORGANIZATION).await.unwrap(), None);
    other.execute_batch("ROLLBACK").unwrap();
    until("it is writable again", || bench.store.health() == Availability::Writable).await;
    assert!(take().await.unwrap().is_some(), "the refused attempt did not use it up");
    assert!(entries(&*bench.store).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_beyond_the_length_of_the_queue_are_refused_as_busy() {
    let bench = Bench::of(Engine::Sqlite).await;
    let other = locked(&file(&bench));
    // The batch that the writer works on does not count; of the rest 64 MiB may wait.
    let detail = "x".repeat(2 * 1024 * 1024);
    let writes = (0..600).map(|_| bench.store.record(entry(detail.clone())));
    let answers = futures_util::future::join_all(writes).await;
    let busy = answers.iter().filter(|one| matches!(one, Err(Error::Busy { .. }))).count();
    let refused = answers.iter().filter(|one| one.is_err()).count();
    assert_eq!(refused, 600);
    assert!(busy > 500, "{busy}");
    other.execute_batch("ROLLBACK").unwrap();
    until("it is writable again", || bench.store.health() == Availability::Writable).await;
    assert!(bench.accept(make::delivery(1)).await.is_some());
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let bench = Bench::of(Engine::Sqlite).await;
    let second = Sqlite::open(&file(&bench), read_envelope);
    let why = second.expect_err("the first still owns it").to_string();
    assert!(why.contains("another running gateway"), "{why}");
    bench.reopened().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
    let why = Sqlite::open(&path, read_envelope).expect_err("it is newer").to_string();
    assert!(why.contains("schema version 1000"), "{why}");
}

/// A power failure at any moment leaves a prefix of the writes, with every write that was answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_while_it_is_being_written_holds_every_answered_write() {
    let bench = Bench::of(Engine::Sqlite).await;
    let answered = Arc::new(AtomicI64::new(0));
    let (store, counted) = (bench.store.clone(), Arc::clone(&answered));
    let writing = tokio::spawn(async move {
        for number in 1.. {
            if store.record(entry(format!("entry {number}"))).await.is_err() {
                return;
            }
            counted.store(number, Ordering::SeqCst);
        }
    });
    let mut copied = 0;
    for _ in 0..20 {
        let enough = copied + 25;
        until("it writes", || answered.load(Ordering::SeqCst) > enough).await;
        copied = check_copy(&file(&bench), answered.load(Ordering::SeqCst)).await;
    }
    bench.store.close(Duration::from_secs(5)).await;
    writing.await.unwrap();
}

/// Copies the file and its log as a crash at this moment would leave them, and opens the copy.
async fn check_copy(path: &Path, answered: i64) -> i64 {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("gateway.db");
    // A reader keeps the log from starting anew between the two copies; a disk stops all at once.
    let reader = Connection::open(path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM meta;").unwrap();
    std::fs::copy(path, &copy).unwrap();
    std::fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    drop(reader);
    let db = Connection::open(&copy).unwrap();
    let whole: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    drop(db);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&copy, read_envelope).unwrap());
    let ids = entries(&*store).await;
    let count = i64::try_from(ids.len()).unwrap();
    assert!(count >= answered, "{answered} were answered, {count} are there");
    assert_eq!(ids, (1..=count).collect::<Vec<_>>(), "a prefix without holes");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_body_is_claimed_as_empty_and_the_others_as_they_are() {
    let bench = Bench::of(Engine::Sqlite).await;
    bench.accept(make::delivery(1)).await.unwrap();
    bench.accept(make::delivery(2)).await.unwrap();
    let other = Connection::open(file(&bench)).unwrap();
    other.execute("UPDATE delivery SET body = x'00' WHERE id = 1", []).unwrap();
    let claimed = bench.store.claim_deliveries(claim(1, 10)).await.unwrap();
    let empty: Vec<bool> = claimed.iter().map(|delivery| delivery.body.is_empty()).collect();
    assert_eq!(empty, [true, false]);
}

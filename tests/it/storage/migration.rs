//! Databases of earlier versions: taken over with everything in them, or left as they were.

use std::path::Path;
use std::sync::Arc;

use azdo_gateway::domain::audit::Action;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{AuditFilter, Page, Posting};
use rusqlite::Connection;

use super::reopening::everything;
use super::{Bench, Engine, at, make};

/// As version 1 was released; it never changes.
const VERSION_1: &str = include_str!("../../../src/storage/sqlite/schema/1.sql");

fn version_1(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!("BEGIN; {VERSION_1} PRAGMA user_version = 1; COMMIT;")).unwrap();
    db
}

fn version_of(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn tables(db: &Connection) -> Vec<String> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'sqlite_sequence'";
    let mut names = db.prepare(names).unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A store with something in every table of version 1, closed.
async fn filled() -> (String, tempfile::TempDir) {
    let bench = Bench::of(Engine::Sqlite);
    let leased = bench.delivered(1).await;
    let mut decision = make::decision(&leased, &[make::run(1, "a", 'a')], &[]);
    decision.decision.pull_request = Some(make::remembered(7, "Add search", at(3)));
    decision.decision.refs = vec![make::remembered_ref("main", 'a')];
    bench.store.commit_decision(decision).await.unwrap();
    let slot = bench.slots(1).await.remove(0);
    bench.posted(&slot, 2, Posting::Posted { iteration: Some(1) }).await;
    bench.store.accept(make::delivery(2)).await.unwrap();
    let held = everything(&bench).await;
    bench.store.close(std::time::Duration::from_secs(5)).await;
    (held, bench.folder)
}

#[tokio::test]
async fn a_database_of_version_1_is_taken_over_with_everything_in_it() {
    let (held, source) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    let db = version_1(&path);
    let source = source.path().join("gateway.db").display().to_string();
    db.execute("ATTACH ?1 AS source", [&source]).unwrap();
    // Version 1 kept nothing in `meta`.
    for table in tables(&db).into_iter().filter(|table| table != "meta") {
        let copy = format!("INSERT INTO main.\"{table}\" SELECT * FROM source.\"{table}\"");
        let rows = db.execute(&copy, []).unwrap();
        assert!(rows > 0, "{table} is filled");
    }
    drop(db);
    assert_eq!(version_of(&path), 1);
    let bench =
        Bench { store: Arc::new(Sqlite::open(&path).unwrap()), engine: Engine::Sqlite, folder };
    assert_eq!(everything(&bench).await, held);
    bench.store.record(vec![make::entry(1, Action::Use)]).await.unwrap();
    // The second time there is nothing to be done.
    let bench = bench.reopened().await;
    assert_eq!(everything(&bench).await, held);
    let page = Page { limit: 9, before: None };
    let entries = bench.store.audit(AuditFilter::default(), page).await.unwrap();
    assert_eq!(entries.items.len(), 1);
    assert_eq!(version_of(&path), 2);
}

#[test]
fn a_step_that_fails_leaves_the_database_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    let db = version_1(&path);
    // In the way of one of the last tables that the step makes.
    db.execute_batch("CREATE TABLE audit (nobody TEXT)").unwrap();
    let before = tables(&db);
    let why = Sqlite::open(&path).expect_err("it cannot be taken over").to_string();
    assert!(why.contains("already exists"), "{why}");
    assert_eq!(tables(&db), before);
    assert_eq!(version_of(&path), 1);
    db.execute_batch("DROP TABLE audit").unwrap();
    drop(db);
    drop(Sqlite::open(&path).expect("nothing is in the way any more"));
    assert_eq!(version_of(&path), 2);
}

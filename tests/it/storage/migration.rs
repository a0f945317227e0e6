//! Databases of earlier versions: taken over with everything in them, or left as they were.

use std::path::Path;
use std::sync::Arc;

use azdo_gateway::domain::audit::Action;
use azdo_gateway::domain::reconciler::PassClaim;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{
    AuditFilter, Link, LinkChange, LinkTo, Page, Posting, Reconciler, Ticket,
};
use rusqlite::Connection;

use super::make::ORGANIZATION;
use super::reopening::everything;
use super::{Accepting, Bench, Engine, LEASE, at, make};

/// As each version was released; they never change.
const RELEASED: [&str; 3] = [
    include_str!("../../../src/storage/sqlite/schema/1.sql"),
    include_str!("../../../src/storage/sqlite/schema/2.sql"),
    include_str!("../../../src/storage/sqlite/schema/3.sql"),
];
/// What this gateway makes of them.
const PRESENT: i64 = 4;

/// An empty database of that version.
fn released(path: &Path, version: usize) -> Connection {
    let db = Connection::open(path).unwrap();
    let steps = RELEASED[..version].concat();
    db.execute_batch(&format!("BEGIN; {steps} PRAGMA user_version = {version}; COMMIT;")).unwrap();
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

/// A store with something in every table of the released versions, closed.
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
    let (organization, actor) = (ORGANIZATION.to_owned(), "ops".to_owned());
    let (digest, expires_at) = (make::digest(1), at(60));
    bench.store.issue_ticket(Ticket { digest, organization, actor, expires_at }).await.unwrap();
    bench.store.begin_login(make::login(1, 5, 60), at(0)).await.unwrap();
    let to = LinkTo::Linked(Box::new(make::link(ORGANIZATION, 1)));
    let (organization, entry) = (ORGANIZATION.to_owned(), make::entry(0, Action::Link));
    bench.store.commit_link(LinkChange { organization, to, entry }).await.unwrap();
    let held = everything(&bench).await;
    bench.store.close(std::time::Duration::from_secs(5)).await;
    (held, bench.folder)
}

/// A database of that version with what a filled one holds in the tables that there are, opened.
async fn taken_over(version: usize) -> (String, Bench) {
    let (held, source) = filled().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    let db = released(&path, version);
    let source = source.path().join("gateway.db").display().to_string();
    db.execute("ATTACH ?1 AS source", [&source]).unwrap();
    // What is in `meta` is of the database itself.
    for table in tables(&db).into_iter().filter(|table| table != "meta") {
        // Later versions have more columns.
        let columns = "SELECT group_concat(name) FROM pragma_table_info(?1, 'main')";
        let columns: String = db.query_row(columns, [&table], |row| row.get(0)).unwrap();
        let copy = format!(
            "INSERT INTO main.\"{table}\" ({columns}) SELECT {columns} FROM source.\"{table}\""
        );
        let rows = db.execute(&copy, []).unwrap();
        assert!(rows > 0, "{table} is filled");
    }
    drop(db);
    assert_eq!(version_of(&path), i64::try_from(version).unwrap());
    let store = Arc::new(Sqlite::open(&path).unwrap());
    assert_eq!(version_of(&path), PRESENT);
    (held, Bench { store, engine: Engine::Sqlite, folder })
}

async fn entries(bench: &Bench) -> usize {
    let page = Page { limit: 9, before: None };
    bench.store.audit(AuditFilter::default(), page).await.unwrap().items.len()
}

#[tokio::test]
async fn a_database_of_version_1_is_taken_over_with_everything_in_it() {
    let (held, bench) = taken_over(1).await;
    assert_eq!(everything(&bench).await, held);
    bench.store.record(vec![make::entry(1, Action::Use)]).await.unwrap();
    // The second time there is nothing to be done.
    let bench = bench.reopened().await;
    assert_eq!(everything(&bench).await, held);
    assert_eq!(entries(&bench).await, 1);
    assert_eq!(version_of(&bench.folder.path().join("gateway.db")), PRESENT);
}

#[tokio::test]
async fn a_database_of_version_2_is_taken_over_with_everything_in_it() {
    let (held, bench) = taken_over(2).await;
    let called = bench.store.gateway().await.unwrap();
    assert_eq!(everything(&bench).await, held);
    assert_eq!(entries(&bench).await, 1);
    let link = bench.store.link(ORGANIZATION).await.unwrap().expect("it is linked");
    assert_eq!(link, Link { revision: 1, ..make::link(ORGANIZATION, 1) });
    let bench = bench.reopened().await;
    assert_eq!(bench.store.gateway().await.unwrap(), called);
    let taken = bench.store.take_ticket(make::digest(1), ORGANIZATION, at(1)).await.unwrap();
    assert_eq!(taken.as_deref(), Some("ops"));
    let login = bench.store.take_login(make::digest(1), make::digest(5), at(1)).await.unwrap();
    assert!(login.is_some());
    // Of what was told before there was any upkeep, too.
    let id = make::repository().id;
    let known = bench.store.known_repository(ORGANIZATION, &id).await.unwrap();
    assert_eq!(known.pull_requests, [make::remembered(7, "Add search", at(3))]);
    assert_eq!(known.refs, [make::remembered_ref("main", 'a')]);
    bench.store.ask_reconciler(ORGANIZATION, Reconciler::CatchUp).await.unwrap();
    let claim = |instance| {
        bench.store.claim_reconciler(ORGANIZATION, Reconciler::CatchUp, instance, at(0), LEASE)
    };
    assert!(matches!(claim("a").await.unwrap(), PassClaim::Claimed(_)));
    assert!(matches!(claim("b").await.unwrap(), PassClaim::HeldBy { .. }));
}

#[test]
fn a_step_that_fails_leaves_the_database_as_it_was() {
    // In the way of one of the last tables that a step makes.
    for (version, table) in [(1, "audit"), (2, "policy"), (3, "intake")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db");
        let db = released(&path, version);
        db.execute_batch(&format!("CREATE TABLE {table} (nobody TEXT)")).unwrap();
        let before = tables(&db);
        let why = Sqlite::open(&path).expect_err("it cannot be taken over").to_string();
        assert!(why.contains("already exists"), "{why}");
        assert_eq!(tables(&db), before);
        assert_eq!(version_of(&path), i64::try_from(version).unwrap());
        db.execute_batch(&format!("DROP TABLE {table}")).unwrap();
        drop(db);
        drop(Sqlite::open(&path).expect("nothing is in the way any more"));
        assert_eq!(version_of(&path), PRESENT);
    }
}

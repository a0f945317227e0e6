//! Moving a store: everything is there afterwards, whatever the engines, and nothing else is
//! touched.

/// A store with something in every table.
mod filling;
/// A target that fails after some pages.
mod stopping;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azdo_gateway::domain::audit::{Action, Entry};
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::postgres::Postgres;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::transfer::{self, Moved, Side, TABLES};
use azdo_gateway::storage::{
    AuditFilter, DeliveryFilter, Error, Migrate, Page, PostgresOptions, Reconciler,
    SubscriptionFilter,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use super::reopening::everything;
use super::{Bench, Engine, INSTANCE, Location, at, make, nul, options};
use crate::harness::Database;
use filling::fill;
use stopping::Stopping;

/// The columns of one engine that stay behind, as `table.column` or as whole tables.
const LEFT_BEHIND: [&str; 11] = [
    "meta",
    "instance",
    "probe",
    "intake",
    "schema_migration",
    "sqlite_sequence",
    "inbox.holder",
    "run.holder",
    "slot.holder",
    "link_fence.holder",
    // The column of the same name is a table of its own.
    "body",
];

fn options_of(database: &Database) -> PostgresOptions {
    options(&database.url(), database.password())
}

impl Location {
    fn file(&self) -> PathBuf {
        self.folder().join("gateway.db")
    }

    async fn as_source(&self) -> Result<Box<dyn Side>, Error> {
        Ok(match self {
            Location::Folder(_) => {
                Box::new(Sqlite::open_as_source(&self.file(), read_envelope).await?)
            }
            Location::Database(database) => {
                Box::new(Postgres::open_as_source(&options_of(database)).await?)
            }
        })
    }

    async fn as_target(&self) -> Result<Box<dyn Side>, Error> {
        Ok(match self {
            Location::Folder(_) => Box::new(Sqlite::open_as_target(&self.file(), read_envelope)?),
            Location::Database(database) => {
                Box::new(Postgres::open_as_target(&options_of(database)).await?)
            }
        })
    }

    async fn move_into(&self, target: &Location) -> Result<Moved, Error> {
        let source = self.as_source().await?;
        let target = target.as_target().await?;
        transfer::run(&*source, "the source", &*target, &mut |_| {}).await
    }
}

/// Why a move is refused.
async fn refusal(from: &Location, to: &Location) -> String {
    from.move_into(to).await.expect_err("it is refused").to_string()
}

/// A filled store that is not used any more, as a killed process leaves it.
async fn filled(engine: Engine) -> Arc<Location> {
    let bench = Bench::of(engine).await;
    fill(&bench).await;
    match engine {
        Engine::Sqlite => bench.location,
        // A process that is killed counts as alive for some seconds.
        Engine::Postgres => bench.stopped().await,
    }
}

/// Every row of every table of a file, as text.
fn dump(file: &Path) -> Vec<String> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut lines = Vec::new();
    let name: String =
        db.query_row("SELECT value FROM meta WHERE key = 'gateway'", [], |row| row.get(0)).unwrap();
    lines.push(name);
    let tables = TABLES.iter().map(|table| (table.name, table.column_list()));
    for (table, columns) in tables.chain([("sqlite_sequence", "name, seq".to_owned())]) {
        let mut select = db.prepare(&format!("SELECT {columns} FROM {table}")).unwrap();
        let width = select.column_count();
        let mut rows: Vec<String> = select
            .query_map([], |row| {
                let values: Result<Vec<Value>, _> = (0..width).map(|at| row.get(at)).collect();
                Ok(format!("{table}: {:?}", values?))
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        rows.sort();
        lines.extend(rows);
    }
    lines
}

/// What an open store shows of everything.
async fn shown(bench: &Bench) -> String {
    let store = &bench.store;
    let page = Page { limit: 500, before: None };
    let deliveries = store.deliveries(DeliveryFilter::default(), page).await.unwrap().items;
    let mut bodies = Vec::new();
    for delivery in deliveries {
        bodies.push(store.delivery_body(delivery.id).await.unwrap());
    }
    let organization = "fabrikam";
    let id = make::repository().id;
    let people = (
        store.link(organization).await.unwrap(),
        store.link("contoso").await.unwrap(),
        store.is_known(make::digest(1)).await.unwrap(),
        store.is_known(make::digest(2)).await.unwrap(),
        store.ci_pauses(at(0)).await.unwrap(),
        store.audit(AuditFilter::default(), page).await.unwrap().items,
    );
    let mut passes = Vec::new();
    for reconciler in [Reconciler::Subscriptions, Reconciler::Policies] {
        passes.push(store.last_pass(organization, reconciler).await.unwrap());
    }
    let remembered = (
        passes,
        store.hooks(organization).await.unwrap(),
        store.hooks("contoso").await.unwrap(),
        store.subscriptions(SubscriptionFilter::default(), page).await.unwrap().items,
        store.known_repository(organization, &id).await.unwrap(),
        store.watch(organization, vec![make::repository()], at(50)).await.unwrap(),
        store.former_names(organization, &make::repository()).await.unwrap(),
        store.policies(organization).await.unwrap(),
    );
    format!(
        "{}\n{bodies:?}\n{people:#?}\n{remembered:#?}\n{}",
        everything(bench).await,
        store.gateway().await.unwrap()
    )
}

impl Bench {
    /// Stops the process. What it stored is left.
    async fn stopped(self) -> Arc<Location> {
        self.close().await;
        self.location
    }
}

async fn opened(engine: Engine, location: Arc<Location>) -> Bench {
    Bench::open(engine, location, INSTANCE).await
}

#[test]
fn every_column_of_both_engines_is_moved_or_left_behind() {
    let known: BTreeSet<String> = TABLES
        .iter()
        .flat_map(|table| table.columns().into_iter().map(|(name, _)| (table.name, name)))
        .map(|(table, column)| format!("{table}.{column}"))
        .collect();
    let is_left = |column: &str| {
        let table = column.split('.').next().unwrap_or_default();
        LEFT_BEHIND.contains(&column) || LEFT_BEHIND.contains(&table)
    };
    let left = |columns: BTreeSet<String>| -> BTreeSet<String> {
        columns.into_iter().filter(|column| !is_left(column)).collect()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.db");
    drop(Sqlite::open(&file, read_envelope).unwrap());
    let of_sqlite: BTreeSet<String> = Connection::open(&file)
        .unwrap()
        .prepare(
            "SELECT tables.name || '.' || columns.name FROM sqlite_schema AS tables
             JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(left(of_sqlite), known);
    let database = Database::create();
    let schema = tokio::runtime::Runtime::new().unwrap();
    schema.block_on(Postgres::schema(&options_of(&database), true)).unwrap();
    let columns = database.sql(
        "SELECT table_name || '.' || column_name FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name NOT LIKE 'body_%'",
    );
    let mut of_postgres = left(columns.lines().map(str::to_owned).collect());
    assert!(of_postgres.insert("delivery.body".into()), "it has a table of its own");
    assert_eq!(of_postgres, known);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_the_same_after_moving_there_and_back() {
    let first = filled(Engine::Sqlite).await;
    let there = Engine::Postgres.location();
    let moved = first.move_into(&there).await.unwrap();
    assert!(!moved.was_done);
    for content in &moved.contents {
        assert!(content.rows > 0, "{} was not filled", content.table);
    }
    // So that retention drops them with their day.
    assert_eq!(there.database().sql("SELECT count(*) FROM body_of_other_days"), "0");
    let back = Engine::Sqlite.location();
    assert_eq!(there.move_into(&back).await.unwrap().contents, moved.contents);
    assert_eq!(dump(&back.file()), dump(&first.file()));
    let mut all = Vec::new();
    for (engine, location) in
        [(Engine::Sqlite, first), (Engine::Postgres, there), (Engine::Sqlite, back)]
    {
        let bench = opened(engine, location).await;
        all.push(shown(&bench).await);
    }
    assert_eq!(all[1], all[0]);
    assert_eq!(all[2], all[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_moves_within_an_engine() {
    let first = filled(Engine::Sqlite).await;
    let second = Engine::Sqlite.location();
    let moved = first.move_into(&second).await.unwrap();
    assert_eq!(dump(&second.file()), dump(&first.file()));
    let third = Engine::Postgres.location();
    second.move_into(&third).await.unwrap();
    let fourth = Engine::Postgres.location();
    assert_eq!(third.move_into(&fourth).await.unwrap().contents, moved.contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_postgres_stored_moves_to_a_file() {
    let first = filled(Engine::Postgres).await;
    let file = Engine::Sqlite.location();
    let moved = first.move_into(&file).await.unwrap();
    assert!(moved.contents.iter().all(|content| content.rows > 0), "{:?}", moved.contents);
    let (first, file) = (opened(Engine::Postgres, first).await, opened(Engine::Sqlite, file).await);
    assert_eq!(shown(&file).await, shown(&first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_get_larger_numbers_after_a_move() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (source, target) = (filled(from).await, to.location());
        source.move_into(&target).await.unwrap();
        let (old, new) = (opened(from, source).await, opened(to, target).await);
        let mut numbers = Vec::new();
        for bench in [&old, &new] {
            let before = bench.newest().await.unwrap();
            let after = bench.accept(make::delivery(30)).await.unwrap();
            assert!(after > before);
            bench.store.record(vec![make::entry(9, Action::Mint)]).await.unwrap();
            let page = Page { limit: 1, before: None };
            let entry = bench.store.audit(AuditFilter::default(), page).await.unwrap().items;
            let run = bench.plan(31, &[make::run(31, "lint", 'd')]).await.remove(0);
            numbers.push((entry[0].id, run.number));
        }
        // The newest entry was deleted before, and its number is not used again.
        assert_eq!(numbers[0].0, numbers[1].0);
        assert!(numbers[1].1 > 3);
        assert_eq!(new.accept(make::delivery(20)).await, None, "it was in the intake");
        assert_eq!(new.accept(make::delivery(1)).await, None, "it was decided");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_harmless_when_it_is_done_and_the_source_was_not_used_since() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (source, target) = (filled(from).await, to.location());
        let moved = source.move_into(&target).await.unwrap();
        let again = source.move_into(&target).await.unwrap();
        assert!(again.was_done);
        assert_eq!(again.contents, moved.contents);
        let bench = opened(to, target).await;
        bench.accept(make::delivery(40)).await.unwrap();
        let target = bench.stopped().await;
        assert!(source.move_into(&target).await.unwrap().was_done, "the target went on");
        // Back, it would take the place of newer data.
        assert!(refusal(&target, &source).await.contains("empty"));
        let bench = opened(from, source).await;
        bench.accept(make::delivery(41)).await.unwrap();
        let source = bench.stopped().await;
        assert!(refusal(&source, &target).await.contains("empty"));
        let bench = opened(to, target).await;
        assert_eq!(bench.accept(make::delivery(40)).await, None);
        assert!(bench.accept(make::delivery(41)).await.is_some(), "nothing was moved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_other_data_is_not_touched() {
    let source = filled(Engine::Sqlite).await;
    for engine in Engine::ALL {
        let bench = Bench::of(engine).await;
        bench.accept(make::delivery(1)).await.unwrap();
        let before = shown(&bench).await;
        let target = bench.stopped().await;
        assert!(refusal(&source, &target).await.contains("empty"));
        assert_eq!(shown(&opened(engine, target).await).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_in_use_are_refused() {
    let source = filled(Engine::Sqlite).await;
    let used = Bench::of(Engine::Postgres).await;
    assert!(refusal(&source, &used.location).await.contains("running gateways"));
    assert!(refusal(&used.location, &source).await.contains("running gateways"));
    let used = Bench::of(Engine::Sqlite).await;
    assert!(refusal(&source, &used.location).await.contains("running gateway"));
    let empty = Engine::Postgres.location();
    assert!(refusal(&used.location, &empty).await.contains("running gateway"));
    assert_eq!(
        empty.database().sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_store_cannot_be_moved() {
    for (from, to) in [(Engine::Sqlite, Engine::Postgres), (Engine::Postgres, Engine::Sqlite)] {
        let (nothing, target) = (from.location(), to.location());
        assert!(refusal(&nothing, &target).await.contains("not the database of a gateway"));
        if let Location::Folder(folder) = &*nothing {
            assert!(!folder.path().join("gateway.db").exists(), "it was created");
        }
    }
}

/// Moves so many pages.
async fn begin_to_move(from: &Location, to: &Location, pages: usize) {
    let source = from.as_source().await.unwrap();
    let target = to.as_target().await.unwrap();
    let stopping = Stopping::after(pages, &*target);
    let stopped = transfer::run(&*source, "sqlite:first.db", &stopping, &mut |_| {}).await;
    assert!(stopped.unwrap_err().to_string().contains("stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gateway_starts_on_a_part_and_the_move_is_continued() {
    let (source, other) = (filled(Engine::Sqlite).await, filled(Engine::Sqlite).await);
    for engine in Engine::ALL {
        let target = engine.location();
        for pages in [0, 1, 5, 9] {
            begin_to_move(&source, &target, pages).await;
            let why = match &*target {
                Location::Folder(_) => Sqlite::open(&target.file(), read_envelope).map(drop),
                Location::Database(database) => {
                    let options = options_of(database);
                    let manual = Migrate::Manual;
                    Postgres::open(&options, manual, "0000000f", read_envelope).await.map(drop)
                }
            };
            let why = why.unwrap_err().to_string();
            assert!(why.contains("migrate --from sqlite:first.db"), "{why}");
        }
        assert!(refusal(&other, &target).await.contains("another gateway"));
        assert!(refusal(&target, &engine.location()).await.contains("only a part"));
        let moved = source.move_into(&target).await.unwrap();
        assert!(!moved.was_done && moved.contents.iter().all(|content| content.rows > 0));
        opened(engine, target).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_used_meanwhile_is_noticed() {
    let source = filled(Engine::Sqlite).await;
    let target = Engine::Postgres.location();
    begin_to_move(&source, &target, 13).await;
    let bench = opened(Engine::Sqlite, source).await;
    let slot = bench.slots(900).await.remove(0);
    let posted = Posting::Posted { iteration: None };
    bench.posted(&slot, 901, posted).await;
    let source = bench.stopped().await;
    let why = refusal(&source, &target).await;
    assert!(why.contains("since the move began"), "{why}");
    assert!(refusal(&target, &Engine::Sqlite.location()).await.contains("only a part"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_an_earlier_database_beside_the_target_are_not_taken_for_new_ones() {
    let first = filled(Engine::Sqlite).await;
    let there = Engine::Postgres.location();
    first.move_into(&there).await.unwrap();
    // The file is deleted, and its intake is not.
    std::fs::remove_file(first.file()).unwrap();
    let why = refusal(&there, &first).await;
    assert!(why.contains("-intake-"), "{why}");
}

/// PostgreSQL has no such character.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_nul_is_moved_without_it() {
    let bench = Bench::of(Engine::Sqlite).await;
    let entry = make::entry(1, Action::Mint);
    bench.store.record(vec![Entry { detail: "a\0b".into(), ..entry }]).await.unwrap();
    nul::fill(&bench).await;
    let before = nul::shown(&bench).await;
    let there = Engine::Postgres.location();
    bench.stopped().await.move_into(&there).await.unwrap();
    let detail = there.database().sql("SELECT detail FROM audit");
    assert_eq!(detail, "a\u{fffd}b");
    assert_eq!(nul::shown(&opened(Engine::Postgres, there).await).await, before);
}

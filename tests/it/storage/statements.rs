//! While replicas are upgraded one by one, those of the version before use the schema of the newest
//! one. So the statements of each version of the schema are recorded, and have to work on the next.
//!
//! Every test of this folder that uses PostgreSQL checks that its statements are recorded.
//! `UPDATE_GOLDEN=1` records those that are new; a new migration begins a new file, and the file
//! before the last one can be deleted.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::INSTANCE;
use crate::harness::Database;

/// The first version of the schema whose statements are recorded.
const FIRST: usize = 3;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The newest version of the schema.
fn newest() -> usize {
    let file = |number: &usize| folder(&format!("src/storage/postgres/schema/{number}.sql"));
    (1..).take_while(|number| file(number).exists()).count()
}

/// The statements of that version of the schema, one a line.
fn file(version: usize) -> PathBuf {
    folder(&format!("tests/it/storage/statements/{version}.sql"))
}

fn recorded(version: usize) -> BTreeSet<String> {
    let text = fs::read_to_string(file(version)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// From here on, each statement of this process has to be recorded.
pub(super) fn check() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Statements);
        tracing::subscriber::set_global_default(subscriber).expect("there is no other one");
    });
}

/// Reads the events of statements.
struct Statements;

impl<S: Subscriber> Layer<S> for Statements {
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Statement::default();
        event.record(&mut fields);
        if let Some(line) = fields.line() {
            check_line(&line);
        }
    }
}

fn check_line(line: &str) {
    static RECORDED: LazyLock<(usize, BTreeSet<String>)> = LazyLock::new(|| {
        let version = newest();
        (version, recorded(version))
    });
    let (version, recorded) = &*RECORDED;
    if recorded.contains(line) {
        return;
    }
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1");
    assert!(update, "UPDATE_GOLDEN=1 records this statement:\n{line}");
    add(&file(*version), line).expect("the file is writable");
}

/// Other processes may add statements at the same time.
fn add(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    File::lock(&file)?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let mut lines: BTreeSet<&str> = text.lines().collect();
    if lines.insert(line) {
        let sorted: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        file.set_len(0)?;
        file.write_all(sorted.as_bytes())?;
    }
    Ok(())
}

#[derive(Default)]
struct Statement {
    sql: String,
    types: String,
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "sql" => value.clone_into(&mut self.sql),
            "types" => value.clone_into(&mut self.types),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Statement {
    /// Prepares the statement; none for one that cannot be prepared.
    fn line(&self) -> Option<String> {
        let words: Vec<&str> = self.sql.split_whitespace().collect();
        let is_plannable =
            ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(words.first()?);
        let types = match self.types.as_str() {
            "" => String::new(),
            types => format!(" ({types})"),
        };
        is_plannable.then(|| format!("PREPARE statement{types} AS {};", words.join(" ")))
    }
}

/// The statements of that version that fail, and why. Planning one finds also an index that is gone
/// by which rows are unique.
async fn failing(database: &Database, version: usize) -> Vec<String> {
    let client = database.connect().await;
    let statements = recorded(version);
    assert!(statements.len() > 80, "{} statements are recorded", statements.len());
    let mut failing = Vec::new();
    for line in statements {
        let types = line.strip_prefix("PREPARE statement (").and_then(|rest| rest.split_once(')'));
        let nulls = types.map(|(types, _)| vec!["NULL"; types.split(',').count()].join(", "));
        let values = nulls.map(|nulls| format!("({nulls})")).unwrap_or_default();
        let plan = format!("{line} EXPLAIN EXECUTE statement{values}; DEALLOCATE statement");
        if let Err(error) = client.batch_execute(&plan).await {
            let error = error.as_db_error().map(|error| error.message().to_owned());
            failing.push(format!("{line}: {}", error.unwrap_or_default()));
            client.batch_execute("DEALLOCATE ALL").await.expect("the connection works");
        }
    }
    failing
}

/// A database with the newest schema.
async fn migrated() -> Database {
    let database = Database::create();
    let store = super::open_postgres(&database.url(), database.password(), INSTANCE).await;
    store.close(Duration::from_secs(5)).await;
    database
}

#[tokio::test]
async fn the_statements_of_the_version_before_work_on_the_newest_schema() {
    let database = migrated().await;
    for version in (newest() - 1).max(FIRST)..=newest() {
        let failing = failing(&database, version).await;
        assert!(failing.is_empty(), "of version {version}: {failing:#?}");
    }
}

#[tokio::test]
async fn a_migration_that_breaks_a_statement_of_the_version_before_is_found() {
    for (sql, broken) in [
        ("ALTER TABLE run DROP COLUMN follow_at", "follow_at"),
        ("ALTER TABLE run RENAME COLUMN due_at TO wanted_at", "due_at"),
        ("ALTER TABLE slot ALTER COLUMN due_at TYPE text", "due_at"),
        ("DROP INDEX delivery_by_notification", "no unique or exclusion constraint"),
        ("DROP TABLE instance", "instance"),
    ] {
        let database = migrated().await;
        database.sql(sql);
        let failing = failing(&database, newest()).await.join("\n");
        assert!(failing.contains(broken), "{sql}: {failing}");
    }
}

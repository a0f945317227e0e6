//! `azdo-gateway migrate`: migrates the schema of the database, or moves everything from one
//! database into another.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::output::{print_json, say};
use super::progress::{Line, while_waiting};
use super::{Common, table, usage};
use crate::config::{self, Environment, Refusal};
use crate::pipeline::accept::read_envelope;
use crate::secret::Secret;
use crate::storage::postgres::Postgres;
use crate::storage::sqlite::Sqlite;
use crate::storage::transfer::{self, Moved, Progress, Side, Step};
use crate::storage::{Admin, Engine, Error, SchemaState};

/// Progress is printed this often.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// How long the last writes may take.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// With `--from` and `--to`, everything is moved from one database into another, empty one, while
/// no gateway uses either of them; a move that was interrupted is continued when it is called
/// again. The password of PostgreSQL comes from storage.password of the configuration, if its
/// storage.url is that database, and otherwise from the variable PGPASSWORD.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway --config gateway.toml migrate --check
  azdo-gateway migrate --from sqlite:gateway.db --to postgres://gateway@db.example.com/gateway")]
pub(super) struct Migrate {
    /// Change nothing; exit with 1 when migrations are missing.
    #[arg(long, conflicts_with_all = ["from", "to"])]
    check: bool,
    /// The database to move: sqlite:PATH or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "URL", requires = "to")]
    from: Option<String>,
    /// The database to move it into.
    #[arg(long, value_name = "URL", requires = "from")]
    to: Option<String>,
}

impl Migrate {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => between(common, from, to).await,
            _ => schema(common, self.check).await,
        }
    }
}

/// Migrates the schema of the configured database.
async fn schema(common: &Common, is_check: bool) -> anyhow::Result<ExitCode> {
    let engine = common.load()?.storage.engine;
    let before = state(&engine, false).await?;
    let (from, to) = match before {
        SchemaState::UpToDate { version } => (version, version),
        SchemaState::Behind { from, to } => (from, to),
    };
    if from < to && !is_check {
        state(&engine, true).await?;
    }
    let is_missing = from < to && is_check;
    if common.json {
        print_json(&json!({ "from": from, "to": to, "up_to_date": !is_missing }));
    } else if from == to {
        say!("the schema is up to date: version {to}");
    } else if is_check {
        say!("the schema has version {from}, and this gateway needs {to}: migrations are missing");
    } else {
        say!("migrated the schema from version {from} to {to}");
    }
    Ok(if is_missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn state(engine: &Engine, migrate: bool) -> anyhow::Result<SchemaState> {
    Ok(match engine {
        Engine::Sqlite { path } => {
            let path = path.clone();
            let schema = tokio::task::spawn_blocking(move || Sqlite::schema(&path, migrate));
            while_waiting("migrating the schema", schema).await??
        }
        Engine::Postgres(options) => {
            while_waiting("migrating the schema", Postgres::schema(options, migrate)).await?
        }
    })
}

/// Moves everything from one database into the other.
async fn between(common: &Common, from: &str, to: &str) -> anyhow::Result<ExitCode> {
    let configured = match common.config().exists() {
        true => Some(common.load()?.storage.engine),
        false => None,
    };
    let engine = |name: &str, url: &str| {
        let password = config::Process.variable("PGPASSWORD").map(Secret::new);
        config::engine(url, configured.as_ref(), password).map_err(|refusal| {
            let help = match refusal {
                Refusal::Password => {
                    "everybody on this machine can read arguments: leave it out, and set \
                     storage.password in the configuration, or PGPASSWORD"
                }
                _ => "give sqlite:PATH or postgres://USER@HOST/DATABASE",
            };
            format!("{name} {refusal}: {help}")
        })
    };
    let (source, target) = match (engine("--from", from), engine("--to", to)) {
        (Ok(source), Ok(target)) => (source, target),
        (Err(why), _) | (_, Err(why)) => return Ok(usage(&why)),
    };
    if from == to {
        return Ok(usage("--from and --to are the same database"));
    }
    let source = source_of(&source).await.context("--from")?;
    let target = target_of(&target).await.context("--to")?;
    let mut reporter = Reporter::new();
    let mut report = |progress| reporter.report(progress);
    let moved = transfer::run(source.side(), from, target.side(), &mut report).await;
    drop(reporter);
    target.close().await;
    source.close().await;
    print(common, &moved?, from, to);
    Ok(ExitCode::SUCCESS)
}

/// An opened database.
enum Opened {
    Sqlite(Sqlite),
    Postgres(crate::storage::postgres::transfer::Unused),
}

impl Opened {
    fn side(&self) -> &dyn Side {
        match self {
            Opened::Sqlite(database) => database,
            Opened::Postgres(database) => database,
        }
    }

    async fn close(&self) {
        if let Opened::Sqlite(database) = self {
            database.close(CLOSE_MAX).await;
        }
    }
}

async fn source_of(engine: &Engine) -> Result<Opened, Error> {
    Ok(match engine {
        Engine::Sqlite { path } => {
            Opened::Sqlite(Sqlite::open_as_source(path, read_envelope).await?)
        }
        Engine::Postgres(options) => Opened::Postgres(Postgres::open_as_source(options).await?),
    })
}

async fn target_of(engine: &Engine) -> Result<Opened, Error> {
    Ok(match engine {
        Engine::Sqlite { path } => Opened::Sqlite(Sqlite::open_as_target(path, read_envelope)?),
        Engine::Postgres(options) => Opened::Postgres(Postgres::open_as_target(options).await?),
    })
}

fn print(common: &Common, moved: &Moved, from: &str, to: &str) {
    let Moved { gateway, was_done, contents } = moved;
    if common.json {
        let tables: Vec<Value> = contents
            .iter()
            .map(|content| {
                let (table, rows, checksum) = (content.table, content.rows, content.checksum());
                json!({ "table": table, "rows": rows, "checksum": checksum })
            })
            .collect();
        let (done, tables) = (*was_done, Value::from(tables));
        print_json(&json!({
            "from": from, "to": to, "gateway": gateway, "was_done": done, "tables": tables,
        }));
        return;
    }
    let cells = contents.iter().map(|content| {
        vec![content.table.to_owned(), content.rows.to_string(), content.checksum()]
    });
    table::print(&["table", "rows", "checksum"], &cells.collect::<Vec<_>>());
    match was_done {
        true => say!("nothing to do: {from} was moved into {to} before"),
        false => say!("moved gateway {gateway} from {from} into {to}; both hold the same"),
    }
}

/// Shows progress on a terminal.
struct Reporter {
    line: Line,
    printed_at: Instant,
    /// The table and its rows when progress was printed last.
    printed: (Step, &'static str, u64),
}

impl Reporter {
    fn new() -> Self {
        Self { line: Line::begin(), printed_at: Instant::now(), printed: (Step::Moving, "", 0) }
    }

    fn report(&mut self, Progress { step, table, rows }: Progress) {
        let elapsed = self.printed_at.elapsed();
        if elapsed < REPORT_EVERY {
            return;
        }
        let before = match self.printed {
            (before_step, before_table, count) if (before_step, before_table) == (step, table) => {
                count
            }
            _ => 0,
        };
        let done = rows.saturating_sub(before);
        let rate = u128::from(done) * 1_000 / elapsed.as_millis().max(1);
        let what = match step {
            Step::Moving => "moving",
            Step::Comparing => "comparing",
        };
        self.line.show(&format!("{what} {table}: {rows} rows, {rate} rows/s"));
        self.printed_at = Instant::now();
        self.printed = (step, table, rows);
    }
}

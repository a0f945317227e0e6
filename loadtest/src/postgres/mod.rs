//! A PostgreSQL server of a profile, with the settings of a sensible server in production and on
//! the disk that is measured. The script `tests/postgres` guards it from outside: it is gone with
//! this program, however that ends.

/// What the server did between two moments.
mod counters;
/// Copies of deliveries.
mod multiply;
/// Questions to the server.
mod psql;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::cores;
use crate::server::free_address;
pub(crate) use counters::Counters;
use psql::Psql;

/// The database of the gateway, and the role that owns it.
const GATEWAY: &str = "gateway";
const READY_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
/// What the server says in its log when it takes connections.
const READY: &str = "database system is ready to accept connections";
const STATEMENTS: &str = "pg_stat_statements";

/// What is set beside the address. That fsync and synchronous_commit are on is the default, and
/// said here because everything depends on it.
const SETTINGS: [&str; 8] = [
    "fsync = on",
    "synchronous_commit = on",
    "full_page_writes = on",
    "shared_buffers = 256MB",
    "wal_compression = lz4",
    "max_wal_size = 4GB",
    "max_connections = 200",
    "checkpoint_timeout = 5min",
];

/// How a profile wants its server.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Where its folder is made.
    pub(crate) folder: &'a Path,
    /// Further lines of its configuration.
    pub(crate) settings: &'a [String],
    /// Whether it counts each statement, which costs a little.
    pub(crate) counts_statements: bool,
    /// Whether it is bound to cores.
    pub(crate) pinned: bool,
}

/// A running server with an empty database.
#[derive(Debug)]
pub(crate) struct Postgres {
    folder: PathBuf,
    address: SocketAddr,
    /// Of the gateway's role.
    password: String,
    psql: Psql,
    pinned: bool,
    counts_statements: bool,
    child: Child,
    guard: Child,
}

impl Postgres {
    pub(crate) fn create(options: &Options<'_>) -> anyhow::Result<Self> {
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix("loadtest-postgres-").tempdir_in(options.folder)?.keep();
        let (guard, address) = (guard(&folder)?, free_address()?);
        let (superuser, password) = (random()?, random()?);
        create_cluster(&folder, &superuser)?;
        configure(&folder, address, options)?;
        let child = start(&folder, options.pinned)?;
        let url = format!("postgres://postgres@{address}/{GATEWAY}");
        let psql = Psql::new(url, superuser.clone());
        let counts_statements = options.counts_statements;
        let pinned = options.pinned;
        let mut server =
            Self { folder, address, password, psql, pinned, counts_statements, child, guard };
        server.wait_until_ready(0)?;
        let first = Psql::new(format!("postgres://postgres@{address}/postgres"), superuser);
        first.ask_now(&format!(
            "CREATE ROLE {GATEWAY} LOGIN PASSWORD '{}';\n\
             CREATE DATABASE {GATEWAY} OWNER {GATEWAY} TEMPLATE template0",
            server.password
        ))?;
        if counts_statements {
            // Beside the schema of the gateway, which wants it empty.
            server.psql.ask_now(&format!(
                "CREATE SCHEMA statements; CREATE EXTENSION {STATEMENTS} SCHEMA statements"
            ))?;
        }
        Ok(server)
    }

    /// The keys of `[storage]` for a gateway on this server.
    pub(crate) fn storage(&self) -> String {
        let (address, database) = (self.address, GATEWAY);
        format!(
            "url = \"postgres://{GATEWAY}@{address}/{database}\"\n\
             password = {{ env = \"AZDO_GATEWAY_DB_PASSWORD\" }}\n"
        )
    }

    /// The value of the variable that they name.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    /// The first process of the server.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its version and everything that its configuration sets.
    pub(crate) fn describe(&self) -> anyhow::Result<Value> {
        let text = self.psql.ask_now(
            "SELECT json_object_agg(name, current_setting(name) ORDER BY name) FROM pg_settings
             WHERE source = 'configuration file' AND name !~ '^(lc_|log_|default_text|Time|Date)'
                OR name IN ('server_version', 'synchronous_commit', 'fsync')",
        )?;
        let settings: Value = serde_json::from_str(&text).context("settings of an unknown form")?;
        Ok(json!({"settings": settings, "has_core": self.pinned && cores::has_database_core()}))
    }

    /// Bytes of the gateway's database, without the write-ahead log.
    pub(crate) fn bytes(&self) -> anyhow::Result<u64> {
        self.number(&format!("SELECT pg_database_size('{GATEWAY}')"))
    }

    /// How many deliveries are stored. Their numbers may have holes.
    pub(crate) fn deliveries(&self) -> anyhow::Result<u64> {
        self.number("SELECT count(*) FROM delivery")
    }

    /// How many deliveries have a decision.
    pub(crate) fn decisions(&self) -> anyhow::Result<u64> {
        self.number("SELECT count(*) FROM decision")
    }

    /// How many deliveries that were accepted before a moment have no decision yet.
    pub(crate) async fn undecided_before(&self, moment: OffsetDateTime) -> anyhow::Result<u64> {
        let count = format!(
            "SELECT count(*) FROM inbox JOIN delivery ON delivery.id = inbox.delivery
             WHERE received_at < {}",
            moment.unix_timestamp_nanos() / 1_000
        );
        parse(&self.psql.ask(&count).await?)
    }

    fn number(&self, sql: &str) -> anyhow::Result<u64> {
        parse(&self.psql.ask_now(sql)?)
    }

    /// Carries out a statement.
    pub(crate) fn execute(&self, sql: &str) -> anyhow::Result<()> {
        self.psql.ask_now(sql).map(drop)
    }

    /// Copies the decided deliveries until there are `count`, while no gateway runs.
    pub(crate) fn multiply(&self, count: u64) -> anyhow::Result<()> {
        multiply::multiply(&self.psql, count)
            .context("the database could not be filled: has the schema changed?")
    }

    /// What the server did so far.
    pub(crate) async fn counters(&self) -> anyhow::Result<Counters> {
        Counters::read(&self.psql, self.counts_statements).await
    }

    /// Ends the server as a crash does: nothing is written any more, the next start recovers.
    pub(crate) fn crash(&mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", "QUIT", &id]).status().context("no kill")?;
        ensure!(sent.success(), "the database server could not be killed");
        self.child.wait()?;
        self.psql.forget();
        Ok(())
    }

    /// Starts the server after a crash; nothing waits until it takes connections.
    pub(crate) fn restart(&mut self) -> anyhow::Result<Recovering> {
        let logged = self.log()?.len();
        self.child = start(&self.folder, self.pinned)?;
        Ok(Recovering { logged })
    }

    /// Whether it takes connections again.
    pub(crate) fn is_back(&mut self, recovering: &Recovering) -> anyhow::Result<bool> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the database server ended: {}", self.ended(status));
        }
        Ok(self.log()?.get(recovering.logged..).is_some_and(|log| log.contains(READY)))
    }

    fn wait_until_ready(&mut self, logged: usize) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.is_back(&Recovering { logged })? {
            ensure!(begun.elapsed() < READY_MAX, "the database server does not start");
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn log(&self) -> anyhow::Result<String> {
        let bytes = std::fs::read(self.folder.join("log")).context("the server has no log")?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn ended(&self, status: ExitStatus) -> String {
        let log = self.log().unwrap_or_default();
        format!("{status}, {}", log.trim_end().lines().next_back().unwrap_or_default())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The guard ends the server and removes its folder.
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A server that was started and may not take connections yet.
#[derive(Debug)]
pub(crate) struct Recovering {
    /// Bytes of its log at that moment.
    logged: usize,
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/postgres"))
}

fn guard(folder: &Path) -> anyhow::Result<Child> {
    let mut guard = script();
    guard.arg("guard").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut guard = guard.spawn().context("cannot start tests/postgres: is Python there?")?;
    let mut line = String::new();
    BufReader::new(guard.stdout.as_mut().context("no pipe")?).read_line(&mut line)?;
    ensure!(line == "watching\n", "the guard of {} did not start", folder.display());
    Ok(guard)
}

fn create_cluster(folder: &Path, password: &str) -> anyhow::Result<()> {
    let mut create = script();
    create.arg("create").arg(folder).stdin(Stdio::piped());
    let mut create = create.spawn().context("cannot start tests/postgres")?;
    create.stdin.take().context("no pipe")?.write_all(password.as_bytes())?;
    ensure!(create.wait()?.success(), "the database could not be created");
    Ok(())
}

fn configure(folder: &Path, address: SocketAddr, options: &Options<'_>) -> anyhow::Result<()> {
    let mut lines = vec![
        format!("listen_addresses = '{}'", address.ip()),
        format!("port = {}", address.port()),
        format!("unix_socket_directories = '{}'", folder.display()),
    ];
    lines.extend(SETTINGS.map(str::to_owned));
    if options.counts_statements {
        lines.push(format!("shared_preload_libraries = '{STATEMENTS}'"));
    }
    lines.extend(options.settings.iter().cloned());
    let path = folder.join("data/postgresql.conf");
    let mut file = File::options().append(true).open(path).context("there is no cluster")?;
    Ok(file.write_all(format!("\n{}\n", lines.join("\n")).as_bytes())?)
}

/// Each program becomes the next one, so that the id is the server's.
fn start(folder: &Path, pinned: bool) -> anyhow::Result<Child> {
    let mut command = script();
    if pinned {
        let taskset = Command::new("taskset");
        let script = std::mem::replace(&mut command, taskset);
        command.args(["-c", &cores::of_database()]).arg(script.get_program());
    }
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    command.args(["exec", "postgres", "-D"]).arg(folder.join("data")).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().context("cannot start the database server")
}

fn random() -> anyhow::Result<String> {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    Ok(random.context("no random numbers")?.trim().to_owned())
}

fn parse(printed: &str) -> anyhow::Result<u64> {
    printed.parse().with_context(|| format!("{printed} is no number"))
}

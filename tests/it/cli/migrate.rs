//! `migrate`: the schema of the database, and everything from one database into another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::secret::Secret;
use azdo_gateway::storage::postgres::Postgres;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::transfer::Side;
use azdo_gateway::storage::{PostgresOptions, TlsMode};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::call::{ReferenceConfig, run};
use crate::harness::{Database, POLL_INTERVAL, binary_path};

const PASSWORD: &str = "AZDO_GATEWAY_DB_PASSWORD";

/// The reference configuration with this database, whose schema is migrated by hand.
fn config(url: &str, password: &str) -> ReferenceConfig {
    let mut storage = format!("[storage]\nurl = \"{url}\"\nmigrate = \"manual\"");
    if url.starts_with("postgres") {
        storage += &format!("\npassword = {{ env = \"{PASSWORD}\" }}");
    }
    let mut config = ReferenceConfig::edited(&[("[storage]", &storage)]);
    config.variables.insert(PASSWORD.into(), password.into());
    config
}

fn check_schema(config: &ReferenceConfig, versions: i64) {
    let missing = json!({ "from": 0, "to": versions, "up_to_date": false });
    for _ in 0..2 {
        let checked = config.run(&["migrate", "--check", "--json"]).with(1);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&checked.out).unwrap(), missing);
    }
    assert!(config.run(&["migrate", "--check"]).with(1).out.contains("migrations are missing"));
    config.run(&["runs", "list"]).refused(1, &["run `azdo-gateway migrate`"]);
    let migrated = config.run(&["migrate"]).done();
    assert!(migrated.contains(&format!("from version 0 to {versions}")), "{migrated}");
    assert!(config.run(&["migrate"]).done().contains("up to date"));
    let done = json!({ "from": versions, "to": versions, "up_to_date": true });
    assert_eq!(config.run(&["migrate", "--check", "--json"]).json(), done);
    config.run(&["runs", "list"]).done();
}

#[test]
fn the_schema_of_a_file_is_migrated_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data/gateway.db");
    let config = config(&format!("sqlite:{}", file.display()), "");
    config.run(&["migrate", "--check"]).with(1);
    assert!(!file.exists(), "a check creates nothing");
    check_schema(&config, 8);
}

#[test]
fn the_schema_of_a_postgres_is_migrated_when_asked() {
    let database = Database::create();
    check_schema(&config(&database.url(), database.password()), 8);
}

#[test]
fn a_check_needs_no_stop_and_a_migration_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.db");
    let config = config(&format!("sqlite:{}", file.display()), "");
    let store = Sqlite::open(&file, read_envelope).unwrap();
    config.run(&["migrate", "--check"]).done();
    config.run(&["migrate"]).done();
    drop(store);
    Connection::open(&file).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
    config.run(&["migrate"]).refused(1, &["schema version 1000", "newer gateway"]);
}

/// A call without a configuration.
fn bare(variables: &BTreeMap<String, String>, words: &[&str]) -> super::call::CallResult {
    run(variables, &[&["--config", "/none.toml", "migrate"], words].concat(), b"")
}

#[test]
fn urls_that_say_too_much_or_too_little_are_refused() {
    let nothing = BTreeMap::new();
    let secret = "postgres://gateway:hunter2@db.example.com/gateway";
    let file = "sqlite:gateway.db";
    for (from, to) in [(secret, file), (file, secret)] {
        let refused = bare(&nothing, &["--from", from, "--to", to]);
        assert!(!refused.err.contains("hunter2"), "{}", refused.err);
        refused.refused(2, &["has a password in it", "PGPASSWORD"]);
    }
    bare(&nothing, &["--from", file, "--to", file]).refused(2, &["the same database"]);
    bare(&nothing, &["--from", file, "--to", "gateway.db"]).refused(2, &["--to must be sqlite:"]);
    bare(&nothing, &["--from", file]).refused(2, &["--to"]);
    bare(&nothing, &["--check", "--from", file, "--to", file]).refused(2, &["--check"]);
    let to = "postgres://gateway@127.0.0.1:1/gateway";
    bare(&nothing, &["--from", "sqlite:/none/gateway.db", "--to", to])
        .refused(1, &["--from", "not the database of a gateway"]);
}

/// A file of a gateway with so many entries in its audit log and so many deliveries.
fn large_file(folder: &Path, entries: i64, deliveries: i64) -> PathBuf {
    let file = folder.join("large.db");
    drop(Sqlite::open(&file, read_envelope).unwrap());
    let db = Connection::open(&file).unwrap();
    db.execute_batch(&format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {entries})
         INSERT INTO audit (at, organization, action, outcome, actor, via, detail)
         SELECT n, 'fabrikam', 'mint', 'done', 'a', 'b', hex(randomblob(20)) FROM n;
         WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {deliveries})
         INSERT INTO delivery (organization, hook, source, received_at, body, body_bytes)
         SELECT 'fabrikam', 'push', 'hook', n, randomblob(3000), 4000 FROM n;
         INSERT INTO inbox (delivery, due_at) SELECT id, 0 FROM delivery WHERE id % 3 = 0;"
    ))
    .unwrap();
    file
}

/// The rows and checksums of all tables.
fn contents(file: &Path) -> Vec<String> {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    ["audit", "delivery", "inbox"]
        .map(|table| {
            let mut select = db.prepare(&format!("SELECT * FROM {table} ORDER BY 1")).unwrap();
            let width = select.column_count();
            let rows: Vec<String> = select
                .query_map([], |row| {
                    let value = |at| row.get::<_, rusqlite::types::Value>(at);
                    Ok(format!("{:?}", (0..width).map(value).collect::<Result<Vec<_>, _>>()?))
                })
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            rows.join("\n")
        })
        .to_vec()
}

/// Moves, and kills the process whenever it has got further. Returns how often.
async fn move_through_kills(
    words: [&str; 4],
    password: &str,
    mut mark: impl AsyncFnMut() -> Option<String>,
) -> usize {
    let mut seen = None;
    for kills in 0.. {
        let mut child = Command::new(binary_path())
            .args(["--config", "/none.toml", "migrate"])
            .args(words)
            .env_clear()
            .env("PGPASSWORD", password)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        let ended = loop {
            interval.tick().await;
            if let Some(status) = child.try_wait().expect("it is a child of this process") {
                break Some(status);
            }
            let now = mark().await;
            if now.is_some() && now != seen {
                seen = now;
                child.kill().expect("it is a child of this process");
                break None;
            }
        };
        let output = child.wait_with_output().expect("it is a child of this process");
        if let Some(status) = ended {
            assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return kills;
        }
    }
    unreachable!("the loop ends with the process")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_again_and_again_is_continued_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let first = large_file(folder.path(), 8_000, 2_000);
    let database = Database::create();
    let (file, url) = (format!("sqlite:{}", first.display()), database.url());
    let options = PostgresOptions {
        url: database.url(),
        tls: TlsMode::Disable,
        password: Some(Secret::new(database.password().to_owned())),
        ca_file: None,
        listen_url: None,
        connections: 1,
        statement_timeout: std::time::Duration::from_secs(30),
        idle_in_transaction_session_timeout: std::time::Duration::from_secs(30),
        pooler: None,
    };
    let there = Postgres::open_as_target(&options).await.unwrap();
    let words = ["--from", file.as_str(), "--to", url.as_str()];
    let mark = async || there.meta("moving").await.unwrap();
    let kills = move_through_kills(words, database.password(), mark).await;
    assert!(kills > 3, "{kills} times only");
    let second = folder.path().join("second.db");
    let back = format!("sqlite:{}", second.display());
    let words = ["--from", url.as_str(), "--to", back.as_str()];
    let mark = async || {
        let db = Connection::open_with_flags(&second, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        let sql = "SELECT value FROM meta WHERE key = 'moving'";
        db.query_row(sql, [], |row| row.get(0)).ok()
    };
    let kills = move_through_kills(words, database.password(), mark).await;
    assert!(kills > 3, "{kills} times only");
    assert_eq!(contents(&second), contents(&first));
}

#[test]
fn a_move_prints_what_it_has_moved_and_says_when_there_is_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", large_file(folder.path(), 10, 5).display());
    let database = Database::create();
    let config = config(&database.url(), database.password());
    let url = database.url();
    let words = ["migrate", "--from", file.as_str(), "--to", url.as_str()];
    let out = config.run(&words).done();
    for row in [["audit", "10"], ["delivery", "5"], ["inbox", "1"], ["run", "0"]] {
        let found = out.lines().any(|line| line.split_whitespace().take(2).eq(row));
        assert!(found, "{row:?} is not in {out}");
    }
    assert!(out.contains("both hold the same"), "{out}");
    let again = config.run(&[&words[..], &["--json"]].concat()).json();
    assert_eq!(again["was_done"], true);
    let tables = again["tables"].as_array().unwrap();
    let audit = tables.iter().find(|one| one["table"] == "audit").unwrap();
    assert_eq!(audit["rows"], 10);
    let password = BTreeMap::from([("PGPASSWORD".into(), "guessed".into())]);
    bare(&password, &words[1..]).refused(1, &["--to", "password authentication failed"]);
}

//! What this crate knows of the gateway's SQLite engine: its URL, its files, and the names of the
//! tables and keys that are multiplied to make a database large in seconds.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rusqlite::{Connection, params};

const DATABASE: &str = "gateway.db";
/// Rows of one transaction.
const BATCH: i64 = 100_000;

/// What is written instead of a copy, for each column that must differ. `n` counts the rows.
/// Notifications are numbered like those of Azure DevOps and stay below whatever is sent later; the
/// ids of events are random like theirs, so that their index grows everywhere at once.
const DELIVERY_KEYS: [(&str, &str); 3] =
    [("id", "n"), ("notification", "n"), ("event_id", "randomblob(16)")];
const DECISION_KEYS: [(&str, &str); 1] = [("delivery", "n")];

/// The value of `storage.url` for a gateway in `folder`.
pub(crate) fn url(folder: &Path) -> String {
    format!("sqlite:{}", database(folder).display())
}

fn database(folder: &Path) -> PathBuf {
    folder.join(DATABASE)
}

/// Bytes of the database and of the files that are named after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) database: u64,
    pub(crate) wal: u64,
    /// Segment files: what was accepted and is not in the database yet.
    pub(crate) segments: u64,
}

impl Files {
    pub(crate) fn all(self) -> u64 {
        self.database + self.wal + self.segments
    }
}

/// Files that vanish meanwhile are not counted.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let Some(suffix) = file.strip_prefix(DATABASE) else { continue };
        let Ok(bytes) = entry.metadata().map(|metadata| metadata.len()) else { continue };
        match suffix {
            "" => files.database += bytes,
            "-wal" => files.wal += bytes,
            "-shm" | ".lock" => {}
            _ => files.segments += bytes,
        }
    }
    Ok(files)
}

/// Carries out a statement in the database of a stopped gateway.
pub(crate) fn execute(folder: &Path, sql: &str) -> anyhow::Result<()> {
    Ok(Connection::open(database(folder))?.execute_batch(sql)?)
}

/// Copies the decided deliveries in the database of a stopped gateway until there are `count`. Only
/// the keys that must differ are named here; all other columns are copied.
pub(crate) fn multiply(folder: &Path, count: u64) -> anyhow::Result<()> {
    let path = database(folder);
    multiply_in(&path, count)
        .with_context(|| format!("{} could not be filled: has the schema changed?", path.display()))
}

fn multiply_in(path: &Path, count: u64) -> anyhow::Result<()> {
    let db = Connection::open(path)?;
    // Nothing is synced: a database that a crash spoils is made again.
    db.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -524288;
         PRAGMA temp_store = MEMORY; PRAGMA threads = 2;",
    )?;
    let count = i64::try_from(count)?;
    let seeds: i64 = db.query_row("SELECT max(id) FROM delivery", [], |row| row.get(0))?;
    let waiting: i64 = db.query_row("SELECT count(*) FROM inbox", [], |row| row.get(0))?;
    ensure!(waiting == 0, "{waiting} deliveries wait for a decision");
    // Creating an index at the end is quicker than adding rows with random keys to it.
    let indexes = indexes_of(&db, "delivery")?;
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX \"{name}\""))?;
    }
    let mut made = seeds;
    let deliveries = insertion(&db, "delivery", "id", &DELIVERY_KEYS)?;
    let decisions = insertion(&db, "decision", "delivery", &DECISION_KEYS)?;
    while made < count {
        let last = count.min(made + BATCH);
        db.execute_batch("BEGIN")?;
        for insertion in [&deliveries, &decisions] {
            db.prepare_cached(insertion)?.execute(params![made + 1, last, seeds])?;
        }
        db.execute_batch("COMMIT")?;
        made = last;
    }
    for (_, sql) in &indexes {
        db.execute_batch(sql)?;
    }
    db.execute_batch("PRAGMA journal_mode = WAL;")?;
    drop(db);
    // The next measurement must not pay for writing the file out.
    Ok(std::fs::File::open(path)?.sync_all()?)
}

fn indexes_of(db: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    db.prepare(
        "SELECT name, sql FROM sqlite_schema
         WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
    )?
    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// The statement that makes rows ?1 to ?2 from the first ?3.
fn insertion(
    db: &Connection,
    table: &str,
    key: &str,
    keys: &[(&str, &str)],
) -> rusqlite::Result<String> {
    let columns: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let value = |column: &String| {
        let instead = keys.iter().find(|(name, _)| name == column);
        instead.map_or_else(|| format!("old.\"{column}\""), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let columns: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    Ok(format!(
        "WITH RECURSIVE numbers(n) AS
            (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
         INSERT INTO \"{table}\" ({}) SELECT {} FROM numbers
         CROSS JOIN \"{table}\" AS old ON old.\"{key}\" = 1 + n % ?3",
        columns.join(", "),
        values.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_multiplied_with_keys_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let db = Connection::open(database(folder.path())).unwrap();
        db.execute_batch(
            "CREATE TABLE delivery (id INTEGER PRIMARY KEY, subscription INTEGER,
                notification INTEGER, event_id BLOB, later_column TEXT);
             CREATE UNIQUE INDEX once ON delivery (subscription, notification);
             CREATE TABLE inbox (delivery INTEGER PRIMARY KEY);
             CREATE TABLE decision (delivery INTEGER PRIMARY KEY, reason TEXT);
             INSERT INTO delivery VALUES (1, 1, 1, x'01', 'a'), (2, 2, 2, x'02', 'b');
             INSERT INTO decision VALUES (1, 'why'), (2, 'why');",
        )
        .unwrap();
        drop(db);
        multiply(folder.path(), 110_000).unwrap();
        let db = Connection::open(database(folder.path())).unwrap();
        let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM delivery"), 110_000);
        assert_eq!(count("SELECT count(DISTINCT event_id) FROM delivery"), 110_000);
        assert_eq!(count("SELECT count(*) FROM delivery WHERE later_column = 'a'"), 55_000);
        assert_eq!(count("SELECT count(*) FROM decision"), 110_000);
        assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name = 'once'"), 1);
    }

    #[test]
    fn files_are_distinguished_by_what_follows_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let suffixes = [("", 1), ("-wal", 2), ("-shm", 4), ("-intake-1", 8)];
        for (suffix, bytes) in suffixes {
            let path = folder.path().join(format!("{DATABASE}{suffix}"));
            std::fs::write(path, vec![0; bytes]).unwrap();
        }
        std::fs::write(folder.path().join("another.db"), "x").unwrap();
        let files = files(folder.path()).unwrap();
        assert_eq!(files, Files { database: 1, wal: 2, segments: 8 });
    }
}

//! The numbered migrations of the schema: each is applied once, by one process at a time, and never
//! changed afterwards.

use sha2::{Digest, Sha256};

use super::db::{Db, params, text};
use super::failure::Failure;
use super::rows::get;
use crate::storage::{Migrate, SchemaState, transfer};

/// In order. A later version adds a file.
const MIGRATIONS: [&str; 8] = [
    include_str!("../schema/1.sql"),
    include_str!("../schema/2.sql"),
    include_str!("../schema/3.sql"),
    include_str!("../schema/4.sql"),
    include_str!("../schema/5.sql"),
    include_str!("../schema/6.sql"),
    include_str!("../schema/7.sql"),
    include_str!("../schema/8.sql"),
];

/// The key of the advisory lock under which migrations run; its bytes are `azdo-gw` and 1.
const LOCK: i64 = 0x617a_646f_2d67_7701;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version bigint PRIMARY KEY, checksum bytea NOT NULL, applied_at timestamptz NOT NULL
)";

fn checksum(sql: &str) -> Vec<u8> {
    Sha256::digest(sql).to_vec()
}

/// The version of this binary.
pub(crate) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// What has to be done before this binary can use the schema. The inner error says why it cannot.
pub(crate) async fn state(db: &Db) -> Result<Result<SchemaState, String>, Failure> {
    let found = found(db).await?;
    if !matches!(found, Ok(SchemaState::Behind { from: 0, .. }) | Err(_))
        && let Some(mark) = meta(db, transfer::MARK).await?
    {
        return Ok(Err(transfer::unfinished(&mark)));
    }
    Ok(found)
}

/// The state of the schema alone.
async fn found(db: &Db) -> Result<Result<SchemaState, String>, Failure> {
    let known = "SELECT to_regclass('schema_migration') IS NOT NULL,
        EXISTS (SELECT 1 FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')
            AND relnamespace = current_schema()::regnamespace
            AND NOT EXISTS (SELECT 1 FROM pg_depend
                WHERE pg_depend.objid = pg_class.oid AND deptype = 'e')),
        current_schema() IS NULL, current_database()";
    let Some(row) = db.row(known, &[]).await? else {
        return Err(Failure::Value("the server says nothing".into()));
    };
    let (is_ours, has_tables): (bool, bool) = (get(&row, 0)?, get(&row, 1)?);
    let (has_no_schema, database): (bool, String) = (get(&row, 2)?, get(&row, 3)?);
    if has_no_schema {
        return Ok(Err(format!(
            "the role of storage.url may not use any schema of the database {database}: run \
             GRANT USAGE, CREATE ON SCHEMA public TO the role, or let it own the database"
        )));
    }
    if !is_ours {
        return Ok(match has_tables {
            true => Err(format!(
                "the database {database} holds tables of something else: give storage.url an \
                 empty database"
            )),
            false => Ok(SchemaState::Behind { from: 0, to: version() }),
        });
    }
    let applied = "SELECT version, checksum FROM schema_migration ORDER BY version";
    let mut at = 0;
    for row in db.rows(applied, &[]).await? {
        let (number, sum): (i64, &[u8]) = (get(&row, 0)?, get(&row, 1)?);
        at = number;
        let ours = usize::try_from(number - 1).ok().and_then(|index| MIGRATIONS.get(index));
        match ours {
            Some(sql) if checksum(sql) != sum => {
                return Ok(Err(format!(
                    "migration {number} of the database is not the one that this version knows: \
                     another program wrote it, or an unreleased version; restore a backup, or \
                     begin with an empty database"
                )));
            }
            Some(_) => {}
            None => {
                let to = version();
                return Ok(Err(format!(
                    "the database has schema version {number}, and this gateway knows {to}: run \
                     the newer gateway, or restore a backup"
                )));
            }
        }
    }
    Ok(Ok(match at < version() {
        true => SchemaState::Behind { from: at, to: version() },
        false => SchemaState::UpToDate { version: at },
    }))
}

/// Applies what is missing, in one transaction with the lock: other processes wait.
pub(crate) async fn migrate(db: &Db) -> Result<Result<SchemaState, String>, Failure> {
    lock(db).await?;
    match state(db).await? {
        Ok(_) => migrate_unfinished(db).await,
        Err(why) => Ok(Err(why)),
    }
}

async fn lock(db: &Db) -> Result<(), Failure> {
    // The lock may be waited for, and a migration may take its time.
    db.batch("SET LOCAL statement_timeout = 0").await?;
    db.execute("SELECT pg_advisory_xact_lock($1)", params![LOCK]).await?;
    Ok(())
}

/// Like [`migrate`], also where a move into the database is not finished.
pub(crate) async fn migrate_unfinished(db: &Db) -> Result<Result<SchemaState, String>, Failure> {
    lock(db).await?;
    let from = match found(db).await? {
        Ok(SchemaState::Behind { from, .. }) => from,
        other => return Ok(other),
    };
    db.batch(TABLE).await?;
    for (number, sql) in (1_i64..).zip(MIGRATIONS).filter(|(number, _)| *number > from) {
        tracing::info!(version = number, "migrating the schema of the database");
        db.batch(sql).await?;
        let insert = "INSERT INTO schema_migration (version, checksum, applied_at)
            VALUES ($1, $2, clock_timestamp())";
        db.execute(insert, params![number, checksum(sql)]).await?;
    }
    Ok(Ok(SchemaState::UpToDate { version: version() }))
}

/// Makes the schema usable, as `migrate` says.
pub(crate) async fn prepare(db: &Db, how: Migrate) -> Result<Result<(), String>, Failure> {
    let found = match how {
        Migrate::Auto => migrate(db).await?,
        Migrate::Manual => state(db).await?,
    };
    Ok(match found {
        Ok(SchemaState::UpToDate { .. }) => Ok(()),
        Ok(SchemaState::Behind { from, to }) => Err(format!(
            "the database has schema version {from}, and this gateway needs {to}: run \
             `azdo-gateway migrate` first, or set storage.migrate = \"auto\""
        )),
        Err(why) => Err(why),
    })
}

/// What the database has under a key of `meta`.
pub(crate) async fn meta(db: &Db, key: &str) -> Result<Option<String>, Failure> {
    let row = db.row("SELECT value FROM meta WHERE key = $1", params![text(key)]).await?;
    row.map(|row| get(&row, 0)).transpose()
}

/// The name of this installation.
pub(crate) async fn gateway(db: &Db) -> Result<String, Failure> {
    let found = meta(db, "gateway").await?;
    found.ok_or_else(|| Failure::Value("the database has no name".into()))
}

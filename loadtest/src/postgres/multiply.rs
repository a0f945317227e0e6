//! The names of the tables and keys that are multiplied to make a database large in seconds.

use anyhow::ensure;

use super::psql::Psql;

/// Each table, and what is written instead of a copy for each column that must differ; `n` counts
/// the rows. Ids of events are random like those of Azure DevOps, so that their index grows
/// everywhere at once.
const TABLES: [(&str, &[(&str, &str)]); 3] = [
    (
        "delivery",
        &[("id", "n"), ("notification", "n"), ("event_id", "uuid_send(gen_random_uuid())")],
    ),
    ("body", &[("delivery", "n")]),
    ("decision", &[("delivery", "n")]),
];

/// See the module. Numbers of the deliveries to be copied may have holes, those of copies have
/// none.
pub(super) fn multiply(psql: &Psql, count: u64) -> anyhow::Result<()> {
    let number = |sql: &str| anyhow::Ok(psql.ask_now(sql)?.parse::<u64>()?);
    let waiting = number("SELECT count(*) FROM inbox")?;
    ensure!(waiting == 0, "{waiting} deliveries wait for a decision");
    let (seeds, last) =
        (number("SELECT count(*) FROM delivery")?, number("SELECT max(id) FROM delivery")?);
    let (first, last) = (last + 1, last + count.saturating_sub(seeds));
    // Nothing waits for the disk before the end.
    psql.ask_now("SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")?;
    // Creating an index at the end is quicker than adding rows with random keys to it.
    let indexes = psql.ask_now(
        "SELECT indexname, indexdef FROM pg_indexes
         WHERE tablename = 'delivery' AND indexname NOT IN (SELECT conname FROM pg_constraint)",
    )?;
    let indexes = || indexes.lines().filter_map(|line| line.split_once('|'));
    for (name, _) in indexes() {
        psql.ask_now(&format!("DROP INDEX \"{name}\""))?;
    }
    for (table, keys) in TABLES {
        let key = keys.first().map_or("id", |(key, _)| key);
        psql.ask_now(&format!(
            "CREATE TEMPORARY TABLE seed AS
                SELECT row_number() OVER (ORDER BY {key}) - 1 AS place, * FROM {table};
             ANALYZE seed;"
        ))?;
        psql.ask_now(&insertion(psql, table, keys, [first, last, seeds])?)?;
        psql.ask_now("DROP TABLE seed")?;
    }
    for (_, definition) in indexes() {
        psql.ask_now(definition)?;
    }
    let next = "SELECT setval(pg_get_serial_sequence('delivery', 'id'), max(id)) FROM delivery";
    psql.ask_now(next)?;
    // The next measurement must not pay for this.
    psql.ask_now("VACUUM (ANALYZE)")?;
    psql.ask_now("CHECKPOINT; RESET synchronous_commit; RESET maintenance_work_mem")?;
    Ok(())
}

fn insertion(
    psql: &Psql,
    table: &str,
    keys: &[(&str, &str)],
    [first, last, seeds]: [u64; 3],
) -> anyhow::Result<String> {
    let columns = psql.ask_now(&format!(
        "SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0
            AND NOT attisdropped ORDER BY attnum"
    ))?;
    let value = |column: &str| {
        let instead = keys.iter().find(|(name, _)| *name == column);
        instead.map_or_else(|| format!("seed.\"{column}\""), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.lines().map(value).collect();
    let columns: Vec<String> = columns.lines().map(|column| format!("\"{column}\"")).collect();
    Ok(format!(
        "INSERT INTO {table} ({}) SELECT {} FROM generate_series({first}::bigint, {last}) AS n
         JOIN seed ON seed.place = n % {seeds}",
        columns.join(", "),
        values.join(", ")
    ))
}

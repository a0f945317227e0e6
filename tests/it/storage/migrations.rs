//! Migrations only expand the schema, so that the statements of the version before go on to work: a
//! rolling upgrade needs no stop.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::harness::Database;

/// Each column as `column|TABLE|NAME|TYPE|null`, or `default` where it may be left out, or
/// `required`; and each unique index as `unique|TABLE|` and what it is of.
const ON_SQLITE: &str = "SELECT concat_ws('|', 'column', tables.name, of.name, of.type,
        CASE WHEN NOT of.\"notnull\" THEN 'null'
            WHEN of.dflt_value IS NOT NULL THEN 'default' ELSE 'required' END)
    FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS of WHERE tables.type = 'table'
    UNION ALL SELECT concat_ws('|', 'unique', tables.name, coalesce(indexes.sql, of.name))
    FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS of
        LEFT JOIN sqlite_schema AS indexes ON indexes.name = of.name
    WHERE tables.type = 'table' AND of.\"unique\"";
const ON_POSTGRES: &str = "SELECT concat_ws('|', 'column', table_name, column_name, data_type,
        CASE WHEN is_nullable = 'YES' THEN 'null'
            WHEN column_default IS NOT NULL OR is_identity = 'YES' THEN 'default'
            ELSE 'required' END)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT concat_ws('|', 'unique', tablename, regexp_replace(indexdef, '.* ON ', ''))
    FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE 'CREATE UNIQUE%'";

enum Schema {
    Sqlite(Connection),
    Postgres(Database),
}

impl Schema {
    fn empty() -> [Schema; 2] {
        let sqlite = Connection::open_in_memory().expect("it opens");
        [Schema::Sqlite(sqlite), Schema::Postgres(Database::create())]
    }

    /// Its migrations, in order.
    fn migrations(&self) -> Vec<PathBuf> {
        let engine = match self {
            Schema::Sqlite(_) => "sqlite",
            Schema::Postgres(_) => "postgres",
        };
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage").join(engine);
        let files = (1..).map(|number| folder.join(format!("schema/{number}.sql")));
        files.take_while(|file| file.exists()).collect()
    }

    fn apply(&self, sql: &str) {
        match self {
            Schema::Sqlite(db) => db.execute_batch(sql).expect("it is SQL"),
            Schema::Postgres(database) => drop(database.sql(sql)),
        }
    }

    fn described(&self) -> Described {
        let lines: Vec<String> = match self {
            Schema::Sqlite(db) => {
                let mut described = db.prepare(ON_SQLITE).expect("it is SQL");
                let lines = described.query_map([], |row| row.get(0)).expect("it has rows");
                lines.collect::<Result<_, _>>().expect("each is text")
            }
            Schema::Postgres(database) => {
                database.sql(ON_POSTGRES).lines().map(str::to_owned).collect()
            }
        };
        let mut described = Described::default();
        for line in lines {
            let parts: Vec<&str> = line.splitn(5, '|').collect();
            match parts[..] {
                ["column", table, name, kind, may_be] => {
                    let key = (table.to_owned(), name.to_owned());
                    described.columns.insert(key, (kind.to_owned(), may_be.to_owned()));
                }
                ["unique", table, of] => {
                    described.unique.insert((table.to_owned(), of.to_owned()));
                }
                _ => panic!("{line:?} describes nothing"),
            }
        }
        described
    }
}

#[derive(Default)]
struct Described {
    /// The type of each column of each table, and whether it may be null or left out.
    columns: BTreeMap<(String, String), (String, String)>,
    unique: BTreeSet<(String, String)>,
}

/// Why statements of before may fail now.
fn breaks(before: &Described, after: &Described) -> Vec<String> {
    let mut found = Vec::new();
    let tables: BTreeSet<&String> = before.columns.keys().map(|(table, _)| table).collect();
    for (key @ (table, name), (kind, may_be)) in &before.columns {
        match after.columns.get(key) {
            None => found.push(format!("{table}.{name} is gone")),
            Some((other, _)) if other != kind => found.push(format!("{table}.{name} is {other}")),
            Some((_, now)) if may_be != now && now != "null" => {
                found.push(format!("{table}.{name} is {now}, and was {may_be}"));
            }
            Some(_) => {}
        }
    }
    for (key @ (table, name), (_, may_be)) in &after.columns {
        if tables.contains(table) && !before.columns.contains_key(key) && may_be == "required" {
            found.push(format!("{table}.{name} is new and required"));
        }
    }
    for (table, of) in before.unique.symmetric_difference(&after.unique) {
        if tables.contains(table) {
            found.push(format!("a unique index of {table} came or went: {of}"));
        }
    }
    found
}

#[test]
fn each_migration_only_expands_the_schema() {
    for schema in Schema::empty() {
        let mut before = None;
        for file in schema.migrations() {
            schema.apply(&fs::read_to_string(&file).expect("it is a file"));
            let after = schema.described();
            assert!(after.columns.len() > 50 && after.unique.len() > 5, "{file:?} has tables");
            let broken = before.map(|before| breaks(&before, &after)).unwrap_or_default();
            assert!(broken.is_empty(), "{file:?}: {broken:#?}");
            before = Some(after);
        }
    }
}

#[test]
fn a_migration_that_breaks_statements_is_found() {
    let table = [
        ("ALTER TABLE audit ADD COLUMN more text", None),
        ("ALTER TABLE audit ADD COLUMN still_more text NOT NULL DEFAULT ''", None),
        ("CREATE TABLE further (number bigint PRIMARY KEY)", None),
        ("CREATE INDEX further_by_organization ON audit (organization)", None),
        ("DROP TABLE further", Some("further.number is gone")),
        ("ALTER TABLE meta DROP COLUMN value", Some("meta.value is gone")),
        ("ALTER TABLE audit RENAME COLUMN via TO way", Some("audit.way is new and required")),
        ("CREATE UNIQUE INDEX one ON audit (organization)", Some("a unique index of audit came")),
        ("DROP INDEX delivery_by_notification", Some("a unique index of delivery came or went")),
    ];
    for schema in Schema::empty() {
        for file in schema.migrations() {
            schema.apply(&fs::read_to_string(&file).expect("it is a file"));
        }
        for (sql, problem) in table {
            let before = schema.described();
            schema.apply(sql);
            let found = breaks(&before, &schema.described()).join("\n");
            match problem {
                None => assert_eq!(found, "", "{sql}"),
                Some(problem) => assert!(found.contains(problem), "{sql}: {found}"),
            }
        }
    }
}

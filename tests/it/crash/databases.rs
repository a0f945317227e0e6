//! Databases that the gateway must refuse: it says why, exits with 1, and leaves the file as it is.

use std::process::{Command, Output};

use rusqlite::Connection;

use crate::harness::{Binary, Cluster, Database, Env, Settings, binary_path};

/// Starts a gateway that is expected to end by itself.
fn serve(settings: &Settings) -> Output {
    Command::new(binary_path())
        .args(["serve", "--config"])
        .arg(settings.write())
        .env_clear()
        .envs(settings.variables())
        .output()
        .expect("the binary starts")
}

fn refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
}

fn elsewhere(settings: &Settings) -> Settings {
    Settings { listen: "127.0.0.1:0".to_owned(), ..settings.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_one_database_is_refused() {
    let env = Env::new(1);
    let gateway = Binary::start(&env).await;
    let second = serve(&elsewhere(&gateway.settings));
    refused(&second, &["gateway.db belongs to another running gateway", "stop it"]);
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let env = Env::new(2);
    let mut gateway = Binary::start(&env).await;
    gateway.kill();
    let path = gateway.settings.database();
    let db = Connection::open(&path).expect("it is a database");
    db.pragma_update(None, "user_version", 99).expect("it is writable");
    drop(db);
    let before = std::fs::read(&path).expect("it is there");
    let words = ["schema version 99", "run the newer gateway"];
    refused(&serve(&elsewhere(&gateway.settings)), &words);
    let after = std::fs::read(&path).expect("it is there");
    assert!(before == after, "the database was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_refused_and_left_alone() {
    let env = Env::new(3);
    let settings = elsewhere(&env.settings("127.0.0.1:0"));
    let path = settings.database();
    let noise: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
    std::fs::write(&path, &noise).expect("the folder is writable");
    refused(&serve(&settings), &["gateway.db is damaged", "restore it from a backup"]);
    assert!(std::fs::read(&path).expect("it is there") == noise, "the file was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_a_folder_is_refused() {
    let env = Env::new(4);
    let settings = elsewhere(&env.settings("127.0.0.1:0"));
    std::fs::create_dir(settings.database()).expect("the folder is writable");
    refused(&serve(&settings), &["gateway.db cannot be opened"]);
}

/// Starts a gateway on this PostgreSQL, which has to refuse it for a reason with these words.
fn refused_on(url: &str, password: &str, words: &[&str]) {
    let env = Env::new(9);
    let mut settings = env.settings("127.0.0.1:0");
    settings.public_url = Some("http://127.0.0.1:1".to_owned());
    settings.on_postgres(url, password);
    refused(&serve(&settings), words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_cannot_be_used_is_refused_with_what_to_do() {
    let database = Database::create();
    let (url, password) = (database.url(), database.password());
    let wrong = ["password authentication failed", "check the user in storage.url"];
    refused_on(&url, "wrong", &wrong);
    assert!(!format!("{wrong:?}").contains(password));
    let missing = database.owner().url("missing");
    refused_on(&missing, password, &["does not exist", "create the database"]);
    let port = crate::harness::free_port();
    let nobody = database.owner_at(&format!("127.0.0.1:{port}")).url(database.name());
    refused_on(&nobody, password, &["does not answer", "check that it runs"]);
    database.sql("CREATE TABLE theirs (id bigint)");
    refused_on(&url, password, &["holds tables of something else", "an empty database"]);
    database.sql("DROP TABLE theirs");
    database.sql(
        "CREATE TABLE schema_migration (version bigint PRIMARY KEY, checksum bytea, \
        applied_at timestamptz)",
    );
    database.sql("INSERT INTO schema_migration VALUES (99, '', now())");
    refused_on(&url, password, &["schema version 99", "run the newer gateway"]);
    database.sql("INSERT INTO schema_migration VALUES (1, 'x', now())");
    refused_on(&url, password, &["migration 1 of the database is not the one"]);
    assert_eq!(database.sql("SELECT count(*) FROM schema_migration").trim(), "2", "left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_refused_with_what_to_do() {
    let database = Database::create();
    // The server says of itself what one of version 13 says: this function is found before its own.
    database.sql(
        "CREATE SCHEMA older;
        CREATE FUNCTION older.current_setting(name text) RETURNS text LANGUAGE sql AS
            $$SELECT CASE name WHEN 'server_version_num' THEN '130014'
                WHEN 'server_version' THEN '13.14' ELSE pg_catalog.current_setting(name) END$$",
    );
    let role = database.name();
    database.sql(&format!("ALTER ROLE {role} SET search_path = older, pg_catalog, public"));
    let words = ["has version 13.14", "PostgreSQL 15 or newer is needed", "upgrade the server"];
    refused_on(&database.url(), database.password(), &words);
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname IN ('older', 'public')";
    assert_eq!(database.sql(tables).trim(), "0", "nothing was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_is_refused_with_what_to_grant() {
    let cluster = Cluster::begin();
    let database = cluster.database();
    let name = database.name();
    cluster.sql("postgres", &format!("ALTER DATABASE {name} OWNER TO postgres"));
    cluster.sql("postgres", &format!("GRANT CONNECT ON DATABASE {name} TO {name}"));
    let words = ["permission denied", "grant the role of storage.url the rights"];
    refused_on(&database.url(), database.password(), &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_checked_as_sslmode_says() {
    let env = Env::new(9);
    let cluster = Cluster::with_tls();
    let database = cluster.database();
    let wrong = Cluster::with_tls();
    let port = cluster.address().rsplit(':').next().expect("it has a port").to_owned();
    let named = database.owner_at(&format!("localhost:{port}")).url(database.name());
    let with = |url: &str, mode: &str, ca_file: Option<&std::path::Path>| {
        let mut settings = env.settings("127.0.0.1:0");
        settings.on_postgres(&format!("{url}?sslmode={mode}"), database.password());
        if let (Some(storage), Some(ca_file)) = (&mut settings.storage, ca_file) {
            storage.push_str(&format!("\nca_file = \"{}\"", ca_file.display()));
        }
        migrate(&settings)
    };
    let (good, bad) = (cluster.ca_file(), wrong.ca_file());
    for (mode, ca_file) in [("verify-full", &good), ("verify-ca", &good), ("require", &good)] {
        let output = with(&named, mode, Some(ca_file));
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(with(&named, "require", None).status.success(), "nothing is checked");
    for mode in ["verify-full", "verify-ca", "require"] {
        refused(&with(&named, mode, Some(&bad)), &["certificate", "storage.ca_file"]);
    }
    let not_there = std::path::Path::new("/not/there.pem");
    refused(&with(&named, "verify-full", Some(not_there)), &["storage.ca_file", "name a file"]);
    refused(&with(&named, "verify-ca", None), &["sslmode=verify-ca needs storage.ca_file"]);
}

/// Migrates the database of these settings.
fn migrate(settings: &Settings) -> Output {
    Command::new(binary_path())
        .args(["migrate", "--config"])
        .arg(settings.write())
        .env_clear()
        .envs(settings.variables())
        .output()
        .expect("the binary starts")
}

//! What tests rely on when they run against PostgreSQL.

use std::process::{Command, Stdio};

use super::folder::Folder;
use super::psql::answer;
use crate::harness::{Cluster, Database, PgBouncer, Server, Stop};

/// What `psql` prints first of an error is its code.
#[track_caller]
fn check_refused(answer: Result<String, String>, code: &str) {
    let error = answer.expect_err("it is refused");
    assert!(error.contains(code), "{error}");
}

#[test]
fn a_database_is_empty_and_its_owner_has_no_rights_beyond_it() {
    let database = Database::create();
    assert_eq!(database.sql("SELECT count(*) FROM pg_stat_user_tables"), "0");
    assert_eq!(
        database.sql("CREATE TABLE one (n int); INSERT INTO one VALUES (1); TABLE one"),
        "1"
    );
    check_refused(database.try_sql("CREATE ROLE more"), "42501");
    check_refused(database.try_sql("CREATE DATABASE more"), "42501");
    let other = Database::create();
    check_refused(database.owner().try_sql(other.name(), "SELECT 1"), "permission denied");
}

#[test]
fn a_database_is_gone_with_its_test_even_while_it_is_used() {
    let database = Database::create();
    let name = database.name().to_owned();
    let waiting = database.owner().begin_sql(&name, "SELECT pg_sleep(600)");
    let server = Server::of_the_run();
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    while server.sql("postgres", &sessions) != "1" {}
    drop(database);
    assert!(answer(waiting).is_err());
    let left = format!(
        "SELECT (SELECT count(*) FROM pg_database WHERE datname = '{name}')
        + (SELECT count(*) FROM pg_roles WHERE rolname = '{name}')"
    );
    assert_eq!(server.sql("postgres", &left), "0");
}

#[test]
fn a_password_is_checked() {
    let database = Database::create();
    let guessing = Server { password: "guessed".to_owned(), ..database.owner().clone() };
    check_refused(guessing.try_sql(database.name(), "SELECT 1"), "password authentication failed");
    let silent = Server { password: String::new(), ..guessing };
    check_refused(silent.try_sql(database.name(), "SELECT 1"), "no password supplied");
}

#[test]
fn a_folder_ends_what_runs_in_it_paused_or_not() {
    let folder = Folder::new();
    let path = folder.path().to_owned();
    let mut inside: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Command::new("cat");
            command.current_dir(&path).stdin(Stdio::piped()).spawn().expect("cat is there")
        })
        .collect();
    let paused = inside[0].id().to_string();
    let sent = Command::new("kill").args(["-STOP", &paused]).status();
    assert!(sent.expect("kill is there").success());
    drop(folder);
    assert!(inside.iter_mut().all(|one| !one.wait().expect("it is a child").success()));
    assert!(!path.exists());
}

#[test]
fn a_cluster_syncs_and_keeps_commits_when_it_crashes() {
    let cluster = Cluster::begin();
    assert_eq!(cluster.sql("postgres", "SHOW fsync"), "on");
    let database = cluster.database();
    database.sql("CREATE TABLE one (n int); INSERT INTO one VALUES (1)");
    cluster.stop(Stop::Immediate);
    check_refused(database.try_sql("TABLE one"), "Connection refused");
    cluster.start();
    assert_eq!(database.sql("TABLE one"), "1");
    cluster.restart();
    assert_eq!(database.sql("TABLE one"), "1");
    assert!(cluster.log().contains("automatic recovery in progress"), "{}", cluster.log());
}

#[test]
fn a_primary_can_become_read_only_and_writable_again() {
    let cluster = Cluster::begin();
    let database = cluster.database();
    cluster.set("default_transaction_read_only", "on");
    check_refused(database.try_sql("CREATE TABLE one (n int)"), "25006");
    cluster.set("default_transaction_read_only", "off");
    database.sql("CREATE TABLE one (n int)");
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() {
    let cluster = Cluster::begin();
    cluster.pause();
    let mut waiting = cluster.server().begin_sql("postgres", "SELECT 1");
    // It cannot answer, so that this is right at any moment.
    assert!(waiting.try_wait().expect("it is a child").is_none());
    cluster.resume();
    assert_eq!(answer(waiting), Ok("1".to_owned()));
}

#[test]
fn a_standby_has_every_commit_and_takes_writes_once_it_is_promoted() {
    let primary = Cluster::begin();
    let database = primary.database();
    let standby = primary.standby();
    database.sql("CREATE TABLE one (n int); INSERT INTO one VALUES (1)");
    primary.stop(Stop::Immediate);
    let read = |text: &str| standby.server().try_sql(database.name(), text);
    assert_eq!(read("SELECT pg_is_in_recovery()"), Ok("t".to_owned()));
    check_refused(read("INSERT INTO one VALUES (2)"), "25006");
    standby.promote();
    assert_eq!(read("INSERT INTO one VALUES (2); SELECT sum(n) FROM one"), Ok("3".to_owned()));
    let owner = database.owner_at(standby.address());
    assert_eq!(owner.sql(database.name(), "SELECT count(*) FROM one"), "2");
}

#[test]
fn pgbouncer_gives_a_server_connection_to_a_transaction_only() {
    let database = Database::create();
    let bouncer = PgBouncer::before(&Server::of_the_run());
    let through = database.owner_at(bouncer.address());
    let text = "SELECT 1";
    assert_eq!(through.sql(database.name(), text), "1", "{}", bouncer.log());
    let wrong = Server { password: "guessed".to_owned(), ..through.clone() };
    check_refused(wrong.try_sql(database.name(), text), "authentication failed");
    // What one client leaves behind in a session, the next one finds.
    through.sql(database.name(), "PREPARE leftover AS SELECT 2");
    assert_eq!(through.sql(database.name(), "EXECUTE leftover"), "2");
}

#[test]
fn a_full_disk_refuses_writes_with_its_code_until_it_is_freed() {
    let cluster = Cluster::begin();
    let disk = cluster.small_disk();
    let database = disk.database();
    database.sql("CREATE TABLE one (text text)");
    let insert = "INSERT INTO one SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
    disk.fill();
    check_refused(database.try_sql(insert), "53100");
    assert_eq!(database.sql("SELECT count(*) FROM one"), "0");
    disk.free();
    database.sql(insert);
}

#[test]
fn a_server_with_tls_is_trusted_through_its_own_authority_only() {
    let cluster = Cluster::with_tls();
    let other = Cluster::with_tls();
    let select = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let verified = |authority: &Cluster| {
        let file = authority.ca_file();
        let database = format!("postgres?sslmode=verify-full&sslrootcert={}", file.display());
        cluster.server().try_sql(&database, select)
    };
    assert_eq!(verified(&cluster), Ok("t".to_owned()));
    check_refused(verified(&other), "certificate verify failed");
}

//! Databases that the gateway must refuse: it says why, exits with 1, and leaves the file as it is.

use std::process::{Command, Output};

use rusqlite::Connection;

use crate::harness::{Binary, Env, Settings, binary_path};

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

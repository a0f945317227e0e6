//! Deliveries that were damaged on disk between their 202 and their decision: all others are
//! decided, and an operator learns what was lost and where the damaged file is kept.

use std::path::Path;

use azdo_gateway::clock::Clock;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::storage::Deliveries;
use azdo_gateway::storage::sqlite::Sqlite;

use crate::harness::{Binary, Env, ORGANIZATION, POLL_INTERVAL, WAIT_MAX, payloads};

const DELIVERIES: usize = 30;

/// Deliveries that a gateway took and did not decide before it died. The one segment file.
async fn received(database: &Path) -> Vec<u8> {
    let store = Sqlite::open(database, read_envelope).expect("it is created");
    // Not older than the retention, which would delete them as soon as they are decided.
    let now = Clock::system().now();
    for number in 0..DELIVERIES {
        let body = payloads::other("workitem.created").to_string();
        let at = Timestamp::from_ms(now.ms() + number as i64);
        store.receive(ORGANIZATION, "by-hand", at, body.as_bytes()).await.expect("it is stored");
    }
    drop(store);
    std::fs::read(database.with_file_name("gateway.db-intake-0")).expect("they are there")
}

/// Starts a gateway that finds the deliveries with one byte changed. It has so many of them in the
/// end, keeps the file, and shows a problem until somebody takes the file away.
async fn is_shown(env: &Env, change: impl Fn(&[u8]) -> usize, left: usize) -> Binary {
    let database = env.settings("127.0.0.1:1").database();
    let mut damaged = received(&database).await;
    let at = change(&damaged);
    damaged[at] ^= 1;
    let file = database.with_file_name("gateway.db-intake-0");
    std::fs::write(&file, &damaged).expect("the folder is writable");
    let gateway = Binary::start(env).await;
    env.until_idle(&gateway.api).await;
    let listed = gateway.api.get("/v1/deliveries?limit=500").await;
    assert_eq!(listed["items"].as_array().expect("a list").len(), left);
    let kept = database.with_file_name("gateway.db-intake-damaged-0");
    assert!(!file.exists() && std::fs::read(&kept).expect("it is kept") == damaged);
    // Deliveries are taken all the same.
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert!(std::fs::read(&kept).expect("it is kept") == damaged, "it was written to");
    let shown = || async {
        let problems = gateway.api.get("/readyz").await["problems"][ORGANIZATION].clone();
        let organizations = gateway.api.get("/v1/organizations").await;
        (problems, organizations["items"][0]["problems"].clone())
    };
    let names_it =
        |shown: &serde_json::Value| shown.to_string().contains("gateway.db-intake-damaged-0");
    gateway.api.until("/readyz", names_it).await;
    let (_, organization) = shown().await;
    assert!(names_it(&organization), "{organization}");
    std::fs::remove_file(&kept).expect("the folder is writable");
    let cleared = async {
        let mut poll = tokio::time::interval(POLL_INTERVAL);
        while shown().await.0.to_string().contains("damaged") {
            poll.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, cleared).await.expect("the problem is cleared");
    gateway
}

/// Where a part of the body of the delivery in the middle stands.
fn in_a_body(file: &[u8]) -> usize {
    let word = b"workitem.created";
    let words = file.windows(word.len()).enumerate().filter(|(_, bytes)| bytes == word);
    words.map(|(at, _)| at).nth(DELIVERIES / 2).expect("every body has it")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_delivery_is_reported_and_the_others_are_decided() {
    let env = Env::new(3001);
    let gateway = is_shown(&env, in_a_body, DELIVERIES - 1).await;
    let metrics = gateway.api.text("/metrics").await;
    assert!(metrics.contains("azdo_gateway_damaged_places_total 1\n"), "{metrics}");
    let log = gateway.log();
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("damaged on disk in so many places")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for word in ["\"ERROR\"", "\"places\":1", "gateway.db-intake-damaged-0"] {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_damaged_beginning_of_the_file_all_deliveries_are_decided() {
    let env = Env::new(3002);
    let gateway = is_shown(&env, |_| 0, DELIVERIES).await;
    let log = gateway.log();
    let is_error = |line: &&str| line.contains("\"ERROR\"") && line.contains("its head is damaged");
    assert_eq!(log.lines().filter(is_error).count(), 1, "{log}");
}

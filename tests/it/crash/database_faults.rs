//! PostgreSQL that fails: deliveries are answered 503, which Azure DevOps repeats, and work goes on
//! without a restart as soon as the database takes writes again.

use std::time::{Duration, Instant};

use azdo_gateway::secret::Secret;
use reqwest::StatusCode;

use super::consistency::{Listed, posted_twice};
use crate::harness::{
    At, Binary, Cluster, Cut, Database, Env, Fault, Kind, Moment, POLL_INTERVAL, PgBouncer, Stop,
    WAIT_MAX, newest_status,
};

/// A gateway with the usual hooks, on the database at that address.
async fn on(env: &Env, url: &str, password: &str) -> Binary {
    Binary::start_with(env, |settings| settings.on_postgres(url, password)).await
}

/// Azure DevOps repeats deliveries so much faster, which no outage of these tests exhausts.
fn repeat_fast(env: &Env) {
    env.shell.ado(|ado| ado.options.time_scale = 4);
}

/// The status of an answer to a delivery, and how long it took.
async fn deliver(env: &Env, gateway: &Binary) -> (StatusCode, Duration, Option<String>) {
    let began = Instant::now();
    let password = Secret::new(env.password("git-push"));
    let answer = reqwest::Client::new()
        .post(format!("{}/hooks/azure-devops/fabrikam/git-push", gateway.url))
        .basic_auth("azure-devops", Some(password.expose()))
        .body(r#"{"eventType":"git.push"}"#)
        .send()
        .await
        .expect("the gateway answers");
    let retry_after = answer.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().expect("it is text").to_owned());
    (answer.status(), began.elapsed(), retry_after)
}

async fn is_ready(gateway: &Binary) -> bool {
    let client = reqwest::Client::new();
    let answer = client.get(format!("{}/readyz", gateway.url)).send().await;
    answer.expect("it answers").status() == StatusCode::OK
}

async fn until_ready(gateway: &Binary, wanted: bool) {
    let polling = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        while is_ready(gateway).await != wanted {
            interval.tick().await;
        }
    };
    let reached = tokio::time::timeout(WAIT_MAX, polling).await;
    assert!(reached.is_ok(), "/readyz is not {wanted}: {}", gateway.log());
}

/// Waits until a pull request shows its result. Where the answer to a claim was lost, nobody knows
/// that the row is leased until the lease ends.
async fn until_shown(env: &Env, id: u64, commit: &str) {
    let is_shown = |ado: &fakes::ado::World, _: &fakes::ci::World| {
        newest_status(ado, id, commit, "unit-tests").is_some_and(|one| one.state == "succeeded")
    };
    let shown = env.shell.wait_until(3 * WAIT_MAX, is_shown).await;
    assert!(shown, "pull request {id} does not show its result");
}

/// A pull request that is opened now succeeds.
async fn check_works(env: &Env, gateway: &Binary, branch: &str) {
    let (id, commit) = env.open(branch);
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    Listed::when_idle(env, &gateway.api).await.check(env);
    assert_eq!(env.shell.ado(|ado| posted_twice(ado)), 0, "a status was posted a second time");
}

/// Every few messages of a pull request's life its connection is cut, before the server gets the
/// message or after it has executed it.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_at_any_statement_loses_and_doubles_nothing() {
    let (env, database) = (Env::new(1), Database::create());
    repeat_fast(&env);
    let cut = Cut::before(&database.owner().address);
    let url = database.owner_at(cut.address()).url(database.name());
    let gateway = on(&env, &url, database.password()).await;
    let mut opened = Vec::new();
    for number in 0..30_u64 {
        let moment = if number % 2 == 0 { Moment::Before } else { Moment::After };
        let kind = if number % 3 == 0 { Kind::Query } else { Kind::Sync };
        cut.set(At::Message(kind), number, moment, Fault::Cut);
        opened.push(env.open(&format!("feature/{number}")));
        cut.triggered().await;
    }
    for (id, commit) in opened {
        until_shown(&env, id, &commit).await;
    }
    check_works(&env, &gateway, "feature/last").await;
    assert_eq!(env.shell.ado(|ado| ado.lost().len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_deliveries_get_503_and_afterwards_all_goes_on() {
    let (env, cluster) = (Env::new(2), Cluster::begin());
    repeat_fast(&env);
    let database = cluster.database();
    let gateway = on(&env, &database.url(), database.password()).await;
    check_works(&env, &gateway, "feature/before").await;
    for (how, branch) in [(Stop::Fast, "feature/stopped"), (Stop::Immediate, "feature/crashed")] {
        cluster.stop(how);
        until_ready(&gateway, false).await;
        let (status, _, retry_after) = deliver(&env, &gateway).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let seconds: u64 = retry_after.expect("it says when").parse().expect("whole seconds");
        assert!((1..=120).contains(&seconds), "{seconds}");
        let (status, _) = gateway.api.call(reqwest::Method::GET, "/v1/runs", None).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let (id, commit) = env.open(branch);
        cluster.start();
        until_shown(&env, id, &commit).await;
        until_ready(&gateway, true).await;
    }
    check_works(&env, &gateway, "feature/after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_noticed_and_the_gateway_answers() {
    let (env, cluster) = (Env::new(3), Cluster::begin());
    repeat_fast(&env);
    let database = cluster.database();
    let gateway = on(&env, &database.url(), database.password()).await;
    check_works(&env, &gateway, "feature/before").await;
    cluster.pause();
    let (status, took, _) = deliver(&env, &gateway).await;
    println!("a delivery to a gateway whose database hangs was answered {status} after {took:?}");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    until_ready(&gateway, false).await;
    cluster.resume();
    until_ready(&gateway, true).await;
    // The delivery may have been stored all the same, and Azure DevOps does not know it.
    let (id, commit) = env.open("feature/after");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_is_given_up_and_the_delivery_is_repeated() {
    let (env, database) = (Env::new(8), Database::create());
    repeat_fast(&env);
    let gateway = Binary::start_with(&env, |settings| {
        settings.on_postgres(&database.url(), database.password());
        let keys = settings.storage.as_mut().expect("they are set");
        keys.push_str("\nstatement_timeout = \"1s\"");
    })
    .await;
    let other = database.connect().await;
    other.batch_execute("BEGIN; LOCK TABLE inbox").await.expect("it is not locked");
    let (id, commit) = env.open("feature/search");
    let given_up = async {
        while !gateway.log().contains("canceling statement due to statement timeout") {
            assert_eq!(deliver(&env, &gateway).await.0, StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    tokio::time::timeout(WAIT_MAX, given_up).await.expect("the statement ends");
    assert!(is_ready(&gateway).await, "one table is locked: the database is not away");
    other.batch_execute("ROLLBACK").await.expect("it is locked");
    until_shown(&env, id, &commit).await;
    // The deliveries of this test may have been stored all the same.
    let (id, commit) = env.open("feature/after");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_is_refused_until_it_writes_again() {
    let (env, cluster) = (Env::new(4), Cluster::begin());
    repeat_fast(&env);
    let database = cluster.database();
    let gateway = on(&env, &database.url(), database.password()).await;
    cluster.set("default_transaction_read_only", "on");
    until_ready(&gateway, false).await;
    assert_eq!(deliver(&env, &gateway).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(gateway.log().contains("it only reads"), "{}", gateway.log());
    cluster.set("default_transaction_read_only", "off");
    until_ready(&gateway, true).await;
    check_works(&env, &gateway, "feature/after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_server_refuses_deliveries_until_there_is_space() {
    let (env, cluster) = (Env::new(5), Cluster::begin());
    repeat_fast(&env);
    let disk = cluster.small_disk();
    let database = disk.database();
    let gateway = on(&env, &database.url(), database.password()).await;
    check_works(&env, &gateway, "feature/before").await;
    disk.fill();
    let refused = async {
        // What is free in the files of the tables is used up first. The reason is logged a moment
        // after the first refusal.
        while deliver(&env, &gateway).await.0 != StatusCode::SERVICE_UNAVAILABLE
            || !gateway.log().contains("No space left on device")
        {}
    };
    tokio::time::timeout(WAIT_MAX, refused).await.expect("the disk is full");
    disk.free();
    until_ready(&gateway, true).await;
    let (id, commit) = env.open("feature/after");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_the_standby_has_everything_that_was_answered() {
    let (env, primary) = (Env::new(6), Cluster::begin());
    repeat_fast(&env);
    let database = primary.database();
    let standby = primary.standby();
    let both = format!("{},{}", primary.address(), standby.address());
    let url = database.owner_at(&both).url(database.name());
    let gateway = on(&env, &url, database.password()).await;
    check_works(&env, &gateway, "feature/before").await;
    let (id, commit) = env.open("feature/failover");
    primary.stop(Stop::Immediate);
    let stopped = Instant::now();
    until_ready(&gateway, false).await;
    println!("{:?} after the primary had stopped: /readyz says so", stopped.elapsed());
    standby.promote();
    println!("{:?}: the standby is promoted", stopped.elapsed());
    until_ready(&gateway, true).await;
    println!("{:?}: deliveries are accepted again", stopped.elapsed());
    until_shown(&env, id, &commit).await;
    println!("{:?}: the pull request of before shows its result", stopped.elapsed());
    check_works(&env, &gateway, "feature/after").await;
    assert_eq!(env.shell.ado(|ado| ado.lost().len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_all_works_without_a_setting() {
    let (env, cluster) = (Env::new(7), Cluster::begin());
    let database = cluster.database();
    let pooler = PgBouncer::before(cluster.server());
    let url = database.owner_at(pooler.address()).url(database.name());
    let gateway = on(&env, &url, database.password()).await;
    assert!(gateway.log().contains("there is a pooler"), "{}", gateway.log());
    for number in 0..5 {
        check_works(&env, &gateway, &format!("feature/{number}")).await;
    }
}

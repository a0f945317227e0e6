//! Runners that ask for runs: who gets which, how a lease is kept, given back and lost.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Env, Gateway, OPERATOR, REPORTER, RUNNER, Settings, VIEWER, check};

/// The builds are executed by runners with this label.
fn by_runners(settings: &mut Settings, lease: &str) {
    settings.ci = Some(format!("kind = \"runner\"\nlabels = [\"linux\"]\nlease = \"{lease}\""));
}

async fn gateway(env: &Env, lease: &str) -> Gateway {
    Gateway::start_with(env, |settings| by_runners(settings, lease)).await
}

/// A runner of that name.
struct Runner {
    api: Api,
    name: &'static str,
    labels: Vec<&'static str>,
}

/// A run that a runner has taken.
#[derive(Clone, Debug)]
struct Taken {
    lease: String,
    run: Value,
}

impl Taken {
    fn id(&self) -> &str {
        self.run["run"].as_str().unwrap()
    }

    fn commit(&self) -> &str {
        self.run["commit"].as_str().unwrap()
    }

    async fn report(&self, gateway: &Gateway, state: &str) -> Value {
        let token = self.run["report"]["token"].as_str().unwrap();
        let path = format!("/v1/runs/{}/reports", self.id());
        let body = json!({ "state": state, "description": format!("it {state}") });
        let (status, answer) = Api::new(&gateway.url, token).post(&path, Some(&body)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
}

impl Runner {
    fn new(gateway: &Gateway, name: &'static str, labels: &[&'static str]) -> Self {
        Self { api: Api::new(&gateway.url, RUNNER), name, labels: labels.to_vec() }
    }

    async fn ask(&self, wait_s: u64) -> Option<Taken> {
        let body = json!({ "name": self.name, "labels": self.labels, "wait_s": wait_s });
        let (status, answer) = self.api.post("/v1/runners/lease", Some(&body)).await;
        if status == StatusCode::NO_CONTENT {
            return None;
        }
        assert_eq!(status, StatusCode::OK, "{answer}");
        let lease = answer["lease"].as_str().unwrap().to_owned();
        Some(Taken { lease, run: answer["run"].clone() })
    }

    /// Asks until it gets a run.
    async fn take(&self) -> Taken {
        self.ask(60).await.expect("there is a run for it")
    }

    async fn heartbeat(&self, taken: &Taken) -> (StatusCode, Value) {
        self.api.post(&format!("/v1/runners/lease/{}/heartbeat", taken.lease), None).await
    }

    async fn release(&self, taken: &Taken) -> StatusCode {
        self.api.post(&format!("/v1/runners/lease/{}/release", taken.lease), None).await.0
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn runners_that_died_while_they_waited_get_no_run() {
    let env = Env::new(1519);
    env.disable_ci_reports();
    let gateway = gateway(&env, "60s").await;
    // Each connection is closed before there is a run.
    for name in ["a", "b", "c", "d"] {
        let dead = Runner::new(&gateway, name, &["linux"]);
        let waiting = tokio::spawn(async move { dead.ask(60).await });
        let is_there = |list: &Value| {
            list["items"].as_array().unwrap().iter().any(|runner| runner["name"] == name)
        };
        gateway.api.until("/v1/runners", is_there).await;
        waiting.abort();
        assert!(waiting.await.is_err());
    }
    env.open("topic");
    let taken = Runner::new(&gateway, "living", &["linux"]).ask(20).await.expect("it is there");
    assert_eq!(taken.run["attempt"], 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_runner_that_waits_gets_the_run_and_reports_how_it_ends() {
    let env = Env::new(1501);
    let gateway = gateway(&env, "60s").await;
    let runner = Runner::new(&gateway, "a", &["linux", "gpu"]);
    let (taken, (id, commit)) = tokio::join!(runner.take(), async { env.open("topic") });
    assert_eq!(taken.commit(), commit);
    assert_eq!(taken.run["type"], "run.requested");
    assert_eq!((&taken.run["check"], &taken.run["attempt"]), (&json!("unit-tests"), &json!(1)));
    assert!(taken.run["repository"]["clone_url"].as_str().unwrap().contains("_git"));
    env.until_description(id, &commit, "unit-tests", "Taken by runner a").await;
    let (status, answer) = runner.heartbeat(&taken).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({ "expires_in_s": 60, "cancel": false })));
    assert_eq!(taken.report(&gateway, "running").await["applied"], true);
    env.until_description(id, &commit, "unit-tests", "it running").await;
    let listed = gateway.api.get("/v1/runners").await;
    let found = &listed["items"][0];
    assert_eq!((&found["name"], &found["labels"]), (&json!("a"), &json!(["linux", "gpu"])));
    assert_eq!(found["runs"], json!([{ "id": taken.id(), "check": "unit-tests" }]));
    assert_eq!(taken.report(&gateway, "succeeded").await["applied"], true);
    env.until_description(id, &commit, "unit-tests", "it succeeded").await;
    assert_eq!(env.statuses(id, "unit-tests").pop().unwrap().state, "succeeded");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_runner_without_the_labels_gets_nothing_and_the_status_says_what_is_missing() {
    let env = Env::new(1502);
    let gateway = gateway(&env, "60s").await;
    let (id, commit) = env.open("topic");
    let words = "Waits for a runner with the label linux";
    env.until_description(id, &commit, "unit-tests", words).await;
    for labels in [&[][..], &["gpu"], &["linu"]] {
        assert!(Runner::new(&gateway, "b", labels).ask(0).await.is_none(), "{labels:?}");
    }
    let runs = gateway.api.get("/v1/runs").await;
    assert_eq!(
        (&runs["items"][0]["state"], &runs["items"][0]["attempts"]),
        (&json!("dispatched"), &json!(0))
    );
    assert!(Runner::new(&gateway, "c", &["LINUX"]).ask(0).await.is_some());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_whose_runner_is_lost_goes_to_another_one_and_ends_the_second_time() {
    let env = Env::new(1503);
    let gateway = gateway(&env, "2s").await;
    let (first, second) =
        (Runner::new(&gateway, "a", &["linux"]), Runner::new(&gateway, "b", &["linux"]));
    let (id, commit) = env.open("topic");
    let lost = first.take().await;
    assert_eq!(lost.report(&gateway, "running").await["applied"], true);
    // The first one sends no heartbeat.
    let taken = second.take().await;
    assert_eq!((taken.id(), &taken.run["attempt"]), (lost.id(), &json!(2)));
    assert_eq!(first.heartbeat(&lost).await.0, StatusCode::CONFLICT);
    let late = lost.report(&gateway, "failed").await;
    assert_eq!(late["applied"], false);
    assert_eq!(late["reason"], "the lease is lost: runner b has the run");
    assert_eq!(first.release(&lost).await, StatusCode::CONFLICT);
    assert_eq!(second.heartbeat(&taken).await.0, StatusCode::OK);
    let words = "Error: runner b was lost: no heartbeat came in time, as with the runner before it";
    env.until_description(id, &commit, "unit-tests", words).await;
    assert_eq!(env.statuses(id, "unit-tests").pop().unwrap().state, "error");
    assert!(second.ask(0).await.is_none(), "it is not offered a third time");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_that_is_given_back_goes_to_the_next_runner_and_is_no_loss() {
    let env = Env::new(1504);
    let gateway = gateway(&env, "60s").await;
    let (first, second) =
        (Runner::new(&gateway, "a", &["linux"]), Runner::new(&gateway, "b", &["linux"]));
    let (id, commit) = env.open("topic");
    for _ in 0..3 {
        let taken = first.take().await;
        assert_eq!(first.release(&taken).await, StatusCode::NO_CONTENT);
        assert_eq!(first.release(&taken).await, StatusCode::CONFLICT, "it was given back");
    }
    let taken = second.take().await;
    assert_eq!(taken.run["attempt"], 4);
    assert_eq!(taken.report(&gateway, "succeeded").await["applied"], true);
    env.until_description(id, &commit, "unit-tests", "it succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_heartbeat_of_a_run_that_is_over_says_so_and_why() {
    let env = Env::new(1505);
    let gateway = gateway(&env, "60s").await;
    let runner = Runner::new(&gateway, "a", &["linux"]);
    env.open("topic");
    let cancelled = runner.take().await;
    let path = format!("/v1/runs/{}/cancel", cancelled.id());
    assert_eq!(gateway.api.post(&path, None).await.0, StatusCode::ACCEPTED);
    let (status, answer) = runner.heartbeat(&cancelled).await;
    let expected = json!({ "expires_in_s": 60, "cancel": true,
        "reason": "the run is cancelled: by ops" });
    assert_eq!((status, answer), (StatusCode::OK, expected));
    assert_eq!(cancelled.report(&gateway, "succeeded").await["applied"], false);
    env.push("topic");
    let superseded = runner.take().await;
    let newer = env.push("topic");
    let taken = runner.take().await;
    assert_eq!(taken.commit(), newer);
    let (_, answer) = runner.heartbeat(&superseded).await;
    assert_eq!(answer["cancel"], true);
    assert!(answer["reason"].as_str().unwrap().contains("superseded"), "{answer}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn runners_are_shared_fairly_between_checks_in_the_order_of_planning() {
    let env = Env::new(1506);
    let checks = ["unit", "lint"].map(|name| check(name, "on = [\"pull_request\"]"));
    let gateway = Gateway::start_with(&env, |settings| {
        by_runners(settings, "60s");
        settings.checks = checks.concat();
    })
    .await;
    let runner = Runner::new(&gateway, "a", &["linux"]);
    let mut commits = Vec::new();
    for at in 0..4 {
        commits.push(env.open(&format!("topic-{at}")).1);
        env.until_idle(&gateway.api).await;
    }
    let mut of_checks: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for at in 1..=8 {
        let taken = runner.take().await;
        let check = taken.run["check"].as_str().unwrap().to_owned();
        of_checks.entry(check).or_default().push(taken.commit().to_owned());
        let counts: Vec<usize> = of_checks.values().map(Vec::len).collect();
        let (most, least) = (counts.iter().max().unwrap(), at - counts.iter().max().unwrap());
        assert!(most - least <= 1, "no check gets two runs more than the other: {of_checks:?}");
    }
    for (check, taken) in &of_checks {
        assert_eq!(taken, &commits, "{check}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn many_runners_that_ask_at_once_get_one_run_each_and_nobody_gets_two() {
    let env = Env::new(1507);
    let gateway = gateway(&env, "60s").await;
    for at in 0..12 {
        env.open(&format!("topic-{at}"));
    }
    let names = ["a", "b", "c", "d"];
    let asking = names.map(|name| {
        let runner = Runner::new(&gateway, name, &["linux"]);
        async move {
            let mut taken = Vec::new();
            for _ in 0..3 {
                taken.push(runner.take().await.id().to_owned());
            }
            taken
        }
    });
    let mut taken = futures_util::future::join_all(asking).await.concat();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 12);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_runners_that_are_wrong_are_refused_with_the_field_or_the_role() {
    let env = Env::new(1508);
    let gateway = gateway(&env, "60s").await;
    let lease = "/v1/runners/lease";
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a\nb" }), "name"),
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "a", "labels": "linux" }), "labels"),
        (json!({ "name": "a", "labels": [7] }), "labels"),
        (json!({ "name": "a", "labels": [""] }), "labels"),
        (json!({ "name": "a", "labels": vec!["x"; 51] }), "labels"),
        (json!({ "name": "a", "wait_s": 61 }), "wait_s"),
        (json!({ "name": "a", "wait_s": -1 }), "wait_s"),
        (json!({ "name": "a", "wait_s": "60" }), "wait_s"),
    ] {
        let runner = Api::new(&gateway.url, RUNNER);
        let (status, problem) = runner.post(lease, Some(&body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
    }
    let body = json!({ "name": "a", "labels": ["linux"] });
    for (token, expected) in [
        ("", StatusCode::UNAUTHORIZED),
        (VIEWER, StatusCode::FORBIDDEN),
        (REPORTER, StatusCode::FORBIDDEN),
        (RUNNER, StatusCode::NO_CONTENT),
        (OPERATOR, StatusCode::NO_CONTENT),
    ] {
        let caller = Api::new(&gateway.url, token);
        assert_eq!(caller.post(lease, Some(&body)).await.0, expected, "{token}");
    }
    assert_eq!(Api::new(&gateway.url, RUNNER).call(Method::GET, "/v1/runs", None).await.0, 403);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_nobodys_but_its_runners() {
    let env = Env::new(1509);
    let gateway = gateway(&env, "60s").await;
    let runner = Runner::new(&gateway, "a", &["linux"]);
    env.open("one");
    let one = runner.take().await;
    env.open("two");
    let two = runner.take().await;
    let (_, code) = one.lease.split_once('.').unwrap();
    for lease in [
        "x".to_owned(),
        one.id().to_owned(),
        // The lease of one run is not one of another.
        format!("{}.{code}", two.id()),
        one.lease.replacen("azgwl_1", "azgwl_2", 1),
    ] {
        let forged = Taken { lease, ..one.clone() };
        assert_eq!(runner.heartbeat(&forged).await.0, StatusCode::CONFLICT, "{forged:?}");
        assert_eq!(runner.release(&forged).await, StatusCode::CONFLICT, "{forged:?}");
    }
    let mut other = two.clone();
    other.run["report"] = one.run["report"].clone();
    let token = other.run["report"]["token"].as_str().unwrap();
    let path = format!("/v1/runs/{}/reports", two.id());
    let report = json!({ "state": "succeeded" });
    let answer = Api::new(&gateway.url, token).post(&path, Some(&report)).await;
    assert_eq!(answer.0, StatusCode::UNAUTHORIZED, "a token is for the run of its lease");
    assert_eq!(runner.heartbeat(&one).await.0, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_may_have_the_labels_of_its_token_only() {
    let env = Env::new(1510);
    let gateway = Gateway::start_with(&env, |settings| {
        by_runners(settings, "60s");
        settings.runner_labels = "labels = [\"Linux\", \"arm\"]";
    })
    .await;
    env.open("topic");
    let runner = Api::new(&gateway.url, RUNNER);
    let body = json!({ "name": "a", "labels": ["linux", "gpu"], "wait_s": 0 });
    let (status, problem) = runner.post("/v1/runners/lease", Some(&body)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(problem["detail"], "the token agents may not have the label gpu");
    assert!(Runner::new(&gateway, "a", &["linux"]).ask(60).await.is_some());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_that_no_runner_takes_is_timed_out_and_the_status_says_so() {
    let env = Env::new(1511);
    let gateway = Gateway::start_with(&env, |settings| {
        by_runners(settings, "60s");
        settings.checks = check("unit", "on = [\"pull_request\"]\ntimeout = \"1s\"");
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_description(id, &commit, "unit", "Timed out: no runner took it within 1s").await;
    gateway.stop().await;
}

//! How the gateway asks a CI to start a run: what the trigger contains, when it is repeated, and
//! that no run is started twice.

use fakes::ci::{Behaviour, World};
use fakes::faults::{Action, Rule, redirect_302};
use serde_json::Value;

use crate::harness::{Env, Gateway, WAIT_MAX, check};

/// The only run of the gateway.
async fn only_run(gateway: &Gateway) -> Value {
    let mut runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_has_every_field_that_the_contract_promises() {
    let env = Env::new(1001);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let trigger = env.shell.ci(|ci| ci.started().next().map(|start| start.trigger.clone()));
    let trigger = trigger.unwrap();
    let (main, merge) = env.shell.ado(|ado| {
        let merge = ado.pull_request(id).merge_commit.clone();
        (ado.head(&env.repository, "main").unwrap().to_owned(), merge)
    });
    let run = trigger["run"].as_str().unwrap();
    assert_eq!(trigger["report"]["url"], format!("{}/v1/runs/{run}/reports", gateway.url));
    assert_eq!(trigger["repository"]["id"], env.repository.as_str());
    assert_eq!(trigger["ref"], "refs/heads/topic");
    assert_eq!(trigger["commit"], commit.as_str());
    let pull_request = &trigger["pull_request"];
    assert_eq!(pull_request["target_ref"], "refs/heads/main");
    assert_eq!(pull_request["target_commit"], main.as_str());
    assert_eq!(pull_request["merge_ref"], format!("refs/pull/{id}/merge"));
    // Azure DevOps may have made the trial merge after it sent the event.
    let merge_commit = &pull_request["merge_commit"];
    assert!(merge_commit.is_null() || merge_commit.as_str() == merge.as_deref());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_ci_that_is_unavailable_is_asked_again_with_the_same_key() {
    let env = Env::new(1002);
    env.shell.ci(|ci| ci.next(1, &Behaviour::Unavailable { times: 1, retry_after_s: 1 }));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let is_tried = |runs: &Value| runs["items"][0]["attempts"] == 1;
    let waiting = gateway.api.until("/v1/runs", is_tried).await;
    let reason = waiting["items"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("builder does not start it yet: the CI is unavailable (503)"),
        "{reason}"
    );
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let start = env.shell.ci(|ci| ci.started().next().cloned()).unwrap();
    assert_eq!((start.attempts, start.repeats), (2, 0));
    let calls_ms: Vec<_> = env.shell.ci(|ci| ci.journal.entries().map(|one| one.at_ms).collect());
    assert!(calls_ms[1] - calls_ms[0] >= 1_000, "Retry-After was not obeyed: {calls_ms:?}");
    gateway.api.until("/v1/runs", |runs| runs["items"][0]["attempts"] == 2).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_quotes_the_reason_of_a_ci_that_refuses_a_run() {
    let env = Env::new(1003);
    let refuse = Behaviour::Refuse { status: 422, text: "no such pipeline: web/main".into() };
    env.shell.ci(|ci| ci.set_default(refuse));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    let description = env.statuses(id, "unit-tests").pop().unwrap().description.unwrap();
    assert!(description.contains("no such pipeline: web/main"), "{description}");
    assert_eq!(only_run(&gateway).await["state"], "errored");
    assert_eq!(env.shell.ci(|ci| ci.journal.count("POST", "/start")), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_trigger_whose_answer_is_lost_starts_one_run() {
    for (seed, fault) in
        [(1004, Action::DropAfter), (1005, Action::DropBefore), (1006, Action::TruncateBody)]
    {
        let env = Env::new(seed);
        env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", fault.clone()).next(1)));
        let gateway = Gateway::start(&env).await;
        let (id, commit) = env.open("topic");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        let keys = env.shell.ci(|ci| ci.triggered().count());
        assert_eq!((env.starts(), keys), (1, 1), "{fault:?}");
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_2xx_answer_without_an_id_starts_the_run() {
    let env = Env::new(1007);
    let gateway = Gateway::start(&env).await;
    for (branch, behaviour) in
        [("one", Behaviour::GarbageAnswer), ("two", Behaviour::AnswerWithoutId)]
    {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    let are_asked_once = |runs: &Value| {
        let mut runs = runs["items"].as_array().unwrap().iter();
        runs.all(|run| run["url"].is_null() && run["attempts"] == 1)
    };
    gateway.api.until("/v1/runs", are_asked_once).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_report_is_applied_that_arrives_before_the_answer_to_the_trigger() {
    let env = Env::new(1008);
    env.shell.ci(|ci| ci.next(1, &Behaviour::ReportBeforeAnswer));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let has_ci_id = |runs: &Value| !runs["items"][0]["ci_id"].is_null();
    let runs = gateway.api.until("/v1/runs", has_ci_id).await;
    assert_eq!(runs["items"][0]["state"], "succeeded");
    env.until_idle(&gateway.api).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn with_concurrency_1_a_run_starts_when_the_one_before_has_ended() {
    let env = Env::new(1009);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", "concurrency = 1");
    });
    one_of_three_runs_is_live(&env, gateway.await, &["one", "two", "three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn with_concurrency_1_a_ci_has_one_run_of_all_checks() {
    let env = Env::new(1012);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = ["build", "unit", "lint"].map(|name| check(name, "")).concat();
        settings.ci_more = "concurrency = 1";
    });
    one_of_three_runs_is_live(&env, gateway.await, &["one"]).await;
}

/// Opens pull requests on these branches, which start three runs.
async fn one_of_three_runs_is_live(env: &Env, gateway: Gateway, branches: &[&str]) {
    env.disable_ci_reports();
    for branch in branches {
        env.open(branch);
    }
    env.until_decided(&gateway.api).await;
    for ended in 0..3 {
        env.until("the next run is started", |_, ci| ci.starts() == ended + 1).await;
        let are_left = |runs: &Value| runs["items"].as_array().unwrap().len() == 2 - ended;
        gateway.api.until("/v1/runs?state=planned", are_left).await;
        // A run that is not held back is started at once, so a short bounded wait is enough to see
        // that none is.
        let second = |_: &_, ci: &World| ci.starts() > ended + 1;
        assert!(
            !env.shell.wait_until(Env::QUIET_PERIOD, second).await,
            "two runs are live at once"
        );
        let live = |ci: &World| ci.started().find(|one| !ci.is_reported(&one.run)).cloned();
        let run = env.shell.ci(|ci| live(ci)).unwrap().run;
        env.report(&run, "succeeded");
    }
    env.until("all three reports were answered", |_, ci| ci.answers().len() == 3).await;
    assert_eq!(gateway.api.items("/v1/runs?state=succeeded").await.len(), 3);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_a_ci_is_not_followed() {
    let env = Env::new(1010);
    let elsewhere = format!("{}/ci/elsewhere", env.shell.url());
    env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", redirect_302(&elsewhere))));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    let followed =
        env.shell.ci(|ci| ci.journal.entries().any(|one| one.target.contains("elsewhere")));
    assert!(!followed);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_without_an_answer_does_not_delay_other_runs() {
    let env = Env::new(1011);
    let hold = Action::Hold { before: true };
    env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", hold).next(1)));
    let gateway = Gateway::start(&env).await;
    let (slow, held) = env.open("slow");
    let is_held = env.shell.wait_for_held(WAIT_MAX, 1).await.is_some();
    assert!(is_held, "the first trigger was never made");
    let (id, commit) = env.open("quick");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.release();
    env.until_status(slow, &held, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

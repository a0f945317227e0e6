//! How a CI is asked to start a run: signed, once, again when it could not, and never elsewhere.

use std::time::Duration;

use fakes::ci::{Behaviour, World};
use fakes::faults::{Action, Rule, redirect_302};
use serde_json::Value;

use crate::harness::{Env, InProcess, check};

/// The only run there is.
async fn only_run(gateway: &InProcess) -> Value {
    let mut runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    runs.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_tells_a_ci_all_that_the_contract_promises() {
    let env = Env::new(1001);
    let gateway = InProcess::start(&env).await;
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
    let of = &trigger["pull_request"];
    assert_eq!(of["target_ref"], "refs/heads/main");
    assert_eq!(of["target_commit"], main.as_str());
    assert_eq!(of["merge_ref"], format!("refs/pull/{id}/merge"));
    // The trial merge may have been made after the event was told.
    assert!(of["merge_commit"].is_null() || of["merge_commit"].as_str() == merge.as_deref());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_that_is_unavailable_is_asked_again_with_the_same_key() {
    let env = Env::new(1002);
    env.shell.ci(|ci| ci.next(1, &Behaviour::Unavailable { times: 1, retry_after_s: 1 }));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    let refused = |run: &Value| run["items"][0]["attempts"] == 1;
    let waiting = gateway.api.until("/v1/runs", refused).await;
    let reason = waiting["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("builder does not start it yet: it answers 503"), "{reason}");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let start = env.shell.ci(|ci| ci.started().next().cloned()).unwrap();
    assert_eq!((start.attempts, start.repeats), (2, 0));
    let asked = env.shell.ci(|ci| ci.journal.entries().map(|one| one.at_ms).collect::<Vec<_>>());
    assert!(asked[1] - asked[0] >= 1_000, "Retry-After was not obeyed: {asked:?}");
    gateway.api.until("/v1/runs", |runs| runs["items"][0]["attempts"] == 2).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_that_refuses_is_quoted_in_the_status() {
    let env = Env::new(1003);
    let refuse = Behaviour::Refuse { status: 422, text: "no such pipeline: web/main".into() };
    env.shell.ci(|ci| ci.set_default(refuse));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    let words = env.statuses(id, "unit-tests").pop().unwrap().description.unwrap();
    assert!(words.contains("no such pipeline: web/main"), "{words}");
    assert_eq!(only_run(&gateway).await["state"], "errored");
    assert_eq!(env.shell.ci(|ci| ci.journal.count("POST", "/start")), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_does_not_start_a_second_run() {
    for (seed, fault) in
        [(1004, Action::DropAfter), (1005, Action::DropBefore), (1006, Action::TruncateBody)]
    {
        let env = Env::new(seed);
        env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", fault.clone()).next(1)));
        let gateway = InProcess::start(&env).await;
        let (id, commit) = env.open("topic");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        let keys = env.shell.ci(|ci| ci.triggered().count());
        assert_eq!((env.starts(), keys), (1, 1), "{fault:?}");
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ci_may_answer_anything_with_2xx() {
    let env = Env::new(1007);
    let gateway = InProcess::start(&env).await;
    for (branch, behaviour) in
        [("one", Behaviour::GarbageAnswer), ("two", Behaviour::AnswerWithoutId)]
    {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    let asked_once = |runs: &Value| {
        let mut runs = runs["items"].as_array().unwrap().iter();
        runs.all(|run| run["url"].is_null() && run["attempts"] == 1)
    };
    gateway.api.until("/v1/runs", asked_once).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_may_be_faster_than_the_answer() {
    let env = Env::new(1008);
    env.shell.ci(|ci| ci.next(1, &Behaviour::ReportBeforeAnswer));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let named = |runs: &Value| !runs["items"][0]["ci_id"].is_null();
    let runs = gateway.api.until("/v1/runs", named).await;
    assert_eq!(runs["items"][0]["state"], "succeeded");
    env.until_idle(&gateway.api).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_concurrency_one_runs_go_one_after_the_other() {
    let env = Env::new(1009);
    env.disable_ci_reports();
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = check("build", "concurrency = 1");
    })
    .await;
    for branch in ["one", "two", "three"] {
        env.open(branch);
    }
    env.until_decided(&gateway.api).await;
    for done in 0..3 {
        env.until("the next is started", |_, ci| ci.starts() == done + 1).await;
        let left = |runs: &Value| runs["items"].as_array().unwrap().len() == 2 - done;
        gateway.api.until("/v1/runs?state=planned", left).await;
        let too_many =
            env.shell.wait_until(Env::QUIET_PERIOD, |_, ci| ci.starts() > done + 1).await;
        assert!(!too_many, "two run at once");
        let open = |ci: &World| ci.started().find(|one| !ci.is_reported(&one.run)).cloned();
        let run = env.shell.ci(|ci| open(ci)).unwrap().run;
        env.report(&run, "succeeded");
    }
    env.until("all have ended", |_, ci| ci.answers().len() == 3).await;
    assert!(gateway.api.items("/v1/runs?state=succeeded").await.len() == 3);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_a_ci_is_not_followed() {
    let env = Env::new(1010);
    let elsewhere = format!("{}/ci/elsewhere", env.shell.url());
    env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", redirect_302(&elsewhere))));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    let followed = env.shell.ci(|ci| ci.journal.entries().any(|one| one.target.contains("else")));
    assert!(!followed);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_ci_does_not_hold_up_the_others() {
    let env = Env::new(1011);
    let hold = Action::Hold { before: true };
    env.shell.ci(|ci| ci.faults.add(Rule::new("POST", "/start", hold).next(1)));
    let gateway = InProcess::start(&env).await;
    let (slow, held) = env.open("slow");
    let patience = Duration::from_secs(20);
    assert!(env.shell.wait_for_held(patience, 1).await.is_some(), "the first is held");
    let (id, commit) = env.open("quick");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.release();
    env.until_status(slow, &held, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

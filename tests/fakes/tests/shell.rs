//! The worlds over sockets: deliveries arrive, and faults do to connections what they say.
//!
//! Hooks are delivered to the fake CI, where a rule answers them 202, so that the tests need
//! nothing but this crate. No test sleeps: each waits for a condition.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may panic as tests may"
)]

use std::time::Duration;

use fakes::ado::hooks::Progress;
use fakes::faults::{Action, Rule};
use fakes::http::Response;
use fakes::shell::Shell;
use fakes::systems::State;
use fakes::{ado, ci};
use serde_json::{Value, json};

/// The bound of everything that a test waits for. It happens within milliseconds, unless the
/// machine is very busy.
const LIMIT: Duration = Duration::from_secs(30);
const PAT: &str = "test-pat";

struct Env {
    shell: Shell,
    client: reqwest::Client,
    repository: String,
}

impl Env {
    fn start() -> Self {
        let mut world = ado::World::new(7, ado::Options::loopback());
        world.create_organization("fabrikam");
        let project = world.create_project("fabrikam", "Fabrikam");
        let repository = world.create_repository(&project, "web");
        world.push(&repository, "main", "Begin");
        let service = world.create_identity("Service", "svc@fabrikam.example");
        world.add_pat(PAT, &service, &["vso.code_write"], i64::MAX);
        let mut ci = ci::World::new(7);
        let accepted = Action::Respond(Response::empty(202));
        ci.faults.add(Rule::new("POST", "/ci/hook", accepted));
        let shell = Shell::start(world, ci, None).unwrap();
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build().unwrap();
        Self { shell, client, repository }
    }

    async fn subscribe(&self, event_type: &str) -> String {
        self.subscribe_with(event_type, json!({"repository": self.repository})).await
    }

    async fn subscribe_with(&self, event_type: &str, inputs: Value) -> String {
        let body = json!({
            "publisherId": "tfs",
            "eventType": event_type,
            "resourceVersion": "1.0",
            "consumerId": "webHooks",
            "consumerActionId": "httpRequest",
            "publisherInputs": inputs,
            "consumerInputs": {
                "url": format!("{}/ci/hook", self.shell.url()),
                "basicAuthUsername": "azure-devops",
                "basicAuthPassword": "secret",
                "resourceDetailsToSend": "all",
            },
        });
        let url =
            format!("{}/fabrikam/_apis/hooks/subscriptions?api-version=7.1", self.shell.url());
        let request = self.client.post(url).json(&body);
        let answer = request.basic_auth("", Some(PAT)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn trigger(&self, run: &str) -> Value {
        let report = json!({"url": format!("{}/ci/reports", self.shell.url()), "token": "t"});
        let body = json!({
            "type": "push",
            "run": run,
            "check": "unit-tests",
            "attempt": 1,
            "organization": "fabrikam",
            "project": {"id": "p", "name": "Fabrikam"},
            "repository": {"id": "r", "name": "web", "clone_url": "https://ado.example.com/web"},
            "commit": "a".repeat(40),
            "ref": "refs/heads/main",
            "report": report,
            "inputs": {},
        })
        .to_string();
        let (secret, now_ms) =
            (self.shell.ci(|ci| ci.secret().to_owned()), self.shell.ado(|ado| ado.now_ms()));
        let at_s = now_ms / 1_000;
        let signature = ci::signature::sign(&secret, run, at_s, body.as_bytes()).unwrap();
        let request = self.client.post(self.shell.ci_url()).body(body);
        let request = request.header("webhook-id", run).header("webhook-timestamp", at_s);
        let request = request.header("webhook-signature", signature);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn get_repository(&self) -> reqwest::Result<Value> {
        let url = format!(
            "{}/fabrikam/_apis/git/repositories/{}?api-version=7.1",
            self.shell.url(),
            self.repository,
        );
        self.client.get(url).basic_auth("", Some(PAT)).send().await?.json().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_delivered_to_its_subscription() {
    let env = Env::start();
    let subscription = env.subscribe("git.push").await;
    env.shell.ado(|ado| ado.push(&env.repository, "main", "Second"));
    let arrived = env.shell.wait_until(LIMIT, |ado, _| {
        let all = ado.notifications(&subscription);
        all.len() == 1 && all.iter().all(|one| one.progress == Progress::Succeeded)
    });
    assert!(arrived.await);
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_build_is_delivered_when_a_test_ends_it() {
    let env = Env::start();
    let id = env.subscribe_with("build.complete", json!({"definitionName": "web-ci"})).await;
    let pipeline = env.shell.ado(|ado| {
        let builder = ado.create_identity("Builder", "builder@fabrikam.example");
        ado.add_pat("builder-pat", &builder, &["vso.build_execute"], i64::MAX);
        ado.create_pipeline(&env.repository, "web-ci")
    });
    let path = format!("/fabrikam/Fabrikam/_apis/pipelines/{pipeline}/runs?api-version=7.1");
    let request = env.client.post(format!("{}{path}", env.shell.url())).json(&json!({}));
    let answer = request.basic_auth("", Some("builder-pat")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let run: Value = answer.json().await.unwrap();
    let number = run["id"].as_u64().unwrap();
    env.shell.ado(|ado| ado.builds_of(pipeline).set_state(number, State::Succeeded));
    let arrived = env.shell.wait_until(LIMIT, |ado, _| {
        let all = ado.notifications(&id);
        all.len() == 1 && all.iter().all(|one| one.progress == Progress::Succeeded)
    });
    assert!(arrived.await);
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_and_truncated_answers_are_errors_for_the_caller() {
    let env = Env::start();
    for action in [Action::DropBefore, Action::DropAfter, Action::TruncateBody] {
        env.shell.ado(|ado| ado.faults.add(Rule::new("GET", "/repositories/", action).next(1)));
        let answer = env.get_repository().await;
        assert!(answer.is_err(), "{answer:?}");
        assert!(env.get_repository().await.is_ok());
    }
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_waits_for_its_release() {
    let env = Env::start();
    let rule = Rule::new("GET", "/repositories/", Action::Hold { before: true });
    env.shell.ado(|ado| ado.faults.add(rule.nth(1)));
    let asking = env.get_repository();
    let releasing = async {
        let held = env.shell.wait_for_held(LIMIT, 1).await.unwrap();
        assert!(held[0].starts_with("GET /fabrikam/_apis/git/repositories/"));
        assert_eq!(env.shell.ado(|ado| ado.journal.count("GET", "/repositories/")), 0);
        env.shell.release();
    };
    let (answer, ()) = futures_util::future::join(asking, releasing).await;
    assert_eq!(answer.unwrap()["name"], "web");
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_opens_pull_requests() {
    let env = Env::start();
    let url = format!("{}/_fake/pull-requests", env.shell.url());
    let body = json!({"repository": "fabrikam/web", "source": "topic"});
    let answer = env.client.post(&url).json(&body).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"pull_request": 1}));
    let list: Value = env.client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(list[0]["merge_status"], "succeeded");
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_can_wait_for_the_final_report_which_is_repeated_until_accepted() {
    let env = Env::start();
    // The first report is answered 503, and is repeated.
    env.shell.ci(|ci| {
        ci.options.report_retry_ms = 1;
        ci.next(1, &ci::Behaviour::ReportBeforeAnswer);
        let unavailable = fakes::faults::unavailable_503(0);
        ci.faults.add(Rule::new("POST", "/ci/reports", unavailable).next(1));
        let taken = Action::Respond(Response::json(200, &json!({"applied": true})));
        ci.faults.add(Rule::new("POST", "/ci/reports", taken));
    });
    let answer = env.trigger("run-1").await;
    let states = env.shell.ci(|ci| {
        ci.answers().iter().map(|one| (one.state.clone(), one.status)).collect::<Vec<_>>()
    });
    assert_eq!(answer["id"], "1");
    let running = "running".to_owned();
    let expected =
        [(running.clone(), Some(503)), (running, Some(200)), ("succeeded".to_owned(), Some(200))];
    assert_eq!(states, expected);
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn advancing_the_clock_sends_each_retry_at_its_time() {
    let env = Env::start();
    let subscription = env.subscribe("git.push").await;
    let broken = fakes::faults::server_error_500();
    env.shell.ci(|ci| {
        ci.faults.clear();
        ci.faults.add(Rule::new("POST", "/ci/hook", broken));
    });
    let begun_ms = env.shell.ado(|ado| {
        ado.push(&env.repository, "main", "Second");
        ado.now_ms()
    });
    env.shell.advance(Duration::from_secs(3_600)).await;
    let (now_ms, minutes, status) = env.shell.ado(|ado| {
        let one = ado.notifications(&subscription)[0].clone();
        let minutes: Vec<_> =
            one.attempts.iter().map(|attempt| (attempt.at_ms - begun_ms) / 60_000).collect();
        (ado.now_ms(), minutes, ado.subscription(&subscription).unwrap().status)
    });
    assert!(now_ms - begun_ms >= 3_600_000);
    assert_eq!(minutes[..2], [0, 20]);
    assert_eq!(status, ado::SubscriptionStatus::OnProbation);
    let url = format!("{}/_fake/clock", env.shell.url());
    let request = env.client.post(&url).json(&json!({"seconds": 200_000}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let (attempts, status) = env.shell.ado(|ado| {
        let attempts = ado.notifications(&subscription)[0].attempts.len();
        (attempts, ado.subscription(&subscription).unwrap().status)
    });
    assert_eq!((attempts, status), (8, ado::SubscriptionStatus::DisabledBySystem));
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_time_of_the_worlds_in_their_date_header() {
    let env = Env::start();
    env.shell.advance(Duration::from_secs(86_400)).await;
    let url = format!("{}/fabrikam/_apis/projects?api-version=7.1", env.shell.url());
    let answer = env.client.get(url).basic_auth("", Some(PAT)).send().await.unwrap();
    let dates: Vec<_> = answer.headers().get_all("date").iter().collect();
    let now_ms = env.shell.ado(|ado| ado.now_ms());
    let around = [now_ms - 2_000, now_ms - 1_000, now_ms].map(fakes::timestamp::http_date);
    assert_eq!(dates.len(), 1);
    assert!(around.iter().any(|one| *one == dates[0].to_str().unwrap()), "{dates:?}");
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_does_what_administrators_do() {
    let env = Env::start();
    let base = format!("{}/_fake", env.shell.url());
    let post = async |path: &str, body: Value| {
        let answer = env.client.post(format!("{base}/{path}")).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let wanted =
        json!({"event_type": "git.push", "project": "fabrikam", "url": "http://a.example"});
    let (status, created) = post("subscriptions", wanted).await;
    assert_eq!(status, 200, "{created}");
    let id = created["subscription"].as_str().unwrap().to_owned();
    let (_, answer) = post(&format!("subscriptions/{id}/disable"), json!({})).await;
    assert_eq!(answer, json!({"status": "disabledByUser"}));
    let renamed = json!({"repository": "fabrikam/web", "name": "site"});
    assert_eq!(post("repositories/rename", renamed).await.0, 200);
    assert_eq!(post("projects/fabrikam/rename", json!({"name": "Contoso"})).await.0, 200);
    assert!(env.shell.ado(|ado| ado.find_repository("contoso/site").is_some()));
    assert_eq!(post("identities/svc@fabrikam.example/deactivate", json!({})).await.0, 200);
    let refused = env.get_repository().await.unwrap();
    assert_eq!(refused["typeKey"], "UnauthorizedRequestException");
    assert_eq!(post("subscriptions/nothing/disable", json!({})).await.0, 400);
    env.shell.stop().await;
}

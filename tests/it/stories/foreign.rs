//! `POST /v1/statuses`: statuses of a CI that started by itself.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Api, Env, Gateway, REPORTER, VIEWER};

/// A status of the context `nightly/deploy`, with further fields.
fn status(state: &str, further: Value) -> Value {
    let mut body = json!({
        "organization": "fabrikam",
        "project": "Fabrikam",
        "repository": "web",
        "context": { "genre": "nightly", "name": "deploy" },
        "state": state,
    });
    for (name, value) in further.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn post(gateway: &Gateway, body: &Value) -> (StatusCode, Value) {
    Api::new(&gateway.url, REPORTER).post("/v1/statuses", Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_posted_on_a_commit() {
    let env = Env::new(1601);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let commit = env.push("main");
    let body = status(
        "succeeded",
        json!({
            "commit": commit.to_uppercase(), "description": "Deployed",
            "url": "https://deploy.example.com/3",
        }),
    );
    let (answered, posted) = post(&gateway, &body).await;
    assert_eq!(answered, StatusCode::ACCEPTED);
    env.until_commit_status(&commit, "deploy", "succeeded").await;
    let shown = env.commit_statuses(&commit, "deploy").pop().unwrap();
    assert_eq!((shown.genre.as_str(), shown.description.as_deref()), ("nightly", Some("Deployed")));
    assert_eq!(shown.target_url.as_deref(), Some("https://deploy.example.com/3"));
    env.until_idle(&gateway.api).await;
    let path = format!("/v1/statuses/{}", posted["status"]);
    let stored = gateway.api.get(&path).await;
    assert_eq!((&stored["outcome"], &stored["run"]), (&json!("posted"), &Value::Null));
    // Posting the same again changes nothing.
    post(&gateway, &body).await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.commit_statuses(&commit, "deploy").len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_status_is_posted_on_the_iteration_of_its_commit() {
    let env = Env::new(1602);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let (id, first) = env.open("topic");
    let second = env.push("topic");
    for (commit, iteration) in [(&first, 1), (&second, 2)] {
        let body = status("pending", json!({ "pull_request": id, "commit": commit }));
        assert_eq!(post(&gateway, &body).await.0, StatusCode::ACCEPTED);
        env.until_status(id, commit, "deploy", "pending").await;
        assert_eq!(env.statuses(id, "deploy").pop().unwrap().iteration, Some(iteration));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_commit_the_newest_iteration_gets_the_status() {
    let env = Env::new(1603);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let (id, first) = env.open("topic");
    let body = status("succeeded", json!({ "pull_request": id }));
    post(&gateway, &body).await;
    env.until_status(id, &first, "deploy", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let second = env.push("topic");
    // The same status, but for another commit.
    post(&gateway, &body).await;
    env.until_status(id, &second, "deploy", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let third = env.push("topic");
    post(&gateway, &status("failed", json!({ "pull_request": id }))).await;
    env.until_status(id, &third, "deploy", "failed").await;
    let iterations: Vec<_> =
        env.statuses(id, "deploy").iter().map(|status| status.iteration.unwrap()).collect();
    assert_eq!(iterations, [1, 2, 3]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_force_push_back_the_newest_iteration_of_the_commit_gets_the_status() {
    let env = Env::new(1604);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let (id, first) = env.open("topic");
    let body = |state| status(state, json!({ "pull_request": id, "commit": first }));
    post(&gateway, &body("pending")).await;
    env.until_status(id, &first, "deploy", "pending").await;
    env.shell.ado(|ado| {
        ado.force_push(&env.repository, "topic", "Other work");
        ado.force_push_to(&env.repository, "topic", &first);
    });
    post(&gateway, &body("succeeded")).await;
    env.until_status(id, &first, "deploy", "succeeded").await;
    assert_eq!(env.statuses(id, "deploy").pop().unwrap().iteration, Some(3));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_of_the_gateway_replaces_the_status_of_its_context() {
    let env = Env::new(1605);
    env.disable_ci_reports();
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = env.push("main");
    let of_a_check = json!({
        "commit": commit, "project": env.project, "repository": env.repository,
        "context": { "genre": "ci", "name": "unit-tests" },
    });
    post(&gateway, &status("failed", of_a_check)).await;
    env.until_commit_status(&commit, "unit-tests", "failed").await;
    let payload = crate::harness::payloads::push(&env, "main", &old, &commit, 1);
    env.deliver_again(&gateway.url, "push", payload.to_string()).await;
    let run = env.until_started("unit-tests", &commit).await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_refused_by_name() {
    let env = Env::new(1606);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let good = status("succeeded", json!({ "commit": commit }));
    let wrong = [
        ("organization", json!(null), "organization"),
        ("organization", json!("contoso"), "organization"),
        ("project", json!(""), "project"),
        ("repository", json!(7), "repository"),
        ("commit", json!("main"), "commit"),
        ("commit", json!(null), "commit"),
        ("pull_request", json!("7"), "pull_request"),
        ("context", json!(null), "context"),
        ("context", json!({ "genre": "nightly" }), "context.name"),
        ("state", json!("green"), "state"),
        ("state", json!(null), "state"),
        ("description", json!(["long"]), "description"),
        ("url", json!("javascript:alert(1)"), "url"),
    ];
    for (field, value, named) in wrong {
        let mut body = good.clone();
        body[field] = value.clone();
        let (status, problem) = post(&gateway, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field} {value}");
        assert_eq!(problem["errors"][0]["field"], named, "{field} {value}: {problem}");
    }
    let viewer = Api::new(&gateway.url, VIEWER);
    let (status, _) = viewer.post("/v1/statuses", Some(&good)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(gateway.api.items("/v1/statuses").await.is_empty());
    gateway.stop().await;
}

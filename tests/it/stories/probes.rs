//! Liveness, readiness, metrics, and the problem documents of refused requests.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Api, Binary, Env, InProcess, check};

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_ask_for_liveness_and_readiness() {
    let env = Env::new(1801);
    let gateway = InProcess::start(&env).await;
    let anonymous = Api::new(&gateway.url, "");
    assert_eq!(anonymous.get("/livez").await["status"], "alive");
    assert_eq!(anonymous.get("/readyz").await["status"], "ready");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_count_every_stage() {
    let env = Env::new(1802);
    // A process of its own, since counters are shared by all gateways of a process.
    let gateway = Binary::start_with(&env, |settings| {
        settings.checks = check("build", "");
    })
    .await;
    env.deliver(&gateway.url, "by-hand", "no json").await;
    let wrong = Api::new(&gateway.url, "");
    wrong.post("/hooks/azure-devops/fabrikam/git-push", None).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "build", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let answer = reqwest::Client::new().get(format!("{}/metrics", gateway.url)).send().await;
    let answer = answer.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let metrics = answer.text().await.unwrap();
    for line in [
        "azdo_gateway_deliveries_total{result=\"stored\"} 3",
        "azdo_gateway_deliveries_refused_total{cause=\"wrong_secret\"} 1",
        "azdo_gateway_decisions_total{outcome=\"started\"} 1",
        "azdo_gateway_dispatches_total{ci=\"builder\",result=\"accepted\"} 1",
        "azdo_gateway_reports_total{applied=\"true\"} 2",
        "azdo_gateway_statuses_total{outcome=\"posted\"} ",
        "azdo_gateway_ado_requests_total{operation=\"statuses\",method=\"POST\",outcome=\"ok\"} ",
        "azdo_gateway_status_seconds_bucket{le=\"",
        "azdo_gateway_backlog{stage=\"undecided\"} 0",
        "azdo_gateway_backlog{stage=\"unposted\"} 0",
        "azdo_gateway_oldest_undecided_seconds 0",
        "azdo_gateway_store_writable 1",
        "# HELP azdo_gateway_backlog Rows that wait to be processed, by stage",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_or_method_gets_a_problem_document() {
    let env = Env::new(1803);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/v2/runs"),
        (Method::GET, "/hooks/azure-devops/fabrikam"),
        (Method::GET, "/hooks/azure-devops/fabrikam/git-push"),
        (Method::DELETE, "/v1/runs"),
        (Method::POST, "/livez"),
        (Method::GET, "/v1/runs/%2e%2e/secrets"),
    ] {
        let url = format!("{}{path}", gateway.url);
        let answer = reqwest::Client::new().request(method.clone(), url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], 404);
        assert!(problem["detail"].as_str().unwrap().contains(method.as_str()), "{problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_the_api_is_a_problem_document() {
    let env = Env::new(1804);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let operator = crate::harness::OPERATOR;
    for (method, path, token, status) in [
        (Method::GET, "/v1/runs", "", 401),
        (Method::GET, "/v1/runs", crate::harness::REPORTER, 403),
        (Method::GET, "/v1/runs?limit=0", operator, 400),
        (Method::GET, "/v1/runs/none", operator, 404),
        (Method::POST, "/v1/statuses", operator, 400),
    ] {
        let url = format!("{}{path}", gateway.url);
        let request = reqwest::Client::new().request(method, url).bearer_auth(token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let asks = answer.headers().get("www-authenticate").is_some();
        assert_eq!(asks, status == 401, "{path}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(problem[field].is_string(), "{path}: {problem}");
        }
    }
    gateway.stop().await;
}

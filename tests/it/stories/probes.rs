//! Liveness, readiness, metrics, and the problem documents of refused requests.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Api, Binary, Env, Gateway, OPERATOR, POLL_INTERVAL, REPORTER, VIEWER, WAIT_MAX, check,
};

#[tokio::test(flavor = "multi_thread")]
async fn anybody_learns_the_bare_state_and_viewers_the_problems() {
    let env = Env::new(1801);
    let gateway = env.unlinked(|_| {}).await;
    let is_shown = |ready: &Value| ready["problems"]["fabrikam"].is_string();
    Api::new(&gateway.url, VIEWER).until("/readyz", is_shown).await;
    for token in ["", "an unknown token", REPORTER] {
        let probe = Api::new(&gateway.url, token);
        assert_eq!(probe.get("/livez").await, json!({ "status": "alive" }));
        assert_eq!(probe.get("/readyz").await, json!({ "status": "ready" }), "{token:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_for_viewers() {
    let env = Env::new(1805);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for (token, status) in [("", 401), ("an unknown token", 401), (REPORTER, 403)] {
        let caller = Api::new(&gateway.url, token);
        let (answered, body) = caller.call(Method::GET, "/metrics", None).await;
        assert_eq!(answered.as_u16(), status, "{token:?}");
        assert_eq!(body["status"], status, "it is a problem document");
    }
    for token in [VIEWER, OPERATOR] {
        let metrics = Api::new(&gateway.url, token).text("/metrics").await;
        assert!(metrics.contains("azdo_gateway_store_writable 1"), "{metrics}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_network_gets_metrics_without_a_token_and_nothing_else() {
    let env = Env::new(1806);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.server = format!("admin_listen = \"{address}\"");
    })
    .await;
    let scraper = Api::new(&format!("http://{address}"), "");
    assert_eq!(scraper.get("/livez").await, json!({ "status": "alive" }));
    assert_eq!(scraper.get("/readyz").await, json!({ "status": "ready" }));
    let metrics = scraper.text("/metrics").await;
    assert!(metrics.contains("azdo_gateway_backlog{stage=\"undecided\"}"), "{metrics}");
    let operator = Api::new(&format!("http://{address}"), OPERATOR);
    assert_eq!(operator.get("/readyz").await["problems"], json!({}));
    for path in ["/v1/runs", "/v1/proof/x", "/connect/fabrikam", "/openapi.json"] {
        let (status, _) = operator.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let hook = "/hooks/azure-devops/fabrikam/git-push";
    assert_eq!(operator.post(hook, None).await.0, StatusCode::NOT_FOUND);
    let anonymous = Api::new(&gateway.url, "");
    let (status, _) = anonymous.call(Method::GET, "/metrics", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "everybody reaches the other address");
    gateway.stop().await;
    assert!(std::net::TcpStream::connect(&address).is_err(), "it is closed with the gateway");
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
    let read = async || {
        let request = reqwest::Client::new().get(format!("{}/metrics", gateway.url));
        let answer = request.bearer_auth(VIEWER).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        answer.text().await.unwrap()
    };
    // The last thing that is measured, after the outcome of the post is stored.
    let measured = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        while !read().await.contains("azdo_gateway_event_to_status_seconds_count 2") {
            interval.tick().await;
        }
    };
    tokio::time::timeout(WAIT_MAX, measured).await.expect("both statuses are measured");
    let metrics = read().await;
    for line in [
        "azdo_gateway_deliveries_total{result=\"stored\"} 3",
        "azdo_gateway_deliveries_refused_total{cause=\"wrong_secret\"} 1",
        "azdo_gateway_decisions_total{outcome=\"started\"} 1",
        "azdo_gateway_dispatches_total{ci=\"builder\",result=\"accepted\"} 1",
        "azdo_gateway_reports_total{applied=\"true\"} 2",
        "azdo_gateway_statuses_total{outcome=\"posted\"} ",
        "azdo_gateway_ado_requests_total{operation=\"statuses\",method=\"POST\",outcome=\"ok\"} ",
        "azdo_gateway_build_info{version=\"",
        "azdo_gateway_accept_seconds_count 3",
        "azdo_gateway_delivered_seconds_count ",
        "azdo_gateway_decided_seconds_count 2",
        "azdo_gateway_started_seconds_count{ci=\"builder\"} 1",
        "azdo_gateway_status_seconds_bucket{le=\"",
        "azdo_gateway_event_to_status_seconds_count 2",
        "azdo_gateway_ado_request_seconds_count{operation=\"statuses\"} ",
        "azdo_gateway_ci_request_seconds_count{ci=\"builder\"} 1",
        "azdo_gateway_commit_seconds_count ",
        "azdo_gateway_runs{ci=\"builder\",state=\"running\"} 0",
        "azdo_gateway_pats_alive ",
        "azdo_gateway_store_waiting{queue=\"deliveries\"} 0",
        "azdo_gateway_oldest_planned_seconds 0",
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
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
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
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for (method, path, token, status) in [
        (Method::GET, "/v1/runs", "", 401),
        (Method::GET, "/v1/runs", REPORTER, 403),
        (Method::GET, "/v1/runs?limit=0", OPERATOR, 400),
        (Method::GET, "/v1/runs/none", OPERATOR, 404),
        (Method::POST, "/v1/statuses", OPERATOR, 400),
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

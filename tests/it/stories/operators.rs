//! The API for operators: roles, lists and items.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Api, Env, Gateway, OPERATOR, REPORTER, VIEWER, check, payloads};

const LISTS: [&str; 6] = [
    "/v1/deliveries",
    "/v1/runs",
    "/v1/statuses",
    "/v1/organizations",
    "/v1/organizations/fabrikam",
    "/v1/permissions",
];

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn each_role_may_make_its_calls() {
    let env = Env::new(1701);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let run = env.until_started("unit-tests", &commit).await;
    let started = &gateway.api.items("/v1/deliveries?outcome=started").await[0];
    let views = LISTS.iter().map(|path| (Method::GET, (*path).to_owned()));
    let operations = [
        (Method::POST, format!("/v1/deliveries/{}/replay", started["id"])),
        (Method::POST, format!("/v1/runs/{run}/cancel")),
        (Method::POST, format!("/v1/runs/{run}/rerun")),
    ];
    let calls = views.map(|call| (call, true)).chain(operations.map(|call| (call, false)));
    for ((method, path), is_view) in calls {
        for (token, may) in [
            (OPERATOR, StatusCode::OK),
            (VIEWER, if is_view { StatusCode::OK } else { StatusCode::FORBIDDEN }),
            (REPORTER, StatusCode::FORBIDDEN),
            ("somebody's", StatusCode::UNAUTHORIZED),
            ("", StatusCode::UNAUTHORIZED),
        ] {
            let api = Api::new(&gateway.url, token);
            let (status, answer) = api.call(method.clone(), &path, None).await;
            let expected = match may {
                StatusCode::OK if path.ends_with("/cancel") => StatusCode::CONFLICT,
                StatusCode::OK if !is_view => StatusCode::ACCEPTED,
                other => other,
            };
            assert_eq!(status, expected, "{method} {path} with {token:?}: {answer}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_long_list_has_pages() {
    let env = Env::new(1702);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for _ in 0..25 {
        let payload = payloads::other("workitem.created").to_string();
        env.deliver(&gateway.url, "items", payload).await;
    }
    env.until_decided(&gateway.api).await;
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = gateway.api.get(&format!("/v1/deliveries?limit=7{cursor}")).await;
        pages += 1;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
        // A delivery that arrives meanwhile does not shift the pages.
        let payload = payloads::other("workitem.created").to_string();
        env.deliver(&gateway.url, "items", payload).await;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, 4);
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 25);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_refused_by_name() {
    let env = Env::new(1703);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for (path, field) in [
        ("/v1/deliveries?outcom=started", "outcom"),
        ("/v1/deliveries?outcome=begun", "outcome"),
        ("/v1/deliveries?source=pigeon", "source"),
        ("/v1/deliveries?limit=0", "limit"),
        ("/v1/deliveries?limit=501", "limit"),
        ("/v1/deliveries?limit=many", "limit"),
        ("/v1/deliveries?cursor=!", "cursor"),
        ("/v1/runs?branch=main", "branch"),
        ("/v1/runs?state=green", "state"),
        ("/v1/runs?pull_request=seven", "pull_request"),
        ("/v1/statuses?outcome=green", "outcome"),
        ("/v1/statuses?run=7", "run"),
    ] {
        let (status, problem) = gateway.api.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn lists_can_be_filtered() {
    let env = Env::new(1704);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", "") + &check("lint", "");
    })
    .await;
    let (one, first) = env.open("one");
    let (two, second) = env.open("two");
    for (id, commit) in [(one, &first), (two, &second)] {
        env.until_status(id, commit, "build", "succeeded").await;
        env.until_status(id, commit, "lint", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    let run = env.until_started("lint", &second).await;
    for (path, expected) in [
        ("/v1/runs".to_owned(), 4),
        ("/v1/runs?check=lint".to_owned(), 2),
        (format!("/v1/runs?commit={first}"), 2),
        (format!("/v1/runs?commit={first}&check=build"), 1),
        (format!("/v1/runs?pull_request={two}"), 2),
        (format!("/v1/runs?repository_id={}", env.repository), 4),
        ("/v1/runs?state=failed".to_owned(), 0),
        ("/v1/runs?organization=FABRIKAM".to_owned(), 4),
        ("/v1/runs?organization=contoso".to_owned(), 0),
        ("/v1/deliveries?event_type=git.pullrequest.created".to_owned(), 2),
        ("/v1/deliveries?event_type=git.pullrequest.created&outcome=started".to_owned(), 2),
        ("/v1/deliveries?source=replay".to_owned(), 0),
    ] {
        assert_eq!(gateway.api.items(&path).await.len(), expected, "{path}");
    }
    let of_run = gateway.api.items(&format!("/v1/statuses?run={run}&outcome=posted")).await;
    assert!(of_run.len() >= 2 && of_run.iter().all(|status| status["run"] == run.as_str()));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_delivery_is_shown_with_its_body_and_its_runs() {
    let env = Env::new(1705);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let started = &gateway.api.items("/v1/deliveries?outcome=started").await[0];
    let shown = gateway.api.get(&format!("/v1/deliveries/{}", started["id"])).await;
    assert_eq!(shown["body"]["eventType"], "git.pullrequest.created");
    assert_eq!(shown["body"]["resource"]["pullRequestId"], id);
    let run = env.until_started("unit-tests", &commit).await;
    assert_eq!(shown["runs"], json!([run]));
    for missing in ["/v1/deliveries/999999", "/v1/deliveries/x", "/v1/statuses/999999"] {
        let (status, problem) = gateway.api.call(Method::GET, missing, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
        assert!(problem["detail"].as_str().unwrap().starts_with("there is no"), "{problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn what_people_do_is_in_the_audit_log_with_who_did_it() {
    let env = Env::new(1721);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.organization = "hooks = true\ncatch_up = \"off\"".to_owned();
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let run = env.until_started("unit-tests", &commit).await;
    let delivery = &gateway.api.items("/v1/deliveries?outcome=started").await[0]["id"];
    let status = json!({
        "organization": "fabrikam", "project": "Fabrikam", "repository": env.repository,
        "commit": commit, "context": { "genre": "ci", "name": "scan" }, "state": "succeeded",
    });
    env.disable_ci_reports();
    let rerun = format!("/v1/runs/{run}/rerun");
    let (_, again) = gateway.api.post(&rerun, None).await;
    let again = again["id"].as_str().expect("a run has an id").to_owned();
    let organization = |what: &str| format!("/v1/organizations/fabrikam/{what}");
    let actions = [
        ("rerun", Method::POST, String::new(), OPERATOR),
        ("cancel", Method::POST, format!("/v1/runs/{again}/cancel"), OPERATOR),
        ("replay", Method::POST, format!("/v1/deliveries/{delivery}/replay"), OPERATOR),
        ("status", Method::POST, "/v1/statuses".to_owned(), REPORTER),
        ("catch_up", Method::POST, organization("catch-up"), OPERATOR),
        ("reconcile", Method::POST, organization("reconcile"), OPERATOR),
        ("rotate", Method::POST, organization("rotate?now=true"), OPERATOR),
        ("remove", Method::DELETE, organization("hooks"), OPERATOR),
    ];
    for (action, method, path, token) in actions {
        if !path.is_empty() {
            let body = (action == "status").then_some(&status);
            let api = Api::new(&gateway.url, token);
            let (answer, problem) = api.call(method, &path, body).await;
            assert_eq!(answer, StatusCode::ACCEPTED, "{action}: {problem}");
        }
        let entries = gateway.api.items(&format!("/v1/audit?action={action}")).await;
        assert_eq!(entries.len(), 1, "{action}: {entries:?}");
        let actor = if token == REPORTER { "builders" } else { "ops" };
        assert_eq!(entries[0]["actor"], actor, "{entries:?}");
        assert_eq!(entries[0]["via"], "api_token", "{entries:?}");
        assert_eq!(entries[0]["organization"], "fabrikam", "{entries:?}");
        let is_of_run = ["rerun", "cancel"].contains(&action);
        assert_eq!(entries[0]["run"].is_string(), is_of_run, "{entries:?}");
    }
    let used = gateway.api.items("/v1/audit?action=use").await;
    assert!(used.iter().all(|entry| entry["via"] == "gateway"), "{used:?}");
    gateway.stop().await;
}

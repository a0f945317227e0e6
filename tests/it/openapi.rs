//! Compares `/openapi.json` with the answers of the gateway: every documented path exists, and
//! every item has exactly the documented properties.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Env, InProcess, RUNNER, Settings};

const OUTCOMES: &str = "/v1/organizations/fabrikam/reconcile";

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_documented_properties() {
    let env = Env::new(71);
    let managed = |settings: &mut Settings| {
        settings.credential = env.service_user("");
        settings.checks = settings.checks.replace("ci = ", "required = true\nci = ");
        settings.organization = "reconcile = \"1d\"\ncatch_up = \"off\"".to_owned();
    };
    let gateway = InProcess::without_hooks(&env, managed).await;
    env.link(&gateway.url).await;
    gateway.api.until(OUTCOMES, are_done).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let runner = Api::new(&gateway.url, RUNNER);
    runner.post("/v1/runners/lease", Some(&json!({ "name": "a" }))).await;
    let document = gateway.api.get("/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    for (schema, path) in [
        ("Delivery", "/v1/deliveries"),
        ("Run", "/v1/runs"),
        ("Status", "/v1/statuses"),
        ("Organization", "/v1/organizations"),
        ("Permission", "/v1/permissions"),
        ("Entry", "/v1/audit"),
        ("Runner", "/v1/runners"),
    ] {
        let documented = names(&schemas[schema]["properties"]);
        let items = gateway.api.items(path).await;
        assert!(!items.is_empty(), "{path}");
        for item in items {
            assert_eq!(names(&item), documented, "{schema}");
        }
    }
    let started = gateway.api.items("/v1/deliveries?outcome=started").await;
    assert_eq!(names(&started[0]["checks"][0]), names(&schemas["CheckOutcome"]["properties"]));
    let run = gateway.api.items("/v1/runs").await[0]["id"].as_str().unwrap().to_owned();
    let run = gateway.api.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(names(&run["steps"][0]), names(&schemas["RunStep"]["properties"]));
    let path = "/v1/organizations/fabrikam/explain?project=Fabrikam&repository=web&pull_request=";
    let explained = gateway.api.get(&format!("{path}{id}")).await;
    assert_eq!(names(&explained["items"][0]), names(&schemas["Finding"]["properties"]));
    let permissions = gateway.api.get("/v1/permissions").await;
    for (list, schema) in [("probes", "Probe"), ("policies", "RequiredCheck")] {
        assert_eq!(names(&permissions[list][0]), names(&schemas[schema]["properties"]), "{schema}");
    }
    let shown = gateway.api.get("/v1/organizations/fabrikam").await;
    for (found, schema) in [("/identity", "Identity"), ("/projects/0", "Project")] {
        let found = shown.pointer(found).unwrap_or(&Value::Null);
        assert_eq!(names(found), names(&schemas[schema]["properties"]), "{schema}");
    }
    assert_eq!(names(&shown["link"]), names(&schemas["Link"]["properties"]));
    check_reconcilers(&env, &gateway, schemas).await;
    let anonymous = Api::new(&gateway.url, "");
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            let method: Method = verb.to_uppercase().parse().unwrap();
            let concrete = path.replace("{id}", "1").replace(['{', '}'], "");
            let (status, _) = anonymous.call(method, &concrete, None).await;
            // An existing path answers 401 without a token; a path that does not exist, 404.
            let needs_token = operation["security"] != serde_json::json!([]);
            let is_run = concrete.starts_with("/v1/runs/1/reports");
            let expected = match needs_token {
                true if is_run => StatusCode::NOT_FOUND,
                true => StatusCode::UNAUTHORIZED,
                // A browser that was not sent to Entra before.
                false if concrete.starts_with("/complete") => StatusCode::BAD_REQUEST,
                false => StatusCode::OK,
            };
            assert_eq!(status, expected, "{verb} {path}");
        }
    }
    gateway.stop().await;
}

/// Whether the reconcilers of hooks and policies have ended a pass and wait for the next one.
fn are_done(outcomes: &Value) -> bool {
    let items = outcomes["items"].as_array().expect("it lists outcomes").iter();
    let mut items = items.filter(|item| item["reconciler"] != "catch_up");
    items
        .all(|item| item["at"].is_string() && item["problem"].is_null() && item["goes_on"] == false)
}

/// Subscriptions, plans and outcomes. A changed filter makes a step with changes.
async fn check_reconcilers(env: &Env, gateway: &InProcess, schemas: &Value) {
    let documented = |schema: &str| names(&schemas[schema]["properties"]);
    let subscriptions = gateway.api.items("/v1/subscriptions").await;
    assert_eq!(subscriptions.len(), 4);
    for item in &subscriptions {
        assert_eq!(names(item), documented("Subscription"));
        let path = format!("/v1/subscriptions/{}", item["id"].as_str().unwrap());
        assert_eq!(names(&gateway.api.get(&path).await), documented("Subscription"));
    }
    env.shell.ado(|ado| {
        let id = subscriptions[0]["id"].as_str().unwrap();
        ado.change_subscription(id, |one| {
            one.publisher_inputs.insert("branch".into(), "main".into());
        });
    });
    let plan = gateway.api.get("/v1/organizations/fabrikam/plan").await;
    let steps = plan["items"].as_array().unwrap();
    assert!(!steps.is_empty(), "{plan}");
    for step in steps {
        assert_eq!(names(step), documented("Step"));
    }
    let changed = steps.iter().find(|step| step["action"] == "change").expect("one has drifted");
    assert_eq!(names(&changed["changes"][0]), documented("Change"));
    let outcomes = gateway.api.get(OUTCOMES).await;
    let reconcilers = outcomes["items"].as_array().unwrap();
    assert_eq!(reconcilers.len(), 3, "{outcomes}");
    for outcome in reconcilers {
        assert_eq!(names(outcome), documented("Outcome"));
    }
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

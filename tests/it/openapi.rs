//! Whether `/openapi.json` says what the gateway really answers: every documented path is there,
//! and every item has exactly the documented properties.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Api, Env, InProcess, Settings};

const TURNS: &str = "/v1/organizations/fabrikam/reconcile";

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_what_is_answered() {
    let env = Env::new(71);
    let kept = |settings: &mut Settings| {
        settings.credential = env.service_user("");
        settings.checks = settings.checks.replace("ci = ", "required = true\nci = ");
        settings.organization = "reconcile = \"1d\"\ncatch_up = \"off\"".to_owned();
    };
    let gateway = InProcess::without_hooks(&env, kept).await;
    env.link(&gateway.url).await;
    gateway.api.until(TURNS, are_over).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let document = gateway.api.get("/openapi.json").await;
    let schemas = &document["components"]["schemas"];
    for (schema, path) in [
        ("Delivery", "/v1/deliveries"),
        ("Run", "/v1/runs"),
        ("Status", "/v1/statuses"),
        ("Organization", "/v1/organizations"),
        ("Permission", "/v1/permissions"),
        ("Entry", "/v1/audit"),
    ] {
        let documented = names(&schemas[schema]["properties"]);
        let items = gateway.api.items(path).await;
        assert!(!items.is_empty(), "{path}");
        for item in items {
            assert_eq!(names(&item), documented, "{schema}");
        }
    }
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
    upkeep(&env, &gateway, schemas).await;
    let nobody = Api::new(&gateway.url, "");
    for (path, verbs) in document["paths"].as_object().unwrap() {
        for (verb, operation) in verbs.as_object().unwrap() {
            let method: Method = verb.to_uppercase().parse().unwrap();
            let concrete = path.replace("{id}", "1").replace(['{', '}'], "");
            let (status, _) = nobody.call(method, &concrete, None).await;
            // Without a token or a path that is there, the answers differ: 401 and 404.
            let needs_token = operation["security"] != serde_json::json!([]);
            let is_run = concrete.starts_with("/v1/runs/1/reports");
            let expected = match needs_token {
                true if is_run => StatusCode::NOT_FOUND,
                true => StatusCode::UNAUTHORIZED,
                // A browser that comes back without having been sent anywhere.
                false if concrete.starts_with("/complete") => StatusCode::BAD_REQUEST,
                false => StatusCode::OK,
            };
            assert_eq!(status, expected, "{verb} {path}");
        }
    }
    gateway.stop().await;
}

/// Hooks and policies are as they should be, and nobody looks again for long.
fn are_over(turns: &Value) -> bool {
    let items = turns["items"].as_array().expect("it lists turns").iter();
    let mut kept = items.filter(|turn| turn["reconciler"] != "catch_up");
    kept.all(|turn| turn["at"].is_string() && turn["problem"].is_null() && turn["goes_on"] == false)
}

/// Subscriptions, plans and turns. A filter that nobody asked for makes a step with changes.
async fn upkeep(env: &Env, gateway: &InProcess, schemas: &Value) {
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
    let turns = gateway.api.get(TURNS).await;
    let reconcilers = turns["items"].as_array().unwrap();
    assert_eq!(reconcilers.len(), 3, "{turns}");
    for turn in reconcilers {
        assert_eq!(names(turn), documented("Turn"));
    }
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

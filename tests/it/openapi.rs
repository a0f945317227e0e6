//! Whether `/openapi.json` says what the gateway really answers: every documented path is there,
//! and every item has exactly the documented properties.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Api, Inside, Town};

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_what_is_answered() {
    let town = Town::new(71);
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    let document = gateway.api.get("/openapi.json").await;
    for (schema, path) in
        [("Delivery", "/v1/deliveries"), ("Run", "/v1/runs"), ("Status", "/v1/statuses")]
    {
        let documented = names(&document["components"]["schemas"][schema]["properties"]);
        for item in gateway.api.items(path).await {
            assert_eq!(names(&item), documented, "{schema}");
        }
    }
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
                false => StatusCode::OK,
            };
            assert_eq!(status, expected, "{verb} {path}");
        }
    }
    gateway.stop().await;
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

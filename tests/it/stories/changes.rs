//! Whoever watches learns what has changed, whichever replica has changed it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Api, Binary, Env, EventStream, Gateway, REPORTER, VIEWER};

const PATH: &str = "/v1/changes";

/// Begins to watch.
async fn watch(api: &Api) -> EventStream {
    let stream = EventStream::begin(api.open(PATH).await, ": watching\n\n").await;
    assert_eq!(stream.text, ": watching\n\n");
    stream
}

/// The ids of a list, of those that are wanted.
async fn ids(api: &Api, path: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let items = api.items(path).await.into_iter().filter(wanted);
    items.map(|item| item["id"].to_string().trim_matches('"').to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_watcher_learns_of_each_delivery_run_and_status() {
    let env = Env::new(1951);
    let gateway = Gateway::start(&env).await;
    let mut streams = Vec::new();
    for api in gateway.each() {
        streams.push(watch(api).await);
    }
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let started = |delivery: &Value| delivery["outcome"] == "started";
    let posted = |status: &Value| status["posted_at"].is_string();
    let mut expected = BTreeSet::new();
    for (kind, ids) in [
        ("delivery", ids(&gateway.api, "/v1/deliveries", started).await),
        ("run", ids(&gateway.api, "/v1/runs", |_| true).await),
        ("status", ids(&gateway.api, "/v1/statuses", posted).await),
    ] {
        assert!(!ids.is_empty(), "there is a {kind}");
        expected.extend(ids.into_iter().map(|id| (kind.to_owned(), id)));
    }
    for stream in &mut streams {
        stream.until_told(&expected).await;
        assert!(
            !stream.text.contains("\nid: ") && !stream.text.contains("beat"),
            "{}",
            stream.text
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_for_viewers() {
    let env = Env::new(1952);
    let gateway = Gateway::start(&env).await;
    for (token, status) in [("", 401), ("an unknown token", 401), (REPORTER, 403), (VIEWER, 200)] {
        let answer = Api::new(&gateway.url, token).open(PATH).await;
        assert_eq!(answer.status().as_u16(), status, "{token:?}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_ends_its_streams() {
    let env = Env::new(1953);
    let gateway = Binary::start(&env).await;
    let mut stream = watch(&gateway.api).await;
    gateway.terminate();
    stream.until_end().await;
}

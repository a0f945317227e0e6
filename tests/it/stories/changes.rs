//! Whoever watches learns what has changed, whichever replica has changed it.

use std::collections::BTreeSet;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Binary, Env, Gateway, REPORTER, VIEWER, WAIT_MAX};

const PATH: &str = "/v1/changes";

/// An open stream, and what it has sent.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    /// Begins to watch.
    async fn begin(api: &Api) -> Self {
        let response = api.open(PATH).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, text: String::new() };
        stream.until("it begins", |stream| stream.text.contains(": watching\n\n")).await;
        stream
    }

    /// Reads on; false at the end of the stream.
    async fn read(&mut self) -> bool {
        match self.response.chunk().await.expect("the connection stays open") {
            Some(chunk) => self.text.push_str(std::str::from_utf8(&chunk).expect("it is text")),
            None => return false,
        }
        true
    }

    async fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let reading = async { while !reached(self) && self.read().await {} };
        let in_time = tokio::time::timeout(WAIT_MAX, reading).await;
        assert!(in_time.is_ok() && reached(self), "{what} is not told of: {}", self.text);
    }

    /// Each change, as kind and id. Nothing else is sent.
    fn changes(&self) -> BTreeSet<(String, String)> {
        let (whole, _) = self.text.rsplit_once("\n\n").expect("it has begun");
        let mut changes = BTreeSet::new();
        for event in whole.split("\n\n").filter(|event| !event.starts_with(':')) {
            let data = event.strip_prefix("event: changed\ndata: ").expect("it is a change");
            let data: Value = serde_json::from_str(data).expect("it is JSON");
            let text = |key: &str| data[key].as_str().expect("it is text").to_owned();
            let (kind, id) = (text("kind"), text("id"));
            assert_eq!(data, json!({ "kind": kind, "id": id }));
            changes.insert((kind, id));
        }
        changes
    }
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
        streams.push(Stream::begin(api).await);
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
        let has_all = |stream: &Stream| expected.is_subset(&stream.changes());
        stream.until(&format!("one of {expected:?}"), has_all).await;
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
    let mut stream = Stream::begin(&gateway.api).await;
    gateway.terminate();
    let ended = tokio::time::timeout(WAIT_MAX, async { while stream.read().await {} }).await;
    assert!(ended.is_ok(), "the stream goes on: {}", stream.text);
}

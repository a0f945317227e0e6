//! An open stream of server-sent events, and what it has told of.

use std::collections::BTreeSet;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::WAIT_MAX;

/// See the module.
pub(crate) struct EventStream {
    response: Response,
    pub(crate) text: String,
}

impl EventStream {
    /// The stream of an answer, once it has sent this: from then on it tells of every change.
    pub(crate) async fn begin(response: Response, first: &str) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Self { response, text: String::new() };
        stream.until(first, |stream| stream.text.contains(first)).await;
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

    /// Reads until it has told of `what`.
    pub(crate) async fn until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let reading = async { while !reached(self) && self.read().await {} };
        let in_time = tokio::time::timeout(WAIT_MAX, reading).await;
        assert!(in_time.is_ok() && reached(self), "{what} is not told of: {}", self.text);
    }

    /// Reads until it has told of these changes, each a kind and an id.
    pub(crate) async fn until_told(&mut self, of: &BTreeSet<(String, String)>) {
        self.until(&format!("one of {of:?}"), |stream| of.is_subset(&stream.changes())).await;
    }

    /// Reads until the gateway ends it.
    pub(crate) async fn until_end(&mut self) {
        let ended = tokio::time::timeout(WAIT_MAX, async { while self.read().await {} }).await;
        assert!(ended.is_ok(), "the stream goes on: {}", self.text);
    }

    /// Each change, as kind and id; every one names both, and nothing else.
    pub(crate) fn changes(&self) -> BTreeSet<(String, String)> {
        let (whole, _) = self.text.rsplit_once("\n\n").expect("it has begun");
        let data =
            whole.split("\n\n").filter_map(|event| event.split_once("event: changed\ndata: "));
        let change = |(_, data): (&str, &str)| {
            let data: Value = serde_json::from_str(data).expect("it is JSON");
            let text = |key: &str| data[key].as_str().expect("it is text").to_owned();
            let (kind, id) = (text("kind"), text("id"));
            assert_eq!(data, json!({ "kind": kind, "id": id }));
            (kind, id)
        };
        data.map(change).collect()
    }
}

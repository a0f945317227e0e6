//! A client of the gateway's API with a token. It does not retry, so that a test sees what a caller
//! gets.

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// A caller with a token.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let http = reqwest::Client::new();
        Self { http, url: url.to_owned(), token: token.to_owned() }
    }

    /// The status and the JSON of the answer; null where the answer has no body.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the gateway answers");
        let status = answer.status();
        let bytes = answer.bytes().await.expect("the answer is whole");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The answer to a GET that has to succeed.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// The answer to a GET, whose body is still to be read.
    pub(crate) async fn open(&self, path: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        request.send().await.expect("the gateway answers")
    }

    /// The text of the answer to a GET that has to succeed.
    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = self.open(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.expect("the answer is whole")
    }

    pub(crate) async fn post(&self, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        self.call(Method::POST, path, body).await
    }

    /// The items of a list that fits on one page.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().expect("a list has items").clone()
    }

    /// Polls until the answer is as wanted. The test fails after `WAIT_MAX`.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let polling = async {
            let mut interval = tokio::time::interval(super::POLL_INTERVAL);
            loop {
                interval.tick().await;
                let answer = self.get(path).await;
                if wanted(&answer) {
                    return answer;
                }
            }
        };
        match tokio::time::timeout(super::WAIT_MAX, polling).await {
            Ok(answer) => answer,
            Err(_) => panic!("{path} never became what was wanted: {}", self.get(path).await),
        }
    }
}

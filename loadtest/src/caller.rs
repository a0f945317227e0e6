//! Single questions with JSON in and out, each over a connection of its own. It must never be used
//! while a latency is measured.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::connections::Connection;
use crate::response::Response;

/// Somebody who asks one server.
#[derive(Debug)]
pub(crate) struct Caller {
    address: SocketAddr,
    /// Of every request; each ends with a line break.
    headers: String,
}

impl Caller {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: String::new() }
    }

    /// One who proves with this token who it is.
    pub(crate) fn with_token(address: SocketAddr, token: &str) -> Self {
        Self { address, headers: format!("authorization: Bearer {token}\r\n") }
    }

    /// What is at a path.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        understood(path, &self.ask("GET", path, "").await?)
    }

    /// What comes of a request.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        understood(path, &self.ask("POST", path, &body.to_string()).await?)
    }

    /// As a browser opens it.
    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<Response> {
        self.ask("GET", path, "").await
    }

    /// As a browser that was given a cookie.
    pub(crate) fn with_cookie(address: SocketAddr, cookie: &str) -> Self {
        Self { address, headers: format!("cookie: {cookie}\r\n") }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Response> {
        let context = || format!("{} did not answer {method} {path}", self.address);
        let mut connection = Connection::open(self.address).await.with_context(context)?;
        connection.ask(method, path, &self.headers, body).await.with_context(context)
    }
}

/// The JSON of a success.
fn understood(path: &str, response: &Response) -> anyhow::Result<Value> {
    let text = String::from_utf8_lossy(&response.body);
    ensure!(matches!(response.status, 200..=299), "{path} answered {}: {text}", response.status);
    serde_json::from_slice(&response.body).with_context(|| format!("{path} answered no JSON"))
}

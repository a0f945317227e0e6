//! The changes that a running gateway tells of, as server-sent events (`/v1/changes`).

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Response;
use serde_json::Value;

/// The gateway sends something more often than this.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// More than a read of several events.
const EVENT_BYTES_MAX: usize = 1_000_000;

/// See the module.
pub(super) struct ChangeStream {
    response: Response,
    /// What has come of the next events.
    text: Vec<u8>,
}

impl ChangeStream {
    pub(super) fn new(response: Response) -> Self {
        Self { response, text: Vec::new() }
    }

    /// The next change, a kind and an id; none where the gateway ends the stream.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Value>> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(change) = change(&String::from_utf8_lossy(&event)) {
                    return Ok(Some(change));
                }
                continue;
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await;
            match chunk.context("the gateway is silent")?.context("the gateway went away")? {
                Some(chunk) => self.text.extend_from_slice(&chunk),
                None => return Ok(None),
            }
            ensure!(self.text.len() <= EVENT_BYTES_MAX, "the gateway sends no events");
        }
    }
}

/// The data of an event; none where it is only a comment.
fn change(event: &str) -> Option<Value> {
    let mut lines = event.lines();
    serde_json::from_str(lines.find_map(|line| line.strip_prefix("data: "))?).ok()
}

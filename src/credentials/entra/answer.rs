//! One exchange with Entra as bytes: in time, of bounded length, and without following anything.
//!
//! It must never log a body, nor put one into an error: bodies hold tokens.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Error;

/// From connecting to the last byte, whatever the client allows.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Token answers have a few KiB, key sets some ten.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Nobody is made to wait longer than a day by a header.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    is_json: bool,
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Sends, and reads to the end.
    pub(super) async fn of(request: RequestBuilder) -> Result<Self, Error> {
        let sent = request.timeout(CALL_MAX).send().await;
        let mut response = sent.map_err(|error| broken(&error))?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_json = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        let retry_after = header(RETRY_AFTER)
            .and_then(|value| value.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let reason = format!("it is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(Error::answer(reason));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, retry_after, is_json, body })
    }

    /// Busy or broken over there, whatever else the answer says.
    pub(super) fn is_busy(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }

    /// The error for an answer that is busy.
    pub(super) fn busy(&self) -> Error {
        let reason = format!("it answers {}", self.status);
        Error::Transient { reason, retry_after: self.retry_after }
    }

    /// The document that it should be. The error names the status only.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if self.status.is_redirection() {
            let reason = format!("it answers {} and wants us elsewhere", self.status);
            return Err(Error::answer(reason));
        }
        if !self.is_json {
            let reason = format!("it answers {} with a page instead of data", self.status);
            return Err(Error::answer(reason));
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            Error::answer(format!("it answers {} with JSON of another shape", self.status))
        })
    }
}

fn broken(error: &reqwest::Error) -> Error {
    Error::transient(match () {
        () if error.is_timeout() => "no answer in time",
        () if error.is_connect() => "no connection",
        () => "the connection broke before the whole answer came",
    })
}

//! One HTTP exchange with Entra: limited in time and length, without following redirects.
//!
//! Bodies hold tokens, so none is logged or put into an error.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::Error;

/// One exchange, from connecting to the last byte.
const EXCHANGE_MAX: Duration = Duration::from_secs(10);
/// Token responses have a few KiB, key sets some tens.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// A longer `Retry-After` is cut to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// A complete response.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    is_json: bool,
    body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// Sends the request and reads the whole response.
    pub(super) async fn to(request: RequestBuilder) -> Result<Self, Error> {
        let sent = request.timeout(EXCHANGE_MAX).send().await;
        let mut response = sent.map_err(|error| connection_error(&error))?;
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_json = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
        let retry_after = header(RETRY_AFTER)
            .and_then(|value| value.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| connection_error(&error))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(Error::unexpected(format!("it is longer than {BODY_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status, retry_after, is_json, body })
    }

    /// Whether the status reports a transient fault, whatever the body says.
    pub(super) fn is_unavailable(&self) -> bool {
        self.status.is_server_error()
            || matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }

    /// The transient error for this response.
    pub(super) fn unavailable(&self) -> Error {
        let reason = format!("it answers {}", self.status);
        Error::Transient { reason, retry_after: self.retry_after }
    }

    /// The body as JSON of an expected shape. The error names only the status.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let status = self.status;
        if status.is_redirection() {
            return Err(Error::unexpected(format!("it answers {status}, a redirect")));
        }
        if !self.is_json {
            return Err(Error::unexpected(format!("it answers {status} with no JSON")));
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            Error::unexpected(format!("it answers {status} with JSON of another shape"))
        })
    }
}

fn connection_error(error: &reqwest::Error) -> Error {
    Error::transient(if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was lost before the whole answer had arrived"
    })
}

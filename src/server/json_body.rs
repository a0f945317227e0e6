//! The JSON bodies of API calls: read up to a limit, within a deadline and a memory budget, and
//! refused with the name of the field that is wrong.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value};
use url::Url;

use super::memory_budget::{MemoryBudget, Reservation};
use super::problem::Problem;

/// The largest body. Bodies of the API are small.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// All bodies together that are read at a time. They have a budget of their own, so that no caller
/// of the API takes the memory of deliveries.
const MEMORY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// The longest URL.
const URL_CHARS_MAX: usize = 2_048;

/// Reads the bodies of API calls, all within one memory budget.
#[derive(Debug)]
pub(super) struct JsonBodies {
    memory_budget: MemoryBudget,
    wait_max: Duration,
}

impl Default for JsonBodies {
    fn default() -> Self {
        Self { memory_budget: MemoryBudget::new(MEMORY_BYTES_MAX), wait_max: BODY_WAIT_MAX }
    }
}

impl JsonBodies {
    /// The body as a JSON object. Called after the caller has proved who it is.
    pub(super) async fn object(
        &self,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> Result<Map<String, Value>, Problem> {
        let body = self.bytes(payload, BODY_BYTES_MAX).await?;
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(Problem::bad_request("the body has to be a JSON object")),
            Err(error) => Err(Problem::bad_request(format!("the body is not JSON: {error}"))),
        }
    }

    /// The body as it is, of up to `bytes_max`.
    pub(super) async fn bytes(
        &self,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
        bytes_max: usize,
    ) -> Result<BytesMut, Problem> {
        let mut reservation = self.memory_budget.reserve();
        let reading = read(payload, bytes_max, &mut reservation);
        tokio::time::timeout(self.wait_max, reading)
            .await
            .map_err(|_| Problem::slow_body(self.wait_max))?
    }
}

async fn read(
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    bytes_max: usize,
    reservation: &mut Reservation<'_>,
) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| Problem::bad_request("the body is incomplete: send it again"))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        if !reservation.grow(chunk.len()) {
            return Err(Problem::busy("too many bodies are being read: send it again"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A field that is a text, null or missing.
pub(super) fn optional_text(
    body: &Map<String, Value>,
    field: &str,
) -> Result<Option<String>, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::field(field, "a text is needed, or nothing")),
    }
}

/// A field that is a text and not empty.
pub(super) fn text(body: &Map<String, Value>, field: &str) -> Result<String, Problem> {
    optional_text(body, field)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::field(field, "a text is needed"))
}

/// A field that is an http or https URL, null, empty or missing.
pub(super) fn optional_url(
    body: &Map<String, Value>,
    field: &str,
) -> Result<Option<String>, Problem> {
    let Some(url) = optional_text(body, field)?.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https");
    if url.chars().count() > URL_CHARS_MAX || !Url::parse(&url).is_ok_and(is_web) {
        return Err(Problem::field(field, "an absolute http or https URL is needed"));
    }
    Ok(Some(url))
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;
    use actix_web::http::StatusCode;
    use futures_util::stream;

    use super::*;

    async fn refusal(
        bodies: &JsonBodies,
        payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    ) -> (StatusCode, bool) {
        let problem = bodies.object(payload).await.unwrap_err();
        let closes = !problem.error_response().head().keep_alive();
        (problem.status_code(), closes)
    }

    fn chunks(sizes: &[usize]) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin + use<> {
        let chunks: Vec<_> = sizes.iter().map(|size| Ok(Bytes::from(vec![b' '; *size]))).collect();
        stream::iter(chunks)
    }

    #[tokio::test]
    async fn a_body_is_refused_that_is_slow_too_long_or_beyond_the_memory() {
        let bodies = JsonBodies {
            memory_budget: MemoryBudget::new(100_000),
            wait_max: Duration::from_millis(1),
        };
        let (slow, closes) = refusal(&bodies, chunks(&[10]).chain(stream::pending())).await;
        assert_eq!((slow, closes), (StatusCode::REQUEST_TIMEOUT, true));
        let long = chunks(&[60_000, 6_000]);
        assert_eq!(refusal(&bodies, long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let mut others = bodies.memory_budget.reserve();
        assert!(others.grow(99_000));
        assert_eq!(refusal(&bodies, chunks(&[1_001])).await.0, StatusCode::SERVICE_UNAVAILABLE);
        drop(others);
        let body = stream::iter([Ok(Bytes::from_static(b"{\"a\": 1}"))]);
        assert_eq!(bodies.object(body).await.unwrap().len(), 1, "each returned its memory");
    }
}

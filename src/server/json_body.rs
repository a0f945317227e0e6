//! The JSON bodies of API calls: read up to a limit, and refused with the name of the field that is
//! wrong.

use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use url::Url;

use super::problem::Problem;

/// The largest body. Bodies of the API are small.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The longest URL.
const URL_CHARS_MAX: usize = 2_048;

/// The body as a JSON object.
pub(super) async fn object(mut payload: Payload) -> Result<Map<String, Value>, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| Problem::bad_request("the body is incomplete: send it again"))?;
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Problem::too_large(BODY_BYTES_MAX));
        }
        body.extend_from_slice(&chunk);
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::bad_request("the body has to be a JSON object")),
        Err(error) => Err(Problem::bad_request(format!("the body is not JSON: {error}"))),
    }
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

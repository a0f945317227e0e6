//! The JSON that callers of the API send: read within bounds, and refused by the name of the field
//! that is wrong. It must never know what the fields mean.

use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::{Map, Value};
use url::Url;

use super::problem::Problem;

/// Bodies of the API are small.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Links longer than this are no links.
const URL_CHARS_MAX: usize = 2_048;

/// The body as a JSON object.
pub(super) async fn body_of(mut payload: Payload) -> Result<Map<String, Value>, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("the body broke off: send it again"))?;
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

/// An optional text.
pub(super) fn text(body: &Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::field(field, "a text is needed, or nothing")),
    }
}

/// An optional link that a browser may be sent to.
pub(super) fn link(body: &Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    let Some(link) = text(body, field)?.filter(|link| !link.is_empty()) else { return Ok(None) };
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https");
    if link.chars().count() > URL_CHARS_MAX || !Url::parse(&link).is_ok_and(is_web) {
        return Err(Problem::field(field, "an absolute http or https URL is needed"));
    }
    Ok(Some(link))
}

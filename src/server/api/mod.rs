//! What operators look at and ask for. It must never know how any of it is stored.

mod deliveries;
mod page;
mod runs;
mod statuses;

use actix_web::web::{self, BytesMut, Payload};
use futures_util::StreamExt;
use serde_json::{Map, Value};

use super::State;
use super::problem::Problem;

/// Bodies of the API are small.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/deliveries", web::get().to(deliveries::list))
        .route("/v1/deliveries/{id}", web::get().to(deliveries::show))
        .route("/v1/deliveries/{id}/replay", web::post().to(deliveries::replay))
        .route("/v1/runs", web::get().to(runs::list))
        .route("/v1/runs/{id}", web::get().to(runs::show))
        .route("/v1/runs/{id}/cancel", web::post().to(runs::cancel))
        .route("/v1/runs/{id}/rerun", web::post().to(runs::rerun))
        .route("/v1/statuses", web::get().to(statuses::list))
        .route("/v1/statuses", web::post().to(statuses::post))
        .route("/v1/statuses/{id}", web::get().to(statuses::show));
}

/// The body as a JSON object.
pub(super) async fn body_of(
    mut payload: Payload,
    _state: &State,
) -> Result<Map<String, Value>, Problem> {
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

//! `POST /ci/{name}/events`: a CI says that something has happened to a run. It is a hint: the run
//! is polled at once. Who sent it is proved as the kind of CI does that: `Authorization` is no
//! token of the API here.

use actix_web::web::{self, Data, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use super::Components;
use super::json_body::JsonBodies;
use super::problem::Problem;
use crate::pipeline::observe::Observe;

/// The largest callback: systems send whole builds.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let observe = Data::new(components.observe.clone());
    move |config| {
        config.app_data(observe.clone()).route("/ci/{name}/events", web::post().to(callback));
    }
}

async fn callback(
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
    bodies: Data<JsonBodies>,
    observe: Data<Observe>,
) -> Result<HttpResponse, Problem> {
    let body = bodies.bytes(payload, BODY_BYTES_MAX).await?;
    let headers = request.headers().iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    let headers: Vec<_> = headers.collect();
    match observe.callback(&path, &headers, &body).await? {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(why) => Err(Problem::unproved(why.to_string())),
    }
}

//! Where Azure DevOps delivers. What it answers decides whether events are lost, so there are four
//! answers only: 202 stored, 401 wrong secret, 413 too large, 503 send it again.
//!
//! Any other refusal puts the subscription on probation, during which Azure DevOps drops every
//! event (Microsoft Learn: "Troubleshoot service hooks"). Bodies stay empty: everybody who may view
//! subscriptions can read them. It must never parse a body.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{BytesMut, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, StreamExt};

use super::State;
use crate::secret::Secret;

/// The user name of every hook; the password is what counts.
const USER: &str = "azure-devops";
/// How long a body may take to arrive.
const BODY_MAX: Duration = Duration::from_secs(30);

/// Why a delivery is not stored.
enum Refusal {
    WrongSecret,
    TooLarge,
    /// For now: Azure DevOps repeats it.
    Again(&'static str),
}

/// `POST /hooks/azure-devops/{organization}/{hook}`.
pub(super) async fn receive(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    state: Data<State>,
) -> HttpResponse {
    let (organization, hook) = path.into_inner();
    let stored = AssertUnwindSafe(store(&request, &organization, &hook, payload, &state));
    let refusal = match stored.catch_unwind().await {
        Ok(Ok(())) => return HttpResponse::Accepted().finish(),
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::Again("panic"),
    };
    refuse(&refusal, &organization, &hook)
}

async fn store(
    request: &HttpRequest,
    organization: &str,
    hook: &str,
    payload: Payload,
    state: &State,
) -> Result<(), Refusal> {
    let known = state.organizations.get(&organization.to_ascii_lowercase());
    // Computed for unknown organizations too, so that the time taken tells nothing.
    let proved = password(request)
        .is_some_and(|password| state.keys.verifies_hook(organization, hook, password.expose()));
    let is_live = proved && !state.arrivals.is_retired(organization, hook);
    let (Some(organization), true) = (known, is_live) else { return Err(Refusal::WrongSecret) };
    let reading = read(payload, state.options.body_bytes_max);
    let body = match tokio::time::timeout(BODY_MAX, reading).await {
        Ok(body) => body?,
        Err(_) => return Err(Refusal::Again("slow_body")),
    };
    let now = state.clock.now();
    match state.accept.accept(organization, hook, &body, now).await {
        Ok(_) => {
            state.arrivals.note(organization, hook, now);
            Ok(())
        }
        Err(crate::storage::Error::Busy { .. }) => Err(Refusal::Again("busy")),
        Err(_) => Err(Refusal::Again("store")),
    }
}

/// The password of Basic authentication, for our user.
fn password(request: &HttpRequest) -> Option<Secret> {
    let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (user, password) = pair.expose().split_once(':')?;
    (user == USER).then(|| Secret::new(password.to_owned()))
}

async fn read(mut payload: Payload, bytes_max: usize) -> Result<BytesMut, Refusal> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Again("broken_body"))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(Refusal::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refuse(refusal: &Refusal, organization: &str, hook: &str) -> HttpResponse {
    let (status, cause) = match refusal {
        Refusal::WrongSecret => (StatusCode::UNAUTHORIZED, "wrong_secret"),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::Again(cause) => (StatusCode::SERVICE_UNAVAILABLE, *cause),
    };
    metrics::counter!("azdo_gateway_deliveries_refused_total", "cause" => cause).increment(1);
    let mut response = HttpResponse::build(status);
    match refusal {
        Refusal::WrongSecret => {
            tracing::warn!(
                organization,
                hook,
                "a delivery with a wrong secret was refused: if it \
                came from Azure DevOps, its subscription goes on probation; renew its password"
            );
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"azdo-gateway\""));
        }
        Refusal::TooLarge => {
            tracing::error!(organization, hook, "a delivery over body_limit was refused: raise it");
        }
        Refusal::Again(_) => {
            tracing::warn!(organization, hook, cause, "a delivery was put off with 503");
            // Spread over some seconds, or everything put off comes back in the same instant.
            let wait_s = 2 + getrandom::u32().unwrap_or(0) % 8;
            response.insert_header((header::RETRY_AFTER, wait_s.to_string()));
        }
    }
    response.finish()
}

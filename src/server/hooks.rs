//! Where Azure DevOps delivers. What it answers decides whether events are lost, so there are four
//! answers only: 202 stored, 401 wrong secret, 413 too large, 503 send it again.
//!
//! Any other refusal puts the subscription on probation, during which Azure DevOps drops every
//! event (Microsoft Learn: "Troubleshoot service hooks"). Bodies stay empty: everybody who may view
//! subscriptions can read them. It must never parse a body.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, StreamExt};
use percent_encoding::percent_decode_str;

use super::memory_budget::Held;
use super::verified_hooks::Door;
use super::{State, problem};
use crate::secret::Secret;

/// The user name of every hook; the password is what counts.
const USER: &str = "azure-devops";
/// How long a body may take to arrive.
const BODY_MAX: Duration = Duration::from_secs(30);
/// Bodies of this size and below are most.
const BODY_BYTES_USUAL: usize = 16 * 1024;

/// Why a delivery is not stored.
enum Refusal {
    WrongSecret,
    TooLarge,
    /// For now: Azure DevOps repeats it.
    Again(&'static str),
}

/// What the paths of all hooks begin with.
pub(super) const PREFIX: &str = "/hooks/azure-devops";

/// `POST /hooks/azure-devops/{organization}/{hook}`.
pub(super) async fn receive(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> HttpResponse {
    let named = names(request.path()).filter(|_| request.method() == Method::POST);
    let Some((organization, hook)) = named else {
        return problem::no_such_path(request).await.error_response();
    };
    let stored = AssertUnwindSafe(store(&request, organization, hook, payload, &state));
    let answer = match stored.catch_unwind().await {
        Ok(Ok(())) => HttpResponse::Accepted().finish(),
        Ok(Err(refusal)) => refuse(&refusal, organization, hook),
        Err(_) => refuse(&Refusal::Again("panic"), organization, hook),
    };
    state.last_while_draining(answer)
}

/// The organization and the hook of a path, as they were sent.
fn names(path: &str) -> Option<(&str, &str)> {
    let names = path.strip_prefix(PREFIX)?.strip_prefix('/')?.split_once('/')?;
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    Some(names).filter(|(organization, hook)| is_name(organization) && is_name(hook))
}

async fn store(
    request: &HttpRequest,
    organization: &str,
    hook: &str,
    payload: Payload,
    state: &State,
) -> Result<(), Refusal> {
    let door = let_in(request, organization, hook, state).ok_or(Refusal::WrongSecret)?;
    let mut held = state.memory_budget.hold();
    let reading = read(request, payload, state.options.body_bytes_max, &mut held);
    let body = match tokio::time::timeout(BODY_MAX, reading).await {
        Ok(body) => body?,
        Err(_) => return Err(Refusal::Again("slow_body")),
    };
    let now = state.clock.now();
    match state.accept.accept(&door.organization, &door.hook, &body, now).await {
        Ok(()) => {
            state.hook_activity.note(&door.key, now);
            Ok(())
        }
        Err(crate::storage::Error::Busy { .. }) => Err(Refusal::Again("busy")),
        Err(_) => Err(Refusal::Again("store")),
    }
}

/// The hook that the request proved to be.
fn let_in(
    request: &HttpRequest,
    organization: &str,
    hook: &str,
    state: &State,
) -> Option<Arc<Door>> {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
    let path = request.path();
    let door = state.verified_hooks.open(path, header.as_bytes()).or_else(|| {
        let door = Arc::new(verify(header, organization, hook, state)?);
        state.verified_hooks.remember(path, &door);
        Some(door)
    });
    door.filter(|door| !state.hook_activity.is_retired(&door.key))
}

fn verify(header: &str, organization: &str, hook: &str, state: &State) -> Option<Door> {
    let decoded = |name| percent_decode_str(name).decode_utf8().ok();
    let (organization, hook) = (decoded(organization)?, decoded(hook)?);
    let known = state.organizations.get(&organization.to_ascii_lowercase());
    // Computed for unknown organizations too, so that the time taken tells nothing.
    let is_proved = password(header)
        .is_some_and(|password| state.keys.verifies_hook(&organization, &hook, password.expose()));
    known.filter(|_| is_proved).map(|known| Door::new(known, &hook, header.to_owned()))
}

/// The password of Basic authentication, for our user.
fn password(header: &str) -> Option<Secret> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
    let (user, password) = pair.expose().split_once(':')?;
    (user == USER).then(|| Secret::new(password.to_owned()))
}

async fn read(
    request: &HttpRequest,
    mut payload: Payload,
    bytes_max: usize,
    held: &mut Held<'_>,
) -> Result<Vec<u8>, Refusal> {
    // What is announced may never come: no more than is usual is set aside for it.
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL.min(announced));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Again("broken_body"))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(Refusal::TooLarge);
        }
        if !held.more(chunk.len()) {
            return Err(Refusal::Again("memory"));
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

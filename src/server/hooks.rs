//! Where Azure DevOps delivers. The answer decides whether events are lost, so there are only four:
//! 202 stored, 401 wrong secret, 413 too large, 503 send it again.
//!
//! Any other refusal puts the subscription on probation, during which Azure DevOps drops every
//! event (docs/azure-devops.md §1.3). The bodies of answers are empty, because everybody who may
//! view subscriptions can read them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::{Method, StatusCode, header};
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{FutureExt, StreamExt};
use percent_encoding::percent_decode_str;

use super::memory_budget::{MemoryBudget, Reservation};
use super::verified_hooks::{VerifiedHook, VerifiedHooks};
use super::{Components, Draining, Organizations, problem};
use crate::deps::Deps;
use crate::domain::subscription::{hook_of_project, is_hook_name};
use crate::jitter;
use crate::pipeline::accept::Accept;
use crate::secret::{Secret, project_of};
use crate::storage;

/// The user name of every hook. Only the password is secret.
const USER: &str = "azure-devops";
/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(30);
/// The most that is allocated before a body arrives. Most bodies are smaller.
const BODY_BYTES_USUAL: usize = 16 * 1024;
/// The beginning of every hook's path.
const PREFIX: &str = "/hooks/azure-devops";

/// What deliveries are verified and accepted with.
#[derive(Debug)]
struct State {
    deps: Deps,
    accept: Accept,
    organizations: Arc<Organizations>,
    verified_hooks: VerifiedHooks,
    memory_budget: MemoryBudget,
    body_bytes_max: usize,
    draining: Draining,
}

/// Why a delivery is not stored.
enum Refusal {
    WrongSecret,
    TooLarge,
    /// Azure DevOps sends it again; the text is the cause in logs and metrics.
    Retry(&'static str),
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State {
        accept: Accept::new(&components.deps),
        deps: components.deps.clone(),
        organizations: Arc::clone(&components.organizations),
        verified_hooks: VerifiedHooks::default(),
        memory_budget: MemoryBudget::new(components.options.memory_bytes_max),
        body_bytes_max: components.options.body_bytes_max,
        draining: components.draining.clone(),
    });
    move |config| {
        // Most requests are deliveries, and a prefix without a pattern is matched fastest.
        let scope = web::scope(PREFIX).default_service(web::to(receive));
        config.app_data(state.clone()).service(scope);
    }
}

/// `POST /hooks/azure-devops/{organization}/{hook}`.
async fn receive(request: HttpRequest, payload: Payload, state: Data<State>) -> HttpResponse {
    let names = names(request.path()).filter(|_| request.method() == Method::POST);
    let Some((organization, hook)) = names else {
        return problem::no_such_path(request).await.error_response();
    };
    let stored = AssertUnwindSafe(state.store(&request, organization, hook, payload));
    let answer = match stored.catch_unwind().await {
        Ok(Ok(())) => HttpResponse::Accepted().finish(),
        Ok(Err(refusal)) => refuse(&refusal, organization, hook),
        Err(_) => refuse(&Refusal::Retry("panic"), organization, hook),
    };
    state.draining.close_connection(answer)
}

/// The organization and the hook that a path names, still percent-encoded.
fn names(path: &str) -> Option<(&str, &str)> {
    let names = path.strip_prefix(PREFIX)?.strip_prefix('/')?.split_once('/')?;
    let is_name = |name: &str| !name.is_empty() && !name.contains('/');
    Some(names).filter(|(organization, hook)| is_name(organization) && is_name(hook))
}

impl State {
    async fn store(
        &self,
        request: &HttpRequest,
        organization: &str,
        hook: &str,
        payload: Payload,
    ) -> Result<(), Refusal> {
        let hook = self.authenticate(request, organization, hook).ok_or(Refusal::WrongSecret)?;
        let began_at = Instant::now();
        let mut reservation = self.memory_budget.reserve();
        let reading = read(request, payload, self.body_bytes_max, &mut reservation);
        let body = match tokio::time::timeout(BODY_WAIT_MAX, reading).await {
            Ok(body) => body?,
            Err(_) => return Err(Refusal::Retry("slow_body")),
        };
        let now = self.deps.clock.now();
        let accepted = self.accept.accept(&hook.organization, &hook.hook, &body, now).await;
        accepted.map_err(|error| match error {
            storage::Error::Busy { .. } => Refusal::Retry("busy"),
            _ => Refusal::Retry("store"),
        })?;
        metrics::histogram!("azdo_gateway_accept_seconds").record(began_at.elapsed());
        Ok(())
    }

    /// The hook whose password the request carries; none where it is wrong or retired.
    fn authenticate(
        &self,
        request: &HttpRequest,
        organization: &str,
        hook: &str,
    ) -> Option<Arc<VerifiedHook>> {
        let header = request.headers().get(header::AUTHORIZATION);
        let header = header.and_then(|header| header.to_str().ok()).unwrap_or_default();
        let path = request.path();
        let verified = self.verified_hooks.get(path, header.as_bytes()).or_else(|| {
            let verified = Arc::new(self.verify(header, organization, hook)?);
            self.verified_hooks.insert(path, &verified);
            Some(verified)
        });
        verified.filter(|hook| !self.deps.retired_hooks.contains(&hook.key))
    }

    fn verify(&self, header: &str, organization: &str, hook: &str) -> Option<VerifiedHook> {
        let decoded = |name| percent_decode_str(name).decode_utf8().ok();
        let (organization, hook) = (decoded(organization)?, decoded(hook)?);
        // Also computed for an unknown organization, so that the time taken does not reveal which
        // organizations are known.
        let password = password(header)?;
        let is_right = self.deps.keys.verifies_hook(&organization, &hook, password.expose());
        let known = self.organizations.find(&organization);
        let known = known.filter(|_| is_right && is_hook_name(&hook))?;
        let hook = match project_of(password.expose()) {
            Some(project) => hook_of_project(&hook, &project),
            None => hook.into_owned(),
        };
        Some(VerifiedHook::new(known, hook, header.to_owned()))
    }
}

/// The password of Basic authentication for [`USER`].
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
    reservation: &mut Reservation<'_>,
) -> Result<Vec<u8>, Refusal> {
    // A client may announce more than it sends, so no more than a usual body is allocated for it.
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let mut body = Vec::with_capacity(BODY_BYTES_USUAL.min(announced));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Refusal::Retry("broken_body"))?;
        if body.len() + chunk.len() > bytes_max {
            return Err(Refusal::TooLarge);
        }
        if !reservation.grow(chunk.len()) {
            return Err(Refusal::Retry("memory"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refuse(refusal: &Refusal, organization: &str, hook: &str) -> HttpResponse {
    let (status, cause) = match refusal {
        Refusal::WrongSecret => (StatusCode::UNAUTHORIZED, "wrong_secret"),
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Refusal::Retry(cause) => (StatusCode::SERVICE_UNAVAILABLE, *cause),
    };
    metrics::counter!("azdo_gateway_deliveries_refused_total", "cause" => cause).increment(1);
    let mut response = HttpResponse::build(status);
    match refusal {
        Refusal::WrongSecret => {
            tracing::warn!(
                organization,
                hook,
                "refused a delivery with a wrong secret: if Azure DevOps sent it, the subscription \
                 is put on probation; renew its password"
            );
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"azdo-gateway\""));
        }
        Refusal::TooLarge => {
            tracing::error!(
                organization,
                hook,
                "refused a delivery that is larger than server.body_limit: raise the limit"
            );
        }
        Refusal::Retry(_) => {
            tracing::warn!(
                organization,
                hook,
                cause,
                "answered a delivery with 503: Azure DevOps sends it again"
            );
            // Spread over some seconds, so that deferred deliveries do not return all at once.
            let wait_s = 2 + jitter::random() % 8;
            response.insert_header((header::RETRY_AFTER, wait_s.to_string()));
        }
    }
    response.finish()
}

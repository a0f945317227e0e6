//! Signing in with Entra: the redirect there, and the return from it.
//!
//! Both are for anybody. Neither writes to the store before Entra has said who it is.

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::sign_in::{address, record, redirect, refused};
use super::tries::Tries;
use super::visit::{State, query, return_path};
use crate::credentials::{AuditLog, SignInError, SignedIn, StartedSignIn};
use crate::domain::access::Role;
use crate::domain::audit::{Action, Actor, Outcome, Via};
use crate::secret::Secret;
use crate::server::cookie;
use crate::server::entra_answer::EntraAnswer;
use crate::server::html::{self, Frame, Message};
use crate::server::problem::Problem;

/// The cookie of a sign-in under way.
const COOKIE: &str = "azdo_gateway_sign_in";
/// As long as a sign-in may take.
const COOKIE_AGE_S: u64 = 600;
/// The only path with the cookie: linking, whose address begins alike, does not get it.
const PATH: &str = "/complete/azure_active_directory";

pub(super) fn routes(config: &mut ServiceConfig) {
    config.route("/login/entra", web::get().to(begin)).route(PATH, web::get().to(complete));
}

#[derive(Debug, Deserialize)]
struct Wanted {
    to: Option<String>,
    /// `choose`: Entra asks for the account.
    account: Option<String>,
}

/// `GET /login/entra`: leads to Entra.
async fn begin(request: HttpRequest, wanted: Query<Wanted>, state: Data<State>) -> HttpResponse {
    let Some(sign_in) = state.sessions.sign_in() else {
        return refused(&state, &request, &Problem::missing("nobody signs in with Entra here"));
    };
    let to = return_path(&state.deps.public_url, wanted.to.as_deref());
    let asks = wanted.account.as_deref() == Some("choose");
    let Ok(StartedSignIn { authorize_url, browser }) = sign_in.start(to, asks) else {
        return refused(&state, &request, &Problem::busy("there is no randomness now: try again"));
    };
    let cookie = under_way(&state, &browser, COOKIE_AGE_S);
    redirect(authorize_url.as_str(), vec![cookie])
}

/// `GET /complete/azure_active_directory`.
async fn complete(
    request: HttpRequest,
    query: Query<EntraAnswer>,
    state: Data<State>,
    tries: Data<Tries>,
    audit_log: Data<AuditLog>,
) -> HttpResponse {
    let Some(sign_in) = state.sessions.sign_in() else {
        return refused(&state, &request, &Problem::missing("nobody signs in with Entra here"));
    };
    let answer = query.into_inner().of(&request, COOKIE);
    // Whoever has no sign-in under way causes no entry in the audit log.
    let is_under_way = answer.browser.is_some();
    let wanted = sign_in.leads_to(&answer);
    let signed_in = match sign_in.complete(answer).await {
        Ok(signed_in) => signed_in,
        Err(error) => {
            let (address, now) = (address(&request), state.deps.clock.now());
            tracing::warn!(%address, "a sign-in to the pages was refused: {error}");
            if is_under_way && tries.may(address, now) {
                tries.wrong(address, now);
                let actor = Actor { name: address.to_string(), via: Via::Nobody };
                let (action, outcome) = (Action::SignInRefused, Outcome::Refused);
                record(&audit_log, action, outcome, actor, error.to_string()).await;
            }
            return with_cookies(refusal(&state, &request, &error, wanted), &[ended(&state)]);
        }
    };
    let SignedIn { claims, to, .. } = &signed_in;
    let actor = Actor { name: claims.user_name.clone(), via: Via::Session };
    let role = sign_in.role_of(claims).unwrap_or(Role::Developer);
    let detail = format!("with Entra, as {}", role.as_str());
    let to = page_for(role, to);
    let Ok(mut cookies) = state.sessions.begin_with_entra(sign_in, signed_in) else {
        return refused(&state, &request, &Problem::busy("there is no randomness now: try again"));
    };
    cookies.push(ended(&state));
    record(&audit_log, Action::SignIn, Outcome::Done, actor, detail).await;
    redirect(&format!("{}{to}", html::base(&state.deps.public_url)), cookies)
}

/// The page to begin with: developers have no overview.
fn page_for(role: Role, to: &str) -> String {
    let is_overview = matches!(to, "/ui" | "/ui/");
    if role == Role::Developer && is_overview { "/ui/find".to_owned() } else { to.to_owned() }
}

/// The next try leads to the page that this one was to lead to.
fn refusal(
    state: &State,
    request: &HttpRequest,
    error: &SignInError,
    wanted: Option<String>,
) -> HttpResponse {
    let status = match error {
        SignInError::Refused(_) => StatusCode::FORBIDDEN,
        SignInError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let (public_url, headers) = (&state.deps.public_url, request.headers());
    let frame = Frame::bare(public_url, headers, "You were not signed in");
    let to = query(wanted.as_deref().map(|to| ("to", to)).into_iter());
    let link = Some((format!("/login{to}"), "Sign in"));
    Message { frame, went_well: Some(false), paragraphs: vec![error.to_string()], link }
        .answer(status)
}

fn with_cookies(mut response: HttpResponse, cookies: &[String]) -> HttpResponse {
    for value in cookies.iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// The header with the cookie of a sign-in under way.
fn under_way(state: &State, value: &Secret, age_s: u64) -> String {
    cookie::written(&state.deps.public_url, PATH, COOKIE, value, age_s)
}

/// The header that removes it: a sign-in is completed once.
fn ended(state: &State) -> String {
    under_way(state, &Secret::new(String::new()), 0)
}

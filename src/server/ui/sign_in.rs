//! Signing in and out.
//!
//! The way in is Entra where `[sign_in]` is configured (`entra`), and otherwise an API token with
//! the role viewer or operator.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Payload, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;
use serde::Deserialize;

use super::tries::Tries;
use super::visit::{State, query, return_path};
use crate::credentials::AuditLog;
use crate::deps::Deps;
use crate::domain::audit::{Action, Actor, Entry, Outcome, Via};
use crate::secret::Secret;
use crate::server::html::{self, Frame, Message, answer};
use crate::server::json_body::JsonBodies;
use crate::server::problem::Problem;
use crate::server::same_origin;
use crate::server::session::admits;

/// The largest form. A token is short.
const FORM_BYTES_MAX: usize = 16 * 1024;

pub(super) fn routes(deps: &Deps) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let tries = Data::new(Tries::default());
    // Signing in belongs to no organization.
    let audit_log = Data::new(AuditLog::new("", deps));
    move |config| {
        config
            .app_data(tries.clone())
            .app_data(audit_log.clone())
            .route("/login", web::get().to(form))
            .route("/login", web::post().to(sign_in))
            .route("/login/once", web::get().to(once))
            .route("/logout", web::post().to(sign_out));
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login {
    frame: Frame,
    to: String,
    /// The address that leads to Entra; none where people sign in with API tokens.
    entra: Option<String>,
    /// Why the last try did not succeed.
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Return {
    to: Option<String>,
}

/// What anonymous callers get at every address of a page.
pub(super) fn asked_for(state: &State, request: &HttpRequest) -> HttpResponse {
    let wanted = request.uri().path_and_query().map_or("/ui", |wanted| wanted.as_str());
    let to = return_path(&state.deps.public_url, Some(wanted));
    let who = match state.sessions.sign_in() {
        Some(_) => {
            "Everybody of the organization may sign in, and sees the runs of the repositories that \
             Azure DevOps lets them read"
        }
        None => {
            "Whoever has an API token with the role `viewer` or `operator` may sign in. An \
             operator of this gateway has them"
        }
    };
    let paragraphs = vec![who.to_owned()];
    let frame = Frame::bare(&state.deps.public_url, request.headers(), "Sign in to see this");
    let link = Some((format!("/login{}", query([("to", to.as_str())].into_iter())), "Sign in"));
    Message { frame, went_well: None, paragraphs, link }.answer(StatusCode::UNAUTHORIZED)
}

/// `GET /login`.
async fn form(request: HttpRequest, wanted: Query<Return>, state: Data<State>) -> HttpResponse {
    let to = return_path(&state.deps.public_url, wanted.to.as_deref());
    login(&state, &request, StatusCode::OK, to, None)
}

/// `POST /login`.
async fn sign_in(
    request: HttpRequest,
    payload: Payload,
    bodies: Data<JsonBodies>,
    state: Data<State>,
    tries: Data<Tries>,
    audit_log: Data<AuditLog>,
) -> HttpResponse {
    if state.sessions.sign_in().is_some() {
        let problem = "people sign in with Microsoft here, and not with API tokens";
        return refused(&state, &request, &Problem::forbidden(problem));
    }
    let (token, to) = match fields(&request, payload, &bodies, &state).await {
        Ok(fields) => fields,
        Err(problem) => return refused(&state, &request, &problem),
    };
    let (address, now) = (address(&request), state.deps.clock.now());
    if !tries.may(address, now) {
        let problem = "There were too many wrong tokens from your address. Wait a minute.";
        let status = StatusCode::TOO_MANY_REQUESTS;
        return login(&state, &request, status, to, Some(problem.to_owned()));
    }
    let known = state.sessions.token(token.expose());
    let problem = match known {
        Some(known) if admits(known.role) => {
            let actor = Actor { name: known.name.clone(), via: Via::ApiToken };
            let begun = state.sessions.begin(known);
            let Ok(cookie) = begun else {
                return refused(
                    &state,
                    &request,
                    &Problem::busy("there is no randomness now: try again"),
                );
            };
            record(&audit_log, Action::SignIn, Outcome::Done, actor, String::new()).await;
            return redirect(&format!("{}{to}", html::base(&state.deps.public_url)), vec![cookie]);
        }
        Some(known) => format!(
            "This token has the role {}. Pages are for the roles viewer and operator.",
            known.role.as_str()
        ),
        None => "There is no such token here.".to_owned(),
    };
    tries.wrong(address, now);
    let actor = match known {
        Some(known) => Actor { name: known.name.clone(), via: Via::ApiToken },
        None => Actor { name: address.to_string(), via: Via::Nobody },
    };
    tracing::warn!(%address, "a sign-in to the pages was refused: {problem}");
    let (action, outcome) = (Action::SignInRefused, Outcome::Refused);
    record(&audit_log, action, outcome, actor, problem.clone()).await;
    login(&state, &request, StatusCode::UNAUTHORIZED, to, Some(problem))
}

#[derive(Debug, Deserialize)]
struct Ticket {
    ticket: Option<String>,
}

/// `GET /login/once`: the address that the demo prints.
async fn once(
    request: HttpRequest,
    given: Query<Ticket>,
    state: Data<State>,
    audit_log: Data<AuditLog>,
) -> HttpResponse {
    let is_known = given.ticket.as_deref().is_some_and(|ticket| state.one_time.take(ticket));
    let Some(token) = state.sessions.operator().filter(|_| is_known) else {
        let problem = "this address signs nobody in: it works once, and only in the demo";
        return refused(&state, &request, &Problem::forbidden(problem));
    };
    let Ok(cookie) = state.sessions.begin(token) else {
        return refused(&state, &request, &Problem::busy("there is no randomness now: try again"));
    };
    let actor = Actor { name: token.name.clone(), via: Via::OneTimeLink };
    record(&audit_log, Action::SignIn, Outcome::Done, actor, String::new()).await;
    redirect(&format!("{}/ui", html::base(&state.deps.public_url)), vec![cookie])
}

/// `POST /logout`.
async fn sign_out(
    request: HttpRequest,
    state: Data<State>,
    audit_log: Data<AuditLog>,
) -> HttpResponse {
    let headers = request.headers();
    if let Err(problem) = same_origin::check(headers, &state.deps.public_url) {
        return not_done(
            &state,
            &request,
            "You were not signed out",
            ("/ui", "Overview"),
            &problem,
        );
    }
    if let Some(session) = state.sessions.of(headers) {
        state.sessions.end(&session).await;
        let (action, outcome) = (Action::SignOut, Outcome::Done);
        record(&audit_log, action, outcome, session.actor, String::new()).await;
    }
    let to = format!("{}/login", html::base(&state.deps.public_url));
    redirect(&to, state.sessions.removed())
}

/// The token and the path to return to, from a form that a page of the gateway sent.
async fn fields(
    request: &HttpRequest,
    payload: Payload,
    bodies: &JsonBodies,
    state: &State,
) -> Result<(Secret, String), Problem> {
    same_origin::check(request.headers(), &state.deps.public_url)?;
    let body = bodies.bytes(payload, FORM_BYTES_MAX).await?;
    let field = |wanted: &str| {
        let mut fields = url::form_urlencoded::parse(&body);
        fields.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let token = field("token").ok_or_else(|| Problem::field("token", "it is needed"))?;
    let to = return_path(&state.deps.public_url, field("to").as_deref());
    Ok((Secret::new(token.trim().to_owned()), to))
}

/// Whose tries are counted. Behind a proxy it is the address of that.
pub(super) fn address(request: &HttpRequest) -> IpAddr {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

pub(super) async fn record(
    audit_log: &AuditLog,
    action: Action,
    outcome: Outcome,
    actor: Actor,
    detail: String,
) {
    let entry = Entry { detail, ..audit_log.entry(action, outcome).by(actor) };
    audit_log.record(vec![entry]).await;
}

/// Leads to an address, and sets cookies.
pub(super) fn redirect(to: &str, cookies: Vec<String>) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((header::LOCATION, to));
    for cookie in cookies {
        response.append_header((header::SET_COOKIE, cookie));
    }
    html::protect(response).finish()
}

fn login(
    state: &State,
    request: &HttpRequest,
    status: StatusCode,
    to: String,
    problem: Option<String>,
) -> HttpResponse {
    let frame = Frame::bare(&state.deps.public_url, request.headers(), "Sign in");
    let entra = state.sessions.sign_in().map(|_| {
        let query = query([("to", to.as_str())].into_iter());
        format!("{}/login/entra{query}", frame.base)
    });
    answer(status, &Login { frame, to, entra, problem })
}

pub(super) fn refused(state: &State, request: &HttpRequest, problem: &Problem) -> HttpResponse {
    not_done(state, request, "You were not signed in", ("/login", "Sign in"), problem)
}

fn not_done(
    state: &State,
    request: &HttpRequest,
    title: &str,
    (path, words): (&str, &'static str),
    problem: &Problem,
) -> HttpResponse {
    let frame = Frame::bare(&state.deps.public_url, request.headers(), title);
    let paragraphs = vec![problem.detail().to_owned()];
    let link = Some((path.to_owned(), words));
    Message { frame, went_well: Some(false), paragraphs, link }.answer(problem.status_code())
}

//! Linking a service user, as a browser sees it: off to Entra, and back.
//!
//! The browser carries a cookie from one end to the other, so that a sign-in can be completed only
//! where it was begun. It must never show a code, a state or a token.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::State;
use super::auth::{Right, require};
use super::page::{self, Text};
use crate::credentials::{LinkError, LinkedUser, SignInCallback, StartedSignIn};
use crate::secret::Secret;

const COOKIE: &str = "azdo_gateway_link";
/// As long as a sign-in may take.
const COOKIE_S: u32 = 600;

#[derive(Deserialize)]
pub(super) struct Ticket {
    ticket: Option<String>,
}

/// `GET /connect/{organization}`: sends an operator's browser to Entra.
pub(super) async fn begin(
    request: HttpRequest,
    path: Path<String>,
    query: Query<Ticket>,
    state: Data<State>,
) -> HttpResponse {
    let linking = &state.identities.linking;
    let begun = match query.into_inner().ticket {
        Some(ticket) => linking.start_with_ticket(&path, &Secret::new(ticket)).await,
        None => match require(&request, &state, Right::Operate) {
            Ok(caller) => linking.start(&path, &caller.name).await,
            Err(_) => {
                let unproven = "Open the link that `azdo-gateway link` prints: it proves that \
                                you may do this, and works once.";
                let text = Text { title: "This needs an operator", lines: &[unproven] };
                return page::page(StatusCode::UNAUTHORIZED, &text);
            }
        },
    };
    match begun {
        Err(error) => refusal(&error),
        Ok(StartedSignIn { authorize_url, browser }) => HttpResponse::Found()
            .insert_header((header::LOCATION, authorize_url.as_str()))
            .insert_header((header::SET_COOKIE, cookie(&state, browser.expose(), COOKIE_S)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish(),
    }
}

/// What Entra sends the browser back with.
#[derive(Deserialize)]
pub(super) struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /complete/azure_active_directory_service_user`.
pub(super) async fn complete(
    request: HttpRequest,
    query: Query<Answer>,
    state: Data<State>,
) -> HttpResponse {
    let Answer { state: login, code, error, error_description } = query.into_inner();
    let back = SignInCallback {
        state: login.map(Secret::new),
        code: code.map(Secret::new),
        error,
        error_description,
        browser: browser(&request),
    };
    let mut response = match state.identities.linking.complete(back).await {
        Ok((organization, linked)) => {
            // Statuses that waited for this are due now.
            state.notifiers.publish.notify();
            success(&organization, &linked)
        }
        Err(error) => refusal(&error),
    };
    if let Ok(value) = cookie(&state, "", 0).parse() {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

fn success(organization: &str, linked: &LinkedUser) -> HttpResponse {
    let email = linked.email.as_ref().filter(|email| **email != linked.user_name);
    let who = match email {
        Some(email) => format!("{} ({email})", linked.user_name),
        None => linked.user_name.clone(),
    };
    let lines = [
        format!(
            "Everything that the gateway does in {organization} is now done as {who}, with the \
             permissions of that account."
        ),
        format!(
            "If that is not the account you meant, run `azdo-gateway link {organization}` again \
             and choose another one."
        ),
        format!("`azdo-gateway permissions check {organization}` shows what it may do."),
        "You can close this page.".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let title = format!("{who} is linked");
    page::page(StatusCode::OK, &Text { title: &title, lines: &lines })
}

fn refusal(error: &LinkError) -> HttpResponse {
    let (status, title) = match error {
        LinkError::NotLinkable(_) => (StatusCode::NOT_FOUND, "There is nobody to link here"),
        LinkError::NotAllowed(_) => (StatusCode::FORBIDDEN, "This link is not valid"),
        LinkError::Refused(_) => (StatusCode::BAD_REQUEST, "Nobody was linked"),
        LinkError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment"),
    };
    let reason = error.to_string();
    page::page(status, &Text { title, lines: &[&reason] })
}

/// Lax: Entra leads the browser back by a link, and nobody else may send it along.
fn cookie(state: &State, value: &str, age_s: u32) -> String {
    let secure = match state.options.public_url.scheme() {
        "https" => "; Secure",
        _ => "",
    };
    let below = state.options.public_url.path().trim_end_matches('/');
    format!(
        "{COOKIE}={value}; Path={below}/complete; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}"
    )
}

fn browser(request: &HttpRequest) -> Option<Secret> {
    let pairs = request
        .headers()
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let mut values = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = values.find(|(name, _)| *name == COOKIE);
    found.map(|(_, value)| Secret::new(value.to_owned()))
}

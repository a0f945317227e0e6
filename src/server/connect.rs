//! Linking a service user in a browser: the redirect to Entra, and the return from it.
//!
//! A cookie binds the sign-in to the browser that began it: no other browser can complete it.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use super::Components;
use super::auth::Operator;
use super::html::{self, Page};
use super::problem::Problem;
use crate::credentials::{Identities, LinkError, LinkedUser, SignInCallback, StartedSignIn};
use crate::secret::Secret;
use crate::worker::Notifier;

const COOKIE: &str = "azdo_gateway_link";
/// As long as a sign-in may take.
const COOKIE_AGE_S: u32 = 600;

/// What a service user is linked with.
#[derive(Debug)]
struct State {
    identities: Arc<Identities>,
    public_url: Url,
    publish: Notifier,
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State {
        identities: Arc::clone(&components.identities),
        public_url: components.deps.public_url.clone(),
        publish: components.deps.notifiers.publish.clone(),
    });
    move |config| {
        config
            .app_data(state.clone())
            .route("/connect/{organization}", web::get().to(begin))
            .route("/complete/azure_active_directory_service_user", web::get().to(complete));
    }
}

#[derive(Deserialize)]
struct Ticket {
    ticket: Option<String>,
}

/// `GET /connect/{organization}`: sends an operator's browser to Entra. The operator proves the
/// role by a one-time ticket or an API token.
async fn begin(
    operator: Result<Operator, Problem>,
    path: Path<String>,
    query: Query<Ticket>,
    state: Data<State>,
) -> HttpResponse {
    let linking = &state.identities.linking;
    let started = match (query.into_inner().ticket, operator) {
        (Some(ticket), _) => linking.start_with_ticket(&path, &Secret::new(ticket)).await,
        (None, Ok(operator)) => linking.start(&path, operator.actor).await,
        (None, Err(_)) => {
            let remedy = "Open the link that `azdo-gateway link` prints: it proves that you are \
                          an operator, and works once.";
            let page = Page { title: "This needs an operator", paragraphs: &[remedy] };
            return html::page(StatusCode::UNAUTHORIZED, &page);
        }
    };
    match started {
        Err(error) => refusal(&error),
        Ok(StartedSignIn { authorize_url, browser }) => HttpResponse::Found()
            .insert_header((header::LOCATION, authorize_url.as_str()))
            .insert_header((header::SET_COOKIE, state.cookie(browser.expose(), COOKIE_AGE_S)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish(),
    }
}

/// The parameters with which Entra redirects the browser back.
#[derive(Deserialize)]
struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// `GET /complete/azure_active_directory_service_user`.
async fn complete(request: HttpRequest, query: Query<Answer>, state: Data<State>) -> HttpResponse {
    let Answer { state: login, code, error, error_description } = query.into_inner();
    let answer = SignInCallback {
        state: login.map(Secret::new),
        code: code.map(Secret::new),
        error,
        error_description,
        browser: browser(&request),
    };
    let mut response = match state.identities.linking.complete(answer).await {
        Ok((organization, linked)) => {
            // Statuses that waited for a credential are due now.
            state.publish.notify();
            success(&organization, &linked)
        }
        Err(error) => refusal(&error),
    };
    if let Ok(value) = state.cookie("", 0).parse() {
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
    html::page(StatusCode::OK, &Page { title: &title, paragraphs: &lines })
}

fn refusal(error: &LinkError) -> HttpResponse {
    let (status, title) = match error {
        LinkError::NotLinkable(_) => (StatusCode::NOT_FOUND, "No service user to link"),
        LinkError::NotAllowed(_) => (StatusCode::FORBIDDEN, "This link is not valid"),
        LinkError::Refused(_) => (StatusCode::BAD_REQUEST, "No account was linked"),
        LinkError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment"),
    };
    let reason = error.to_string();
    html::page(status, &Page { title, paragraphs: &[&reason] })
}

impl State {
    /// `SameSite=Lax`, because the redirect from Entra has to carry the cookie, while requests that
    /// other sites make must not.
    fn cookie(&self, value: &str, age_s: u32) -> String {
        let secure = if self.public_url.scheme() == "https" { "; Secure" } else { "" };
        let base = self.public_url.path().trim_end_matches('/');
        format!(
            "{COOKIE}={value}; Path={base}/complete; Max-Age={age_s}; HttpOnly; \
             SameSite=Lax{secure}"
        )
    }
}

/// The value of the cookie.
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

//! Linking a service user in a browser: the redirect to Entra, and the return from it.
//!
//! A cookie binds the sign-in to the browser that began it: no other browser can complete it.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use url::Url;

use super::Components;
use super::auth::Operator;
use super::entra_answer::EntraAnswer;
use super::html::{Frame, Message};
use super::problem::Problem;
use super::session::Sessions;
use super::{Role, cookie, same_origin};
use crate::credentials::{Identities, LinkError, LinkedUser, StartedSignIn};
use crate::domain::audit::Actor;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::secret::Secret;
use crate::worker::Notifier;

const COOKIE: &str = "azdo_gateway_link";
/// As long as a sign-in may take.
const COOKIE_AGE_S: u64 = 600;

/// What a service user is linked with.
#[derive(Debug)]
struct State {
    identities: Arc<Identities>,
    public_url: Url,
    publish: Notifier,
    /// By the name of the organization as configured.
    reconcilers: Arc<HashMap<String, OrganizationReconcilers>>,
    sessions: Arc<Sessions>,
}

pub(super) fn routes(
    components: &Components,
    sessions: &Arc<Sessions>,
) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State {
        identities: Arc::clone(&components.identities),
        public_url: components.deps.public_url.clone(),
        publish: components.deps.notifiers.publish.clone(),
        reconcilers: Arc::clone(&components.reconcilers),
        sessions: Arc::clone(sessions),
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
/// role by a one-time ticket, an API token, or a session.
async fn begin(
    request: HttpRequest,
    operator: Result<Operator, Problem>,
    path: Path<String>,
    query: Query<Ticket>,
    state: Data<State>,
) -> HttpResponse {
    let linking = &state.identities.linking;
    let operator = operator.ok().map(|operator| operator.actor);
    let operator = operator.or_else(|| state.signed_in(&request));
    let started = match (query.into_inner().ticket, operator) {
        (Some(ticket), _) => linking.start_with_ticket(&path, &Secret::new(ticket)).await,
        (None, Some(operator)) => linking.start(&path, operator).await,
        (None, None) => {
            let remedies = [
                "Operators of the gateway link a service user on the page Connections.",
                "Or open the link that `azdo-gateway link` prints: it proves that you are an \
                 operator, and works once.",
            ];
            let paragraphs = remedies.map(str::to_owned).into();
            let title = "This needs an operator";
            return state.page(&request, StatusCode::UNAUTHORIZED, title, paragraphs);
        }
    };
    match started {
        Err(error) => state.refusal(&request, &error),
        Ok(StartedSignIn { authorize_url, browser }) => HttpResponse::Found()
            .insert_header((header::LOCATION, authorize_url.as_str()))
            .insert_header((header::SET_COOKIE, state.cookie(&browser, COOKIE_AGE_S)))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .finish(),
    }
}

/// `GET /complete/azure_active_directory_service_user`.
async fn complete(
    request: HttpRequest,
    query: Query<EntraAnswer>,
    state: Data<State>,
) -> HttpResponse {
    let answer = query.into_inner().of(&request, COOKIE);
    let mut response = match state.identities.linking.complete(answer).await {
        Ok((organization, linked)) => {
            // Statuses that waited for a credential are due now, and so is everything else.
            state.publish.notify();
            if let Some(reconcilers) = state.reconcilers.get(&organization)
                && let Err(error) = reconcilers.begin().await
            {
                tracing::warn!(organization, "hooks and policies wait for the next pass: {error}");
            }
            state.success(&request, &organization, &linked)
        }
        Err(error) => state.refusal(&request, &error),
    };
    if let Ok(value) = state.cookie(&Secret::new(String::new()), 0).parse() {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

impl State {
    /// Who has signed in as an operator. Only a page of the gateway may use the session for this:
    /// another site could have the browser link an account that the operator does not mean.
    fn signed_in(&self, request: &HttpRequest) -> Option<Actor> {
        let headers = request.headers();
        let session = self.sessions.of(headers)?;
        let may_link =
            session.role == Role::Operator && same_origin::is_proved(headers, &self.public_url);
        may_link.then_some(session.actor)
    }

    fn success(
        &self,
        request: &HttpRequest,
        organization: &str,
        linked: &LinkedUser,
    ) -> HttpResponse {
        let email = linked.email.as_ref().filter(|email| **email != linked.user_name);
        let who = match email {
            Some(email) => format!("{} ({email})", linked.user_name),
            None => linked.user_name.clone(),
        };
        let lines = vec![
            format!(
                "Everything that the gateway does in {organization} is now done as {who}, with the \
                 permissions of that account."
            ),
            format!(
                "If that is not the account you meant, run `azdo-gateway link {organization}` \
                 again and choose another one."
            ),
            format!("`azdo-gateway permissions check {organization}` shows what it may do."),
            "You can close this page.".to_owned(),
        ];
        let title = format!("{who} is linked");
        self.page(request, StatusCode::OK, &title, lines)
    }

    fn refusal(&self, request: &HttpRequest, error: &LinkError) -> HttpResponse {
        let (status, title) = match error {
            LinkError::NotLinkable(_) => (StatusCode::NOT_FOUND, "No service user to link"),
            LinkError::NotAllowed(_) => (StatusCode::FORBIDDEN, "This link is not valid"),
            LinkError::Refused(_) => (StatusCode::BAD_REQUEST, "No account was linked"),
            LinkError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment"),
        };
        self.page(request, status, title, vec![error.to_string()])
    }

    fn page(
        &self,
        request: &HttpRequest,
        status: StatusCode,
        title: &str,
        paragraphs: Vec<String>,
    ) -> HttpResponse {
        let frame = Frame::bare(&self.public_url, request.headers(), title);
        // The overview says what is next, and Connections links again.
        let (path, words) = match status.is_success() {
            true => ("/ui", "Overview"),
            false => ("/ui/connections", "Connections"),
        };
        let link = Some((path.to_owned(), words));
        Message { frame, went_well: Some(status.is_success()), paragraphs, link }.answer(status)
    }

    fn cookie(&self, value: &Secret, age_s: u64) -> String {
        cookie::written(&self.public_url, "/complete", COOKIE, value, age_s)
    }
}

//! The pages: what the gateway did and why, for people who have signed in.
//!
//! Templates are in `templates/`. Each page is one address, works without a script, and names the
//! address of the API and the command that give the same.

/// `/login` and `/logout`.
mod sign_in;

/// Signing in with Entra.
mod entra;

/// Wrong tokens, counted by address.
mod tries;

/// Who looks, and what pages are made of.
mod visit;

/// Pages of lists.
mod list;

/// What an open page is about.
mod about;
/// What has changed, for open pages.
mod live;

/// Light or dark.
mod theme;

/// States as shapes, words and colours.
mod badge;
/// Cells, tables and facts.
mod cell;
/// Points in time and spans.
mod moment;

/// The last hour, minute by minute.
mod plots;

/// The page before an action.
mod confirm;

mod audit;
mod ci;
mod connections;
mod deliveries;
mod find;
mod organization_actions;
mod overview;
mod permissions;
mod plan;
mod pull_requests;
mod replay;
mod run_actions;
mod runs;
/// How far each organization is set up.
mod setup;
mod statuses;
mod subject;
mod subscriptions;

use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::web::{self, Data, FormConfig, ServiceConfig};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use dashmap::DashSet;

use super::actions::Actions;
use super::backlog::Counts;
use super::html::{Account, Frame, Message};
use super::problem::Problem;
use super::session::{Session, Sessions};
use super::{Components, Role, same_origin};
use crate::credentials::Rights;
use live::Live;
use visit::{State, Visit, missing, query};

const FORM_BYTES_MAX: usize = 65_536;
/// The page of a repository, as Azure DevOps writes its path.
const REPOSITORY: &str = "/{organization}/{project}/_git/{repository}";

pub(super) fn routes(
    components: &Components,
    sessions: &Arc<Sessions>,
    actions: &Arc<Actions>,
) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State {
        deps: components.deps.clone(),
        sessions: Arc::clone(sessions),
        one_time: components.one_time.clone(),
        rights: Rights::new(&components.identities, components.sign_in.clone(), &components.deps),
        organizations: Arc::clone(&components.organizations),
        identities: Arc::clone(&components.identities),
        reconcilers: Arc::clone(&components.reconcilers),
        observe: components.observe.clone(),
        examine: Arc::clone(&components.examine),
        counts: Counts::new(Arc::clone(&components.deps.store)),
        actions: Arc::clone(actions),
        decide: Arc::clone(&components.decide),
        surveys: Arc::clone(&components.surveys),
        set_up: DashSet::new(),
        acting: tokio::sync::Mutex::default(),
    });
    let sign_in = sign_in::routes(&components.deps);
    let live = Data::new(Live::start(&components.deps.changes, &components.draining));
    move |config| {
        // Beside the others, which are compressed: what is sent here is to arrive at once.
        let stream = web::resource("/ui/live").wrap(from_fn(guard)).get(live::stream);
        let pages = web::scope("/ui").wrap(from_fn(guard)).wrap(Compress::default());
        config
            .app_data(state.clone())
            .app_data(live.clone())
            .configure(&sign_in)
            .configure(entra::routes)
            .service(stream)
            .service(pages.configure(pages_below));
    }
}

fn pages_below(config: &mut ServiceConfig) {
    config
        .route("", web::get().to(overview::show))
        .route("/", web::get().to(overview::show))
        .route("/setup", web::get().to(setup::show))
        .route("/theme", web::post().to(theme::choose))
        .route("/find", web::get().to(find::find))
        .app_data(form())
        .route("/runs", web::get().to(runs::list))
        .route("/runs/rerun", web::get().to(run_actions::confirm_rerun_all))
        .route("/runs/rerun", web::post().to(run_actions::rerun_all))
        .route("/runs/{id}", web::get().to(runs::show))
        .route("/runs/{id}/cancel", web::get().to(run_actions::confirm_cancel))
        .route("/runs/{id}/cancel", web::post().to(run_actions::cancel))
        .route("/runs/{id}/rerun", web::get().to(run_actions::confirm_rerun))
        .route("/runs/{id}/rerun", web::post().to(run_actions::rerun))
        .route("/deliveries", web::get().to(deliveries::list))
        .route("/deliveries/{id}", web::get().to(deliveries::show))
        .route("/deliveries/{id}/body", web::get().to(deliveries::body))
        .route("/deliveries/{id}/explain", web::get().to(deliveries::explained))
        .route("/deliveries/{id}/replay", web::get().to(replay::confirm))
        .route("/deliveries/{id}/replay", web::post().to(replay::replay))
        .route("/statuses", web::get().to(statuses::list))
        .route("/subscriptions", web::get().to(subscriptions::grid))
        .route("/subscriptions/plan", web::get().to(plan::show))
        .route("/subscriptions/plan", web::post().to(plan::apply))
        .configure(of_organization)
        .route("/permissions", web::get().to(permissions::show))
        .route("/connections", web::get().to(connections::show))
        .route("/ci", web::get().to(ci::list))
        .route("/ci/{name}", web::get().to(ci::show))
        .route("/audit", web::get().to(audit::list))
        .route("/audit.csv", web::get().to(audit::csv))
        .route("/audit/{id}", web::get().to(audit::show))
        .route("/pull-requests", web::get().to(pull_requests::list))
        .route(
            "/{organization}/_git/{repository}{rest:.*}",
            web::get().to(subject::without_project),
        )
        .route(REPOSITORY, web::get().to(subject::repository))
        .route(&format!("{REPOSITORY}/commit/{{id}}"), web::get().to(subject::commit))
        .route(&format!("{REPOSITORY}/pullrequest/{{id}}"), web::get().to(subject::pull_request))
        .default_service(web::to(nothing_here));
}

/// What people have done for an organization, beside its plan.
fn of_organization(config: &mut ServiceConfig) {
    use organization_actions as actions;
    config
        .route("/organizations/{name}/catch-up", web::get().to(actions::confirm_catch_up))
        .route("/organizations/{name}/catch-up", web::post().to(actions::catch_up))
        .route("/organizations/{name}/rotate", web::get().to(actions::confirm_rotate))
        .route("/organizations/{name}/rotate", web::post().to(actions::rotate))
        .route("/organizations/{name}/remove", web::get().to(actions::confirm_remove))
        .route("/organizations/{name}/remove", web::post().to(actions::remove))
        .route("/organizations/{name}/unlink", web::get().to(actions::confirm_unlink))
        .route("/organizations/{name}/unlink", web::post().to(actions::unlink));
}

/// A form that plans many runs again is the longest.
fn form() -> FormConfig {
    FormConfig::default().limit(FORM_BYTES_MAX).error_handler(|error, _| {
        Problem::bad_request(format!("the form cannot be read: {error}")).into()
    })
}

async fn nothing_here(request: HttpRequest, visit: Visit) -> Result<HttpResponse, Problem> {
    Err(visit.missing("page", request.path()))
}

/// Pages that developers may see, of what Azure DevOps lets them read: their handlers ask
/// [`Visit::may_read`]. Every other page is for viewers.
const FOR_DEVELOPERS: [&str; 10] = [
    "/ui/find",
    "/ui/live",
    "/ui/theme",
    "/ui/runs/{id}",
    "/ui/runs/{id}/cancel",
    "/ui/runs/{id}/rerun",
    "/ui/{organization}/_git/{repository}{rest:.*}",
    "/ui/{organization}/{project}/_git/{repository}",
    "/ui/{organization}/{project}/_git/{repository}/commit/{id}",
    "/ui/{organization}/{project}/_git/{repository}/pullrequest/{id}",
];

/// Whether a person with this role may ask for the page.
fn may_ask(role: Role, request: &ServiceRequest) -> bool {
    let pattern = request.match_pattern();
    let is_for_all = pattern.is_some_and(|pattern| FOR_DEVELOPERS.contains(&pattern.as_str()));
    role != Role::Developer || is_for_all
}

/// Only who has signed in gets beyond this. What others get does not depend on what they ask for,
/// and nothing is looked up for them.
async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state: Option<&Data<State>> = request.app_data();
    let Some(state) = state.cloned() else {
        return Ok(request.into_response(Problem::unauthorized().error_response()));
    };
    let headers = request.headers();
    let Some(session) = state.sessions.of(headers) else {
        let answer = sign_in::asked_for(&state, request.request());
        return Ok(request.into_response(answer));
    };
    let is_reading = [Method::GET, Method::HEAD].contains(request.method());
    if !is_reading && let Err(problem) = same_origin::check(headers, &state.deps.public_url) {
        let page = error_page(&state, &session, &problem, request.request());
        return Ok(request.into_response(page));
    }
    if !may_ask(session.role, &request) {
        let problem = missing(&session, "page", request.path());
        let page = error_page(&state, &session, &problem, request.request());
        return Ok(request.into_response(page));
    }
    request.extensions_mut().insert(session.clone());
    // What is asked for its head only is answered like any other request; the server sends no body.
    if request.method() == Method::HEAD && !request.path().ends_with("/live") {
        request.head_mut().method = Method::GET;
    }
    let response = next.call(request).await?.map_into_boxed_body();
    let error = response.response().error();
    let page = match error.and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => error_page(&state, &session, problem, response.request()),
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            let method = response.request().method();
            let problem = Problem::missing(format!("this page takes no {method}"));
            error_page(&state, &session, &problem, response.request())
        }
        None => return Ok(response),
    };
    Ok(response.into_response(page))
}

/// What is wrong, why, and what to do.
fn error_page(
    state: &State,
    session: &Session,
    problem: &Problem,
    request: &HttpRequest,
) -> HttpResponse {
    let status = problem.status_code();
    let (title, remedy) = match status {
        StatusCode::BAD_REQUEST => (
            "This address cannot be understood",
            "Filters are named as in the API. Nothing is shown, since a list without the filter \
             would show everything.",
        ),
        StatusCode::NOT_FOUND => (
            "Nothing is here",
            "What is old is deleted, as `retention` in the configuration says. Find takes pull \
             requests, commits, runs and deliveries.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("This cannot be shown now", "Deliveries are accepted as long as `/readyz` says so.")
        }
        _ => ("This was not done", "Nothing has changed."),
    };
    let account = Account {
        name: session.actor.name.clone(),
        role: session.role.as_str(),
        organizations: Vec::new(),
        area: "-",
        find: String::new(),
    };
    let frame = Frame {
        account: Some(account),
        ..Frame::bare(&state.deps.public_url, request.headers(), title)
    };
    let is_developer = session.role == Role::Developer;
    let detail = match status {
        // Whatever is missing, and whatever one may not see: nobody learns which.
        StatusCode::NOT_FOUND if is_developer => {
            missing(session, "page", request.path()).detail().to_owned()
        }
        _ => problem.detail().to_owned(),
    };
    let paragraphs = vec![detail, remedy.to_owned()];
    let link = match is_developer {
        true => {
            let parameters = query([("account", "choose"), ("to", request.path())].into_iter());
            (format!("/login/entra{parameters}"), "Sign in with another account")
        }
        false => ("/ui".to_owned(), "Overview"),
    };
    let link = Some(link);
    Message { frame, went_well: Some(false), paragraphs, link }.answer(status)
}

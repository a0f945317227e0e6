//! EDGE actix-web: authenticates callers, parses requests, and renders answers.
//!
//! Each group of routes has a state of its own with what its handlers need. Handlers are thin: the
//! extractors authenticate and parse, and the flow or the store does the work.

/// Deliveries of Azure DevOps.
mod hooks;

/// The credentials of hooks that were verified before.
mod verified_hooks;

/// The memory for bodies of requests.
mod memory_budget;

/// Reports of runners.
mod reports;

/// Runners that ask for runs.
mod runners;

/// What people have done.
mod actions;

/// What operators see and do.
mod api;

/// Linking a service user in a browser.
mod connect;

/// What Entra sends a browser back with.
mod entra_answer;

/// Liveness, readiness, metrics.
mod probes;

/// Proves to the command line that this is the gateway.
mod proof;

/// API callers and their roles.
mod auth;
/// `POST /ci/{name}/events`.
mod callbacks;
/// What has changed, for those who watch.
mod changes;

/// The organization that a path names.
mod organization;

/// JSON in requests.
mod json_body;

/// Error answers.
mod problem;

/// The frame of pages for people.
mod html;

/// What pages load.
mod assets;

/// Pages for people who have signed in.
mod ui;

/// People who have signed in.
mod session;

/// The sign-in of the demo.
mod one_time;

/// Cookies.
mod cookie;

/// Whether a page of the gateway made a request.
mod same_origin;

/// How many rows wait.
mod backlog;

/// Whether the gateway is stopping.
mod draining;

/// The configuration is read again.
mod reload;

/// The socket that the server listens on.
pub mod listen;

mod options;

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::credentials::{Identities, SignIn};
use crate::deps::Deps;
use crate::pipeline::decide::Decide;
use crate::pipeline::examine::Examine;
use crate::pipeline::observe::Observe;
use crate::pipeline::runners::Runners;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::survey::Surveys;

use actions::Actions;
use json_body::JsonBodies;
use session::Sessions;

pub use draining::Draining;
pub use one_time::OneTimeSignIn;
pub use options::{ApiToken, Options, Role};
pub use organization::Organizations;
pub use reload::{Difference, Reload, ReloadRequests, Reloaded};

/// How long a client may take to send the head of a request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longer than load balancers keep an idle connection open, so that they close it first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Connections at the address for probes, among the files that are not left to deliveries.
const PROBES_MAX: usize = 32;

/// The parts of the gateway that the server needs.
#[derive(Clone, Debug)]
pub struct Components {
    pub deps: Deps,
    pub options: Options,
    pub tokens: Arc<Vec<ApiToken>>,
    /// How people sign in with Entra; none where they sign in with API tokens.
    pub sign_in: Option<Arc<SignIn>>,
    pub one_time: OneTimeSignIn,
    pub organizations: Arc<Organizations>,
    pub identities: Arc<Identities>,
    pub surveys: Arc<Surveys>,
    /// By the name of the organization as configured.
    pub reconcilers: Arc<HashMap<String, OrganizationReconcilers>>,
    pub examine: Arc<Examine>,
    pub decide: Arc<Decide>,
    pub draining: Draining,
    pub reload: Reload,
    pub observe: Observe,
    pub runners: Runners,
}

/// Serves on `listener` until the returned server is stopped. Each of the `workers` accepts up to
/// `connections_max` connections; further ones wait in the kernel until one is closed.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    components: &Components,
    listener: TcpListener,
    workers: usize,
    connections_max: usize,
) -> std::io::Result<Server> {
    // Rounded up: the server takes whole seconds, and less than one must not become zero.
    let drain_s = components.options.drain.as_millis().div_ceil(1_000);
    let drain_s = u64::try_from(drain_s).unwrap_or(u64::MAX);
    let tokens = Data::from(Arc::clone(&components.tokens));
    let organizations = Data::from(Arc::clone(&components.organizations));
    let (hooks, reports) = (hooks::routes(components), reports::routes(components));
    let sessions = Arc::new(Sessions::new(
        Arc::clone(&components.tokens),
        components.sign_in.clone(),
        &components.deps,
    ));
    let actions = Arc::new(Actions {
        deps: components.deps.clone(),
        observe: components.observe.clone(),
        identities: Arc::clone(&components.identities),
        reconcilers: Arc::clone(&components.reconcilers),
    });
    let connect = connect::routes(components, &sessions);
    let (api, ui) =
        (api::routes(components, &actions), ui::routes(components, &sessions, &actions));
    let (probes, proof) = (probes::routes(components), proof::routes(components));
    let (callbacks, changes) = (callbacks::routes(components), changes::routes(components));
    let (runners, reload) = (runners::routes(components), reload::routes(components));
    let bodies = Data::new(JsonBodies::default());
    let app = move || {
        App::new()
            .app_data(tokens.clone())
            .app_data(organizations.clone())
            .app_data(bodies.clone())
            .configure(&hooks)
            .configure(&reports)
            .configure(&callbacks)
            .configure(&changes)
            .configure(&runners)
            .configure(&reload)
            .configure(&api)
            .configure(&connect)
            .configure(assets::routes)
            .configure(&ui)
            .configure(&probes)
            .configure(&proof)
            .route("/openapi.json", web::get().to(openapi))
            .default_service(web::to(problem::no_such_path))
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .client_request_timeout(HEAD_WAIT_MAX)
        .keep_alive(KEEP_ALIVE)
        .max_connections(connections_max)
        // A runner that died while it waited must not get a run.
        .h1_allow_half_closed(false)
        .on_connect(proof::note_address)
        .shutdown_timeout(drain_s)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Serves liveness, readiness and metrics on `listener`, until the returned server is stopped.
///
/// # Errors
/// The listener cannot be used.
pub fn serve_probes(components: &Components, listener: TcpListener) -> std::io::Result<Server> {
    let tokens = Data::from(Arc::clone(&components.tokens));
    let probes = probes::admin_routes(components);
    let app = move || {
        App::new()
            .app_data(tokens.clone())
            .configure(&probes)
            .default_service(web::to(problem::no_such_path))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(PROBES_MAX)
        .client_request_timeout(HEAD_WAIT_MAX)
        .keep_alive(KEEP_ALIVE)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// `/openapi.json`: the contract of the API. A test compares it with the answers.
async fn openapi() -> impl actix_web::Responder {
    let document = include_str!("openapi.json");
    HttpResponse::Ok().content_type("application/json").body(document)
}

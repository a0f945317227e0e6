//! EDGE actix-web: whoever calls is authenticated, understood and answered here.
//!
//! Handlers are thin: they prove who calls, parse, ask the flow or the store, and render. It must
//! never know Azure DevOps' REST or a CI system.

mod api;
mod auth;
mod body;
mod connect;
mod health;
mod hooks;
pub mod listen;
mod memory_budget;
mod options;
mod page;
mod problem;
mod reports;
mod verified_hooks;

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::ConnectionType;
use actix_web::{App, HttpResponse, HttpServer, web};

use crate::clock::Clock;
use crate::credentials::Identities;
use crate::health::Health;
use crate::pipeline::accept::Accept;
use crate::pipeline::observe::Observe;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::survey::Surveys;
use crate::secret::Keyring;
use crate::storage::{HookActivity, Store};

pub use memory_budget::MemoryBudget;
pub use options::{ApiToken, Options, Role};
pub use verified_hooks::VerifiedHooks;

/// How long a client may take to send the head of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Longer than load balancers keep a connection, so that they close it and not we.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const CONNECTIONS_MAX_PER_WORKER: usize = 10_000;

/// What every handler may use.
#[derive(Debug)]
pub struct State {
    pub options: Options,
    pub tokens: Vec<ApiToken>,
    pub keys: Keyring,
    /// Names as configured, by lower-case name.
    pub organizations: HashMap<String, String>,
    pub store: Arc<dyn Store>,
    pub accept: Accept,
    pub observe: Observe,
    pub identities: Identities,
    pub health: Arc<Health>,
    pub surveys: Arc<Surveys>,
    pub hook_activity: Arc<HookActivity>,
    pub verified_hooks: VerifiedHooks,
    pub memory_budget: MemoryBudget,
    /// By the name of the organization as configured.
    pub reconcilers: HashMap<String, OrganizationReconcilers>,
    pub notifiers: crate::worker::Notifiers,
    pub clock: Clock,
    /// Set while stopping: not ready any more, and still answering.
    pub is_draining: AtomicBool,
    /// Renders what `/metrics` shows.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
}

impl State {
    /// While stopping, the last answer on its connection: whoever keeps it open learns in time that
    /// the next request needs a new one, instead of sending it into one that is being closed.
    fn last_while_draining(&self, mut answer: HttpResponse) -> HttpResponse {
        if self.is_draining.load(Ordering::Relaxed) {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}

/// Serves on `listener` until the returned server is stopped.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(state: Arc<State>, listener: TcpListener, workers: usize) -> std::io::Result<Server> {
    // Whole seconds are all that the server takes; less than one must not become none.
    let drain_s = state.options.drain.as_millis().div_ceil(1_000);
    let drain_s = u64::try_from(drain_s).unwrap_or(u64::MAX);
    let state = web::Data::from(state);
    let server = HttpServer::new(move || App::new().app_data(state.clone()).configure(routes))
        .workers(workers)
        .client_request_timeout(HEAD_MAX)
        .keep_alive(KEEP_ALIVE)
        .max_connections(CONNECTIONS_MAX_PER_WORKER)
        .shutdown_timeout(drain_s)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// Every path that there is.
fn routes(config: &mut web::ServiceConfig) {
    config
        // A prefix without a pattern costs least, and nothing is asked for more often.
        .service(web::scope(hooks::PREFIX).default_service(web::to(hooks::receive)))
        .route("/v1/runs/{run}/reports", web::post().to(reports::report))
        .configure(api::routes)
        .route("/connect/{organization}", web::get().to(connect::begin))
        .route("/complete/azure_active_directory_service_user", web::get().to(connect::complete))
        .route("/livez", web::get().to(health::live))
        .route("/readyz", web::get().to(health::ready))
        .route("/metrics", web::get().to(health::metrics))
        .route("/openapi.json", web::get().to(openapi))
        .default_service(web::to(problem::no_such_path));
}

/// `/openapi.json`: the contract for programs. A story holds it against what is really answered.
async fn openapi() -> impl actix_web::Responder {
    let document = include_str!("openapi.json");
    HttpResponse::Ok().content_type("application/json").body(document)
}

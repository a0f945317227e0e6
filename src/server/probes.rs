//! Liveness, readiness and metrics.
//!
//! The gateway is unready only while deliveries cannot be stored. A dead credential shows in the
//! body of `/readyz`, because a load balancer must not turn deliveries away for it. Anybody learns
//! the bare state; what names organizations, accounts or paths needs a viewer.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use serde_json::json;

use super::auth::Viewer;
use super::backlog::Counts;
use super::problem::Problem;
use super::{Components, Draining};
use crate::deps::Deps;
use crate::domain::run;
use crate::domain::time::Timestamp;
use crate::storage::{Availability, LiveRuns};
use crate::telemetry;

/// What the probes show.
#[derive(Debug)]
struct State {
    deps: Deps,
    draining: Draining,
    metrics: PrometheusHandle,
    counts: Counts,
    /// The names of CIs, also of those that have runs and are not configured any more.
    cis: Mutex<BTreeSet<String>>,
}

impl State {
    fn new(components: &Components) -> Self {
        let cis = components.observe.systems().listed();
        Self {
            deps: components.deps.clone(),
            draining: components.draining.clone(),
            metrics: telemetry::metrics(),
            counts: Counts::new(Arc::clone(&components.deps.store)),
            cis: Mutex::new(cis.map(|ci| ci.name.to_owned()).collect()),
        }
    }
}

/// The routes of the server that everybody reaches.
pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State::new(components));
    move |config| {
        config.app_data(state.clone()).route("/metrics", web::get().to(metrics_for_viewers));
        health(config);
    }
}

/// The routes at `server.admin_listen`, which a private network reaches.
pub(super) fn admin_routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let state = Data::new(State::new(components));
    move |config| {
        config.app_data(state.clone()).route("/metrics", web::get().to(metrics));
        health(config);
    }
}

fn health(config: &mut ServiceConfig) {
    config.route("/livez", web::get().to(live)).route("/readyz", web::get().to(ready));
}

/// `/livez`.
async fn live() -> impl Responder {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// `/readyz`. A caller who is no viewer is a probe, whatever it sends.
async fn ready(viewer: Result<Viewer, Problem>, state: Data<State>) -> HttpResponse {
    let unready = if state.draining.is_unready() {
        Some("stopping".to_owned())
    } else {
        match state.deps.store.health() {
            Availability::Writable => None,
            Availability::Unwritable(reason) => Some(reason),
        }
    };
    let health = &state.deps.health;
    match (unready, viewer.is_ok()) {
        (None, false) => HttpResponse::Ok().json(json!({ "status": "ready" })),
        (None, true) => HttpResponse::Ok().json(json!({
            "status": "ready",
            "problems": health.problems(),
            "warnings": health.warnings(),
        })),
        (Some(_), false) => HttpResponse::ServiceUnavailable().json(json!({ "status": "unready" })),
        (Some(reason), true) => HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "unready", "reason": reason })),
    }
}

async fn metrics_for_viewers(_: Viewer, state: Data<State>) -> HttpResponse {
    metrics(state).await
}

/// `/metrics`, in the text format of Prometheus.
async fn metrics(state: Data<State>) -> HttpResponse {
    state.count().await;
    let is_writable = state.deps.store.health() == Availability::Writable;
    metrics::gauge!("azdo_gateway_store_writable").set(if is_writable { 1.0 } else { 0.0 });
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.metrics.render())
}

impl State {
    /// Sets the gauges that count rows. Here and not on a timer: it costs nothing where nobody
    /// reads the metrics.
    async fn count(&self) {
        for (queue, waiting) in self.deps.store.waiting() {
            metrics::gauge!("azdo_gateway_store_waiting", "queue" => queue).set(number(waiting));
        }
        let Ok(backlog) = self.counts.get().await else { return };
        let rows = [
            ("undecided", backlog.undecided),
            ("planned", backlog.planned),
            ("at_ci", backlog.at_ci),
            ("unposted", backlog.unposted),
        ];
        for (stage, count) in rows {
            metrics::gauge!("azdo_gateway_backlog", "stage" => stage).set(number(count));
        }
        let now = self.deps.clock.now();
        let age = |oldest: Option<Timestamp>| {
            oldest.map(|oldest| now.since(oldest)).unwrap_or_default().as_secs_f64()
        };
        metrics::gauge!("azdo_gateway_oldest_undecided_seconds").set(age(backlog.oldest_undecided));
        metrics::gauge!("azdo_gateway_oldest_planned_seconds").set(age(backlog.oldest_planned));
        self.count_runs(&backlog.live_runs);
    }

    /// Also of CIs without a run, so that each number goes back to 0.
    fn count_runs(&self, live: &[LiveRuns]) {
        let mut cis = self.cis.lock();
        cis.extend(live.iter().map(|runs| runs.ci.clone()));
        let states = || run::State::ALL.into_iter().filter(|state| !state.is_final());
        for (ci, state) in cis.iter().flat_map(|ci| states().map(move |state| (ci, state))) {
            let runs = live.iter().find(|runs| (&runs.ci, runs.state) == (ci, state));
            metrics::gauge!("azdo_gateway_runs", "ci" => ci.clone(), "state" => state.as_str())
                .set(number(runs.map_or(0, |runs| runs.count)));
        }
    }
}

fn number(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

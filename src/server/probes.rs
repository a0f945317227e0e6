//! Liveness, readiness and metrics.
//!
//! The gateway is unready only while deliveries cannot be stored. A dead credential shows in the
//! body of `/readyz`, because a load balancer must not turn deliveries away for it.

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, Responder};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use super::{Components, Draining};
use crate::deps::Deps;
use crate::storage::Availability;
use crate::telemetry;

/// What the probes show.
#[derive(Debug)]
struct State {
    deps: Deps,
    draining: Draining,
    metrics: PrometheusHandle,
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let (deps, draining) = (components.deps.clone(), components.draining.clone());
    let state = Data::new(State { deps, draining, metrics: telemetry::metrics() });
    move |config| {
        config
            .app_data(state.clone())
            .route("/livez", web::get().to(live))
            .route("/readyz", web::get().to(ready))
            .route("/metrics", web::get().to(metrics));
    }
}

/// `/livez`.
async fn live() -> impl Responder {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// `/readyz`.
async fn ready(state: Data<State>) -> HttpResponse {
    let unready = |reason: &str| {
        HttpResponse::ServiceUnavailable().json(json!({ "status": "unready", "reason": reason }))
    };
    if state.draining.has_begun() {
        return unready("stopping");
    }
    match state.deps.store.health() {
        Availability::Writable => HttpResponse::Ok().json(json!({
            "status": "ready",
            "problems": state.deps.health.problems(),
            "warnings": state.deps.health.warnings(),
        })),
        Availability::Unwritable(reason) => unready(&reason),
    }
}

/// `/metrics`, in the text format of Prometheus.
async fn metrics(state: Data<State>) -> HttpResponse {
    let store = &state.deps.store;
    // Counted here and not on a timer: it costs nothing where nobody reads the metrics.
    if let Ok(backlog) = store.backlog().await {
        let rows = [
            ("undecided", backlog.undecided),
            ("planned", backlog.planned),
            ("at_ci", backlog.at_ci),
            ("unposted", backlog.unposted),
        ];
        for (stage, count) in rows {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            metrics::gauge!("azdo_gateway_backlog", "stage" => stage).set(f64::from(count));
        }
        let age = backlog.oldest_undecided.map(|oldest| state.deps.clock.now().since(oldest));
        metrics::gauge!("azdo_gateway_oldest_undecided_seconds")
            .set(age.unwrap_or_default().as_secs_f64());
    }
    let is_writable = store.health() == Availability::Writable;
    metrics::gauge!("azdo_gateway_store_writable").set(if is_writable { 1.0 } else { 0.0 });
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.metrics.render())
}

//! Whether the gateway lives, whether deliveries should be sent to it, and how it is doing.
//!
//! Only what keeps deliveries from being stored makes it unready; a dead credential must not turn
//! deliveries away. It must never show a secret.

use std::sync::atomic::Ordering;

use actix_web::web::Data;
use actix_web::{HttpResponse, Responder};
use serde_json::json;

use super::State;
use crate::storage::Availability;

/// `/livez`.
pub(super) async fn live() -> impl Responder {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// `/readyz`.
pub(super) async fn ready(state: Data<State>) -> HttpResponse {
    if state.is_draining.load(Ordering::Relaxed) {
        let body = json!({ "status": "unready", "reason": "stopping" });
        return HttpResponse::ServiceUnavailable().json(body);
    }
    match state.store.health() {
        Availability::Writable => HttpResponse::Ok().json(json!({
            "status": "ready",
            "problems": state.health.problems(),
            "warnings": state.health.warnings(),
        })),
        Availability::Unwritable(reason) => HttpResponse::ServiceUnavailable()
            .json(json!({ "status": "unready", "reason": reason })),
    }
}

/// `/metrics`, in the text format of Prometheus.
pub(super) async fn metrics(state: Data<State>) -> HttpResponse {
    // The backlog is read when somebody asks, so that it costs nothing otherwise.
    if let Ok(backlog) = state.store.backlog().await {
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
        let age = backlog.oldest_undecided.map(|oldest| state.clock.now().since(oldest));
        metrics::gauge!("azdo_gateway_oldest_undecided_seconds")
            .set(age.unwrap_or_default().as_secs_f64());
    }
    let is_ready = state.store.health() == Availability::Writable;
    metrics::gauge!("azdo_gateway_store_writable").set(if is_ready { 1.0 } else { 0.0 });
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(state.metrics.render())
}

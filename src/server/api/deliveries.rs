//! Deliveries: what came in and what became of it; and the same once more.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::page::{Parameters, listed, named, only, page};
use crate::domain::decision::{Outcome, Source};
use crate::domain::id::DeliveryId;
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;
use crate::storage::{Delivery, DeliveryFilter};

pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &["organization", "event_type", "outcome", "source"])?;
    let outcomes = "started, ignored, stale, duplicate, quarantined or pending";
    let filter = DeliveryFilter {
        organization: parameters.get("organization").cloned(),
        event_type: parameters.get("event_type").cloned(),
        outcome: named(&parameters, "outcome", outcomes, Outcome::parse)?,
        source: named(&parameters, "source", "hook, catch_up or replay", Source::parse)?,
    };
    let deliveries = state.store.deliveries(filter, page(&parameters)?).await?;
    Ok(Json(listed(deliveries, render)))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let id = id(&path)?;
    let missing = || Problem::not_found("delivery", &path);
    let delivery = state.store.delivery(id).await?.ok_or_else(missing)?;
    let body = state.store.delivery_body(id).await?.ok_or_else(missing)?;
    let mut shown = render(&delivery);
    if let Some(fields) = shown.as_object_mut() {
        // What is no JSON is shown as far as it is text.
        let body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        fields.insert("body".into(), body);
    }
    Ok(Json(shown))
}

pub(super) async fn replay(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = require(&request, &state, Right::Operate)?;
    let id = id(&path)?;
    let replayed = state.store.replay(id, state.clock.now()).await?;
    let replayed = replayed.ok_or_else(|| Problem::not_found("delivery", &path))?;
    tracing::info!(delivery = id.0, "replayed as delivery {replayed} by {}", caller.name);
    state.notifiers.decide.notify();
    Ok(HttpResponse::Accepted().json(json!({ "delivery": replayed })))
}

fn id(path: &str) -> Result<DeliveryId, Problem> {
    path.parse().map_err(|_| Problem::not_found("delivery", path))
}

fn render(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id,
        "received_at": delivery.received_at,
        "organization": delivery.organization,
        "hook": delivery.hook,
        "source": delivery.source.as_str(),
        "event_type": delivery.event_type,
        "event": delivery.event,
        "outcome": delivery.outcome.as_str(),
        "reason": delivery.reason,
        "runs": delivery.runs,
        "subscription": delivery.subscription,
        "notification": delivery.notification,
        "created_at": delivery.created_at,
        "decided_at": delivery.decided_at,
        "body_bytes": delivery.body_bytes,
    })
}

//! Deliveries: what Azure DevOps and catch-up delivered and how it was decided, and replaying one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::finish;
use super::paging::{Parameters, rendered};
use super::resource::{ItemResult, ListResult, Resource};
use crate::deps::Deps;
use crate::domain::audit::Action;
use crate::domain::decision::{Outcome, Source};
use crate::domain::id::DeliveryId;
use crate::server::auth::Operator;
use crate::server::problem::Problem;
use crate::storage::{self, Delivery, DeliveryFilter, Page};

pub(super) struct Deliveries;

impl Resource for Deliveries {
    const PATH: &'static str = "/v1/deliveries";
    const NAME: &'static str = "delivery";
    const FILTERS: &'static [&'static str] = &["organization", "event_type", "outcome", "source"];
    type Source = dyn storage::Deliveries;

    async fn list(deliveries: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        let outcomes = "started, ignored, stale, duplicate, quarantined or pending";
        let sources = "hook, catch_up or replay";
        let filter = DeliveryFilter {
            organization: parameters.get("organization"),
            event_type: parameters.get("event_type"),
            outcome: parameters.parse_with("outcome", outcomes, Outcome::parse)?,
            source: parameters.parse_with("source", sources, Source::parse)?,
        };
        Ok(rendered(deliveries.deliveries(filter, page).await?, render))
    }

    /// The delivery with its body.
    async fn show(deliveries: &Self::Source, id: &str) -> ItemResult {
        let Ok(id) = id.parse() else { return Ok(None) };
        let delivery = deliveries.delivery(id).await?;
        let (Some(delivery), Some(body)) = (delivery, deliveries.delivery_body(id).await?) else {
            return Ok(None);
        };
        let mut shown = render(&delivery);
        if let Some(fields) = shown.as_object_mut() {
            // A body that is not JSON is shown as text, as far as it is UTF-8.
            let body = serde_json::from_slice(&body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
            fields.insert("body".into(), body);
        }
        Ok(Some(shown))
    }
}

/// `POST /v1/deliveries/{id}/replay`: decides a stored delivery again.
pub(super) async fn replay(
    operator: Operator,
    path: Path<String>,
    deps: Data<Deps>,
) -> Result<HttpResponse, Problem> {
    finish(async move {
        let missing = || Problem::not_found(Deliveries::NAME, &path);
        let id: DeliveryId = path.parse().map_err(|_| missing())?;
        let organization = deps.store.delivery(id).await?.ok_or_else(missing)?.organization;
        let replayed = deps.store.replay(id, deps.clock.now()).await?.ok_or_else(missing)?;
        let detail = format!("delivery {id} as delivery {replayed}");
        operator.record(&deps, &organization, Action::Replay, None, detail).await;
        tracing::info!(
            delivery = id.0,
            "replayed as delivery {replayed} by {}",
            operator.actor.name
        );
        deps.notifiers.decide.notify();
        Ok(HttpResponse::Accepted().json(json!({ "delivery": replayed })))
    })
    .await
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

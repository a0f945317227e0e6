//! Deliveries: what Azure DevOps and catch-up delivered and how it was decided, and replaying one.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};
use uuid::Uuid;

use super::paging::{Parameters, rendered, words};
use super::resource::{ItemResult, ListResult, Resource};
use crate::domain::about::{commit_subject, key};
use crate::domain::check_outcome::CheckOutcome;
use crate::domain::decision::{Outcome, Source};
use crate::domain::event::Event;
use crate::domain::run_keys::{pull_request_subject, ref_subject};
use crate::server::actions::Actions;
use crate::server::auth::Operator;
use crate::server::problem::Problem;
use crate::storage::{self, Delivery, DeliveryFilter, Page};

/// The words of `outcome`.
pub(in crate::server) const OUTCOMES: [&str; 6] =
    ["started", "ignored", "stale", "duplicate", "quarantined", "pending"];
/// The words of `source`.
pub(in crate::server) const SOURCES: [&str; 3] = ["hook", "catch_up", "replay"];

pub(in crate::server) struct Deliveries;

impl Resource for Deliveries {
    const PATH: &'static str = "/v1/deliveries";
    const NAME: &'static str = "delivery";
    const FILTERS: &'static [&'static str] = &[
        "organization",
        "event_type",
        "event",
        "outcome",
        "source",
        "repository_id",
        "pull_request",
        "ref",
        "commit",
        "since",
        "until",
    ];
    type Source = dyn storage::Deliveries;

    async fn list(deliveries: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        Ok(rendered(deliveries.deliveries(filter(parameters)?, page).await?, render))
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

/// The items that the parameters select.
pub(in crate::server) fn filter(parameters: &Parameters) -> Result<DeliveryFilter, Problem> {
    let (outcomes, sources) = (OUTCOMES.join(", "), SOURCES.join(", "));
    let events = words(Event::ALL, Event::as_str);
    Ok(DeliveryFilter {
        organization: parameters.get("organization"),
        event_type: parameters.get("event_type"),
        event: parameters.parse_with("event", &events, Event::parse)?,
        outcome: parameters.parse_with("outcome", &outcomes, Outcome::parse)?,
        source: parameters.parse_with("source", &sources, Source::parse)?,
        about: about(parameters)?,
        between: parameters.between()?,
    })
}

/// `POST /v1/deliveries/{id}/replay`: decides a stored delivery again.
pub(super) async fn replay(
    operator: Operator,
    path: Path<String>,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let id = path.parse().map_err(|_| Problem::not_found(Deliveries::NAME, &path))?;
    let replayed = actions.replay(&operator.actor, id, Uuid::now_v7()).await?;
    Ok(HttpResponse::Accepted().json(json!({ "delivery": replayed })))
}

/// The key of what the deliveries are about: one pull request, ref or commit.
fn about(parameters: &Parameters) -> Result<Option<i64>, Problem> {
    let all = ["pull_request", "ref", "commit"];
    let mut named = all.into_iter().filter_map(|name| Some((name, parameters.get(name)?)));
    let needed = |name: &str, with: &str| {
        let missing = || Problem::field(name, format!("it is needed where {with} is given"));
        parameters.get(name).ok_or_else(missing)
    };
    let Some((name, value)) = named.next() else {
        return match parameters.get("repository_id") {
            Some(_) => Err(Problem::field("repository_id", "pull_request or ref is needed, too")),
            None => Ok(None),
        };
    };
    if let Some((other, _)) = named.next() {
        return Err(Problem::field(other, format!("only one of {} may be given", all.join(", "))));
    }
    let organization = needed("organization", name)?;
    let subject = match name {
        "commit" => commit_subject(&value.to_lowercase()),
        "ref" => ref_subject(&needed("repository_id", name)?, &value),
        _ => {
            let id = parameters.parse(name, "the number of a pull request")?.unwrap_or_default();
            pull_request_subject(&needed("repository_id", name)?, id)
        }
    };
    Ok(Some(key(&organization, &subject)))
}

fn check(outcome: &CheckOutcome) -> Value {
    let CheckOutcome { check, started, run, why, key } = outcome;
    json!({ "check": check, "started": started, "run": run, "why": why, "key": key })
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
        "checks": delivery.checks.iter().map(check).collect::<Vec<_>>(),
        "runs": delivery.runs,
        "subscription": delivery.subscription,
        "notification": delivery.notification,
        "created_at": delivery.created_at,
        "decided_at": delivery.decided_at,
        "body_bytes": delivery.body_bytes,
    })
}

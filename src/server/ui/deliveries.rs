//! The list of deliveries, the page of one, and its body.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;
use askama::Template;
use serde_json::Value;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::list::List;
use super::moment::{bytes, span};
use super::replay::{Explained, explain, load};
use super::runs;
use super::visit::{Visit, part};
use crate::domain::check_outcome::CheckOutcome;
use crate::domain::decision::Source;
use crate::domain::event::Event;
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::subscription::HookName;
use crate::server::api::deliveries::{Deliveries, OUTCOMES, SOURCES, filter};
use crate::server::api::resource::Resource;
use crate::server::html::{self, Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{Delivery, Page};

/// As much of a body as a page shows.
const BODY_BYTES_MAX: usize = 200_000;
/// Runs that the page of a delivery shows with their state. There are as many as checks match.
const RUNS_MAX: usize = 20;

/// `GET /ui/deliveries`.
pub(super) async fn list(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Deliveries>()?;
    let found = visit.state.deps.store.deliveries(filter(&visit.parameters)?, page).await?;
    let mut fields = vec![
        visit.organization_field(),
        visit.choice("outcome", "Outcome", OUTCOMES),
        visit.choice("source", "Told by", SOURCES),
        visit.choice("event", "Event", Event::ALL.iter().map(|event| event.as_str())),
        visit.field("event_type", "Type at Azure DevOps"),
    ];
    fields.extend(visit.time_fields());
    Ok(visit.list::<Deliveries>(List {
        title: "Deliveries",
        path: "/deliveries",
        command: Some(("deliveries list", &["organization", "outcome"])),
        fields,
        columns: vec!["Outcome", "Event", "Received", "Told by", "Runs", "Decided in", "Reason"],
        rows: found.items.iter().map(|delivery| row(&visit, delivery)).collect(),
        next: found.next,
        empty: "Nothing was delivered yet. Azure DevOps delivers to hooks, and catch-up looks for \
                what it did not deliver.",
        csv: None,
    }))
}

fn row(visit: &Visit, delivery: &Delivery) -> Row {
    let href = visit.href(&format!("/deliveries/{}", delivery.id));
    let run = |run: &RunId| Cell::text("run").at(visit.href(&format!("/runs/{run}")));
    let started = match delivery.runs.as_slice() {
        [] => Cell::Nothing,
        [only] => run(only),
        several => Cell::text(several.len().to_string()).at(href.clone()),
    };
    let cells = vec![
        Cell::Badge(delivery.outcome.into()).at(href),
        Cell::cut(&event(delivery)),
        visit.moment(delivery.received_at).into(),
        Cell::cut(&sender(delivery)),
        started,
        Cell::optional(decided_in(delivery).as_ref()),
        Cell::cut(&delivery.reason),
    ];
    Row { id: format!("delivery-{}", delivery.id), cells }
}

/// In our words; in those of Azure DevOps before the decision.
fn event(delivery: &Delivery) -> String {
    let event = delivery.event.as_deref().map(|event| event.replace('_', " "));
    event.or_else(|| delivery.event_type.clone()).unwrap_or_else(|| "not read".to_owned())
}

/// `hook updated`, `catch-up`.
fn sender(delivery: &Delivery) -> String {
    match (delivery.source, HookName::parse(&delivery.hook)) {
        (Source::Hook, Some(name)) => format!("hook {}", name.hook_scope.topic),
        (Source::Hook, None) => format!("hook {}", delivery.hook),
        (source, _) => source.as_str().replace('_', "-"),
    }
}

fn decided_in(delivery: &Delivery) -> Option<String> {
    delivery.decided_at.map(|at| span(at.since(delivery.received_at)))
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct DeliveryPage {
    frame: Frame,
    id: DeliveryId,
    badge: Badge,
    reason: String,
    /// What was decided about each check.
    checks: Table,
    runs: Table,
    facts: Facts,
    size: String,
    is_cut: bool,
    body: String,
    raw: String,
    /// What would be decided today.
    explained: Option<Explained>,
    explain: String,
    replay: Option<String>,
}

part!(DeliveryDecision of DeliveryPage: "delivery.html", "decision");
part!(DeliveryExplained of DeliveryPage: "delivery.html", "explain");

/// `GET /ui/deliveries/{id}`.
pub(super) async fn show(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    let is_explained = visit.parameters.get("part").is_some_and(|part| part == "explain");
    page(&visit, &path, is_explained).await
}

/// `GET /ui/deliveries/{id}/explain`: the same, with what would be decided now.
pub(super) async fn explained(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    page(&visit, &path, true).await
}

async fn page(visit: &Visit, path: &str, is_explained: bool) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&["part"])?;
    let (delivery, body) = load(visit, path).await?;
    let explained = match is_explained {
        true => Some(explain(visit, &delivery, body.clone()).await?),
        false => None,
    };
    let mut rows = Vec::new();
    for id in delivery.runs.iter().take(RUNS_MAX) {
        if let Some(run) = visit.state.deps.store.run(*id).await? {
            rows.push(runs::row(visit, &run));
        }
    }
    let id = delivery.id;
    let twins = Twins {
        api: Some(format!("{}/{id}", Deliveries::PATH)),
        command: Some(format!("azdo-gateway deliveries show {id}")),
    };
    let (body, is_cut) = shown(&body);
    let page = DeliveryPage {
        frame: visit
            .frame(format!("Delivery {id}: {}", event(&delivery)), "/deliveries", twins)
            .about(format!("delivery:{id}")),
        id,
        badge: delivery.outcome.into(),
        reason: delivery.reason.clone(),
        checks: Table {
            caption: "What was decided about each check",
            columns: vec!["Check", "Decision", "Key", "Why"],
            rows: delivery.checks.iter().enumerate().map(|one| check_row(visit, one)).collect(),
        },
        runs: Table { caption: "Runs that it started", columns: runs::COLUMNS.to_vec(), rows },
        facts: facts(visit, &delivery),
        size: bytes(delivery.body_bytes.unsigned_abs()),
        is_cut,
        body,
        explained,
        explain: visit.href(&format!("/deliveries/{id}/explain")),
        replay: visit.may_act().is_ok().then(|| visit.href(&format!("/deliveries/{id}/replay"))),
        raw: visit.href(&format!("/deliveries/{id}/body")),
    };
    let (decision, explained) = (DeliveryDecision(&page), DeliveryExplained(&page));
    Ok(visit.answer(&page, &[("decision", &decision), ("explain", &explained)]))
}

/// `GET /ui/deliveries/{id}/body`: as it was received, never as HTML.
pub(super) async fn body(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[])?;
    let (_, body) = load(&visit, &path).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"));
    Ok(html::protect(response).body(body))
}

fn check_row(visit: &Visit, (number, outcome): (usize, &CheckOutcome)) -> Row {
    let CheckOutcome { check, run, why, key, .. } = outcome;
    let badge = Cell::Badge(outcome.into());
    let cells = vec![
        Cell::cut(check),
        match run {
            Some(run) => badge.at(visit.href(&format!("/runs/{run}"))),
            None => badge,
        },
        key.as_deref().map_or(Cell::Nothing, |key| Cell::Code(key.to_owned())),
        Cell::text(why),
    ];
    Row { id: format!("check-{number}"), cells }
}

fn facts(visit: &Visit, delivery: &Delivery) -> Facts {
    let moment = |at| Cell::from(visit.moment(at).full());
    let notification = delivery.notification.map(|number| number.to_string());
    let generation = HookName::parse(&delivery.hook).map(|name| name.generation.to_string());
    Facts::new(vec![
        ("Received", moment(delivery.received_at)),
        ("Created at Azure DevOps", delivery.created_at.map_or(Cell::Nothing, moment)),
        ("Decided", delivery.decided_at.map_or(Cell::Nothing, moment)),
        ("Decided in", Cell::optional(decided_in(delivery).as_ref())),
        ("Told by", Cell::text(sender(delivery))),
        ("Secret of the hook", Cell::optional(generation.as_ref())),
        ("Type of event", delivery.event_type.clone().map_or(Cell::Nothing, Cell::Code)),
        ("Organization", Cell::text(&delivery.organization)),
        ("Subscription", delivery.subscription.clone().map_or(Cell::Nothing, Cell::Code)),
        ("Notification", Cell::optional(notification.as_ref())),
    ])
}

/// The body, indented where it is JSON, as far as a page shows it; and whether that is a part.
fn shown(body: &[u8]) -> (String, bool) {
    let indented = serde_json::from_slice::<Value>(body).map(|value| format!("{value:#}"));
    let mut text = indented.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    let is_cut = text.len() > BODY_BYTES_MAX;
    let end = (0..=BODY_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end));
    if is_cut {
        text.truncate(end.unwrap_or_default());
    }
    (text, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_indented_and_cut_at_a_character() {
        assert_eq!(shown(br#"{"a":[1]}"#).0, "{\n  \"a\": [\n    1\n  ]\n}");
        assert_eq!(shown(b"<b>\xff"), ("<b>\u{fffd}".to_owned(), false));
        let (text, is_cut) = shown("é".repeat(150_000).as_bytes());
        assert!(is_cut && text.len() <= BODY_BYTES_MAX);
    }
}

//! What a stored delivery would start today, and having it decided again.

use actix_web::HttpResponse;
use actix_web::web::Path;
use uuid::Uuid;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::confirm::{Confirm, Sent, incomplete};
use super::visit::Visit;
use crate::domain::check_outcome::CheckOutcome;
use crate::domain::decision::Decision;
use crate::domain::id::DeliveryId;
use crate::server::api::deliveries::Deliveries;
use crate::server::api::resource::Resource;
use crate::server::problem::Problem;
use crate::storage::Delivery;

/// The field with the id of the request to replay.
const REQUEST: &str = "request";

/// What was decided about each check, beside what would be decided now.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) badge: Badge,
    pub(super) reason: String,
    pub(super) checks: Table,
}

/// `GET /ui/deliveries/{id}/replay`.
pub(super) async fn confirm(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[])?;
    visit.may_act()?;
    let (delivery, body) = load(&visit, &path).await?;
    let Explained { badge, reason, checks } = explain(&visit, &delivery, body).await?;
    let id = delivery.id;
    let mut page = Confirm::new(&visit, format!("Replay delivery {id}"), "/deliveries");
    page.facts = Facts::new(vec![
        ("Decided then", Cell::Badge(delivery.outcome.into())),
        ("Because", Cell::text(&delivery.reason)),
        ("Would be decided now", Cell::Badge(badge)),
        ("Since", Cell::text(reason)),
    ]);
    page.consequences = vec![
        "A copy of the delivery is decided by the checks and by what is known as it is then."
            .to_owned(),
    ];
    page.table = (!checks.rows.is_empty()).then_some(checks);
    page.undo = "It cannot be undone: runs that it starts can be cancelled.".to_owned();
    page.carried = vec![(REQUEST.to_owned(), Uuid::now_v7().to_string())];
    page.button = "Replay it".to_owned();
    page.back = visit.href(&format!("/deliveries/{id}"));
    Ok(page.show())
}

/// `POST /ui/deliveries/{id}/replay`.
pub(super) async fn replay(
    visit: Visit,
    path: Path<String>,
    sent: Sent,
) -> Result<HttpResponse, Problem> {
    visit.may_act()?;
    let (delivery, _) = load(&visit, &path).await?;
    let request = sent.get(REQUEST).and_then(|text| text.parse().ok()).ok_or_else(incomplete)?;
    let copy = visit.state.actions.replay(&visit.session.actor, delivery.id, request).await?;
    Ok(visit.see(&format!("/deliveries/{copy}")))
}

/// A delivery and its body.
pub(super) async fn load(visit: &Visit, path: &str) -> Result<(Delivery, Vec<u8>), Problem> {
    let missing = || visit.missing(Deliveries::NAME, path);
    let id: DeliveryId = path.parse().map_err(|_| missing())?;
    let store = &visit.state.deps.store;
    let delivery = store.delivery(id).await?.ok_or_else(missing)?;
    let body = store.delivery_body(id).await?.ok_or_else(missing)?;
    Ok((delivery, body))
}

/// Decides a copy of the delivery as it would be decided now; nothing is stored.
pub(super) async fn explain(
    visit: &Visit,
    delivery: &Delivery,
    body: Vec<u8>,
) -> Result<Explained, Problem> {
    let now = visit.state.decide.rehearse(&delivery.organization, &delivery.hook, body).await?;
    let Decision { outcome, reason, checks, .. } = now;
    let mut names: Vec<&str> = delivery.checks.iter().map(|one| one.check.as_str()).collect();
    for one in &checks {
        if !names.contains(&one.check.as_str()) {
            names.push(&one.check);
        }
    }
    let rows = names.iter().enumerate().map(|(number, name)| {
        let of = |all: &[CheckOutcome]| all.iter().find(|one| one.check == *name).cloned();
        row(number, name, of(&delivery.checks).as_ref(), of(&checks).as_ref())
    });
    let rows = rows.collect();
    let columns = vec!["Check", "Then", "Now", "Why now"];
    let checks =
        Table { caption: "What each check did then, and what it would do now", columns, rows };
    Ok(Explained { badge: outcome.into(), reason, checks })
}

fn row(number: usize, name: &str, then: Option<&CheckOutcome>, now: Option<&CheckOutcome>) -> Row {
    let badge = |one: Option<&CheckOutcome>| {
        one.map_or(Cell::text("not concerned"), |one| Cell::Badge(one.into()))
    };
    let why = now.map_or(Cell::Nothing, |now| Cell::text(&now.why));
    Row {
        id: format!("explained-{number}"),
        cells: vec![Cell::cut(name), badge(then), badge(now), why],
    }
}

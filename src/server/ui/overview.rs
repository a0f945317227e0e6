//! The overview: what does not work, what waits, and what happened last.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Table};
use super::plots::{Plot, last_hour};
use super::runs;
use super::setup::{self, Progress};
use super::visit::Visit;
use crate::health::ProblemKind;
use crate::server::html::{Frame, Twins, answer};
use crate::server::problem::Problem;
use crate::storage::{
    Availability, DeliveryFilter, PROBLEM_SHOWN_FOR, Page, ProblemRow, RunFilter,
};

/// The newest runs that are shown.
const RUNS_MAX: usize = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    /// Why nothing can be stored.
    unwritable: Option<String>,
    verdict: Badge,
    last_delivery: Option<Cell>,
    problems: Vec<KnownProblem>,
    queues: Vec<Queue>,
    plots: Vec<Plot>,
    newest: Table,
    /// Organizations that have shown no green check yet.
    unfinished: Vec<Progress>,
}

/// A problem, and where more is about it.
struct KnownProblem {
    badge: Badge,
    organization: String,
    reason: String,
    since: Cell,
    href: String,
    area: &'static str,
}

/// Rows that wait.
struct Queue {
    words: &'static str,
    count: u64,
    href: String,
    oldest: Option<Cell>,
}

/// `GET /ui`.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Problem> {
    visit.parameters.only(&[])?;
    let unfinished = setup::unfinished(&visit).await?;
    if unfinished.len() == visit.state.organizations.names().len() {
        return Ok(setup::page(&visit, unfinished));
    }
    let deps = &visit.state.deps;
    let seen_after = visit.now.minus(PROBLEM_SHOWN_FOR);
    let problems = deps.store.problems(seen_after).await?;
    let problems: Vec<KnownProblem> = problems.into_iter().map(|row| known(&visit, row)).collect();
    let unwritable = match deps.store.health() {
        Availability::Writable => None,
        Availability::Unwritable(reason) => Some(reason),
    };
    let newest = |limit| Page { limit, before: None };
    let deliveries = deps.store.deliveries(DeliveryFilter::default(), newest(1)).await?.items;
    let last = deliveries.first().map(|delivery| {
        let href = visit.href(&format!("/deliveries/{}", delivery.id));
        Cell::from(visit.moment(delivery.received_at)).at(href)
    });
    let newest = deps.store.runs(RunFilter::default(), newest(RUNS_MAX)).await?.items;
    let verdict = match problems.len() {
        _ if unwritable.is_some() => Badge::bad("Nothing can be stored"),
        0 => Badge::good("No problem is known"),
        1 => Badge::warn("One problem is known"),
        _ => Badge::warn("Several problems are known"),
    };
    let page = OverviewPage {
        frame: visit.frame("Overview", "", twins()),
        unwritable,
        verdict,
        last_delivery: last,
        problems,
        queues: queues(&visit).await?,
        plots: last_hour(&visit).await?,
        unfinished,
        newest: Table {
            caption: "The newest runs",
            columns: runs::COLUMNS.to_vec(),
            rows: newest.iter().map(|run| runs::row(&visit, run)).collect(),
        },
    };
    Ok(answer(StatusCode::OK, &page))
}

fn twins() -> Twins {
    Twins { api: Some("/v1/organizations".to_owned()), command: None }
}

fn known(visit: &Visit, row: ProblemRow) -> KnownProblem {
    let ProblemRow { key: (organization, kind, _), reason, since } = row;
    let kind = ProblemKind::parse(&kind);
    let (path, area) = match kind {
        Some(ProblemKind::Hooks) => ("/subscriptions", "Subscriptions"),
        Some(ProblemKind::Ci) => ("/ci", "CI systems"),
        Some(ProblemKind::Damage | ProblemKind::CatchUp) => ("/deliveries", "Deliveries"),
        Some(ProblemKind::Policies) => ("/statuses", "Statuses"),
        _ => ("/connections", "Connections"),
    };
    // A list of all CIs has no filter.
    let href = match path {
        "/ci" => visit.href(path),
        path => visit.filtered(path, &[("organization", &organization)]),
    };
    let badge = match kind.is_some_and(ProblemKind::is_warning) {
        true => Badge::warn("Will fail"),
        false => Badge::bad("Problem"),
    };
    let since = Cell::from(visit.moment(since));
    KnownProblem { badge, organization, reason, since, href, area }
}

async fn queues(visit: &Visit) -> Result<Vec<Queue>, Problem> {
    let backlog = visit.state.counts.get().await?;
    let oldest = backlog.oldest_undecided.map(|at| Cell::from(visit.moment(at)));
    let queue = |words, count, path: &str, filter| Queue {
        words,
        count,
        href: visit.filtered(path, &[filter]),
        oldest: None,
    };
    Ok(vec![
        Queue {
            oldest,
            ..queue("Undecided", backlog.undecided, "/deliveries", ("outcome", "pending"))
        },
        queue("Wait for their CI", backlog.planned, "/runs", ("state", "planned")),
        queue("At their CI", backlog.at_ci, "/runs", ("state", "running")),
        queue("Not posted yet", backlog.unposted, "/statuses", ("outcome", "queued")),
    ])
}

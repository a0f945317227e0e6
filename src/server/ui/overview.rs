//! The overview: what does not work, what waits, and what happened last.

use actix_web::HttpResponse;
use askama::Template;

use super::about;
use super::badge::Badge;
use super::cell::{Cell, Table};
use super::plots::{Plot, last_hour};
use super::runs;
use super::setup::{self, Progress};
use super::visit::{Visit, part, path_segment};
use crate::domain::time::Timestamp;
use crate::health::ProblemKind;
use crate::server::html::{Frame, Twins};
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

part!(Problems of OverviewPage: "overview.html", "problems");
part!(Late of OverviewPage: "overview.html", "late");
part!(Plots of OverviewPage: "overview.html", "plots");
part!(Newest of OverviewPage: "overview.html", "runs");

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
    visit.parameters.only(&["part"])?;
    let unfinished = setup::unfinished(&visit).await?;
    if unfinished.len() == visit.state.organizations.names().len() {
        return Ok(setup::page(&visit, unfinished));
    }
    if visit.parameters.get("part").is_some_and(|part| part == "setup") {
        // The open page shows how to set up, which is over: it has to load the overview instead.
        return Ok(HttpResponse::ResetContent().finish());
    }
    let deps = &visit.state.deps;
    let unwritable = match deps.store.health() {
        Availability::Writable => None,
        Availability::Unwritable(reason) => Some(reason),
    };
    let mut page = OverviewPage {
        frame: visit.frame("Overview", "", twins()).about(about::ALL),
        verdict: Badge::bad("Nothing can be stored"),
        unwritable,
        last_delivery: None,
        problems: Vec::new(),
        queues: Vec::new(),
        plots: Vec::new(),
        unfinished,
        newest: Table { caption: "The newest runs", columns: runs::COLUMNS.to_vec(), rows: vec![] },
    };
    if visit.wants("problems") {
        add_problems(&visit, &mut page).await?;
    }
    if visit.wants("late") {
        page.queues = queues(&visit).await?;
    }
    if visit.wants("plots") {
        page.plots = last_hour(&visit).await?;
    }
    if visit.wants("runs") {
        let newest = Page { limit: RUNS_MAX, before: None };
        let newest = deps.store.runs(RunFilter::default(), newest).await?.items;
        page.newest.rows = newest.iter().map(|run| runs::row(&visit, run)).collect();
    }
    let (problems, late) = (Problems(&page), Late(&page));
    let (plots, newest) = (Plots(&page), Newest(&page));
    Ok(visit.answer(
        &page,
        &[("problems", &problems), ("late", &late), ("plots", &plots), ("runs", &newest)],
    ))
}

/// What does not work, and when the last delivery came.
async fn add_problems(visit: &Visit, page: &mut OverviewPage) -> Result<(), Problem> {
    let deps = &visit.state.deps;
    let problems = deps.store.problems(visit.now.minus(PROBLEM_SHOWN_FOR)).await?;
    page.problems = problems.into_iter().map(|row| known(visit, row)).collect();
    let newest = Page { limit: 1, before: None };
    let deliveries = deps.store.deliveries(DeliveryFilter::default(), newest).await?.items;
    page.last_delivery = deliveries.first().map(|delivery| {
        let href = visit.href(&format!("/deliveries/{}", delivery.id));
        Cell::from(visit.moment(delivery.received_at)).at(href)
    });
    if page.unwritable.is_none() {
        page.verdict = match page.problems.len() {
            0 => Badge::good("No problem is known"),
            1 => Badge::warn("One problem is known"),
            _ => Badge::warn("Several problems are known"),
        };
    }
    Ok(())
}

fn twins() -> Twins {
    Twins { api: Some("/v1/organizations".to_owned()), command: None }
}

fn known(visit: &Visit, row: ProblemRow) -> KnownProblem {
    let ProblemRow { key: (organization, kind, of), reason, since } = row;
    let kind = ProblemKind::parse(&kind);
    let (path, area) = match kind {
        Some(ProblemKind::Hooks) => ("/subscriptions", "Subscriptions"),
        Some(ProblemKind::Ci) => ("/ci", "CI"),
        Some(ProblemKind::Damage | ProblemKind::CatchUp) => ("/deliveries", "Deliveries"),
        Some(ProblemKind::Policies) => ("/statuses", "Statuses"),
        _ => ("/connections", "Connections"),
    };
    let href = match path {
        "/ci" => visit.href(&format!("/ci/{}", path_segment(&of))),
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
    let oldest = |at: Option<Timestamp>| at.map(|at| Cell::from(visit.moment(at)));
    let queue = |words, count, path: &str, filter| Queue {
        words,
        count,
        href: visit.filtered(path, &[filter]),
        oldest: None,
    };
    Ok(vec![
        Queue {
            oldest: oldest(backlog.oldest_undecided),
            ..queue("Undecided", backlog.undecided, "/deliveries", ("outcome", "pending"))
        },
        Queue {
            oldest: oldest(backlog.oldest_planned),
            ..queue("Wait for their CI", backlog.planned, "/runs", ("state", "planned"))
        },
        queue("At their CI", backlog.at_ci, "/runs", ("state", "running")),
        queue("Not posted yet", backlog.unposted, "/statuses", ("outcome", "queued")),
    ])
}

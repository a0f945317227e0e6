//! The list of runs, and the page of one.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Path;
use askama::Template;

use super::badge::Badge;
use super::cell::{Cell, Facts, Row, Table};
use super::list::List;
use super::moment::{Moment, span};
use super::statuses;
use super::subject::branch;
use super::visit::{Visit, part};
use crate::domain::address::Subject;
use crate::domain::event::short;
use crate::domain::id::RunId;
use crate::domain::run::{Run, State};
use crate::domain::steps::{Step, What};
use crate::domain::time::Timestamp;
use crate::server::api::resource::Resource;
use crate::server::api::runs::{Runs, filter};
use crate::server::html::{Frame, Twins};
use crate::server::problem::Problem;
use crate::storage::{Page, StatusFilter};

/// Statuses that the page of a run shows: a run has a few for each target.
const STATUSES_MAX: usize = 50;

pub(super) const COLUMNS: [&str; 8] =
    ["State", "Check", "Of", "Commit", "CI", "Planned", "Took", "Reason"];

/// `GET /ui/runs`.
pub(super) async fn list(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Runs>()?;
    let found = visit.state.deps.store.runs(filter(&visit.parameters)?, page).await?;
    let mut fields = vec![
        visit.organization_field(),
        visit.choice("state", "State", State::ALL.map(State::as_str)),
        visit.field("check", "Check"),
        visit.field("pull_request", "Pull request"),
        visit.field("commit", "Commit"),
        visit.field("repository_id", "Repository (GUID)"),
        visit.field("ci", "CI"),
    ];
    fields.extend(visit.time_fields());
    Ok(visit.list::<Runs>(List {
        title: "Runs",
        path: "/runs",
        command: Some(("runs list", &["organization", "state", "check"])),
        fields,
        columns: COLUMNS.to_vec(),
        rows: found.items.iter().map(|run| row(&visit, run)).collect(),
        next: found.next,
        empty: "There is no run yet. The first one appears when a pull request or a push matches a \
                check.",
        csv: None,
    }))
}

/// A run under [`COLUMNS`].
pub(super) fn row(visit: &Visit, run: &Run) -> Row {
    let href = visit.href(&format!("/runs/{}", run.id));
    let cells = vec![
        Cell::Badge(run.state.into()).at(href),
        Cell::cut(&run.check),
        Cell::cut(&subject(run)).at(of(visit, run)),
        Cell::Code(short(&run.commit).to_owned()),
        Cell::cut(&run.ci),
        visit.moment(run.created_at).into(),
        Cell::text(took(visit, run)),
        Cell::cut(run.description.as_deref().unwrap_or(&run.reason)),
    ];
    Row { id: format!("run-{}", run.id), cells }
}

/// The page of its pull request, or of its branch or tag.
pub(super) fn of(visit: &Visit, run: &Run) -> String {
    let of = match &run.pull_request {
        Some(of) => Subject::PullRequest(of.id),
        None => Subject::Ref(run.git_ref.clone()),
    };
    visit.subject(&run.organization, &run.repository, &of)
}

/// `Fabrikam/shop !123`, or the branch where it is of none.
pub(super) fn subject(run: &Run) -> String {
    let of = match &run.pull_request {
        Some(of) => format!("!{}", of.id),
        None => branch(&run.git_ref).to_owned(),
    };
    format!("{}/{} {of}", run.repository.project, run.repository.name)
}

/// From planning to the end, or until now.
fn took(visit: &Visit, run: &Run) -> String {
    let until = if run.state.is_final() { run.updated_at } else { visit.now };
    span(until.since(run.created_at))
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    frame: Frame,
    id: RunId,
    /// Whether the lists are for the person.
    sees_all: bool,
    badge: Badge,
    is_final: bool,
    took: String,
    /// Of the pull request, as it was when the run was planned.
    title: Option<String>,
    /// Its pull request or branch, and its page at the CI.
    pages: Vec<Cell>,
    life: Vec<Stage>,
    overdue: Moment,
    facts: Facts,
    steps: Table,
    statuses: Table,
    /// All deliveries about its pull request or its ref.
    deliveries: String,
    audit: String,
    /// What people can do: addresses and words.
    actions: Vec<(String, &'static str)>,
}

part!(RunHead of RunPage: "run.html", "head");
part!(RunLife of RunPage: "run.html", "life");
part!(RunStatuses of RunPage: "run.html", "statuses");

/// A state that the run came to.
struct Stage {
    badge: Badge,
    at: Moment,
    /// After the one before.
    after: Option<String>,
}

/// The states of a run in their order.
fn life(visit: &Visit, run: &Run) -> Vec<Stage> {
    let planned = (State::Planned, run.created_at);
    let mut states = vec![planned];
    let steps = run.steps.iter().map(|step| (step.state, step.at));
    for (state, at) in steps.chain([(run.state, run.updated_at)]) {
        if states.last().is_none_or(|(last, _)| *last != state) {
            states.push((state, at));
        }
    }
    let before = [None].into_iter().chain(states.iter().map(|(_, at)| Some(*at)));
    let stage = |((state, at), before): (&(State, Timestamp), Option<Timestamp>)| Stage {
        badge: (*state).into(),
        at: visit.moment(*at).full(),
        after: before.map(|before| format!("+{}", span(at.since(before)))),
    };
    states.iter().zip(before).map(stage).collect()
}

fn pages(visit: &Visit, run: &Run) -> Vec<Cell> {
    let ci = Cell::away(run.url.as_ref(), "Open at the CI");
    let ci = Some(ci).filter(|cell| matches!(cell, Cell::Away(..)));
    [Some(Cell::cut(&subject(run)).at(of(visit, run))), ci].into_iter().flatten().collect()
}

/// `GET /ui/runs/{id}`.
pub(super) async fn show(visit: Visit, path: Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || visit.missing(Runs::NAME, &path);
    visit.parameters.only(&["part"])?;
    let id = path.parse().map_err(|_| missing())?;
    let store = &visit.state.deps.store;
    let run = store.run(id).await?.ok_or_else(missing)?;
    let (project, repository) = (run.repository.project_key(), &run.repository.id);
    visit.may_read(&run.organization, project, repository).await?;
    let of_run = StatusFilter { run: Some(id), ..StatusFilter::default() };
    let page = Page { limit: STATUSES_MAX, before: None };
    let statuses = match visit.wants("statuses") {
        true => store.statuses(of_run, page).await?.items,
        false => Vec::new(),
    };
    let twins = Twins {
        api: Some(format!("{}/{id}", Runs::PATH)),
        command: Some(format!("azdo-gateway runs show {id}")),
    };
    let page = RunPage {
        frame: visit
            .frame(format!("{} on {}", run.check, subject(&run)), "/runs", twins)
            .about(format!("run:{id}")),
        id,
        sees_all: visit.sees_all(),
        badge: run.state.into(),
        is_final: run.state.is_final(),
        took: took(&visit, &run),
        title: run.pull_request.as_ref().map(|of| of.title.clone()),
        pages: pages(&visit, &run),
        life: life(&visit, &run),
        overdue: visit.moment(run.overdue_at),
        facts: facts(&visit, &run),
        steps: Table {
            caption: "What happened to the run, oldest first",
            columns: vec!["When", "After", "What", "State", "Answered in", "Words"],
            rows: steps(&visit, &run),
        },
        statuses: Table {
            caption: "Statuses of the run",
            columns: statuses::COLUMNS.to_vec(),
            rows: statuses.iter().map(|status| statuses::row(&visit, status)).collect(),
        },
        deliveries: deliveries(&visit, &run),
        actions: actions(&visit, &run).await,
        audit: visit.filtered("/audit", &[("run", &id.to_string())]),
    };
    let (head, life, statuses) = (RunHead(&page), RunLife(&page), RunStatuses(&page));
    Ok(visit.answer(&page, &[("head", &head), ("life", &life), ("statuses", &statuses)]))
}

async fn actions(visit: &Visit, run: &Run) -> Vec<(String, &'static str)> {
    let mut actions = Vec::new();
    if visit.may_act_on(run).await.is_ok() {
        actions.push((visit.href(&format!("/runs/{}/rerun", run.id)), "Run again…"));
        if !run.state.is_final() {
            actions.push((visit.href(&format!("/runs/{}/cancel", run.id)), "Cancel…"));
        }
    }
    actions
}

fn deliveries(visit: &Visit, run: &Run) -> String {
    let subject = match &run.pull_request {
        Some(of) => ("pull_request", of.id.to_string()),
        None => ("ref", run.git_ref.clone()),
    };
    let filters = [
        ("organization", run.organization.as_str()),
        ("repository_id", run.repository.id.as_str()),
        (subject.0, subject.1.as_str()),
    ];
    visit.filtered("/deliveries", &filters)
}

fn steps(visit: &Visit, run: &Run) -> Vec<Row> {
    let before = [None].into_iter().chain(run.steps.iter().map(Some));
    let steps = run.steps.iter().zip(before).enumerate();
    steps.map(|(number, (step, before))| step_row(visit, number, step, before)).collect()
}

fn step_row(visit: &Visit, number: usize, step: &Step, before: Option<&Step>) -> Row {
    let after = before.map(|before| format!("+{}", span(step.at.since(before.at))));
    let answered_in = match step.what {
        What::Attempt { ms } => Cell::text(span(Duration::from_millis(ms.into()))),
        _ => Cell::Nothing,
    };
    let words = match step.skipped {
        0 => step.words.clone(),
        count => format!("(after {count} steps that are not kept) {}", step.words),
    };
    let cells = vec![
        Cell::Code(visit.moment(step.at).absolute()),
        Cell::optional(after.as_ref()),
        Cell::Badge(step.what.into()),
        Cell::Badge(step.state.into()),
        answered_in,
        Cell::text(words),
    ];
    Row { id: format!("step-{number}"), cells }
}

fn facts(visit: &Visit, run: &Run) -> Facts {
    let page = |subject: &Subject| visit.subject(&run.organization, &run.repository, subject);
    let commit = Cell::Code(run.commit.clone()).at(page(&Subject::Commit(run.commit.clone())));
    let pull_request = run.pull_request.as_ref().map(|of| {
        let target = branch(&of.target_ref);
        let words = Cell::text(format!("!{} to {target}", of.id));
        words.at(page(&Subject::PullRequest(of.id)))
    });
    let git_ref = page(&Subject::Ref(run.git_ref.clone()));
    let attempts = match run.attempts {
        0 => "none yet".to_owned(),
        count => count.to_string(),
    };
    let cancelling = run.cancel_attempts.map(|_| "The CI is being told to cancel it".to_owned());
    let planned = run.steps.iter().find(|step| step.what == What::Planned);
    let because = planned.map(|step| &step.words).filter(|words| **words != run.reason);
    Facts::new(vec![
        ("Planned because", Cell::optional(because)),
        ("Why it is so", Cell::text(&run.reason)),
        ("The CI says", Cell::optional(run.description.as_ref())),
        ("CI", Cell::text(&run.ci)),
        ("Page at the CI", Cell::away(run.url.as_ref(), "Open")),
        ("Id at the CI", run.ci_id.clone().map_or(Cell::Nothing, Cell::Code)),
        ("Problem at the CI", Cell::optional(run.ci_problem.as_ref())),
        ("Cancelling", Cell::optional(cancelling.as_ref())),
        ("Runner", Cell::optional(run.runner.held.as_ref().map(|held| &held.runner))),
        ("Starts tried", Cell::text(attempts)),
        ("Commit", commit),
        ("Branch", Cell::text(branch(&run.git_ref)).at(git_ref)),
        ("Pull request", pull_request.unwrap_or(Cell::Nothing)),
        ("Organization", Cell::text(&run.organization)),
        ("Shown as", Cell::text(format!("{}/{}", run.genre, run.check))),
        ("Run", Cell::Code(run.id.to_string())),
    ])
}

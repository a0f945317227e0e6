//! The list of statuses: what Azure DevOps is to show, and whether it does.

use actix_web::HttpResponse;

use super::cell::{Cell, Row};
use super::list::List;
use super::moment::span;
use super::visit::Visit;
use crate::domain::address::Subject;
use crate::domain::event::{Repository, short};
use crate::domain::status::{Context, Status, Target};
use crate::server::api::statuses::{OUTCOMES, Statuses, filter};
use crate::server::problem::Problem;
use crate::storage::{Page, StatusRow};

pub(super) const COLUMNS: [&str; 7] =
    ["Outcome", "Shows", "Status", "On", "Queued", "Posted after", "Says"];

/// `GET /ui/statuses`.
pub(super) async fn list(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.check::<Statuses>()?;
    let found = visit.state.deps.store.statuses(filter(&visit.parameters)?, page).await?;
    let mut fields = vec![
        visit.organization_field(),
        visit.choice("outcome", "Outcome", OUTCOMES),
        visit.field("run", "Run"),
    ];
    fields.extend(visit.time_fields());
    Ok(visit.list::<Statuses>(List {
        title: "Statuses",
        path: "/statuses",
        command: None,
        fields,
        columns: COLUMNS.to_vec(),
        rows: found.items.iter().map(|status| row(&visit, status)).collect(),
        next: found.next,
        empty: "There is no status yet. Each run has one for each place where it is shown.",
        csv: None,
    }))
}

/// A status under [`COLUMNS`].
pub(super) fn row(visit: &Visit, row: &StatusRow) -> Row {
    let status = &row.status;
    let Context { genre, name } = &status.context;
    let context = Cell::cut(&format!("{genre}/{name}"));
    let context = match status.run {
        Some(run) => context.at(visit.href(&format!("/runs/{run}"))),
        None => context,
    };
    let posted = row.posted_at.map(|at| span(at.since(row.queued_at)));
    // A refusal says why; otherwise what is shown matters.
    let says = if row.reason.is_empty() { &status.description } else { &row.reason };
    let cells = vec![
        Cell::Badge(row.outcome.into()),
        Cell::Badge(status.state.into()),
        context,
        on(visit, status),
        visit.moment(row.queued_at).into(),
        Cell::optional(posted.as_ref()),
        Cell::cut(says),
    ];
    Row { id: format!("status-{}", row.id), cells }
}

/// What it is shown on, with the page of that.
fn on(visit: &Visit, status: &Status) -> Cell {
    let (words, subject) = match &status.target {
        Target::PullRequest { id, commit: Some(commit) } => {
            (format!("!{id} at {}", short(commit)), Subject::PullRequest(*id))
        }
        Target::PullRequest { id, commit: None } => {
            (format!("!{id}, newest iteration"), Subject::PullRequest(*id))
        }
        Target::Commit { commit } => {
            (format!("commit {}", short(commit)), Subject::Commit(commit.clone()))
        }
        Target::Comment { pull_request, .. } => {
            (format!("comment on !{pull_request}"), Subject::PullRequest(*pull_request))
        }
    };
    if status.project.is_empty() {
        return Cell::text(words);
    }
    // By names or by GUIDs, as they are known.
    let repository = Repository {
        project: status.project.clone(),
        name: status.repository.clone(),
        ..Repository::default()
    };
    Cell::text(words).at(visit.subject(&status.organization, &repository, &subject))
}

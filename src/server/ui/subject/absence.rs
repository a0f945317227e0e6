//! Where nothing is known of a pull request, a commit or a branch: what would have told the gateway
//! of it, and whether that works.

use super::super::badge::Badge;
use super::super::cell::{Cell, Facts, Row, Table};
use super::super::subscriptions::column;
use super::super::visit::Visit;
use super::called;
use super::load::Loaded;
use crate::domain::event::Repository;
use crate::server::problem::Problem;
use crate::storage::{Page, SubscriptionFilter, SubscriptionRow};

/// Subscriptions that are looked through for those of the project.
const SUBSCRIPTIONS_MAX: usize = 500;

/// See the module.
pub(super) struct Absence {
    pub(super) sentence: String,
    pub(super) facts: Facts,
    /// The hooks of its project.
    pub(super) hooks: Table,
    /// The checks that watch its repository.
    pub(super) checks: Vec<String>,
}

pub(super) async fn absence(visit: &Visit, loaded: &Loaded) -> Result<Absence, Problem> {
    let organization = Some(loaded.organization.clone());
    let filter = SubscriptionFilter { organization };
    let page = Page { limit: SUBSCRIPTIONS_MAX, before: None };
    let found = visit.state.deps.store.subscriptions(filter, page).await?.items;
    let of_project = found.iter().filter(|row| is_of(row, &loaded.repository));
    let watches = visit.state.examine.checks().iter().filter(|check| {
        check.watches(&loaded.organization, &loaded.repository, &loaded.former_names)
    });
    let Repository { project, name, .. } = &loaded.repository;
    Ok(Absence {
        sentence: format!("Nothing is known of {} of {project}/{name}", called(&loaded.subject)),
        facts: facts(visit, loaded).await?,
        hooks: Table {
            caption: "The hooks of the project",
            columns: vec!["State", "Events", "Last delivery", "Why"],
            rows: of_project.map(|row| hook(visit, row)).collect(),
        },
        checks: watches.map(|check| check.name.clone()).collect(),
    })
}

/// A hook of the whole organization is one of each project.
fn is_of(row: &SubscriptionRow, repository: &Repository) -> bool {
    let is = |name: &str, other: &str| name.to_lowercase() == other.to_lowercase();
    let is_id = |id: &String| is(id, &repository.project_id) || is(id, &repository.project);
    let is_name = row.project.as_deref().is_some_and(|name| is(name, &repository.project));
    is_name || row.found.project_id.as_ref().is_none_or(is_id)
}

fn hook(visit: &Visit, row: &SubscriptionRow) -> Row {
    let delivered = row.last_delivery_at.map(|at| Cell::from(visit.moment(at)));
    let cells = vec![
        Cell::Badge(row.found.state.into()),
        Cell::text(column(row.found.topic)),
        delivered.unwrap_or_else(|| Cell::text("none yet")),
        Cell::cut(&row.reason),
    ];
    Row { id: format!("hook-{}", row.found.id), cells }
}

async fn facts(visit: &Visit, loaded: &Loaded) -> Result<Facts, Problem> {
    let pass = match visit.state.reconcilers.get(&loaded.organization) {
        Some(reconcilers) => reconcilers.catch_up.last().await?,
        None => None,
    };
    let row = loaded.row.as_ref();
    let moment = |at| Cell::from(visit.moment(at).full());
    let since = row.and_then(|row| row.since).map(moment);
    let read = row.and_then(|row| row.read_until).map(moment);
    let looked = pass.as_ref().map(|pass| moment(pass.at));
    let unknown = || Cell::Badge(Badge::none("Not yet"));
    Ok(Facts::new(vec![
        (
            "Repository",
            match row {
                Some(_) => Cell::Badge(Badge::good("Known")),
                None => Cell::Badge(Badge::warn("No delivery and no list has named it")),
            },
        ),
        ("Watched since", since.unwrap_or_else(unknown)),
        ("Read by catch-up until", read.unwrap_or_else(unknown)),
        ("Last pass of catch-up", looked.unwrap_or_else(unknown)),
        ("Problem of catch-up", Cell::optional(pass.and_then(|pass| pass.problem).as_ref())),
    ]))
}

//! The list of pull requests that have runs, with the state of their checks.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpResponse;

use super::cell::{Cell, Row};
use super::list::List;
use super::subject::branch;
use super::visit::Visit;
use crate::domain::address::Subject;
use crate::domain::event::short;
use crate::domain::run::{OfPullRequest, Run};
use crate::domain::run_keys::subject;
use crate::server::api::resource::Resource;
use crate::server::api::runs::Runs;
use crate::server::problem::Problem;
use crate::storage::Page;

const FILTERS: &[&str] = &["organization", "repository_id"];
/// Of each pull request so many of the newest runs are looked at.
const RUNS_MAX: usize = 40;

/// `GET /ui/pull-requests`.
pub(super) async fn list(visit: Visit, page: Page) -> Result<HttpResponse, Problem> {
    visit.parameters.only(FILTERS)?;
    let store = &visit.state.deps.store;
    let [organization, repository] =
        ["organization", "repository_id"].map(|name| visit.parameters.get(name));
    let found = store.newest_runs(organization, repository, page).await?;
    let of = |run: &Run| (run.organization.clone(), subject(run));
    let subjects = found.items.iter().map(of).collect();
    let mut runs: BTreeMap<(String, String), Vec<Run>> = BTreeMap::new();
    for run in store.runs_of_subjects(subjects, RUNS_MAX).await? {
        runs.entry(of(&run)).or_default().push(run);
    }
    let row = |newest: &Run| {
        let of_same = runs.get(&of(newest)).map(Vec::as_slice).unwrap_or_default();
        row(&visit, newest, of_same)
    };
    let rows = found.items.iter().filter_map(row).collect();
    let list = List {
        title: "Pull requests",
        path: "/pull-requests",
        command: Some(("runs list", &["organization"])),
        fields: vec![visit.organization_field(), visit.field("repository_id", "Repository (GUID)")],
        columns: vec!["Pull request", "Checks on the newest head", "Head", "Newest run", "Title"],
        rows,
        next: found.next,
        empty: "No pull request has started a run yet. One that started nothing is found by its \
                number or its address.",
        csv: None,
    };
    Ok(visit.list_of(FILTERS, Some(Runs::PATH), list))
}

/// A pull request by its newest run, with its other runs, newest first.
fn row(visit: &Visit, newest: &Run, runs: &[Run]) -> Option<Row> {
    let OfPullRequest { id, title, target_ref, .. } = newest.pull_request.as_ref()?;
    let (repository, subject) = (&newest.repository, Subject::PullRequest(*id));
    let href = visit.subject(&newest.organization, repository, &subject);
    let called = format!("{}/{} !{id}", repository.project, repository.name);
    let target = Cell::cut(&format!("into {}", branch(target_ref)));
    let cells = vec![
        Cell::Lines(vec![Cell::cut(&called).at(href), target]),
        Cell::Lines(checks(visit, &newest.commit, runs)),
        Cell::Code(short(&newest.commit).to_owned()),
        visit.moment(newest.created_at).into(),
        Cell::cut(title),
    ];
    Some(Row { id: format!("pull-request-{}-{id}", newest.number), cells })
}

/// The newest run of each check on the head.
fn checks(visit: &Visit, head: &str, runs: &[Run]) -> Vec<Cell> {
    let mut seen = BTreeSet::new();
    let on_head = runs.iter().filter(|run| run.commit == head);
    let mut newest: Vec<&Run> = on_head.filter(|run| seen.insert(run.check.as_str())).collect();
    newest.sort_by(|one, other| one.check.cmp(&other.check));
    let cell = |run: &Run| {
        let state = Cell::Badge(run.state.into()).at(visit.href(&format!("/runs/{}", run.id)));
        Cell::Pair(Box::new(state), Box::new(Cell::cut(&run.check)))
    };
    newest.into_iter().map(cell).collect()
}

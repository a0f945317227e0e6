//! What each check would do with a pull request as it is at Azure DevOps now. Nothing is started or
//! stored.

use super::super::badge::Badge;
use super::super::cell::{Cell, Row, Table};
use super::super::visit::Visit;
use super::load::Loaded;
use crate::domain::address::Subject;
use crate::domain::decision::{Expectation, Finding};
use crate::domain::event::short;
use crate::pipeline::examine::{Address, Examined};
use crate::server::problem::Problem;

/// See the module.
pub(super) struct Looked {
    pub(super) title: String,
    pub(super) head: String,
    pub(super) checks: Table,
}

/// None for what is no pull request.
pub(super) async fn look(visit: &Visit, loaded: &Loaded) -> Result<Option<Looked>, Problem> {
    let Subject::PullRequest(id) = loaded.subject else { return Ok(None) };
    let address = Address {
        organization: loaded.organization.clone(),
        project: loaded.repository.project.clone(),
        repository: loaded.repository.name.clone(),
        id,
    };
    let Examined { pull_request, findings } = visit.state.examine.pull_request(&address).await?;
    let head = pull_request.source_commit.as_deref().map(short).unwrap_or("no head yet");
    Ok(Some(Looked {
        title: pull_request.title.clone(),
        head: head.to_owned(),
        checks: Table {
            caption: "What each check would do now",
            columns: vec!["Check", "Now", "Why"],
            rows: findings.iter().enumerate().map(|one| row(visit, one)).collect(),
        },
    }))
}

fn row(visit: &Visit, (number, finding): (usize, &Finding)) -> Row {
    let Finding { check, expectation, why, run, .. } = finding;
    let badge = Cell::Badge(match expectation {
        Expectation::Runs => Badge::active("Would run"),
        Expectation::HasRun => Badge::good("Has a run"),
        Expectation::DoesNotRun => Badge::none("Would not run"),
        Expectation::NotApplicable => Badge::none("Not applicable"),
    });
    let badge = match run {
        Some(run) => badge.at(visit.href(&format!("/runs/{run}"))),
        None => badge,
    };
    Row { id: format!("look-{number}"), cells: vec![Cell::cut(check), badge, Cell::cut(why)] }
}

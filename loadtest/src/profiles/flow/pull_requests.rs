//! The organizations, repositories and pull requests at Azure DevOps that flows are about.

use std::rc::Rc;

use anyhow::Context;
use serde_json::{Value, json};

use crate::bodies::{self, Bodies};
use crate::fakes::{Fakes, ORGANIZATION, PROJECT, REPOSITORY};

/// Each organization with its project.
const PROJECTS: [(&str, &str); 2] = [(ORGANIZATION, PROJECT), ("northwind", "Northwind")];
/// The repositories in each project.
const REPOSITORIES: [&str; 2] = [REPOSITORY, "api"];
/// How many pull requests are opened with one call.
const CHUNK: usize = 2_000;

pub(super) const ORGANIZATIONS: [&str; 2] = [PROJECTS[0].0, PROJECTS[1].0];

/// A pull request of which the gateway does not know yet.
#[derive(Debug)]
pub(super) struct PullRequest {
    pub(super) id: u64,
    pub(super) head: String,
    /// Its position among the organizations.
    pub(super) organization: usize,
    pub(super) bodies: Rc<Bodies>,
}

/// Creates the organization and the repositories that are not there from the beginning.
pub(super) async fn create_repositories(fakes: &Fakes) -> anyhow::Result<()> {
    for (name, project) in PROJECTS.into_iter().skip(1) {
        let new = json!({"name": name, "project": project});
        fakes.control.post("/_fake/organizations", &new).await?;
    }
    for (_, path) in paths().into_iter().skip(1) {
        fakes.control.post("/_fake/repositories/create", &json!({"repository": path})).await?;
    }
    Ok(())
}

/// Opens at least so many pull requests, of which consecutive ones are in different repositories.
/// No two calls may have the same `batch`.
pub(super) async fn open(
    fakes: &Fakes,
    batch: usize,
    count: usize,
) -> anyhow::Result<Vec<PullRequest>> {
    let paths = paths();
    let each = count.div_ceil(paths.len());
    let mut by_repository = Vec::new();
    for (organization, path) in paths {
        let mut of_one = Vec::with_capacity(each);
        while of_one.len() < each {
            let wanted = CHUNK.min(each - of_one.len());
            let prefix = format!("topic-{batch}-{}-", of_one.len());
            let new = json!({"repository": path, "count": wanted, "prefix": prefix});
            let opened = fakes.control.post("/_fake/pull-requests/many", &new).await?;
            of_one.extend(pull_requests(organization, &opened)?);
        }
        by_repository.push(of_one.into_iter());
    }
    let mut mixed = Vec::with_capacity(count);
    while let Some(row) = by_repository.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
        mixed.extend(row);
    }
    Ok(mixed)
}

fn pull_requests(organization: usize, opened: &Value) -> anyhow::Result<Vec<PullRequest>> {
    let text = |pointer| {
        let text = opened.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        text.with_context(|| format!("the fakes do not tell {pointer}"))
    };
    let bodies = Rc::new(Bodies::of_new_pull_requests(&bodies::Repository {
        organization: text("/organization")?,
        project: (text("/project/id")?, text("/project/name")?),
        id: text("/repository/id")?,
        name: text("/repository/name")?,
        head: text("/base")?,
    }));
    let all: Vec<(u64, String)> = serde_json::from_value(opened["pull_requests"].clone())?;
    let all = all.into_iter();
    let all = all.map(|(id, head)| PullRequest { id, head, organization, bodies: bodies.clone() });
    Ok(all.collect())
}

/// Of each repository: the position of its organization, and `project/name`. The first is there
/// from the beginning.
fn paths() -> Vec<(usize, String)> {
    let projects = PROJECTS.into_iter().enumerate();
    let paths = projects.flat_map(|(position, (_, project))| {
        REPOSITORIES.map(|name| (position, format!("{project}/{name}")))
    });
    paths.collect()
}

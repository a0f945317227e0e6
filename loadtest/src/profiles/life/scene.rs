//! What the lives are about: organizations, repositories and pull requests that exist at the played
//! Azure DevOps. It must never know what is measured.

use std::rc::Rc;

use anyhow::Context;
use serde::Deserialize;
use serde_json::json;

use crate::bodies::{Bodies, Place};
use crate::fakes::{Fakes, ORGANIZATION, REPOSITORY};

/// The second organization and its project.
const OTHER: (&str, &str) = ("northwind", "Northwind");
/// Repositories in each.
const NAMES: [&str; 2] = ["web", "api"];
/// Pull requests of one call.
const CHUNK: usize = 2_000;

/// Every organization.
pub(super) const ORGANIZATIONS: [&str; 2] = [ORGANIZATION, OTHER.0];

/// A repository with its bodies.
#[derive(Debug)]
pub(super) struct Repository {
    /// Place among the organizations.
    pub(super) organization: usize,
    pub(super) bodies: Bodies,
}

/// A pull request that nobody was told of yet.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) repository: Rc<Repository>,
    pub(super) pull_request: u64,
    pub(super) head: String,
}

/// What Azure DevOps tells of new pull requests.
#[derive(Debug, Deserialize)]
struct Opened {
    repository: Named,
    project: Named,
    organization: String,
    base: String,
    pull_requests: Vec<(u64, String)>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
    name: String,
}

/// Creates the second organization and the repositories.
pub(super) async fn found(fakes: &Fakes) -> anyhow::Result<()> {
    let (name, project) = OTHER;
    let new = json!({"name": name, "project": project});
    fakes.control.post("/_fake/organizations", &new).await?;
    for (_, path) in paths() {
        // The first is there from the beginning.
        if path != format!("{}/{}", REPOSITORY.0, REPOSITORY.1) {
            let new = json!({"repository": path});
            fakes.control.post("/_fake/repositories/create", &new).await?;
        }
    }
    Ok(())
}

/// Opens at least so many pull requests; neighbours are in different repositories. No two calls may
/// have the same `batch`.
pub(super) async fn open(
    fakes: &Fakes,
    batch: usize,
    count: usize,
) -> anyhow::Result<Vec<Subject>> {
    let paths = paths();
    let each = count.div_ceil(paths.len());
    let mut all = Vec::new();
    for (organization, path) in paths {
        let mut of_one = Vec::with_capacity(each);
        while of_one.len() < each {
            let wanted = CHUNK.min(each - of_one.len());
            let prefix = format!("topic-{batch}-{}-", of_one.len());
            let new = json!({"repository": path, "count": wanted, "prefix": prefix});
            let opened = fakes.control.post("/_fake/pull-requests/many", &new).await?;
            let opened = serde_json::from_value(opened).context("an unknown form")?;
            of_one.extend(subjects(organization, opened));
        }
        all.push(of_one.into_iter());
    }
    let mut mixed = Vec::with_capacity(count);
    while let Some(row) = all.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
        mixed.extend(row);
    }
    Ok(mixed)
}

fn subjects(organization: usize, opened: Opened) -> impl Iterator<Item = Subject> {
    let place = Place {
        organization: opened.organization,
        project: (opened.project.id, opened.project.name),
        repository: (opened.repository.id, opened.repository.name),
        head: opened.base,
    };
    let repository = Rc::new(Repository { organization, bodies: Bodies::of_lives(&place) });
    opened.pull_requests.into_iter().map(move |(pull_request, head)| Subject {
        repository: Rc::clone(&repository),
        pull_request,
        head,
    })
}

/// Of each repository: where its organization stands, and `project/name`.
fn paths() -> Vec<(usize, String)> {
    let projects = [REPOSITORY.0, OTHER.1].into_iter().enumerate();
    let all =
        projects.flat_map(|(at, project)| NAMES.map(|name| (at, format!("{project}/{name}"))));
    all.collect()
}

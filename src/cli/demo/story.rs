//! What happens in the demo: two pull requests, three commits, a failure and its repair. It must
//! never touch the gateway: people act at Azure DevOps, the rest follows.

use std::time::Duration;

use anyhow::bail;
use fakes::ado::{NewPullRequest, World};
use fakes::ci::Behaviour;

use super::neighbours::Neighbours;
use super::verdict::{Expected, Place};
use super::watch::Watch;
use crate::app::App;

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays the story; what Azure DevOps has to show at its end.
pub(super) async fn tell(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
) -> anyhow::Result<Vec<Expected>> {
    let repository = neighbours.repository.as_str();
    let mut told = Vec::new();

    watch.say("Jo pushes a branch and opens a pull request");
    let (search, pull_request) = neighbours.shell.ado(|ado| {
        let commit = ado.push(repository, "feature/search", "Add search");
        let new = NewPullRequest::new(repository, "feature/search", "main").titled("Add search");
        (commit, ado.open_pull_request(&new))
    });
    told.extend(verdicts(pull_request, &search, "succeeded", "succeeded"));
    wait(neighbours, app, watch, &told).await?;

    watch.say("Jo opens another one, and its lint will fail");
    neighbours.shell.ci(|ci| ci.set_for_check("lint", Behaviour::Fail));
    let (broken, second) = neighbours.shell.ado(|ado| {
        let commit = ado.push(repository, "feature/login", "Rework the login");
        let new = NewPullRequest::new(repository, "feature/login", "main").titled("New login");
        (commit, ado.open_pull_request(&new))
    });
    let failing = verdicts(second, &broken, "succeeded", "failed");
    wait(neighbours, app, watch, &[&told[..], &failing[..]].concat()).await?;

    watch.say("Jo repairs it with one more push");
    neighbours.shell.ci(|ci| ci.set_for_check("lint", Behaviour::Succeed));
    let repaired =
        neighbours.shell.ado(|ado| ado.push(repository, "feature/login", "Please the linter"));
    told.extend(verdicts(second, &repaired, "succeeded", "succeeded"));
    wait(neighbours, app, watch, &told).await?;

    watch.say("Jo completes the first pull request, which pushes to main");
    let merged = neighbours.shell.ado(|ado| ado.complete(pull_request));
    told.push(Expected::new(Place::Commit(merged), "unit-tests", "succeeded"));
    wait(neighbours, app, watch, &told).await?;
    Ok(told)
}

/// Both checks, on the pull request and on its commit.
fn verdicts(pull_request: u64, commit: &str, unit_tests: &str, lint: &str) -> Vec<Expected> {
    let places = [
        Place::PullRequest { id: pull_request, commit: commit.to_owned() },
        Place::Commit(commit.to_owned()),
    ];
    let both = |place: Place| {
        [Expected::new(place.clone(), "unit-tests", unit_tests), Expected::new(place, "lint", lint)]
    };
    places.into_iter().flat_map(both).collect()
}

/// Shows what happens until Azure DevOps shows what it should.
async fn wait(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    expected: &[Expected],
) -> anyhow::Result<()> {
    let is_there = |ado: &World| {
        expected.iter().all(|one| one.shown(ado, &neighbours.repository) == one.state)
    };
    let mut changes = neighbours.shell.changes();
    let watching = async {
        loop {
            watch.look(neighbours, app).await?;
            if neighbours.shell.ado(|ado| is_there(ado)) {
                return watch.look(neighbours, app).await;
            }
            changes.changed().await?;
        }
    };
    match tokio::time::timeout(PATIENCE, watching).await {
        Ok(done) => done,
        Err(_) => bail!("Azure DevOps does not show what it should after {PATIENCE:?}"),
    }
}

//! What happens in the demo: pull requests, commits, a failure and its repair, a hook that Azure
//! DevOps gives up on. It must never touch the gateway: people act at Azure DevOps, the rest
//! follows.

use std::time::Duration;

use anyhow::bail;
use fakes::ado::{NewPullRequest, SubscriptionStatus, World};
use fakes::ci::Behaviour;

use super::neighbours::Neighbours;
use super::verdict::{Expected, Place};
use super::watch::Watch;
use crate::app::App;

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// What Azure DevOps gives up on.
const STOPPED: &str = "git.pullrequest.created";

/// Plays the story; what Azure DevOps has to show at its end.
pub(super) async fn tell(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
) -> anyhow::Result<Vec<Expected>> {
    let mut told = Vec::new();
    let search = required(neighbours, app, watch, &mut told).await?;
    repaired(neighbours, app, watch, &mut told).await?;
    merged(neighbours, app, watch, &mut told, search).await?;
    healed(neighbours, app, watch, &mut told).await?;
    Ok(told)
}

/// A pull request that cannot be merged before its required check has succeeded; its number.
async fn required(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    told: &mut Vec<Expected>,
) -> anyhow::Result<u64> {
    watch.say("Jo pushes a branch, opens a pull request and tries to complete it at once");
    let (commit, id, completed) = neighbours.shell.ado(|ado| {
        let (commit, id) = open(ado, &neighbours.repository, "feature/search", "Add search");
        (commit, id, ado.try_complete(id))
    });
    match completed {
        Err(refusal) => watch.print("refused", &format!("pull request {id}: {refusal}")),
        Ok(_) => bail!("pull request {id} was merged without its required check"),
    }
    told.extend(verdicts(id, &commit, "succeeded", "succeeded"));
    wait(neighbours, app, watch, told).await?;
    Ok(id)
}

/// A pull request with a check that fails, and a push that repairs it.
async fn repaired(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    told: &mut Vec<Expected>,
) -> anyhow::Result<()> {
    let repository = neighbours.repository.as_str();
    watch.say("Jo opens another one, and its lint will fail");
    neighbours.shell.ci(|ci| ci.set_for_check("lint", Behaviour::Fail));
    let (broken, id) =
        neighbours.shell.ado(|ado| open(ado, repository, "feature/login", "Rework the login"));
    let failing = verdicts(id, &broken, "succeeded", "failed");
    wait(neighbours, app, watch, &[&told[..], &failing[..]].concat()).await?;

    watch.say("Jo repairs it with one more push");
    neighbours.shell.ci(|ci| ci.set_for_check("lint", Behaviour::Succeed));
    let repaired =
        neighbours.shell.ado(|ado| ado.push(repository, "feature/login", "Please the linter"));
    told.extend(verdicts(id, &repaired, "succeeded", "succeeded"));
    wait(neighbours, app, watch, told).await
}

/// The required check has succeeded: merging is let through.
async fn merged(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    told: &mut Vec<Expected>,
    id: u64,
) -> anyhow::Result<()> {
    watch.say("Jo completes the first pull request, which pushes to main");
    match neighbours.shell.ado(|ado| ado.try_complete(id)) {
        Ok(merged) => told.push(Expected::new(Place::Commit(merged), "unit-tests", "succeeded")),
        Err(refusal) => bail!("pull request {id} cannot be merged: {refusal}"),
    }
    wait(neighbours, app, watch, told).await
}

/// A hook is disabled, and what happens meanwhile is told to nobody.
async fn healed(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    told: &mut Vec<Expected>,
) -> anyhow::Result<()> {
    watch.say("Azure DevOps gives up on a hook; meanwhile Jo opens a pull request");
    let hooks = neighbours.hooks();
    let Some(stopped) = hooks.iter().find(|hook| hook.event_type == STOPPED) else {
        bail!("the gateway has no hook for {STOPPED}");
    };
    // In one moment: the gateway must not be quicker than Jo.
    let (commit, id, lost) = neighbours.shell.ado(|ado| {
        ado.set_subscription_status(&stopped.id, SubscriptionStatus::DisabledBySystem);
        let (commit, id) = open(ado, &neighbours.repository, "feature/export", "Add an export");
        (commit, id, ado.lost().len())
    });
    if lost == 0 {
        bail!("Azure DevOps lost no event, so that nothing is shown here");
    }
    watch.print("lost", &format!("{STOPPED} of pull request {id}: no hook will ever tell it"));
    told.extend(verdicts(id, &commit, "succeeded", "succeeded"));
    wait(neighbours, app, watch, told).await?;
    let is_healed = |ado: &World| {
        let is_whole = ado.subscriptions().all(|one| one.status == SubscriptionStatus::Enabled);
        is_whole && ado.subscriptions().count() == hooks.len()
    };
    until(neighbours, app, watch, is_healed).await
}

/// Somebody pushes a branch and opens a pull request from it: commit and number.
fn open(ado: &mut World, repository: &str, branch: &str, title: &str) -> (String, u64) {
    let commit = ado.push(repository, branch, title);
    let new = NewPullRequest::new(repository, branch, "main").titled(title);
    (commit, ado.open_pull_request(&new))
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
    until(neighbours, app, watch, is_there).await
}

/// Shows what happens until something holds at Azure DevOps.
async fn until(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    holds: impl Fn(&World) -> bool,
) -> anyhow::Result<()> {
    let mut changes = neighbours.shell.changes();
    let watching = async {
        loop {
            watch.look(neighbours, app).await?;
            if neighbours.shell.ado(|ado| holds(ado)) {
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

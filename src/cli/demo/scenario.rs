//! What people do at Azure DevOps in the demo: a pull request with a required check, a check that
//! fails and is repaired, a merge, and a hook that Azure DevOps disables.

use std::time::Duration;

use anyhow::bail;
use fakes::ado::{NewPullRequest, SubscriptionStatus, World};
use fakes::ci::Behaviour;

use super::expected::{Expected, Target};
use super::fake_systems::FakeSystems;
use super::timeline::Timeline;

/// Far more than any step takes.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// The hook that Azure DevOps disables.
const DISABLED_TOPIC: &str = "git.pullrequest.created";

/// See the module.
pub(super) struct Scenario<'a, 't> {
    systems: &'a FakeSystems,
    timeline: &'t mut Timeline<'a>,
    /// The statuses that Azure DevOps has to show in the end.
    expected: Vec<Expected>,
}

impl<'a, 't> Scenario<'a, 't> {
    pub(super) fn new(systems: &'a FakeSystems, timeline: &'t mut Timeline<'a>) -> Self {
        Self { systems, timeline, expected: Vec::new() }
    }

    /// Plays all steps. Returns the statuses that Azure DevOps has to show at the end.
    pub(super) async fn play(mut self) -> anyhow::Result<Vec<Expected>> {
        let search = self.require_a_check().await?;
        self.repair_a_check().await?;
        self.merge(search).await?;
        self.disable_a_hook().await?;
        Ok(self.expected)
    }

    /// A pull request that cannot be merged before its required check has succeeded. Returns its
    /// number.
    async fn require_a_check(&mut self) -> anyhow::Result<u64> {
        self.timeline
            .step("Jo pushes a branch, opens a pull request and tries to complete it at once");
        let (commit, id, completed) = self.systems.shell.ado(|ado| {
            let (commit, id) = open(ado, &self.systems.repository, "feature/search", "Add search");
            (commit, id, ado.try_complete(id))
        });
        match completed {
            Err(refusal) => self.timeline.line("refused", &format!("pull request {id}: {refusal}")),
            Ok(_) => bail!("pull request {id} was merged without its required check"),
        }
        self.expected.extend(statuses(id, &commit, "succeeded", "succeeded"));
        self.until_expected(&[]).await?;
        Ok(id)
    }

    /// A pull request with a check that fails, and a push that repairs it.
    async fn repair_a_check(&mut self) -> anyhow::Result<()> {
        let (shell, repository) = (&self.systems.shell, self.systems.repository.as_str());
        self.timeline.step("Jo opens another pull request, and its lint will fail");
        shell.ci(|ci| ci.set_for_check("lint", Behaviour::Fail));
        let (broken, id) =
            shell.ado(|ado| open(ado, repository, "feature/login", "Rework the login"));
        self.until_expected(&statuses(id, &broken, "succeeded", "failed")).await?;

        self.timeline.step("Jo repairs it with one more push");
        shell.ci(|ci| ci.set_for_check("lint", Behaviour::Succeed));
        let repaired = shell.ado(|ado| ado.push(repository, "feature/login", "Please the linter"));
        self.expected.extend(statuses(id, &repaired, "succeeded", "succeeded"));
        self.until_expected(&[]).await
    }

    /// The required check has succeeded, so the pull request can be merged.
    async fn merge(&mut self, id: u64) -> anyhow::Result<()> {
        self.timeline.step("Jo completes the first pull request, which pushes to main");
        match self.systems.shell.ado(|ado| ado.try_complete(id)) {
            Ok(merged) => {
                let target = Target::Commit(merged);
                self.expected.push(Expected::new(target, "unit-tests", "succeeded"));
            }
            Err(refusal) => bail!("pull request {id} cannot be merged: {refusal}"),
        }
        self.until_expected(&[]).await
    }

    /// Azure DevOps disables a hook and drops its events: the gateway replaces the hook, and
    /// catch-up finds the events.
    async fn disable_a_hook(&mut self) -> anyhow::Result<()> {
        self.timeline.step("Azure DevOps disables a hook; then Jo opens a pull request");
        let hooks = self.systems.hooks();
        let Some(disabled) = hooks.iter().find(|hook| hook.event_type == DISABLED_TOPIC) else {
            bail!("the gateway has no hook for {DISABLED_TOPIC}");
        };
        // All in one change, so that the gateway cannot replace the hook before Jo acts.
        let (commit, id, lost) = self.systems.shell.ado(|ado| {
            ado.set_subscription_status(&disabled.id, SubscriptionStatus::DisabledBySystem);
            let (commit, id) =
                open(ado, &self.systems.repository, "feature/export", "Add an export");
            (commit, id, ado.lost().len())
        });
        if lost == 0 {
            bail!("Azure DevOps dropped no event");
        }
        let line = format!("{DISABLED_TOPIC} of pull request {id}: no hook delivers it");
        self.timeline.line("lost", &line);
        self.expected.extend(statuses(id, &commit, "succeeded", "succeeded"));
        self.until_expected(&[]).await?;
        self.until(|ado| {
            let are_enabled =
                ado.subscriptions().all(|one| one.status == SubscriptionStatus::Enabled);
            are_enabled && ado.subscriptions().count() == hooks.len()
        })
        .await
    }

    /// Prints what happens until Azure DevOps shows all expected statuses, and `more`.
    async fn until_expected(&mut self, more: &[Expected]) -> anyhow::Result<()> {
        let expected = [self.expected.as_slice(), more].concat();
        let repository = &self.systems.repository;
        self.until(|ado| expected.iter().all(|one| one.shown(ado, repository) == one.state)).await
    }

    /// Prints what happens until a condition holds at Azure DevOps.
    async fn until(&mut self, condition: impl Fn(&World) -> bool) -> anyhow::Result<()> {
        let shell = &self.systems.shell;
        let mut changes = shell.changes();
        let waiting = async {
            loop {
                self.timeline.update().await?;
                if shell.ado(|ado| condition(ado)) {
                    return self.timeline.update().await;
                }
                changes.changed().await?;
            }
        };
        match tokio::time::timeout(WAIT_MAX, waiting).await {
            Ok(done) => done,
            Err(_) => bail!("Azure DevOps does not show what it should after {WAIT_MAX:?}"),
        }
    }
}

/// Pushes a branch and opens a pull request from it. Returns the commit and the number.
fn open(ado: &mut World, repository: &str, branch: &str, title: &str) -> (String, u64) {
    let commit = ado.push(repository, branch, title);
    let new = NewPullRequest::new(repository, branch, "main").titled(title);
    (commit, ado.open_pull_request(&new))
}

/// The statuses of both checks, on the pull request and on its commit.
fn statuses(pull_request: u64, commit: &str, unit_tests: &str, lint: &str) -> Vec<Expected> {
    let targets = [
        Target::PullRequest { id: pull_request, commit: commit.to_owned() },
        Target::Commit(commit.to_owned()),
    ];
    let both = |target: Target| {
        let unit_tests = Expected::new(target.clone(), "unit-tests", unit_tests);
        [unit_tests, Expected::new(target, "lint", lint)]
    };
    targets.into_iter().flat_map(both).collect()
}

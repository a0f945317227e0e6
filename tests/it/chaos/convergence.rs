//! Which statuses there have to be at the end, computed from what the fakes know: the result that
//! the CI gave the newest run of each check, on the newest iteration and on every commit of main.

use std::collections::BTreeMap;
use std::time::Duration;

use fakes::ado::World;
use fakes::ado::model::{PullRequest, PullRequestState};
use fakes::ci::{self, Behaviour, Start};

use super::people::People;
use crate::harness::{Env, Gateway, POLL_INTERVAL, newest_status};

/// An environment after the faults ended.
pub(super) struct Convergence<'a> {
    pub(super) seed: u64,
    pub(super) env: &'a Env,
    pub(super) gateway: &'a Gateway,
}

impl Convergence<'_> {
    /// Waits until every status is right; fails the test with those that are not.
    pub(super) async fn wait(&self, within: Duration) {
        let converging = async {
            let mut pace = tokio::time::interval(POLL_INTERVAL * 10);
            loop {
                pace.tick().await;
                if self.missing().await.is_empty() {
                    return;
                }
            }
        };
        if tokio::time::timeout(within, converging).await.is_err() {
            let mut missing = self.missing().await;
            for refused in self.gateway.api.items("/v1/statuses?outcome=refused").await {
                missing.push(format!("refused: {refused}"));
            }
            let missing = missing.join("\n");
            panic!("AZDO_GATEWAY_SEED={}: still wrong at the end:\n{missing}", self.seed);
        }
    }

    async fn missing(&self) -> Vec<String> {
        let mut missing = self.env.shell.ado(|ado| {
            let here = |ci: &mut ci::World| wrong(ado, ci, &self.env.repository);
            self.env.shell.ci(here)
        });
        for list in [
            "deliveries?outcome=pending",
            "statuses?outcome=queued",
            "runs?state=planned",
            "runs?state=dispatched",
            "runs?state=running",
        ] {
            for item in self.gateway.api.items(&format!("/v1/{list}")).await {
                missing.push(format!("{list}: {item}"));
            }
        }
        missing
    }
}

fn wrong(ado: &World, ci: &ci::World, repository: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for pull_request in ado.pull_requests().filter(|one| one.state == PullRequestState::Active) {
        let Some(head) = pull_request.iterations.last().map(|one| one.source.as_str()) else {
            continue;
        };
        for check in matching(pull_request) {
            let of_it = |start: &&Start| {
                start.trigger["pull_request"]["id"].as_u64() == Some(pull_request.id)
            };
            let expected = expected(ci, check, head, of_it);
            let found = newest_status(ado, pull_request.id, head, check);
            let found = found.map(|status| status.state.as_str());
            if expected.is_none() || found != expected {
                let iterations = pull_request.iterations.iter();
                let iterations: Vec<_> = iterations.map(|one| (one.reason, &one.source)).collect();
                wrong.push(format!(
                    "pull request {} at {head}: {check} shows {found:?}, and should {expected:?}; \
                     its iterations are {iterations:?}",
                    pull_request.id
                ));
            }
        }
    }
    // The first push was made before there were hooks.
    for push in ado.repository(repository).pushes.iter().skip(1) {
        for update in push.ref_updates.iter().filter(|one| one.name == "refs/heads/main") {
            let commit = ado.repository(repository).commits.get(&update.new);
            let statuses = commit.map(|one| one.statuses.as_slice()).unwrap_or_default();
            let found = statuses.iter().rev().find(|one| one.name == "unit-tests");
            let found = found.map(|status| status.state.as_str());
            let expected = expected(ci, "unit-tests", &update.new, |_| true);
            if expected.is_none() || found != expected {
                wrong.push(format!("main at {}: {found:?}, not {expected:?}", update.new));
            }
        }
    }
    wrong
}

/// The checks of `CHECKS` that match a pull request.
fn matching(pull_request: &PullRequest) -> Vec<&'static str> {
    match (pull_request.target_ref.as_str(), pull_request.is_draft) {
        ("refs/heads/main", false) => vec!["unit-tests", "lint"],
        ("refs/heads/main", true) => vec!["lint"],
        ("refs/heads/release/1", false) => vec!["unit-tests"],
        _ => vec![],
    }
}

/// The status that the newest run of a check for a commit ends with. Run ids sort by time.
fn expected(
    ci: &ci::World,
    check: &str,
    commit: &str,
    of_it: impl Fn(&&Start) -> bool,
) -> Option<&'static str> {
    let runs = ci.triggered().filter(|start| start.check == check && start.commit == commit);
    let newest = runs.filter(of_it).max_by_key(|start| start.run.clone())?;
    Some(match &newest.behaviour {
        Behaviour::Fail => "failed",
        Behaviour::Error | Behaviour::Cancel | Behaviour::Refuse { .. } => "error",
        _ => "succeeded",
    })
}

/// Promise 4: for one pull request a commit is built once for each iteration that it is the head
/// of, and once more at most for each obstacle that was removed; a push is built once.
pub(super) fn check_start_counts(ado: &World, ci: &ci::World, people: &People<'_>) {
    let mut starts: BTreeMap<(Option<u64>, &str, &str), usize> = BTreeMap::new();
    for start in ci.triggered() {
        let pull_request = start.trigger["pull_request"]["id"].as_u64();
        *starts.entry((pull_request, &start.check, &start.commit)).or_default() += 1;
    }
    for ((pull_request, check, commit), count) in starts {
        let causes = pull_request.map_or(1, |id| {
            let iterations = &ado.pull_request(id).iterations;
            let heads = iterations.iter().filter(|one| one.source == commit).count();
            heads + people.renewals.get(&id).copied().unwrap_or(0)
        });
        assert!(
            count <= causes,
            "pull request {pull_request:?}: {check} ran {count} times at {commit}, \
             for {causes} causes"
        );
    }
}

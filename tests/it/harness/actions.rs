//! What people and runners do in an `Env`, and what they see at Azure DevOps: the vocabulary of the
//! stories.

use fakes::ado::model::Status;
use fakes::ci::{Behaviour, Start};
use reqwest::StatusCode;

use super::{Api, Env, ORGANIZATION, POLL_INTERVAL, WAIT_MAX, check_invariants, newest_status};

impl Env {
    /// The CI reports nothing by itself: the test reports when it wants to.
    pub(crate) fn disable_ci_reports(&self) {
        self.shell.ci(|ci| ci.set_default(Behaviour::NeverReport));
    }

    /// Waits until the CI has accepted a run of a check on a commit. Returns the id of the newest.
    pub(crate) async fn until_started(&self, check: &str, commit: &str) -> String {
        self.until_started_times(check, commit, 1).await
    }

    /// Waits until the CI has accepted `times` runs of a check on a commit. Returns the id of the
    /// newest.
    pub(crate) async fn until_started_times(
        &self,
        check: &str,
        commit: &str,
        times: usize,
    ) -> String {
        let is_it = |start: &&Start| start.check == check && start.commit == commit;
        let what = format!("{check} is started {times} times on {commit}");
        self.until(&what, |_, ci| ci.started().filter(is_it).count() >= times).await;
        let newest = self.shell.ci(|ci| ci.started().filter(is_it).last().cloned());
        newest.expect("it was just there").run
    }

    /// The runner of a run reports a state.
    pub(crate) fn report(&self, run: &str, state: &'static str) {
        self.shell.ci(|ci| ci.report(run, state, 0));
    }

    /// How many runs the CI has accepted.
    pub(crate) fn starts(&self) -> usize {
        self.shell.ci(|ci| ci.starts())
    }

    /// Every status of a check on a pull request, oldest first.
    pub(crate) fn statuses(&self, id: u64, check: &str) -> Vec<Status> {
        self.shell.ado(|ado| {
            let all = ado.pull_request(id).statuses.iter();
            all.filter(|status| status.name == check).cloned().collect()
        })
    }

    /// Every status of a check on a commit, oldest first.
    pub(crate) fn commit_statuses(&self, commit: &str, check: &str) -> Vec<Status> {
        self.shell.ado(|ado| {
            let found = ado.repository(&self.repository).commits.get(commit);
            let all = found.into_iter().flat_map(|commit| &commit.statuses);
            all.filter(|status| status.name == check).cloned().collect()
        })
    }

    /// Waits until the newest status of a check on a commit has this state.
    pub(crate) async fn until_commit_status(&self, commit: &str, check: &str, state: &str) {
        let what = format!("commit {commit} shows {check} {state}");
        self.until(&what, |ado, _| {
            let found = ado.repository(&self.repository).commits.get(commit);
            let mut all = found.into_iter().flat_map(|commit| commit.statuses.iter().rev());
            all.find(|status| status.name == check).is_some_and(|newest| newest.state == state)
        })
        .await;
    }

    /// Waits until the newest status of a check on a pull request, on the iteration of that commit,
    /// has this description.
    pub(crate) async fn until_description(&self, id: u64, commit: &str, check: &str, words: &str) {
        let what = format!("pull request {id} at {commit} says {words:?} for {check}");
        self.until(&what, |ado, _| {
            let newest = newest_status(ado, id, commit, check);
            newest.is_some_and(|found| found.description.as_deref() == Some(words))
        })
        .await;
    }

    /// Waits until Azure DevOps has delivered every event and every delivery is decided.
    pub(crate) async fn until_decided(&self, api: &Api) {
        self.until_delivered().await;
        api.until("/v1/deliveries?outcome=pending", is_empty).await;
    }

    /// Waits until no delivery is undecided, no run is planned and no status is queued.
    pub(crate) async fn until_idle(&self, api: &Api) {
        self.until_decided(api).await;
        api.until("/v1/runs?state=planned", is_empty).await;
        api.until("/v1/statuses?outcome=queued", is_empty).await;
    }

    /// Delivers bytes as a hook with the right password does. Returns the status of the answer.
    pub(crate) async fn deliver(
        &self,
        gateway: &str,
        hook: &str,
        body: impl Into<Vec<u8>>,
    ) -> StatusCode {
        let answer = self
            .http
            .post(format!("{gateway}/hooks/azure-devops/{ORGANIZATION}/{hook}"))
            .basic_auth("azure-devops", Some(self.password(hook)))
            .header("content-type", "application/json; charset=utf-8")
            .body(body.into())
            .send()
            .await
            .expect("the gateway answers");
        answer.status()
    }

    /// Delivers bytes until they are accepted, as Azure DevOps repeats what is answered 503.
    pub(crate) async fn deliver_again(&self, gateway: &str, hook: &str, body: impl Into<Vec<u8>>) {
        let (body, mut interval) = (body.into(), tokio::time::interval(POLL_INTERVAL));
        let delivering = async {
            loop {
                interval.tick().await;
                let answer = self.deliver(gateway, hook, body.clone()).await;
                if answer != StatusCode::SERVICE_UNAVAILABLE {
                    return answer;
                }
            }
        };
        let answer = tokio::time::timeout(WAIT_MAX, delivering).await.expect("it recovers");
        assert_eq!(answer, StatusCode::ACCEPTED);
    }

    /// Checks what holds in every story in which no check is meant to run twice on a commit.
    #[track_caller]
    pub(crate) fn check_invariants(&self) {
        self.shell.ado(|ado| self.shell.ci(|ci| check_invariants(ado, ci)));
    }
}

fn is_empty(list: &serde_json::Value) -> bool {
    list["items"].as_array().is_some_and(Vec::is_empty)
}

//! Compares what the gateway lists with what the fakes know: deliveries with Azure DevOps' history,
//! runs with the CI's, statuses with both.

use std::collections::{BTreeMap, BTreeSet};

use fakes::ado::{Answer, PullRequestState, World};
use fakes::ci;
use serde_json::Value;

use crate::harness::{Api, Env, check_invariants, newest_status};

/// All deliveries, runs and statuses that the gateway lists.
#[derive(Debug)]
pub(super) struct Listed {
    deliveries: Vec<Value>,
    runs: Vec<Value>,
    statuses: Vec<Value>,
}

impl Listed {
    /// Waits until no work is left, and reads every page.
    pub(super) async fn when_idle(env: &Env, api: &Api) -> Self {
        env.until_delivered().await;
        env.until("every report is accepted", |_, ci| ci.reports_pending() == 0).await;
        for left in [
            "/v1/deliveries?limit=3&outcome=pending",
            "/v1/runs?limit=3&state=planned",
            "/v1/runs?limit=3&state=dispatched",
            "/v1/runs?limit=3&state=running",
            "/v1/statuses?limit=3&outcome=queued",
        ] {
            api.until(left, |answer| answer["items"].as_array().is_some_and(Vec::is_empty)).await;
        }
        Self {
            deliveries: all(api, "/v1/deliveries").await,
            runs: all(api, "/v1/runs").await,
            statuses: all(api, "/v1/statuses").await,
        }
    }

    /// Fails the test with all differences.
    pub(super) fn check(&self, env: &Env) {
        env.shell.ado(|ado| {
            env.shell.ci(|ci| {
                check_invariants(ado, ci);
                let wrong = [self.deliveries(ado), self.runs(ci), self.pull_requests(ado)].concat();
                assert!(
                    wrong.is_empty(),
                    "the gateway and the fakes differ:\n{}",
                    wrong.join("\n")
                );
            });
        });
    }

    /// Promises 1 and 3: a delivery that was answered 2xx is stored once and decided.
    fn deliveries(&self, ado: &World) -> Vec<String> {
        let mut stored: BTreeMap<(String, u64), Vec<&Value>> = BTreeMap::new();
        for delivery in &self.deliveries {
            let subscription = text(delivery, "subscription").to_lowercase();
            let number = delivery["notification"].as_u64().unwrap_or(0);
            stored.entry((subscription, number)).or_default().push(delivery);
        }
        let mut wrong = Vec::new();
        for one in ado.all_notifications() {
            let is_taken = one.attempts.iter().any(|attempt| attempt.answer == Answer::Status(202));
            let rows = stored.remove(&(one.subscription.to_lowercase(), one.number));
            let name = format!("notification {} ({})", one.number, one.event.text);
            match rows.as_deref() {
                None if is_taken => {
                    wrong.push(format!("{name} was answered 202 and is not stored"))
                }
                Some([row]) if row["decided_at"].is_null() => {
                    wrong.push(format!("{name} is not decided"));
                }
                Some([row]) if text(row, "outcome") == "quarantined" => {
                    wrong.push(format!("{name} was not understood: {}", row["reason"]));
                }
                None | Some([_]) => {}
                Some(rows) => wrong.push(format!("{name} is stored {} times", rows.len())),
            }
        }
        wrong.extend(stored.keys().map(|key| format!("{key:?} is stored and was never sent")));
        wrong
    }

    /// Promises 6 and 12: the gateway knows every run of the CI, and each ended as the CI reported,
    /// unless it was superseded or cancelled.
    fn runs(&self, ci: &ci::World) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut states: BTreeMap<&str, &str> = BTreeMap::new();
        for run in &self.runs {
            if states.insert(text(run, "id"), text(run, "state")).is_some() {
                wrong.push(format!("run {} is listed twice", run["id"]));
            }
        }
        for start in ci.started() {
            let reports = ci.answers().iter().filter(|one| one.run == start.run);
            let first = reports.filter(|one| one.state != "running").find(|one| {
                // The report was accepted, even if its answer was lost.
                one.status == Some(200)
            });
            let reported = first.map(|one| one.state.as_str());
            match states.get(start.run.as_str()) {
                None => {
                    wrong.push(format!("the CI has run {}, and the gateway does not", start.run))
                }
                Some(&("superseded" | "cancelled")) => {}
                Some(&state) if Some(state) == reported => {}
                Some(state) => {
                    wrong.push(format!(
                        "run {} is {state}, and the CI reported {reported:?}",
                        start.run
                    ));
                }
            }
        }
        wrong
    }

    /// Promise 7: the status on each commit is that of its newest run. A closed pull request
    /// accepts no status any more.
    fn pull_requests(&self, ado: &World) -> Vec<String> {
        let mut newest: BTreeMap<(u64, &str), &Value> = BTreeMap::new();
        for run in self.runs.iter().rev().filter(|run| run["pull_request"].is_u64()) {
            let id = run["pull_request"].as_u64().unwrap_or(0);
            newest.insert((id, text(run, "commit")), run);
        }
        let refused = self.refused();
        let mut wrong = Vec::new();
        for ((id, commit), run) in newest {
            let wanted = match text(run, "state") {
                "succeeded" => "succeeded",
                "failed" => "failed",
                _ => "error",
            };
            let shown = newest_status(ado, id, commit, text(run, "check"));
            let shown = shown.map(|status| status.state.as_str());
            let is_closed = ado.pull_request(id).state != PullRequestState::Active;
            if shown != Some(wanted) && !(is_closed && refused.contains(text(run, "id"))) {
                wrong.push(format!("pull request {id} at {commit}: {shown:?}, not {wanted}"));
            }
        }
        wrong
    }

    /// The runs whose pull-request status Azure DevOps refused.
    fn refused(&self) -> BTreeSet<&str> {
        let is_refused = |status: &&Value| text(status, "outcome") == "refused";
        self.statuses.iter().filter(is_refused).map(|status| text(status, "run")).collect()
    }
}

/// Statuses equal to the one before in their slot.
pub(super) fn posted_twice(ado: &World) -> usize {
    let on_pull_requests = ado.pull_requests().map(|one| &one.statuses);
    let commits = ado.repositories().flat_map(|repository| repository.commits.values());
    let on_commits = commits.map(|commit| &commit.statuses);
    let mut twice = 0;
    for statuses in on_pull_requests.chain(on_commits) {
        let mut shown = BTreeMap::new();
        for status in statuses {
            let says = (&status.state, &status.description, &status.target_url);
            let before = shown.insert((status.iteration, &status.genre, &status.name), says);
            twice += usize::from(before == Some(says));
        }
    }
    twice
}

/// Every page of a list, newest first.
pub(super) async fn all(api: &Api, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=37{cursor}")).await;
        items.extend(page["items"].as_array().expect("a list has items").iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

//! Killed once at each single step of one pull request's life: after the restart the final state is
//! the same every time.
//!
//! The time until the gateway works again is printed and not asserted, so that a busy machine does
//! not fail the test.

use std::time::Instant;

use fakes::ci::Behaviour;
use fakes::faults::{Action, Rule};
use fakes::http::Response;

use super::consistency::{Listed, all, posted_twice};
use crate::harness::{Binary, Env, WAIT_MAX, newest_status};

/// When the held request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// As soon as the pull request is opened.
    Opened,
    /// When the CI reports that the run succeeded.
    Reported,
}
use When::{Opened, Reported};

/// `(when, method, part of the path, held before it is applied)` of the request at which the
/// gateway is killed. Without a method no request is held: the gateway is killed after the
/// deliveries.
type Step = (When, &'static str, &'static str, bool);

const STEPS: [Step; 13] = [
    (Opened, "", "", true),
    (Opened, "POST", "/ci/start", true),
    (Opened, "POST", "/ci/start", false),
    (Opened, "GET", "/iterations", true),
    (Opened, "GET", "/iterations", false),
    (Opened, "POST", "/pullrequests/", true),
    (Opened, "POST", "/pullrequests/", false),
    (Opened, "POST", "/commits/", true),
    (Opened, "POST", "/commits/", false),
    (Reported, "POST", "/pullrequests/", true),
    (Reported, "POST", "/pullrequests/", false),
    (Reported, "POST", "/commits/", true),
    (Reported, "POST", "/commits/", false),
];

/// The final state: the outcomes of the deliveries, the states of the runs, and the states of the
/// statuses on the pull request and on the commit.
type FinalState = (Vec<String>, Vec<String>, String, String);

fn hold(env: &Env, (_, method, path, before): Step) {
    if method.is_empty() {
        return;
    }
    let rule = Rule::new(method, path, Action::Hold { before }).next(1);
    env.shell.ado(|ado| ado.faults.add(rule.clone()));
    env.shell.ci(|ci| ci.faults.add(rule));
}

async fn until_held(env: &Env, (_, method, ..): Step) {
    if !method.is_empty() {
        let held = env.shell.wait_for_held(WAIT_MAX, 1).await;
        assert!(held.is_some(), "the request was never made");
    }
    // A delivery that is cut off would put its subscription on probation, which is not tested here.
    env.until_delivered().await;
}

fn requests_seen(env: &Env) -> u64 {
    env.shell.ado(|ado| ado.journal.seen()) + env.shell.ci(|ci| ci.journal.seen())
}

fn commit_state(ado: &fakes::ado::World, repository: &str, commit: &str) -> String {
    let commit = ado.repository(repository).commits.get(commit);
    let newest = commit.and_then(|commit| commit.statuses.last());
    newest.map(|status| status.state.clone()).unwrap_or_default()
}

/// A gateway that was killed at a step.
struct Killed {
    env: Env,
    gateway: Binary,
    pull_request: u64,
    commit: String,
}

/// Kills the gateway at this step.
async fn killed_at(step: Step) -> Killed {
    let env = Env::new(7);
    let mut gateway = Binary::start(&env).await;
    if step.0 == Opened {
        hold(&env, step);
    } else {
        env.shell.ci(|ci| ci.set_default(Behaviour::NeverReport));
    }
    let (pull_request, commit) = env.open("feature/search");
    if step.0 == Reported {
        let is_pending = |ado: &fakes::ado::World, _: &fakes::ci::World| {
            commit_state(ado, &env.repository, &commit) == "pending"
        };
        env.until("the commit is pending", is_pending).await;
        // The status may be faster than the request that starts the run.
        env.until("a run was started", |_, ci| ci.started().next().is_some()).await;
        // All statuses before the report are posted, so that the held request is one after it.
        let queued = "/v1/statuses?outcome=queued";
        gateway.api.until(queued, |left| left["items"].as_array().is_some_and(Vec::is_empty)).await;
        hold(&env, step);
        env.shell.ci(|ci| {
            let run = ci.started().next().expect("a run was started").run.clone();
            ci.report(&run, "succeeded", 0);
        });
    }
    until_held(&env, step).await;
    gateway.kill();
    Killed { env, gateway, pull_request, commit }
}

impl Killed {
    /// Starts the gateway again. Returns the final state, and how often the gateway looked up
    /// whether a status was posted.
    async fn restart(mut self, step: Step) -> (FinalState, usize) {
        let (env, before, started) = (&self.env, requests_seen(&self.env), Instant::now());
        self.gateway.restart().await;
        let works = |ado: &fakes::ado::World, ci: &fakes::ci::World| {
            ado.journal.seen() + ci.journal.seen() > before
        };
        env.until("the gateway works again", works).await;
        let took = started.elapsed();
        env.until_status(self.pull_request, &self.commit, "unit-tests", "succeeded").await;
        Listed::when_idle(env, &self.gateway.api).await.check(env);
        let (twice, lookups) =
            env.shell.ado(|ado| (posted_twice(ado), ado.journal.count("GET", "/statuses")));
        println!("{step:?}: works again after {took:?}, {lookups} lookups, {twice} posted twice");
        assert_eq!(twice, 0, "{step:?}: a status was posted a second time");
        (self.final_state().await, lookups)
    }

    async fn final_state(&self) -> FinalState {
        let column = |rows: Vec<serde_json::Value>, name: &str| {
            let mut values: Vec<String> = rows.iter().map(|row| row[name].to_string()).collect();
            values.sort();
            values
        };
        let deliveries = column(all(&self.gateway.api, "/v1/deliveries").await, "outcome");
        let runs = column(all(&self.gateway.api, "/v1/runs").await, "state");
        self.env.shell.ado(|ado| {
            let status = newest_status(ado, self.pull_request, &self.commit, "unit-tests");
            let state = status.expect("the test waited for it").state.clone();
            (deliveries, runs, state, commit_state(ado, &self.env.repository, &self.commit))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_at_any_step_the_final_state_is_the_same() {
    let quoted = |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect();
    let (deliveries, runs) = (quoted(&["ignored", "started"]), quoted(&["succeeded"]));
    let expected: FinalState = (deliveries, runs, "succeeded".into(), "succeeded".into());
    for step in STEPS {
        let (state, lookups) = killed_at(step).await.restart(step).await;
        assert_eq!(state, expected, "{step:?}");
        let is_post = step.1 == "POST" && step.2 != "/ci/start";
        assert!(lookups > 0 || !is_post, "{step:?}: the gateway did not look up the post");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_lookup_of_an_unanswered_post_is_repeated() {
    let step = (Reported, "POST", "/pullrequests/", false);
    let killed = killed_at(step).await;
    killed.env.shell.ado(|ado| {
        let missing = Action::Respond(Response::json(404, &serde_json::json!({})));
        ado.faults.add(Rule::new("GET", "/statuses", missing).next(1));
    });
    let (_, lookups) = killed.restart(step).await;
    assert!(lookups > 1, "the failed lookup was not repeated");
}

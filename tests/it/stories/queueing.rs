//! Many runs and few places at the CI: runs start in the order in which they were planned.

use std::collections::HashMap;

use azdo_gateway::domain::time::Timestamp;
use serde_json::Value;

use crate::harness::{Env, Gateway, check};

/// Opens so many pull requests at once, and waits until the run of each has succeeded. Returns the
/// runs in the order in which the CI got them, each with its place in the order of planning.
async fn order(env: &Env, gateway: &Gateway, count: usize) -> Vec<Waited> {
    for number in 0..count {
        env.open(&format!("topic-{number}"));
    }
    for reached in (0..count).step_by(20).chain([count]) {
        env.until("more runs are started", |_, ci| ci.starts() >= reached).await;
    }
    env.until_idle(&gateway.api).await;
    for state in ["dispatched", "running"] {
        let is_empty = |list: &Value| list["items"].as_array().unwrap().is_empty();
        gateway.api.until(&format!("/v1/runs?state={state}"), is_empty).await;
    }
    let mut planned = Vec::new();
    let mut path = "/v1/runs?state=succeeded&limit=500".to_owned();
    loop {
        let page = gateway.api.get(&path).await;
        planned.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/runs?state=succeeded&limit=500&cursor={next}");
    }
    // Lists have the newest first.
    planned.reverse();
    assert_eq!(planned.len(), count);
    let place = |(at, run): (usize, Value)| (run["id"].as_str().unwrap().to_owned(), (run, at));
    let mut places: HashMap<_, _> = planned.into_iter().enumerate().map(place).collect();
    let started: Vec<_> =
        env.shell.ci(|ci| ci.started().map(|one| (one.run.clone(), one.at_ms)).collect());
    let waited = |(run, at_ms): &(String, i64)| {
        let (run, place) = places.remove(run).expect("each run is started once");
        let planned_at = Timestamp::parse(run["created_at"].as_str().unwrap()).unwrap();
        Waited { place, ms: at_ms - planned_at.ms() }
    };
    started.iter().map(waited).collect()
}

/// A run that the CI got.
struct Waited {
    /// Its place in the order of planning.
    place: usize,
    /// How long it waited, in milliseconds.
    ms: i64,
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn with_one_place_runs_start_in_the_order_in_which_they_were_planned() {
    let env = Env::new(9_401);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", "concurrency = 1");
    })
    .await;
    let order = order(&env, &gateway, 40).await;
    let places: Vec<_> = order.iter().map(|waited| waited.place).collect();
    assert_eq!(places, (0..40).collect::<Vec<_>>());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_500_pull_requests_with_10_places_none_is_overtaken_by_more_than_those_places() {
    const PLACES: usize = 10;
    let env = Env::new(9_402);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks =
            check("build", &format!("concurrency = {PLACES}\nstatuses = [\"commit\"]"));
    })
    .await;
    let order = order(&env, &gateway, 500).await;
    // Those that have a place at the same time are started at the same time.
    let off = |(at, waited): (usize, &Waited)| at.abs_diff(waited.place);
    let most = order.iter().enumerate().map(off).max().unwrap();
    let longest = order.iter().map(|waited| waited.ms).max().unwrap();
    let last = order.last().unwrap().ms;
    println!(
        "500 runs, {PLACES} places: started at most {most} places out of turn; the longest wait \
         was {longest} ms, that of the last one {last} ms"
    );
    assert!(most < PLACES, "{most}");
    gateway.stop().await;
}

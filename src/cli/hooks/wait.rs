//! Waits until the reconcilers have done what was asked for. Where no gateway runs, runs their
//! passes in this process.

use std::time::Duration;

use serde_json::Value;

use crate::cli::gateway::Gateway;
use crate::cli::table::text;
use crate::domain::time::Timestamp;

const POLLS_MAX: usize = 200;
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Returns the problem that is left; none where all is done, or is still going on after a minute.
pub(super) async fn until_done(
    gateway: &Gateway,
    organization: &str,
    asked_at: &str,
) -> anyhow::Result<Option<String>> {
    let asked_at = Timestamp::parse(asked_at).unwrap_or_default();
    let mut problem = None;
    for _ in 0..POLLS_MAX {
        gateway.run_passes(organization).await?;
        let outcomes = gateway.get(&format!("/v1/organizations/{organization}/reconcile")).await?;
        let items = outcomes.get("items").and_then(Value::as_array);
        let is_asked = |outcome: &&Value| text(outcome, "reconciler") != "catch_up";
        let asked: Vec<&Value> = items.into_iter().flatten().filter(is_asked).collect();
        let is_done = |outcome: &&Value| {
            let at = Timestamp::parse(&text(outcome, "at"));
            let goes_on = outcome.get("goes_on") == Some(&Value::Bool(true));
            at.is_some_and(|at| at >= asked_at) && !goes_on
        };
        let problem_of =
            |outcome: &&Value| outcome.get("problem").and_then(Value::as_str).map(str::to_owned);
        problem = asked.iter().find_map(problem_of);
        if asked.iter().all(is_done) {
            return Ok(problem);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(problem)
}

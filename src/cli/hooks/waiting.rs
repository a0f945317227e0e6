//! Waits until the upkeep has done what it was asked for; where no gateway runs, does it here.

use std::time::Duration;

use serde_json::Value;

use crate::cli::gateway::Gateway;
use crate::cli::table::text;
use crate::domain::time::Timestamp;

const LOOKS_MAX: usize = 200;
const BETWEEN: Duration = Duration::from_millis(300);

/// What went wrong; none when all is done, or goes on without a problem after a minute.
pub(super) async fn until_done(
    gateway: &Gateway,
    organization: &str,
    asked_at: &str,
) -> anyhow::Result<Option<String>> {
    let asked_at = Timestamp::parse(asked_at).unwrap_or_default();
    let mut problem = None;
    for _ in 0..LOOKS_MAX {
        gateway.work_off(organization).await?;
        let turns = gateway.get(&format!("/v1/organizations/{organization}/reconcile")).await?;
        let items = turns.get("items").and_then(Value::as_array);
        let is_meant = |turn: &&Value| text(turn, "reconciler") != "catch_up";
        let meant: Vec<&Value> = items.into_iter().flatten().filter(is_meant).collect();
        let is_done = |turn: &&Value| {
            let at = Timestamp::parse(&text(turn, "at"));
            let goes_on = turn.get("goes_on") == Some(&Value::Bool(true));
            at.is_some_and(|at| at >= asked_at) && !goes_on
        };
        let said = |turn: &&Value| turn.get("problem").and_then(Value::as_str).map(str::to_owned);
        problem = meant.iter().find_map(said);
        if meant.iter().all(is_done) {
            return Ok(problem);
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Ok(problem)
}

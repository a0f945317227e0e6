//! Waits until the gateway has made what it needs at Azure DevOps: its hooks, its policies, and a
//! first look at what is there already. It must never ask the gateway to do any of it.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::neighbours::{Neighbours, ORGANIZATION};
use super::watch::Watch;
use crate::app::App;
use crate::secret::Secret;

/// It takes a few seconds: whoever was not let in before the sign-in tries again.
const LOOKS_MAX: usize = 200;
const BETWEEN: Duration = Duration::from_millis(100);

/// See the module.
pub(super) async fn until_settled(
    neighbours: &Neighbours,
    app: &App,
    watch: &mut Watch,
    (gateway, operator): (&str, &Secret),
) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let url = format!("{gateway}/v1/organizations/{ORGANIZATION}/reconcile");
    let mut turns = Value::Null;
    for _ in 0..LOOKS_MAX {
        watch.look(neighbours, app).await?;
        turns = http.get(&url).bearer_auth(operator.expose()).send().await?.json().await?;
        let items = turns.get("items").and_then(Value::as_array);
        if items.is_some_and(|items| items.iter().all(is_done)) {
            return watch.look(neighbours, app).await;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    bail!("the gateway has not made its hooks and policies: {turns}")
}

fn is_done(turn: &Value) -> bool {
    let is_null = |field: &str| turn.get(field).is_none_or(Value::is_null);
    !is_null("at") && is_null("problem") && turn.get("goes_on") == Some(&Value::Bool(false))
}

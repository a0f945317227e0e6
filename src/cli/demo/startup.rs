//! Waits until the gateway has created its hooks and policies at Azure DevOps and has looked for
//! missed events once.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::fake_systems::ORGANIZATION;
use super::timeline::Timeline;
use crate::secret::Secret;

/// It takes a few seconds, because calls that failed before the sign-in are retried.
const POLLS_MAX: usize = 200;
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// See the module.
pub(super) async fn until_reconciled(
    timeline: &mut Timeline<'_>,
    gateway: &str,
    operator: &Secret,
) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{gateway}/v1/organizations/{ORGANIZATION}/reconcile");
    let mut outcomes = Value::Null;
    for _ in 0..POLLS_MAX {
        timeline.update().await?;
        outcomes = http.get(&url).bearer_auth(operator.expose()).send().await?.json().await?;
        let items = outcomes.get("items").and_then(Value::as_array);
        if items.is_some_and(|items| items.iter().all(is_done)) {
            return timeline.update().await;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    bail!("the gateway has not created its hooks and policies: {outcomes}")
}

fn is_done(outcome: &Value) -> bool {
    let is_null = |field: &str| outcome.get(field).is_none_or(Value::is_null);
    !is_null("at") && is_null("problem") && outcome.get("goes_on") == Some(&Value::Bool(false))
}

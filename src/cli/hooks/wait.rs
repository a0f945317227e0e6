//! Waits until the reconcilers that were asked have done their work, and shows what each of their
//! passes came to. Where no gateway runs, runs those passes in this process.

use std::time::Duration;

use serde_json::Value;

use super::Work;
use crate::cli::gateway::Gateway;
use crate::cli::progress::while_waiting;
use crate::cli::table::text;
use crate::domain::time::Timestamp;

const POLLS_MAX: usize = 200;
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Returns the problem that is left; none where all is done, or is still going on after a minute.
/// `show` gets a line for each pass that has ended meanwhile. Passes of other reconcilers are not
/// waited for: nobody has asked for them.
pub(super) async fn until_done(
    gateway: &Gateway,
    organization: &str,
    asked_at: &str,
    works: &[Work],
    show: impl Fn(&str),
) -> anyhow::Result<Option<String>> {
    let asked_at = Timestamp::parse(asked_at).unwrap_or_default();
    let names: Vec<&str> = works.iter().map(|work| work.reconciler).collect();
    let has_ended =
        |outcome: &Value| Timestamp::parse(&text(outcome, "at")).is_some_and(|at| at >= asked_at);
    let (mut polls, mut shown) = (0, Vec::new());
    loop {
        let next = async {
            loop {
                let asked = poll(gateway, organization, &names).await?;
                polls += 1;
                let is_new = |outcome: &&Value| has_ended(outcome) && !shown.contains(*outcome);
                let new: Vec<Value> = asked.iter().filter(is_new).cloned().collect();
                let is_done = asked.iter().all(|outcome| has_ended(outcome) && !goes_on(outcome));
                let is_last = is_done || polls == POLLS_MAX;
                if is_last || !new.is_empty() {
                    return anyhow::Ok((asked, new, is_last));
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let (asked, new, is_last) = while_waiting("waiting for passes", next).await?;
        new.iter().for_each(|outcome| show(&line(outcome)));
        shown.extend(new);
        if is_last {
            return Ok(asked.iter().find_map(problem_of).map(str::to_owned));
        }
    }
}

/// The last outcome of each of these reconcilers.
async fn poll(gateway: &Gateway, organization: &str, names: &[&str]) -> anyhow::Result<Vec<Value>> {
    gateway.run_passes(organization, names).await?;
    let outcomes = gateway.get(&format!("/v1/organizations/{organization}/reconcile")).await?;
    let items = outcomes.get("items").and_then(Value::as_array).into_iter().flatten();
    let asked = items.filter(|outcome| names.contains(&&*text(outcome, "reconciler")));
    Ok(asked.cloned().collect())
}

fn problem_of(outcome: &Value) -> Option<&str> {
    outcome.get("problem").and_then(Value::as_str)
}

/// Whether another pass follows soon.
fn goes_on(outcome: &Value) -> bool {
    outcome.get("goes_on") == Some(&Value::Bool(true))
}

/// What a pass came to.
fn line(outcome: &Value) -> String {
    let changes = match outcome.get("changes").and_then(Value::as_u64) {
        Some(1) => "1 change".to_owned(),
        changes => format!("{} changes", changes.unwrap_or_default()),
    };
    let next = if goes_on(outcome) { ", another pass follows" } else { "" };
    let problem = problem_of(outcome).map(|problem| format!(": {problem}")).unwrap_or_default();
    format!("{}: {changes}{next}{problem}", text(outcome, "reconciler"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::line;

    #[test]
    fn a_pass_is_shown_with_its_changes_and_what_follows() {
        let outcome = |changes: u32, goes_on: bool, problem: Option<&str>| {
            line(&json!({
                "reconciler": "subscriptions", "at": "2026-11-23T09:14:16Z", "changes": changes,
                "goes_on": goes_on, "problem": problem,
            }))
        };
        assert_eq!(outcome(4, true, None), "subscriptions: 4 changes, another pass follows");
        assert_eq!(outcome(1, false, None), "subscriptions: 1 change");
        assert_eq!(outcome(0, false, Some("no")), "subscriptions: 0 changes: no");
    }
}

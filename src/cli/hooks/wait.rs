//! Waits until the reconcilers that were asked have done their work, and shows what each of their
//! passes came to. Where no gateway runs, runs those passes in this process.

use std::time::Duration;

use serde_json::Value;

use super::Work;
use crate::cli::gateway::Gateway;
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
    let (mut problem, mut shown) = (None, Vec::new());
    for _ in 0..POLLS_MAX {
        gateway.run_passes(organization, &names).await?;
        let outcomes = gateway.get(&format!("/v1/organizations/{organization}/reconcile")).await?;
        let items = outcomes.get("items").and_then(Value::as_array).into_iter().flatten();
        let asked: Vec<&Value> =
            items.filter(|outcome| names.contains(&&*text(outcome, "reconciler"))).collect();
        let has_ended = |outcome: &&Value| {
            Timestamp::parse(&text(outcome, "at")).is_some_and(|at| at >= asked_at)
        };
        for outcome in asked.iter().filter(|outcome| has_ended(outcome)) {
            if !shown.contains(*outcome) {
                show(&line(outcome));
                shown.push((*outcome).clone());
            }
        }
        problem = asked.iter().find_map(|outcome| problem_of(outcome)).map(str::to_owned);
        if asked.iter().all(|outcome| has_ended(outcome) && !goes_on(outcome)) {
            return Ok(problem);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(problem)
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

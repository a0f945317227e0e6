//! Little is left of Azure DevOps' rate limit budget: the reconcilers wait until it is reset, and
//! statuses are still posted.

use fakes::ado::{Permission, World};
use fakes::faults::{Rule, budget_left};
use serde_json::json;

use crate::harness::{Env, InProcess};

const RECONCILED: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1s\"";
/// Seconds until the budget is reset.
const RESET_AFTER_S: i64 = 6;
/// Calls that may be in flight when the budget becomes known: each reconciler makes one at a time.
const IN_FLIGHT_MAX: usize = 3;

fn is_of_reconciler(target: &str) -> bool {
    !target.contains("/statuses") && !target.contains("/iterations")
}

/// The times of the reconcilers' calls, without the first `skipped` calls of all.
fn reconciler_calls_ms(ado: &World, skipped: usize) -> Vec<i64> {
    let calls = ado.journal.entries().skip(skipped);
    calls.filter(|call| is_of_reconciler(&call.target)).map(|call| call.at_ms).collect()
}

/// Posts a status through the API, and waits until Azure DevOps shows it.
async fn post_status(env: &Env, gateway: &InProcess, commit: &str, name: &str) {
    let status = json!({
        "organization": "fabrikam", "project": env.project, "repository": env.repository,
        "commit": commit, "context": { "name": name }, "state": "succeeded",
    });
    let (answer, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
    assert_eq!(answer, reqwest::StatusCode::ACCEPTED);
    env.until_commit_status(commit, name, "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconcilers_wait_while_the_rate_limit_budget_is_low_and_statuses_are_posted() {
    let env = Env::new(4501);
    let gateway =
        InProcess::without_hooks(&env, |settings| settings.organization = RECONCILED.into()).await;
    let hooks = env.until_hooks(&gateway.url, 4).await;
    let commit = env.push("main");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let reset_ms = env.shell.ado(|ado| {
        let reset_s = ado.now_ms() / 1_000 + RESET_AFTER_S;
        // 40 of 200 is less than a quarter, the share below which reconcilers do not call.
        ado.faults.add(Rule::new("POST", "/statuses", budget_left(200, 40, reset_s)));
        reset_s * 1_000
    });
    post_status(&env, &gateway, &commit, "first").await;
    gateway.api.until("/v1/statuses?outcome=queued", |all| all["items"] == json!([])).await;
    let (calls_before, known_ms) = env.shell.ado(|ado| (ado.journal.entries().len(), ado.now_ms()));
    // Only the reconcilers find these changes: one hook is gone, and the others deliver nothing.
    let is_removed = env.shell.ado(|ado| {
        let gone = ado.create_identity("Gone", "gone@fabrikam.example");
        ado.deny(&gone, Permission::GenericRead, None);
        for hook in &hooks {
            ado.change_subscription(&hook.id, |one| gone.clone_into(&mut one.modified_by));
        }
        ado.remove_subscription(&hooks[0].id)
    });
    assert!(is_removed, "there was a hook");
    let (id, head) = env.open("topic");
    for name in ["second", "third", "fourth"] {
        post_status(&env, &gateway, &commit, name).await;
    }
    let posted_ms = env.shell.ado(|ado| ado.now_ms());
    env.shell.ado(|ado| ado.faults.clear());
    env.until_hooks(&gateway.url, 4).await;
    env.until_status(id, &head, "unit-tests", "succeeded").await;
    let calls_ms = env.shell.ado(|ado| reconciler_calls_ms(ado, calls_before));
    let early = calls_ms.iter().filter(|at_ms| **at_ms < reset_ms).count();
    println!(
        "the budget was known {} ms before its reset, the last status was posted {} ms before; \
         {early} of {} reconciler calls were earlier than the reset",
        reset_ms - known_ms,
        reset_ms - posted_ms,
        calls_ms.len()
    );
    assert!(early <= IN_FLIGHT_MAX, "{early} of {} calls came too early", calls_ms.len());
    assert!(calls_ms.len() > early + IN_FLIGHT_MAX, "the reconcilers did not continue");
    env.check_invariants();
    gateway.stop().await;
}

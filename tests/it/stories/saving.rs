//! Little of the budget is left: upkeep waits until there is more, and statuses go on.

use fakes::ado::{Permission, World};
use fakes::faults::{Rule, budget_left};
use serde_json::json;

use crate::harness::{Env, InProcess};

const KEPT: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1s\"";
/// How long little is left, in seconds.
const SHORT_S: i64 = 6;
/// Calls that may be under way when it is told: each kind of upkeep makes one at a time.
const UNDER_WAY_MAX: usize = 3;

fn is_upkeep(target: &str) -> bool {
    !target.contains("/statuses") && !target.contains("/iterations")
}

/// When each call of upkeep came after the first so many requests.
fn upkeep(ado: &World, after: usize) -> Vec<i64> {
    let since = ado.journal.entries().skip(after);
    since.filter(|entry| is_upkeep(&entry.target)).map(|entry| entry.at_ms).collect()
}

async fn show(env: &Env, gateway: &InProcess, commit: &str, name: &str) {
    let status = json!({
        "organization": "fabrikam", "project": env.project, "repository": env.repository,
        "commit": commit, "context": { "name": name }, "state": "succeeded",
    });
    let (answered, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
    assert_eq!(answered, reqwest::StatusCode::ACCEPTED);
    env.until_commit_status(commit, name, "succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_little_is_left_upkeep_waits_and_statuses_are_posted() {
    let env = Env::new(4501);
    let gateway =
        InProcess::without_hooks(&env, |settings| settings.organization = KEPT.into()).await;
    let hooks = env.until_hooks(&gateway.url, 4).await;
    let commit = env.push("main");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let reset_ms = env.shell.ado(|ado| {
        let reset_s = ado.now_ms() / 1_000 + SHORT_S;
        // Less than a quarter: the least that is left to reconciliation.
        let told = Rule::new("POST", "/statuses", budget_left(200, 40, reset_s));
        ado.faults.add(told);
        reset_s * 1_000
    });
    show(&env, &gateway, &commit, "first").await;
    gateway.api.until("/v1/statuses?outcome=queued", |all| all["items"] == json!([])).await;
    let (told_at, told_ms) = env.shell.ado(|ado| (ado.journal.entries().len(), ado.now_ms()));
    // What only upkeep finds: a hook that is gone, and a pull request that nobody tells.
    let id = env.shell.ado(|ado| {
        let gone = ado.create_identity("Gone", "gone@fabrikam.example");
        ado.deny(&gone, Permission::GenericRead, None);
        for hook in &hooks {
            ado.change_subscription(&hook.id, |one| gone.clone_into(&mut one.modified_by));
        }
        ado.remove_subscription(&hooks[0].id)
    });
    assert!(id, "there was a hook");
    let (id, head) = env.open("topic");
    for name in ["second", "third", "fourth"] {
        show(&env, &gateway, &commit, name).await;
    }
    let shown_ms = env.shell.ado(|ado| ado.now_ms());
    env.shell.ado(|ado| ado.faults.clear());
    env.until_hooks(&gateway.url, 4).await;
    env.until_status(id, &head, "unit-tests", "succeeded").await;
    let calls = env.shell.ado(|ado| upkeep(ado, told_at));
    let early = calls.iter().filter(|at_ms| **at_ms < reset_ms).count();
    println!(
        "told {} ms before there is more; statuses until {} ms before; {early} of {} calls early",
        reset_ms - told_ms,
        reset_ms - shown_ms,
        calls.len()
    );
    assert!(early <= UNDER_WAY_MAX, "upkeep went on: {early} of {} calls", calls.len());
    assert!(calls.len() > early + UNDER_WAY_MAX, "and afterwards it goes on");
    env.check_invariants();
    gateway.stop().await;
}

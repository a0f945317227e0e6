//! Branch policies that an administrator made: the statuses of the gateway satisfy them.

use fakes::ado::policy::STATUS_POLICY;
use serde_json::json;

use crate::harness::{Env, Gateway};

/// An administrator makes a policy on main that waits for the check, again after every push.
async fn require(env: &Env) {
    env.shell.ado(|ado| {
        let administrator = ado.create_identity("Admin", "admin@fabrikam.example");
        ado.add_pat("token-of-an-administrator", &administrator, &["app_token"], i64::MAX);
    });
    let policy = json!({
        "isEnabled": true,
        "isBlocking": true,
        "type": { "id": STATUS_POLICY },
        "settings": {
            "statusGenre": "ci",
            "statusName": "unit-tests",
            "authorId": env.identity,
            "invalidateOnSourceUpdate": true,
            "scope": [{ "repositoryId": env.repository, "refName": "refs/heads/main",
                "matchKind": "exact" }],
        },
    });
    let path = "_apis/policy/configurations?api-version=7.1";
    let answer = reqwest::Client::new()
        .post(format!("{}/fabrikam/{}/{path}", env.shell.url(), env.project))
        .basic_auth("", Some("token-of-an-administrator"))
        .json(&policy)
        .send()
        .await;
    let answer = answer.unwrap_or_else(|error| panic!("Azure DevOps answers: {error}"));
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_required_check_is_satisfied_and_reset_by_the_next_push() {
    let env = Env::new(1501);
    let gateway = Gateway::start(&env).await;
    require(&env).await;
    let (id, commit) = env.open("topic");
    assert!(!env.shell.ado(|ado| ado.policies_satisfied(id)));
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert!(env.shell.ado(|ado| ado.policies_satisfied(id)));
    env.disable_ci_reports();
    let newer = env.push("topic");
    assert!(!env.shell.ado(|ado| ado.policies_satisfied(id)));
    let run = env.until_started("unit-tests", &newer).await;
    env.until_status(id, &newer, "unit-tests", "pending").await;
    assert!(!env.shell.ado(|ado| ado.policies_satisfied(id)));
    env.report(&run, "succeeded");
    env.until("the policy is content", |ado, _| ado.policies_satisfied(id)).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_check_that_did_not_succeed_keeps_from_merging() {
    let env = Env::new(1502);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    require(&env).await;
    for (branch, state, shown) in
        [("one", "failed", "failed"), ("two", "errored", "error"), ("three", "cancelled", "error")]
    {
        let (id, commit) = env.open(branch);
        let run = env.until_started("unit-tests", &commit).await;
        env.report(&run, state);
        env.until_status(id, &commit, "unit-tests", shown).await;
        assert!(!env.shell.ado(|ado| ado.policies_satisfied(id)), "{state}");
    }
    env.check_invariants();
    gateway.stop().await;
}

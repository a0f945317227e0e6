//! Branch policies: what the gateway posts is what they ask for.

use fakes::ado::policy::STATUS_POLICY;
use serde_json::json;

use crate::harness::{Inside, Town};

/// An administrator requires the check on main, anew for every push.
async fn require(town: &Town) {
    town.shell.ado(|ado| {
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
            "authorId": town.identity,
            "invalidateOnSourceUpdate": true,
            "scope": [{ "repositoryId": town.repository, "refName": "refs/heads/main",
                "matchKind": "exact" }],
        },
    });
    let path = "_apis/policy/configurations?api-version=7.1";
    let answer = reqwest::Client::new()
        .post(format!("{}/fabrikam/{}/{path}", town.shell.url(), town.project))
        .basic_auth("", Some("token-of-an-administrator"))
        .json(&policy)
        .send()
        .await;
    let answer = answer.unwrap_or_else(|error| panic!("Azure DevOps answers: {error}"));
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_check_is_satisfied_and_reset_by_the_next_push() {
    let town = Town::new(1501);
    let gateway = Inside::start(&town).await;
    require(&town).await;
    let (id, commit) = town.open("topic");
    assert!(!town.shell.ado(|ado| ado.policies_satisfied(id)));
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    assert!(town.shell.ado(|ado| ado.policies_satisfied(id)));
    town.silence_ci();
    let newer = town.push("topic");
    assert!(!town.shell.ado(|ado| ado.policies_satisfied(id)));
    let run = town.until_started("unit-tests", &newer).await;
    town.until_shown(id, &newer, "unit-tests", "pending").await;
    assert!(!town.shell.ado(|ado| ado.policies_satisfied(id)));
    town.report(&run, "succeeded");
    town.until("the policy is content", |ado, _| ado.policies_satisfied(id)).await;
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_check_that_failed_or_ended_otherwise_keeps_the_door_shut() {
    let town = Town::new(1502);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    require(&town).await;
    for (branch, state, shown) in
        [("one", "failed", "failed"), ("two", "errored", "error"), ("three", "cancelled", "error")]
    {
        let (id, commit) = town.open(branch);
        let run = town.until_started("unit-tests", &commit).await;
        town.report(&run, state);
        town.until_shown(id, &commit, "unit-tests", shown).await;
        assert!(!town.shell.ado(|ado| ado.policies_satisfied(id)), "{state}");
    }
    town.check_invariants();
    gateway.stop().await;
}

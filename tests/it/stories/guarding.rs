//! What reconciling policies does not do: keep people from pushing, change policies that only look
//! like owned_policies, or forget owned_policies while they are hidden.

use fakes::ado::Permission;
use serde_json::{Value, json};

use super::requiring::{
    made_by_an_administrator, owned_policies, reconciled, required, start, until_owned_policies,
};
use crate::harness::{Env, check};

#[tokio::test(flavor = "multi_thread")]
async fn a_check_for_every_branch_gets_a_policy_that_follows_the_default_branch() {
    let env = Env::new(4211);
    let gateway = start(&env, check("unit-tests", "required = true")).await;
    until_owned_policies(&env, 1).await;
    let (id, settings) = owned_policies(&env).remove(0);
    let repository = env.repository.clone();
    let scope = |name: &str| {
        let repository = &repository;
        json!([{ "repositoryId": repository, "refName": name, "matchKind": "Exact" }])
    };
    assert_eq!(settings["scope"], scope("refs/heads/main"));
    env.shell.ado(|ado| {
        let head = ado.head(&env.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&env.repository, "trunk", &head);
        ado.set_default_branch(&env.repository, "trunk");
    });
    let trunk = scope("refs/heads/trunk");
    env.until("the policy follows", |ado, _| {
        ado.policies().any(|policy| policy.id == id && policy.settings["scope"] == trunk)
    })
    .await;
    assert_eq!(owned_policies(&env).len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrecorded_policy_of_our_account_is_not_changed() {
    let env = Env::new(4212);
    let scope = json!([{ "repositoryId": env.repository, "refName": "refs/heads/trunk",
        "matchKind": "exact" }]);
    let made = json!({ "statusGenre": "ci", "statusName": "unit-tests", "scope": scope,
        "authorId": env.identity });
    let made = made_by_an_administrator(&env, made).await;
    // As if another gateway with our account had made it, or a person with our token.
    env.shell.ado(|ado| ado.change_policy(made, |one| one.created_by.clone_from(&env.identity)));
    let revision = |env: &Env| {
        env.shell.ado(|ado| ado.policies().find(|one| one.id == made).map(|one| one.revision))
    };
    let before = revision(&env);
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 2).await;
    reconciled(&gateway).await;
    gateway.stop().await;
    let gateway = start(&env, check("unit-tests", "")).await;
    until_owned_policies(&env, 1).await;
    reconciled(&gateway).await;
    assert_eq!(revision(&env), before);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_was_hidden_for_a_while_is_still_ours() {
    let env = Env::new(4213);
    let gateway = start(&env, required("")).await;
    until_owned_policies(&env, 1).await;
    env.shell.ado(|ado| ado.hide_project(&env.identity, &env.project));
    reconciled(&gateway).await;
    assert_eq!(reconciled(&gateway).await["problem"], Value::Null);
    gateway.stop().await;
    env.shell.ado(|ado| ado.allow(&env.identity, Permission::ReadProject));
    // A policy that is not recorded as owned_policies would stay.
    let gateway = start(&env, check("unit-tests", "")).await;
    until_owned_policies(&env, 0).await;
    gateway.stop().await;
}

//! What required checks leave alone: branches that people push to, policies that merely look like
//! ours, and what cannot be seen for a while.

use fakes::ado::Permission;
use serde_json::{Value, json};

use super::requiring::{made_by_an_administrator, ours, required, start, turned, until_ours};
use crate::harness::{Town, check};

#[tokio::test(flavor = "multi_thread")]
async fn a_check_for_every_branch_is_required_on_the_default_one_and_follows_it() {
    let town = Town::new(4211);
    let gateway = start(&town, check("unit-tests", "required = true")).await;
    until_ours(&town, 1).await;
    let (id, settings) = ours(&town).remove(0);
    let repository = town.repository.clone();
    let scope = |name: &str| {
        let repository = &repository;
        json!([{ "repositoryId": repository, "refName": name, "matchKind": "Exact" }])
    };
    assert_eq!(settings["scope"], scope("refs/heads/main"));
    town.shell.ado(|ado| {
        let head = ado.head(&town.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&town.repository, "trunk", &head);
        ado.set_default_branch(&town.repository, "trunk");
    });
    let trunk = scope("refs/heads/trunk");
    town.until("the policy follows", |ado, _| {
        ado.policies().any(|policy| policy.id == id && policy.settings["scope"] == trunk)
    })
    .await;
    assert_eq!(ours(&town).len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_our_account_made_elsewhere_is_left_as_it_is() {
    let town = Town::new(4212);
    let scope = json!([{ "repositoryId": town.repository, "refName": "refs/heads/trunk",
        "matchKind": "exact" }]);
    let made = json!({ "statusGenre": "ci", "statusName": "unit-tests", "scope": scope,
        "authorId": town.identity });
    let made = made_by_an_administrator(&town, made).await;
    // Another gateway with our account, or a person with our token.
    town.shell.ado(|ado| ado.change_policy(made, |one| one.created_by.clone_from(&town.identity)));
    let revision = |town: &Town| {
        town.shell.ado(|ado| ado.policies().find(|one| one.id == made).map(|one| one.revision))
    };
    let before = revision(&town);
    let gateway = start(&town, required("")).await;
    until_ours(&town, 2).await;
    turned(&gateway).await;
    gateway.stop().await;
    let gateway = start(&town, check("unit-tests", "")).await;
    until_ours(&town, 1).await;
    turned(&gateway).await;
    assert_eq!(revision(&town), before);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_seen_for_a_while_is_still_known_to_be_ours() {
    let town = Town::new(4213);
    let gateway = start(&town, required("")).await;
    until_ours(&town, 1).await;
    town.shell.ado(|ado| ado.hide_project(&town.identity, &town.project));
    turned(&gateway).await;
    assert_eq!(turned(&gateway).await["problem"], Value::Null);
    gateway.stop().await;
    town.shell.ado(|ado| ado.allow(&town.identity, Permission::ReadProject));
    // What is not remembered would stay.
    let gateway = start(&town, check("unit-tests", "")).await;
    until_ours(&town, 0).await;
    gateway.stop().await;
}

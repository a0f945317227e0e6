//! Hooks: generations of secrets only grow, the first and the last delivery of each hook are
//! stored, and an operator may hold all hooks of an organization back.

use azdo_gateway::domain::subscription::{HookScope, HookSecret, Topic, hook_of_project};
use azdo_gateway::storage::{ActiveHook, Claim, HookRow, HookState};

use super::make::ORGANIZATION;
use super::{Bench, LEASE, at};

impl Bench {
    async fn hook_state(&self) -> HookState {
        self.store.hooks(ORGANIZATION).await.unwrap()
    }

    async fn renewed(&self, hook_scopes: &[HookScope], heals: bool, second: i64) {
        self.store
            .renew_hooks(ORGANIZATION, hook_scopes.to_vec(), heals, at(second))
            .await
            .unwrap();
    }

    async fn retired(&self, hook_scope: &HookScope, live_from: u32) {
        self.store.retire_hooks(ORGANIZATION, hook_scope.clone(), live_from).await.unwrap();
    }

    /// Receives a delivery to each hook at both times.
    async fn received(&self, organization: &str, hook_activity: &[ActiveHook]) {
        for ActiveHook { hook, first_at, last_at } in hook_activity {
            for at in [last_at, first_at] {
                self.store.receive(organization, hook, *at, b"{}").await.unwrap();
            }
        }
        let claim = Claim { now: at(0), limit: 0, lease: LEASE };
        self.store.claim_deliveries(claim).await.unwrap();
    }
}

fn hook_scope(project: char, topic: Topic) -> HookScope {
    HookScope { project_id: project.to_string().repeat(36), topic }
}

fn row(
    hook_scope: &HookScope,
    generation: u32,
    live_from: u32,
    second: i64,
    healings: u32,
) -> HookRow {
    let (renewed_at, older_seen_at) = (at(second), None);
    let secret = HookSecret { generation, live_from, renewed_at, healings, older_seen_at };
    HookRow { hook_scope: hook_scope.clone(), secret }
}

fn active(hook: &str, first: i64, last: i64) -> ActiveHook {
    ActiveHook { hook: hook.into(), first_at: at(first), last_at: at(last) }
}

#[tokio::test]
async fn each_scope_counts_its_generations() {
    for bench in Bench::all().await {
        assert_eq!(bench.hook_state().await, HookState::default());
        let pushes = hook_scope('a', Topic::Pushes);
        let comments = hook_scope('a', Topic::Comments);
        let other = hook_scope('b', Topic::Pushes);
        bench.renewed(&[other.clone(), pushes.clone(), comments.clone()], false, 1).await;
        bench.renewed(std::slice::from_ref(&pushes), false, 2).await;
        bench.renewed(&[other.clone(), pushes.clone()], false, 3).await;
        bench.renewed(&[], true, 4).await;
        let expected =
            [row(&comments, 1, 1, 1, 0), row(&pushes, 3, 1, 3, 0), row(&other, 2, 1, 3, 0)];
        assert_eq!(bench.hook_state().await.hook_scopes, expected, "by project and topic");
        let bench = bench.reopened().await;
        assert_eq!(bench.hook_state().await.hook_scopes, expected);
    }
}

#[tokio::test]
async fn healings_count_only_in_a_row() {
    for bench in Bench::all().await {
        let pushes = hook_scope('a', Topic::Pushes);
        for (second, heals, healings) in
            [(1, true, 1), (2, true, 2), (3, false, 0), (4, true, 1), (5, true, 2)]
        {
            bench.renewed(std::slice::from_ref(&pushes), heals, second).await;
            let generation = u32::try_from(second).unwrap();
            let expected = [row(&pushes, generation, 1, second, healings)];
            assert_eq!(bench.hook_state().await.hook_scopes, expected);
        }
        bench.retired(&pushes, 5).await;
        assert_eq!(bench.hook_state().await.hook_scopes, [row(&pushes, 5, 5, 5, 0)]);
        bench.renewed(std::slice::from_ref(&pushes), true, 6).await;
        assert_eq!(bench.hook_state().await.hook_scopes, [row(&pushes, 6, 5, 6, 1)]);
    }
}

#[tokio::test]
async fn a_retired_secret_stays_retired() {
    for bench in Bench::all().await {
        let (pushes, other) = (hook_scope('a', Topic::Pushes), hook_scope('b', Topic::Pushes));
        for second in 1..=4 {
            bench.renewed(&[pushes.clone(), other.clone()], false, second).await;
        }
        for (live_from, expected) in [(2, 2), (1, 2), (4, 4), (3, 4)] {
            bench.retired(&pushes, live_from).await;
            let expected = [row(&pushes, 4, expected, 4, 0), row(&other, 4, 1, 4, 0)];
            assert_eq!(bench.hook_state().await.hook_scopes, expected);
        }
        let unknown = hook_scope('c', Topic::Comments);
        bench.retired(&unknown, 3).await;
        assert_eq!(
            bench.hook_state().await.hook_scopes.len(),
            2,
            "a scope begins with its first secret"
        );
        bench.renewed(std::slice::from_ref(&unknown), false, 5).await;
        assert_eq!(bench.hook_state().await.hook_scopes[2], row(&unknown, 1, 1, 5, 0));
    }
}

#[tokio::test]
async fn the_first_and_the_last_delivery_of_a_hook_are_stored() {
    for bench in Bench::all().await {
        bench.received(ORGANIZATION, &[active("b", 10, 12), active("a", 5, 5)]).await;
        bench.received(ORGANIZATION, &[active("b", 11, 20)]).await;
        let bench = bench.reopened().await;
        let later = [active("b", 8, 15), active("a", 5, 6), active("B", 1, 1)];
        bench.received(ORGANIZATION, &later).await;
        let of_one_project = hook_of_project("by-hand", "Fabrikam");
        bench.received(ORGANIZATION, &[active(&of_one_project, 3, 3)]).await;
        let expected =
            [active("B", 1, 1), active("a", 5, 6), active("b", 8, 20), active("by-hand", 3, 3)];
        assert_eq!(bench.hook_state().await.hook_activity, expected);
    }
}

#[tokio::test]
async fn hooks_that_have_not_delivered_for_long_are_deleted() {
    for bench in Bench::all().await {
        let newer = active("d", 0, 10);
        let all = [active("a", 1, 7), active("c", 1, 9), newer.clone()];
        bench.received(ORGANIZATION, &all).await;
        bench.store.delete_older(at(7), at(7), 2).await.unwrap();
        assert_eq!(bench.hook_state().await.hook_activity, all);
        bench.store.delete_older(at(10), at(10), 2).await.unwrap();
        assert_eq!(bench.hook_state().await.hook_activity, [newer]);
    }
}

#[tokio::test]
async fn hooks_are_held_back_until_an_operator_asks_for_them() {
    for bench in Bench::all().await {
        let hold = async |bench: &Bench, organization: &str, is_held| {
            bench.store.hold_hooks(organization, is_held, at(9)).await.unwrap();
        };
        hold(&bench, ORGANIZATION, false).await;
        assert!(!bench.hook_state().await.is_held);
        hold(&bench, "Fabrikam", true).await;
        hold(&bench, ORGANIZATION, true).await;
        let bench = bench.reopened().await;
        assert!(bench.hook_state().await.is_held);
        assert!(!bench.store.hooks("contoso").await.unwrap().is_held);
        hold(&bench, "contoso", false).await;
        assert!(bench.hook_state().await.is_held);
        hold(&bench, "FABRIKAM", false).await;
        assert!(!bench.hook_state().await.is_held);
    }
}

#[tokio::test]
async fn while_hooks_are_removed_no_secret_is_live_and_afterwards_new_ones_are() {
    for bench in Bench::all().await {
        let (one, two) = (hook_scope('a', Topic::Pushes), hook_scope('b', Topic::Pushes));
        bench.renewed(&[one.clone(), two.clone()], false, 1).await;
        bench.renewed(std::slice::from_ref(&two), false, 2).await;
        bench.store.hold_hooks(ORGANIZATION, true, at(3)).await.unwrap();
        let removed = [row(&one, 1, 2, 1, 0), row(&two, 2, 3, 2, 0)];
        assert_eq!(bench.hook_state().await.hook_scopes, removed);
        bench.store.hold_hooks(ORGANIZATION, false, at(4)).await.unwrap();
        let again = [row(&one, 2, 2, 4, 0), row(&two, 3, 3, 4, 0)];
        assert_eq!(bench.hook_state().await.hook_scopes, again);
        bench.store.hold_hooks(ORGANIZATION, false, at(5)).await.unwrap();
        assert_eq!(bench.hook_state().await.hook_scopes, again);
    }
}

#[tokio::test]
async fn hooks_belong_to_an_organization_in_any_spelling() {
    for bench in Bench::all().await {
        let pushes = hook_scope('a', Topic::Pushes);
        for (organization, second) in [("fabrikam", 1), ("Fabrikam", 2), ("contoso", 3)] {
            let (hook_scopes, now) = (vec![pushes.clone()], at(second));
            bench.store.renew_hooks(organization, hook_scopes, true, now).await.unwrap();
            bench.received(organization, &[active("a", second, second)]).await;
        }
        bench.store.retire_hooks("FABRIKAM", pushes.clone(), 2).await.unwrap();
        let expected =
            |hook_scopes, hook_activity| HookState { is_held: false, hook_scopes, hook_activity };
        assert_eq!(
            bench.store.hooks("FABRIKAM").await.unwrap(),
            expected(vec![row(&pushes, 2, 2, 2, 0)], vec![active("a", 1, 2)])
        );
        assert_eq!(
            bench.store.hooks("contoso").await.unwrap(),
            expected(vec![row(&pushes, 1, 1, 3, 1)], vec![active("a", 3, 3)])
        );
    }
}

#[tokio::test]
async fn the_last_sight_of_an_older_secret_is_kept() {
    for bench in Bench::all().await {
        let pushes = hook_scope('a', Topic::Pushes);
        let seen = async |second| {
            let seen = bench.store.older_hook_seen("FABRIKAM", pushes.clone(), at(second));
            seen.await.unwrap();
        };
        seen(1).await;
        assert_eq!(bench.hook_state().await, HookState::default(), "there is no such scope");
        bench.renewed(std::slice::from_ref(&pushes), false, 2).await;
        for second in [4, 3] {
            seen(second).await;
            let found = bench.hook_state().await.hook_scopes;
            assert_eq!(found[0].secret.older_seen_at, Some(at(4)));
        }
        bench.store.retire_hooks(ORGANIZATION, pushes.clone(), 2).await.unwrap();
        let found = bench.hook_state().await.hook_scopes;
        assert_eq!(found[0].secret.older_seen_at, Some(at(4)));
    }
}

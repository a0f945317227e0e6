//! Turns at reconcilers: one holder at a time, until it gives the turn back or lets it run out. And
//! the policies that are ours.

use std::sync::Arc;

use azdo_gateway::storage::{PolicyRow, Reconciler};

use super::make::ORGANIZATION;
use super::{Bench, LEASE, at};

impl Bench {
    /// Whether that holder gets the turn at the subscriptions at that second.
    async fn turn(&self, holder: &str, second: i64) -> bool {
        let (reconciler, now) = (Reconciler::Subscriptions, at(second));
        self.store.claim_reconciler(ORGANIZATION, reconciler, holder, now, LEASE).await.unwrap()
    }

    async fn turn_ends(&self, holder: &str) {
        self.store
            .release_reconciler(ORGANIZATION, Reconciler::Subscriptions, holder)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_has_the_turn_at_a_time() {
    for bench in Bench::all() {
        assert!(bench.turn("a", 0).await);
        assert!(!bench.turn("b", 0).await);
        assert!(!bench.turn("b", 29).await);
        assert!(bench.turn("b", 30).await, "it ran out");
        assert!(!bench.turn("a", 31).await);
        assert!(bench.turn("a", 60).await);
    }
}

#[tokio::test]
async fn who_has_the_turn_prolongs_it() {
    for bench in Bench::all() {
        assert!(bench.turn("a", 0).await);
        assert!(bench.turn("a", 20).await);
        assert!(!bench.turn("b", 49).await, "the first claim does not count any more");
        assert!(bench.turn("a", 49).await);
        assert!(bench.turn("a", 500).await, "nobody else took it meanwhile");
        assert!(!bench.turn("b", 501).await);
    }
}

#[tokio::test]
async fn a_turn_is_given_back_by_its_holder_alone() {
    for bench in Bench::all() {
        bench.turn_ends("a").await;
        assert!(bench.turn("a", 0).await);
        bench.turn_ends("b").await;
        assert!(!bench.turn("b", 1).await, "it was not theirs to give");
        bench.turn_ends("a").await;
        assert!(bench.turn("b", 1).await);
        bench.turn_ends("a").await;
        assert!(!bench.turn("a", 2).await);
    }
}

#[tokio::test]
async fn every_organization_and_duty_has_turns_of_its_own() {
    for bench in Bench::all() {
        let claim = async |organization, reconciler, holder| {
            bench
                .store
                .claim_reconciler(organization, reconciler, holder, at(0), LEASE)
                .await
                .unwrap()
        };
        assert!(claim("fabrikam", Reconciler::Subscriptions, "a").await);
        assert!(!claim("Fabrikam", Reconciler::Subscriptions, "b").await, "however it is spelled");
        for reconciler in [Reconciler::Policies, Reconciler::CatchUp] {
            assert!(claim("fabrikam", reconciler, "b").await, "{reconciler:?}");
            assert!(!claim("fabrikam", reconciler, "a").await, "{reconciler:?}");
        }
        assert!(claim("contoso", Reconciler::Subscriptions, "b").await);
        bench.store.release_reconciler("contoso", Reconciler::Subscriptions, "b").await.unwrap();
        bench.store.release_reconciler("fabrikam", Reconciler::Policies, "b").await.unwrap();
        assert!(
            !claim("FABRIKAM", Reconciler::Subscriptions, "b").await,
            "another's end changes nothing"
        );
        bench.store.release_reconciler("FABRIKAM", Reconciler::Subscriptions, "a").await.unwrap();
        assert!(claim("fabrikam", Reconciler::Subscriptions, "b").await);
    }
}

#[tokio::test]
async fn a_restart_does_not_wait_for_the_process_before() {
    for bench in Bench::all() {
        assert!(bench.turn("a", 0).await);
        let bench = bench.reopened().await;
        assert!(bench.turn("b", 1).await);
        assert!(!bench.turn("a", 2).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_the_turn_one_gets_it() {
    for bench in Bench::all() {
        let claims = (0..8).map(|number| {
            let (store, holder) = (Arc::clone(&bench.store), format!("process-{number}"));
            let now = at(0);
            tokio::spawn(async move {
                store.claim_reconciler(ORGANIZATION, Reconciler::CatchUp, &holder, now, LEASE).await
            })
        });
        let claims = futures_util::future::join_all(claims.collect::<Vec<_>>()).await;
        assert_eq!(
            claims.into_iter().filter(|claim| *claim.as_ref().unwrap().as_ref().unwrap()).count(),
            1
        );
    }
}

fn policy(project: &str, id: i64) -> PolicyRow {
    PolicyRow { project_id: project.into(), id }
}

#[tokio::test]
async fn policies_are_remembered_until_they_are_forgotten() {
    for bench in Bench::all() {
        let keep = async |organization: &str, policy, is_kept| {
            bench.store.keep_policy(organization, policy, is_kept).await.unwrap();
        };
        keep("fabrikam", policy("b", 2), true).await;
        keep("Fabrikam", policy("a", 7), true).await;
        keep("fabrikam", policy("b", 1), true).await;
        keep("fabrikam", policy("b", 1), true).await;
        keep("contoso", policy("b", 1), true).await;
        let expected = [policy("a", 7), policy("b", 1), policy("b", 2)];
        assert_eq!(bench.store.policies("FABRIKAM").await.unwrap(), expected);
        // Numbers count within their project.
        keep("fabrikam", policy("a", 1), false).await;
        assert_eq!(bench.store.policies("fabrikam").await.unwrap(), expected);
        keep("FABRIKAM", policy("b", 1), false).await;
        let bench = bench.reopened().await;
        let expected = [policy("a", 7), policy("b", 2)];
        assert_eq!(bench.store.policies("fabrikam").await.unwrap(), expected);
        assert_eq!(bench.store.policies("contoso").await.unwrap(), [policy("b", 1)]);
        assert_eq!(bench.store.policies("adventure").await.unwrap(), []);
    }
}

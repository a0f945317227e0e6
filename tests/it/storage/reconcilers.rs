//! Passes of reconcilers: one process at a time, when they are due, and what the last one came to.

use std::sync::Arc;

use azdo_gateway::domain::reconciler::{
    Asked, ClaimedPass, LastPass, Outcome, PassClaim, Release, Repeats,
};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{Commit, Reconciler};

use super::make::ORGANIZATION;
use super::{Bench, LEASE, at};

const KIND: Reconciler = Reconciler::Subscriptions;
const REPEATS: Repeats = Repeats { changing: 2, idle: 3 };

/// The end of a pass that met a problem, with the next one due at that second.
fn release(second: i64) -> Release {
    let problem = Some("no".to_owned());
    let outcome = Outcome { at: at(0), changes: 7, has_more: true, problem };
    let last = Some(LastPass { instance: "a".into(), outcome });
    Release { due_at: at(second), repeats: REPEATS, asked: Asked::Nothing, last }
}

fn claimed(claim: PassClaim) -> ClaimedPass {
    match claim {
        PassClaim::Claimed(claimed) => claimed,
        other => panic!("it is not claimed: {other:?}"),
    }
}

impl Bench {
    async fn ask(&self) {
        self.store.ask_reconciler(ORGANIZATION, KIND, Asked::Pass).await.unwrap();
    }

    /// What that process gets at that second.
    async fn claim_pass(&self, instance: &str, second: i64) -> PassClaim {
        let claim = self.store.claim_reconciler(ORGANIZATION, KIND, instance, at(second), LEASE);
        claim.await.unwrap()
    }

    async fn release_pass(&self, number: i64, release: Release) -> Commit {
        self.store.release_reconciler(ORGANIZATION, KIND, number, release).await.unwrap()
    }
}

#[tokio::test]
async fn a_pass_is_due_when_somebody_asks_and_then_at_its_time() {
    for bench in Bench::all().await {
        let until = Timestamp::NEVER;
        assert_eq!(bench.claim_pass("a", 0).await, PassClaim::NotDue { until });
        bench.ask().await;
        let pass = claimed(bench.claim_pass("a", 0).await);
        assert_eq!((pass.asked, pass.repeats), (Asked::Pass, Repeats::default()));
        assert_eq!(bench.release_pass(pass.number, release(60)).await, Commit::Committed);
        let until = at(60);
        assert_eq!(bench.claim_pass("a", 59).await, PassClaim::NotDue { until });
        let next = claimed(bench.claim_pass("a", 60).await);
        assert_eq!((next.asked, next.repeats), (Asked::Nothing, REPEATS));
        assert!(next.number > pass.number);
    }
}

#[tokio::test]
async fn one_process_at_a_time_runs_a_pass_until_its_lease_ends() {
    for bench in Bench::all().await {
        bench.ask().await;
        let number = claimed(bench.claim_pass("a", 0).await).number;
        let held = |second| PassClaim::HeldBy { instance: "a".into(), until: at(second) };
        assert_eq!(bench.claim_pass("b", 29).await, held(30));
        let renew = async |number, second| {
            let renewal =
                bench.store.renew_reconciler(ORGANIZATION, KIND, number, at(second), LEASE);
            renewal.await.unwrap()
        };
        assert_eq!(renew(number, 20).await, Commit::Committed);
        assert_eq!(bench.claim_pass("b", 49).await, held(50));
        let second = claimed(bench.claim_pass("b", 50).await).number;
        assert_eq!(renew(number, 51).await, Commit::LeaseLost);
        assert_eq!(bench.release_pass(number, release(900)).await, Commit::LeaseLost);
        assert_eq!(bench.store.last_pass(ORGANIZATION, KIND).await.unwrap(), None);
        assert_eq!(renew(second, 52).await, Commit::Committed);
    }
}

#[tokio::test]
async fn the_last_outcome_is_kept_and_a_request_during_a_pass_leads_to_another() {
    for bench in Bench::all().await {
        bench.ask().await;
        let number = claimed(bench.claim_pass("a", 0).await).number;
        bench.ask().await;
        bench.release_pass(number, release(60)).await;
        let bench = bench.reopened().await;
        let last = bench.store.last_pass("FABRIKAM", KIND).await.unwrap();
        assert_eq!(last, release(60).last);
        let pass = claimed(bench.claim_pass("a", 1).await);
        assert_eq!(pass.asked, Asked::Pass);
        bench.release_pass(pass.number, Release { last: None, ..release(70) }).await;
        assert_eq!(bench.store.last_pass(ORGANIZATION, KIND).await.unwrap(), last);
        assert_eq!(bench.claim_pass("a", 2).await, PassClaim::NotDue { until: at(70) });
    }
}

#[tokio::test]
async fn every_organization_and_reconciler_has_passes_of_its_own() {
    for bench in Bench::all().await {
        let ask = async |organization, reconciler| {
            bench.store.ask_reconciler(organization, reconciler, Asked::Pass).await.unwrap();
        };
        let claim = async |organization, reconciler, instance| {
            let store = &bench.store;
            let claim = store.claim_reconciler(organization, reconciler, instance, at(0), LEASE);
            matches!(claim.await.unwrap(), PassClaim::Claimed(_))
        };
        ask("fabrikam", KIND).await;
        assert!(!claim("contoso", KIND, "a").await);
        assert!(!claim("fabrikam", Reconciler::Policies, "a").await);
        assert!(claim("Fabrikam", KIND, "a").await, "whatever the case of its name");
        for (organization, reconciler) in [
            ("contoso", KIND),
            ("fabrikam", Reconciler::Policies),
            ("fabrikam", Reconciler::CatchUp),
        ] {
            ask(organization, reconciler).await;
            assert!(claim(organization, reconciler, "b").await, "{organization} {reconciler:?}");
        }
        assert!(!claim("FABRIKAM", KIND, "b").await);
    }
}

#[tokio::test]
async fn after_a_restart_a_pass_of_the_process_before_can_be_claimed() {
    for bench in Bench::all().await {
        bench.ask().await;
        let number = claimed(bench.claim_pass("a", 0).await).number;
        let bench = bench.reopened().await;
        let pass = claimed(bench.claim_pass("b", 1).await);
        assert!(pass.number > number);
        assert_eq!(pass.asked, Asked::Recheck);
        let held = PassClaim::HeldBy { instance: "b".into(), until: at(31) };
        assert_eq!(bench.claim_pass("a", 2).await, held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_that_claim_a_pass_one_gets_it() {
    for bench in Bench::all().await {
        bench.ask().await;
        let claims = (0..8).map(|number| {
            let (store, instance) = (Arc::clone(&bench.store), format!("process-{number}"));
            tokio::spawn(async move {
                store.claim_reconciler(ORGANIZATION, KIND, &instance, at(0), LEASE).await
            })
        });
        let claims = futures_util::future::join_all(claims.collect::<Vec<_>>()).await;
        let is_claimed = |claim: &PassClaim| matches!(claim, PassClaim::Claimed(_));
        let claims = claims.into_iter().map(|claim| claim.unwrap().unwrap());
        assert_eq!(claims.filter(is_claimed).count(), 1);
    }
}

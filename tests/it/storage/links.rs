//! Links to service users: one per organization, renewed by one process at a time; a write that is
//! about a replaced link is refused.

use std::sync::Arc;

use azdo_gateway::domain::audit::{Action, Entry};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::secret::Sealed;
use azdo_gateway::storage::{
    AuditFilter, Commit, Link, LinkChange, LinkTo, Page, Refresh, RefreshCommit, Refreshed,
};

use super::make::{ORGANIZATION, entry, link};
use super::{Bench, LEASE, at};

impl Bench {
    async fn link_to(&self, organization: &str, to: LinkTo) -> Commit {
        let action = if matches!(to, LinkTo::Unlinked) { Action::Unlink } else { Action::Link };
        let (organization, entry) = (organization.to_owned(), entry(0, action));
        self.store.commit_link(LinkChange { organization, to, entry }).await.unwrap()
    }

    async fn linked(&self, organization: &str, token: u8) -> Link {
        let to = LinkTo::Linked(Box::new(link(organization, token)));
        assert_eq!(self.link_to(organization, to).await, Commit::Committed);
        self.found(organization).await
    }

    async fn found(&self, organization: &str) -> Link {
        self.store.link(organization).await.unwrap().expect("it is linked")
    }

    /// The number of a lease that is free at that second.
    async fn leased(&self, second: i64) -> i64 {
        match self.store.claim_refresh(ORGANIZATION, at(second), LEASE).await.unwrap() {
            Refresh::Leased { lease, .. } => lease,
            other => panic!("{other:?}"),
        }
    }

    async fn refreshed(&self, lease: i64, refreshed: Refreshed) -> Commit {
        let (organization, entry) = (ORGANIZATION.to_owned(), Some(entry(0, Action::Refresh)));
        let commit = RefreshCommit { organization, lease, refreshed, entry };
        self.store.commit_refresh(commit).await.unwrap()
    }

    /// The actions in the audit log, oldest first.
    async fn done(&self) -> Vec<Action> {
        let page = Page { limit: 100, before: None };
        let rows = self.store.audit(AuditFilter::default(), page).await.unwrap().items;
        rows.iter().rev().map(|row| row.entry.action).collect()
    }
}

fn renewed(token: u8) -> Refreshed {
    Refreshed::Renewed {
        refresh_token: Sealed(vec![token]),
        access_token: Sealed(vec![token, token]),
        access_expires_at: at(5_000),
        at: at(100),
    }
}

fn failed(retry_at: i64) -> Refreshed {
    Refreshed::Failed { problem: "Entra says no".into(), retry_at: at(retry_at) }
}

#[tokio::test]
async fn a_link_is_read_back_as_it_was_stored() {
    for bench in Bench::all().await {
        assert_eq!(bench.store.link(ORGANIZATION).await.unwrap(), None);
        let first = bench.linked(ORGANIZATION, 1).await;
        assert!(first.revision > 0);
        assert_eq!(first, Link { revision: first.revision, ..link(ORGANIZATION, 1) });
        let bare = Link { email: None, access_token: None, ..link("Contoso", 2) };
        let troubled = Link { problem: Some("why".into()), failures: 3, retry_at: at(9), ..bare };
        let to = LinkTo::Linked(Box::new(troubled.clone()));
        assert_eq!(bench.link_to("Contoso", to).await, Commit::Committed);
        let second = bench.found("contoso").await;
        assert_eq!(second, Link { revision: second.revision, ..troubled });
        let bench = bench.reopened().await;
        assert_eq!(bench.found(ORGANIZATION).await, first);
        assert_eq!(bench.found("CONTOSO").await, second);
        assert_eq!(bench.done().await, [Action::Link, Action::Link]);
    }
}

#[tokio::test]
async fn an_organization_has_one_link_in_any_spelling() {
    for bench in Bench::all().await {
        let before = bench.linked("fabrikam", 1).await;
        let after = bench.linked("Fabrikam", 2).await;
        assert!(after.revision > before.revision);
        assert_eq!(after, Link { revision: after.revision, ..link("Fabrikam", 2) });
        assert_eq!(bench.found("fabrikam").await, after);
        assert_eq!(bench.link_to("FABRIKAM", LinkTo::Unlinked).await, Commit::Committed);
        assert_eq!(bench.store.link("Fabrikam").await.unwrap(), None);
    }
}

#[tokio::test]
async fn unlinking_without_a_link_writes_nothing() {
    for bench in Bench::all().await {
        assert_eq!(bench.link_to(ORGANIZATION, LinkTo::Unlinked).await, Commit::Conflict);
        let before = bench.linked(ORGANIZATION, 1).await;
        assert_eq!(bench.link_to(ORGANIZATION, LinkTo::Unlinked).await, Commit::Committed);
        assert_eq!(bench.link_to(ORGANIZATION, LinkTo::Unlinked).await, Commit::Conflict);
        assert_eq!(bench.done().await, [Action::Link, Action::Unlink]);
        let after = bench.linked(ORGANIZATION, 1).await;
        assert!(after.revision > before.revision, "the new link has a revision of its own");
    }
}

#[tokio::test]
async fn one_process_renews_a_link_at_a_time() {
    for bench in Bench::all().await {
        let claim = |second| bench.store.claim_refresh("FABRIKAM", at(second), LEASE);
        assert!(matches!(claim(0).await.unwrap(), Refresh::NotLinked));
        let known = bench.linked(ORGANIZATION, 1).await;
        let Refresh::Leased { link, lease } = claim(0).await.unwrap() else { panic!("it is free") };
        assert_eq!(*link, known);
        assert!(matches!(claim(29).await.unwrap(), Refresh::Busy(until) if until == at(30)));
        // After its end a lease may be given to another process; then the first holder has lost it.
        let Refresh::Leased { lease: next, .. } = claim(30).await.unwrap() else { panic!("free") };
        assert!(next > lease);
        assert_eq!(bench.refreshed(lease, renewed(9)).await, Commit::LeaseLost);
        assert_eq!(bench.refreshed(next, renewed(8)).await, Commit::Committed);
        assert!(matches!(claim(31).await.unwrap(), Refresh::Leased { .. }), "the lease has ended");
        assert_eq!(bench.done().await, [Action::Link, Action::Refresh]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_of_a_renewal_one_is_given() {
    for bench in Bench::all().await {
        bench.linked(ORGANIZATION, 1).await;
        let claims = (0..8).map(|_| {
            let store = Arc::clone(&bench.store);
            tokio::spawn(async move { store.claim_refresh(ORGANIZATION, at(0), LEASE).await })
        });
        let claims = futures_util::future::join_all(claims.collect::<Vec<_>>()).await;
        let mut leased = 0;
        for claim in claims {
            match claim.unwrap().unwrap() {
                Refresh::Leased { .. } => leased += 1,
                Refresh::Busy(until) => assert_eq!(until, at(30)),
                Refresh::NotLinked => panic!("it is linked"),
            }
        }
        assert_eq!(leased, 1);
    }
}

#[tokio::test]
async fn the_outcome_of_a_renewal_is_stored() {
    for bench in Bench::all().await {
        let linked = bench.linked(ORGANIZATION, 1).await;
        for (failures, retry_at) in [(1, 10), (2, 20)] {
            let before = bench.found(ORGANIZATION).await;
            let lease = bench.leased(0).await;
            assert_eq!(bench.refreshed(lease, failed(retry_at)).await, Commit::Committed);
            let after = bench.found(ORGANIZATION).await;
            assert!(after.revision > before.revision);
            let (revision, problem) = (after.revision, Some("Entra says no".to_owned()));
            let retry_at = at(retry_at);
            assert_eq!(after, Link { revision, problem, retry_at, failures, ..linked.clone() });
        }
        let before = bench.found(ORGANIZATION).await;
        let lease = bench.leased(0).await;
        assert_eq!(bench.refreshed(lease, Refreshed::Unchanged).await, Commit::Committed);
        assert_eq!(bench.found(ORGANIZATION).await, before);
        let lease = bench.leased(0).await;
        assert_eq!(bench.refreshed(lease, renewed(9)).await, Commit::Committed);
        let bench = bench.reopened().await;
        let after = bench.found(ORGANIZATION).await;
        assert!(after.revision > before.revision);
        let expected = Link {
            revision: after.revision,
            refresh_token: Sealed(vec![9]),
            access_token: Some(Sealed(vec![9, 9])),
            access_expires_at: at(5_000),
            refreshed_at: at(100),
            retry_at: Timestamp::ZERO,
            ..linked
        };
        assert_eq!(after, expected);
    }
}

#[tokio::test]
async fn the_lease_of_a_renewal_is_used_once() {
    for bench in Bench::all().await {
        bench.linked(ORGANIZATION, 1).await;
        for first in [renewed(2), failed(9), Refreshed::Unchanged] {
            let lease = bench.leased(0).await;
            assert_eq!(bench.refreshed(lease, first).await, Commit::Committed);
            let before = (bench.found(ORGANIZATION).await, bench.done().await);
            assert_eq!(bench.refreshed(lease, renewed(3)).await, Commit::LeaseLost);
            assert_eq!((bench.found(ORGANIZATION).await, bench.done().await), before);
        }
    }
}

#[tokio::test]
async fn a_renewal_of_a_link_that_was_replaced_writes_nothing() {
    for bench in Bench::all().await {
        bench.linked(ORGANIZATION, 1).await;
        let lease = bench.leased(0).await;
        let anew = bench.linked("Fabrikam", 2).await;
        let done = bench.done().await;
        for refreshed in [renewed(9), failed(9), Refreshed::Unchanged] {
            assert_eq!(bench.refreshed(lease, refreshed).await, Commit::LeaseLost);
        }
        assert_eq!(bench.found(ORGANIZATION).await, anew);
        assert_eq!(bench.done().await, done, "the entry is not written either");
        assert!(bench.leased(1).await > lease, "no claim waits for a lease of the old link");
    }
}

#[tokio::test]
async fn lease_numbers_grow_across_links() {
    for mut bench in Bench::all().await {
        let mut last = 0;
        for turn in 0..3 {
            bench.linked(ORGANIZATION, turn).await;
            let lease = bench.leased(0).await;
            assert!(lease > last);
            last = lease;
            assert_eq!(bench.link_to(ORGANIZATION, LinkTo::Unlinked).await, Commit::Committed);
            assert_eq!(bench.refreshed(lease, renewed(9)).await, Commit::LeaseLost);
            bench = bench.reopened().await;
        }
    }
}

#[tokio::test]
async fn a_restart_ends_the_lease_of_a_renewal() {
    for bench in Bench::all().await {
        bench.linked(ORGANIZATION, 1).await;
        let lease = bench.leased(0).await;
        let bench = bench.reopened().await;
        assert_eq!(bench.refreshed(lease, renewed(9)).await, Commit::LeaseLost);
        assert_eq!(bench.leased(1).await, lease + 1);
    }
}

#[tokio::test]
async fn a_renewal_may_end_without_a_change() {
    for bench in Bench::all().await {
        bench.linked(ORGANIZATION, 1).await;
        let lease = bench.leased(0).await;
        let entry = None::<Entry>;
        let (organization, refreshed) = (ORGANIZATION.to_owned(), Refreshed::Unchanged);
        let commit = RefreshCommit { organization, lease, refreshed, entry };
        assert_eq!(bench.store.commit_refresh(commit).await.unwrap(), Commit::Committed);
        assert_eq!(bench.done().await, [Action::Link]);
    }
}

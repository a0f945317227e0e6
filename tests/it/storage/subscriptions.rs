//! Subscriptions as last seen: those of an organization are replaced as a whole, and pages of a
//! list do not shift meanwhile.

use azdo_gateway::domain::subscription::{Found, Settings, State, Topic};
use azdo_gateway::storage::{Page, SubscriptionFilter, SubscriptionRow};

use super::make::ORGANIZATION;
use super::{Bench, at};

impl Bench {
    /// Stores the subscriptions of an organization.
    async fn seen(&self, organization: &str, rows: &[SubscriptionRow]) {
        self.store.replace_subscriptions(organization, rows.to_vec()).await.unwrap();
    }

    async fn listed(&self, organization: Option<&str>, page: Page) -> (Vec<String>, Option<i64>) {
        let filter = SubscriptionFilter { organization: organization.map(str::to_owned) };
        let found = self.store.subscriptions(filter, page).await.unwrap();
        (found.items.into_iter().map(|row| row.found.id).collect(), found.next)
    }
}

const ALL: Page = Page { limit: 100, before: None };

/// A subscription as seen at that second, with every field filled.
fn row(organization: &str, id: &str, second: i64) -> SubscriptionRow {
    SubscriptionRow {
        organization: organization.into(),
        project: Some("Fabrikam".into()),
        found: Found {
            id: id.into(),
            topic: Topic::PullRequestsUpdated,
            project_id: Some("3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053".into()),
            url: "https://ci.fabrikam.example/hooks/azure-devops/fabrikam/updated".into(),
            state: State::DisabledByInactiveIdentity,
            settings: Settings::from([("resourceDetailsToSend".into(), "all".into())]),
            created_at: Some(at(-500)),
            created_by: "Alice".into(),
        },
        hook: "updated".into(),
        action: "heal".into(),
        reason: "whoever created it has left".into(),
        checks: vec!["lint".into(), "unit".into()],
        last_delivery_at: None,
        seen_at: at(second),
    }
}

#[tokio::test]
async fn a_subscription_is_read_back_as_it_was_stored() {
    for bench in Bench::all().await {
        let full = row(ORGANIZATION, "s-1", 1);
        let bare = row(ORGANIZATION, "s-2", 1);
        let found = Found { project_id: None, created_at: None, ..bare.found.clone() };
        let bare = SubscriptionRow { project: None, checks: Vec::new(), found, ..bare };
        bench.seen(ORGANIZATION, &[full.clone(), bare.clone()]).await;
        let bench = bench.reopened().await;
        let filter = SubscriptionFilter::default();
        let listed = bench.store.subscriptions(filter, ALL).await.unwrap();
        assert_eq!((listed.items, listed.next), (vec![bare.clone(), full.clone()], None));
        assert_eq!(bench.store.subscription("s-1").await.unwrap(), Some(full));
        assert_eq!(bench.store.subscription("S-2").await.unwrap(), Some(bare));
        assert_eq!(bench.store.subscription("s-3").await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_subscriptions_of_an_organization_are_replaced() {
    for bench in Bench::all().await {
        let first = ["s-1", "s-2", "s-3"].map(|id| row(ORGANIZATION, id, 1));
        bench.seen(ORGANIZATION, &first).await;
        bench.seen("contoso", &[row("contoso", "c-1", 1)]).await;
        let changed = SubscriptionRow {
            found: Found { state: State::Enabled, ..row(ORGANIZATION, "s-2", 2).found },
            project: None,
            hook: "another".into(),
            action: "keep".into(),
            reason: "as it should be".into(),
            checks: Vec::new(),
            ..row("Fabrikam", "s-2", 2)
        };
        bench.seen("Fabrikam", &[changed.clone(), row("Fabrikam", "s-4", 2)]).await;
        assert_eq!(bench.listed(Some("FABRIKAM"), ALL).await.0, ["s-4", "s-2"]);
        assert_eq!(bench.store.subscription("s-2").await.unwrap(), Some(changed));
        assert_eq!(bench.store.subscription("s-1").await.unwrap(), None);
        assert_eq!(bench.listed(None, ALL).await.0, ["s-4", "c-1", "s-2"]);
        bench.seen(ORGANIZATION, &[]).await;
        assert_eq!(bench.listed(None, ALL).await.0, ["c-1"], "those of another organization stay");
    }
}

#[tokio::test]
async fn pages_do_not_shift_when_subscriptions_are_seen_again() {
    for bench in Bench::all().await {
        let rows: Vec<_> =
            (1..=5).map(|number| row(ORGANIZATION, &format!("s-{number}"), 1)).collect();
        bench.seen(ORGANIZATION, &rows).await;
        let (ids, next) = bench.listed(Some(ORGANIZATION), Page { limit: 2, before: None }).await;
        assert_eq!(ids, ["s-5", "s-4"]);
        // One subscription is gone and one is new; neither is on the next page.
        let mut rows: Vec<_> = rows.into_iter().rev().skip(1).collect();
        rows.push(row(ORGANIZATION, "s-6", 2));
        bench.seen(ORGANIZATION, &rows).await;
        let bench = bench.reopened().await;
        let page = Page { limit: 2, before: next };
        let (ids, next) = bench.listed(Some("Fabrikam"), page).await;
        assert_eq!(ids, ["s-3", "s-2"]);
        let (ids, next) = bench.listed(Some("Fabrikam"), Page { limit: 2, before: next }).await;
        assert_eq!((ids, next), (vec!["s-1".to_owned()], None));
        assert_eq!(bench.listed(None, ALL).await.0, ["s-6", "s-4", "s-3", "s-2", "s-1"]);
    }
}

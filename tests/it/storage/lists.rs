//! Lists: all pages together hold every row once, newest first; filters; and the backlog.

use azdo_gateway::domain::decision::{Outcome, Source};
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::status::Shown;
use azdo_gateway::storage::{Backlog, Commit, DeliveryFilter, Page, RunFilter, StatusFilter};

use super::{Bench, at, claim, make};
use make::HookCall;

#[tokio::test]
async fn pages_are_complete_and_do_not_overlap() {
    for bench in Bench::all().await {
        for number in 1..=23 {
            bench.accept(make::delivery(number)).await.unwrap();
        }
        for limit in [1, 5, 22, 23, 24] {
            let all = Page { limit: 1_000, before: None };
            let all = bench.store.deliveries(DeliveryFilter::default(), all).await.unwrap();
            let all: Vec<i64> = all.items.iter().map(|item| item.id.0).collect();
            let (mut seen, mut before) = (Vec::new(), None);
            loop {
                let page = Page { limit, before };
                let found = bench.store.deliveries(DeliveryFilter::default(), page).await.unwrap();
                assert!(found.items.len() <= limit);
                seen.extend(found.items.iter().map(|item| item.id.0));
                // A delivery that is received meanwhile is on no later page.
                let number = 1_000 + i64::try_from(seen.len()).unwrap();
                bench.accept(make::delivery(number)).await;
                before = found.next;
                if before.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all, "limit {limit}");
            assert!(seen.is_sorted_by(|newer, older| newer > older), "limit {limit}");
        }
    }
}

#[tokio::test]
async fn deliveries_are_found_by_every_filter() {
    for bench in Bench::all().await {
        let other = make::delivery_of("contoso", "subscription-a", 1, "event");
        let body = String::from_utf8(other.body.clone()).unwrap();
        let body = body.replace("git.push", "build.complete").into_bytes();
        bench.accept(HookCall { body, ..other }).await.unwrap();
        bench.accept(make::delivery(1)).await.unwrap();
        bench.plan(2, &[make::run(1, "a", 'a')]).await;
        let all = DeliveryFilter::default;
        let found = async |filter: DeliveryFilter| -> Vec<i64> {
            let page = Page { limit: 9, before: None };
            let found = bench.store.deliveries(filter, page).await.unwrap();
            found.items.into_iter().map(|item| item.id.0).collect()
        };
        assert_eq!(found(all()).await, [3, 2, 1]);
        let organization = Some("Contoso".into());
        assert_eq!(found(DeliveryFilter { organization, ..all() }).await, [1]);
        let event_type = Some("git.push".into());
        assert_eq!(found(DeliveryFilter { event_type, ..all() }).await, [3, 2]);
        // `plan` claims the oldest delivery.
        let outcome = Some(Outcome::Started);
        assert_eq!(found(DeliveryFilter { outcome, ..all() }).await, [1]);
        let outcome = Some(Outcome::Pending);
        assert_eq!(found(DeliveryFilter { outcome, ..all() }).await, [3, 2]);
        let source = Some(Source::Replay);
        assert!(found(DeliveryFilter { source, ..all() }).await.is_empty());
        let decided = bench.store.deliveries(all(), Page { limit: 9, before: None }).await.unwrap();
        let received_at = decided.items[2].received_at;
        let about = Some(received_at.micros() % make::SUBJECTS);
        assert_eq!(found(DeliveryFilter { about, ..all() }).await, [1]);
        let outcome = Some(Outcome::Pending);
        assert!(found(DeliveryFilter { about, outcome, ..all() }).await.is_empty());
        assert!(found(DeliveryFilter { about: Some(-1), ..all() }).await.is_empty());
    }
}

#[tokio::test]
async fn runs_are_found_by_every_filter() {
    for bench in Bench::all().await {
        let contoso = Run { organization: "contoso".into(), ..make::push_run(2, "b", 'b') };
        let runs = bench.plan(1, &[make::run(1, "a", 'a'), contoso]).await;
        assert_eq!(bench.change(make::moved(&runs[0], State::Failed, 2)).await, Commit::Committed);
        let all = RunFilter::default;
        let found = async |filter: RunFilter| -> Vec<String> {
            let page = Page { limit: 9, before: None };
            let found = bench.store.runs(filter, page).await.unwrap();
            found.items.into_iter().map(|item| item.check).collect()
        };
        assert_eq!(found(all()).await, ["b", "a"]);
        assert_eq!(found(RunFilter { check: Some("a".into()), ..all() }).await, ["a"]);
        assert_eq!(found(RunFilter { organization: Some("CONTOSO".into()), ..all() }).await, ["b"]);
        assert_eq!(found(RunFilter { commit: Some(make::sha('b')), ..all() }).await, ["b"]);
        assert_eq!(found(RunFilter { pull_request: Some(7), ..all() }).await, ["a"]);
        assert_eq!(found(RunFilter { state: Some("failed".into()), ..all() }).await, ["a"]);
        let repository = Some(make::repository().id);
        let both = RunFilter { repository, state: Some("planned".into()), ..all() };
        assert_eq!(found(both).await, ["b"]);
    }
}

#[tokio::test]
async fn statuses_are_found_by_every_filter() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let other = make::status("scan", 'a', Shown::Pending);
        let other = bench.store.queue_status(other, at(1)).await.unwrap();
        let found = async |filter: StatusFilter| {
            let page = Page { limit: 9, before: None };
            let found = bench.store.statuses(filter, page).await.unwrap();
            found.items.into_iter().map(|item| item.id).collect::<Vec<_>>()
        };
        let of_run = found(StatusFilter { run: Some(run.id), ..Default::default() }).await;
        assert_eq!(of_run.len(), 1);
        let queued = StatusFilter { outcome: Some("queued".into()), ..Default::default() };
        assert_eq!(found(queued).await, [other, of_run[0]]);
        let posted = StatusFilter { outcome: Some("posted".into()), ..Default::default() };
        assert!(found(posted).await.is_empty());
        assert_eq!(bench.store.status(other).await.unwrap().unwrap().queued_at, at(1));
        let unknown = azdo_gateway::domain::id::StatusId(99);
        assert!(bench.store.status(unknown).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_backlog_counts_unfinished_rows_of_each_stage() {
    for bench in Bench::all().await {
        assert_eq!(bench.store.backlog().await.unwrap(), Backlog::default());
        let runs = [make::run(1, "a", 'a'), make::run(2, "b", 'a'), make::run(3, "c", 'a')];
        let runs = bench.plan(1, &runs).await;
        assert_eq!(bench.change(make::moved(&runs[0], State::Running, 1)).await, Commit::Committed);
        assert_eq!(bench.change(make::moved(&runs[1], State::Failed, 1)).await, Commit::Committed);
        for (number, second) in [(2, 4), (3, 5)] {
            let call = HookCall { received_at: at(second), ..make::delivery(number) };
            bench.accept(call).await.unwrap();
        }
        let expected = Backlog {
            undecided: 2,
            planned: 1,
            at_ci: 1,
            unposted: 3,
            oldest_undecided: Some(at(4)),
        };
        assert_eq!(bench.store.backlog().await.unwrap(), expected);
        // A leased delivery is not decided yet.
        bench.store.claim_deliveries(claim(5, 9)).await.unwrap();
        bench.store.claim_runs(claim(5, 9)).await.unwrap();
        bench.slots(5).await;
        assert_eq!(bench.store.backlog().await.unwrap(), expected);
    }
}

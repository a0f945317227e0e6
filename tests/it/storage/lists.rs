//! Lists: all pages together hold every row once, newest first; filters; and the backlog.

use azdo_gateway::domain::decision::{Outcome, Source};
use azdo_gateway::domain::event::Event;
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::status::Shown;
use azdo_gateway::storage::{
    Backlog, Between, Commit, DeliveryFilter, LiveRuns, Page, RunFilter, StatusFilter,
};

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
        // One that waits for a decision has no event yet.
        let event = Some(Event::PullRequestPushed);
        assert_eq!(found(DeliveryFilter { event, ..all() }).await, [1]);
        let outcome = Some(Outcome::Started);
        assert_eq!(found(DeliveryFilter { event, outcome, ..all() }).await, [1]);
        let outcome = Some(Outcome::Pending);
        assert!(found(DeliveryFilter { event, outcome, ..all() }).await.is_empty());
        let event = Some(Event::BranchPushed);
        assert!(found(DeliveryFilter { event, ..all() }).await.is_empty());
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
async fn rows_are_found_by_their_time_from_one_moment_on_and_before_another() {
    // Seconds of ten rows, two hours apart.
    let hours = |number: i64| number * 7_200;
    let between = |since: Option<i64>, until: Option<i64>| Between {
        since: since.map(at),
        until: until.map(at),
    };
    for bench in Bench::all().await {
        let run = |number: i64| {
            let created_at = at(hours(number));
            let id = u128::try_from(number + 1).unwrap();
            let ci = if number < 5 { "builder" } else { "other" };
            Run { created_at, ci: ci.into(), ..make::push_run(id, &number.to_string(), 'b') }
        };
        // One more delivery, before the others.
        bench.plan(99, &(0..10).map(run).collect::<Vec<_>>()).await;
        for number in 0..10 {
            let received_at = at(hours(number));
            let call = HookCall { received_at, ..make::delivery(number) };
            bench.accept(call).await.unwrap();
            let status = make::status(&format!("scan-{number}"), 'a', Shown::Pending);
            bench.store.queue_status(status, received_at).await.unwrap();
        }
        let all = Page { limit: 99, before: None };
        for (since, until, expected) in [
            (None, None, 0..10),
            (Some(hours(3)), None, 3..10),
            (Some(hours(3) + 1), None, 4..10),
            (None, Some(hours(3)), 0..3),
            (None, Some(hours(3) + 1), 0..4),
            (Some(hours(3)), Some(hours(7)), 3..7),
            (Some(hours(7)), Some(hours(3)), 0..0),
            (Some(hours(10)), None, 0..0),
            (None, Some(hours(0)), 0..0),
            (Some(hours(0)), Some(hours(10)), 0..10),
        ] {
            let between = between(since, until);
            let moments: Vec<_> = expected.rev().map(|number| at(hours(number))).collect();
            let filter = DeliveryFilter { between, ..Default::default() };
            let found = bench.store.deliveries(filter, all).await.unwrap();
            assert_eq!(found.next, None);
            let mut found: Vec<_> = found.items.into_iter().map(|one| one.received_at).collect();
            if moments.last() == Some(&at(0)) {
                assert_eq!(found.pop(), Some(at(0)), "the one that planned the runs");
            }
            assert_eq!(found, moments, "deliveries {between:?}");
            let filter = StatusFilter { between, ..Default::default() };
            let found = bench.store.statuses(filter, all).await.unwrap().items;
            let found: Vec<_> = found.into_iter().filter(|one| one.status.run.is_none()).collect();
            let found: Vec<_> = found.into_iter().map(|one| one.queued_at).collect();
            assert_eq!(found, moments, "statuses {between:?}");
            let filter = RunFilter { between, ..Default::default() };
            let found = bench.store.runs(filter, all).await.unwrap().items;
            let found: Vec<_> = found.into_iter().map(|one| one.created_at).collect();
            assert_eq!(found, moments, "runs {between:?}");
        }
        // With another filter, and page by page.
        let between = between(Some(hours(2)), Some(hours(8)));
        let mut page = Page { limit: 2, before: None };
        let mut checks = Vec::new();
        loop {
            let ci = Some("builder".to_owned());
            let filter = RunFilter { between, ci, ..Default::default() };
            let found = bench.store.runs(filter, page).await.unwrap();
            checks.extend(found.items.into_iter().map(|one| one.check));
            page.before = found.next;
            if found.next.is_none() {
                break;
            }
        }
        assert_eq!(checks, ["4", "3", "2"]);
    }
}

#[tokio::test]
async fn the_backlog_counts_unfinished_rows_of_each_stage() {
    for bench in Bench::all().await {
        assert_eq!(bench.store.backlog().await.unwrap(), Backlog::default());
        let planned = |number: u128, check: &str, second| {
            let created_at = at(second);
            Run { created_at, ..make::run(number, check, 'a') }
        };
        let runs = [planned(1, "a", 5), planned(2, "b", 6), planned(3, "c", 7)];
        let runs = bench.plan(1, &runs).await;
        assert_eq!(bench.change(make::moved(&runs[0], State::Running, 1)).await, Commit::Committed);
        assert_eq!(bench.change(make::moved(&runs[1], State::Failed, 1)).await, Commit::Committed);
        for (number, second) in [(2, 4), (3, 5)] {
            let call = HookCall { received_at: at(second), ..make::delivery(number) };
            bench.accept(call).await.unwrap();
        }
        let live = |state| LiveRuns { ci: runs[0].ci.clone(), state, count: 1 };
        let expected = Backlog {
            undecided: 2,
            planned: 1,
            at_ci: 1,
            unposted: 3,
            oldest_undecided: Some(at(4)),
            oldest_planned: Some(at(7)),
            live_runs: vec![live(State::Planned), live(State::Running)],
        };
        assert_eq!(bench.store.backlog().await.unwrap(), expected);
        // A leased delivery is not decided yet.
        bench.store.claim_deliveries(claim(5, 9)).await.unwrap();
        bench.store.claim_runs(claim(5, 9)).await.unwrap();
        bench.slots(5).await;
        assert_eq!(bench.store.backlog().await.unwrap(), expected);
    }
}

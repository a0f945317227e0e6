//! The audit log: entries are read back newest first, under every filter, until they are old; their
//! numbers are never used twice.

use azdo_gateway::domain::audit::{Action, Entry, Outcome};
use azdo_gateway::domain::id::RunId;
use azdo_gateway::storage::{AuditFilter, Between, Page};
use uuid::Uuid;

use super::{Bench, at, make};

const ALL: Page = Page { limit: 500, before: None };

/// The times of the entries that match a filter, in seconds.
async fn seconds(bench: &Bench, filter: AuditFilter) -> Vec<i64> {
    let found = bench.store.audit(filter, ALL).await.unwrap();
    found.items.iter().map(|row| (row.entry.at.ms() - at(0).ms()) / 1_000).collect()
}

#[tokio::test]
async fn an_entry_is_read_back_as_it_was_recorded() {
    for bench in Bench::all().await {
        let full = make::entry(1, Action::Mint);
        let bare = Entry::new(at(2), "Contoso", Action::Unlink, Outcome::Failed);
        bench.store.record(vec![full.clone(), bare.clone()]).await.unwrap();
        bench.store.record(Vec::new()).await.unwrap();
        let bench = bench.reopened().await;
        let rows = bench.store.audit(AuditFilter::default(), ALL).await.unwrap().items;
        let entries: Vec<_> = rows.iter().map(|row| row.entry.clone()).collect();
        assert_eq!(entries, [bare, full]);
        for row in rows {
            assert_eq!(bench.store.audit_entry(row.id).await.unwrap(), Some(row));
        }
        assert_eq!(bench.store.audit_entry(99).await.unwrap(), None);
    }
}

#[tokio::test]
async fn every_action_and_outcome_is_stored_and_read_back() {
    for bench in Bench::all().await {
        for action in Action::ALL.iter().copied() {
            for outcome in Outcome::ALL.iter().copied() {
                let entry = Entry { outcome, ..make::entry(1, action) };
                bench.store.record(vec![entry]).await.unwrap();
            }
        }
        for action in Action::ALL.iter().copied() {
            for outcome in Outcome::ALL.iter().copied() {
                let (action, outcome) = (Some(action), Some(outcome));
                let filter = AuditFilter { action, outcome, ..AuditFilter::default() };
                let found = bench.store.audit(filter, ALL).await.unwrap().items;
                let found: Vec<_> = found.iter().map(|row| &row.entry).collect();
                assert_eq!(found.len(), 1);
                assert_eq!((Some(found[0].action), Some(found[0].outcome)), (action, outcome));
            }
        }
    }
}

#[tokio::test]
async fn filters_select_the_entries_that_match() {
    for bench in Bench::all().await {
        let run = RunId(Uuid::from_u128(77));
        let entries = vec![
            make::entry(1, Action::Mint),
            Entry { organization: "Contoso".into(), ..make::entry(2, Action::Mint) },
            Entry { run: Some(run), ..make::entry(3, Action::Use) },
            Entry { run: None, pat: Some("other".into()), ..make::entry(4, Action::Use) },
            Entry { outcome: Outcome::Refused, pat: None, ..make::entry(5, Action::Use) },
            Entry { actor: "Jo.Müller@contoso.com".into(), ..make::entry(6, Action::Rerun) },
        ];
        bench.store.record(entries).await.unwrap();
        let none = AuditFilter::default;
        let organization = |name: &str| Some(name.to_owned());
        let between = |since: Option<i64>, until: Option<i64>| Between {
            since: since.map(at),
            until: until.map(at),
        };
        for (filter, expected) in [
            (none(), vec![6, 5, 4, 3, 2, 1]),
            (AuditFilter { organization: organization("FABRIKAM"), ..none() }, vec![6, 5, 4, 3, 1]),
            (AuditFilter { organization: organization("contoso"), ..none() }, vec![2]),
            (AuditFilter { organization: organization("tailspin"), ..none() }, vec![]),
            (AuditFilter { action: Some(Action::Mint), ..none() }, vec![2, 1]),
            (AuditFilter { outcome: Some(Outcome::Refused), ..none() }, vec![5]),
            (AuditFilter { run: Some(run), ..none() }, vec![3]),
            (AuditFilter { pat: Some("other".into()), ..none() }, vec![4]),
            (AuditFilter { actor: Some("jo.müller@Contoso.com".into()), ..none() }, vec![6]),
            (AuditFilter { actor: Some("jo".into()), ..none() }, vec![]),
            (AuditFilter { between: between(Some(2), Some(5)), ..none() }, vec![4, 3, 2]),
            (AuditFilter { between: between(Some(5), None), ..none() }, vec![6, 5]),
            (
                AuditFilter {
                    organization: organization("fabrikam"),
                    action: Some(Action::Use),
                    outcome: Some(Outcome::Done),
                    actor: Some("STAGE/post".into()),
                    run: Some(run),
                    between: between(None, Some(4)),
                    pat: make::entry(0, Action::Use).pat,
                },
                vec![3],
            ),
        ] {
            let shown = format!("{filter:?}");
            assert_eq!(seconds(&bench, filter).await, expected, "{shown}");
        }
    }
}

#[tokio::test]
async fn pages_are_complete_and_do_not_overlap() {
    for bench in Bench::all().await {
        let entries = (1..=7).map(|second| make::entry(second, Action::Use));
        bench.store.record(entries.collect()).await.unwrap();
        let other = Entry { organization: "contoso".into(), ..make::entry(8, Action::Use) };
        bench.store.record(vec![other]).await.unwrap();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let organization = Some(make::ORGANIZATION.to_owned());
            let filter = AuditFilter { organization, ..AuditFilter::default() };
            let found = bench.store.audit(filter, Page { limit: 3, before }).await.unwrap();
            seen.extend(found.items.iter().map(|row| row.id));
            // An entry that is recorded meanwhile is on no later page.
            bench.store.record(vec![make::entry(9, Action::Use)]).await.unwrap();
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=7).rev().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_rare_actor_is_looked_for_among_a_limited_number_of_entries_at_a_time() {
    for bench in Bench::all().await {
        let of_run = RunId(Uuid::from_u128(77));
        let by_jo = |second, run| {
            let entry = Entry { actor: "jo".into(), run, ..make::entry(second, Action::Rerun) };
            vec![entry]
        };
        bench.store.record(by_jo(1, Some(of_run))).await.unwrap();
        let others = (0..2_100).map(|_| make::entry(2, Action::Use)).collect();
        bench.store.record(others).await.unwrap();
        bench.store.record(by_jo(3, None)).await.unwrap();
        let (mut pages, mut before) = (Vec::new(), None);
        let actor = || Some("jo".to_owned());
        loop {
            let filter = AuditFilter { actor: actor(), ..AuditFilter::default() };
            let found = bench.store.audit(filter, Page { limit: 5, before }).await.unwrap();
            pages.push(found.items.iter().map(|row| row.id).collect::<Vec<_>>());
            before = found.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(pages, [vec![2_102], vec![1]]);
        // By an index the others are not looked at.
        let filter = AuditFilter { actor: actor(), run: Some(of_run), ..AuditFilter::default() };
        let found = bench.store.audit(filter, ALL).await.unwrap();
        assert_eq!((found.items.len(), found.next), (1, None));
    }
}

#[tokio::test]
async fn old_entries_are_deleted_a_few_at_a_time_by_their_own_retention() {
    for bench in Bench::all().await {
        // They are not recorded in the order of their times.
        for second in [5, 1, 4, 2, 3] {
            bench.store.record(vec![make::entry(second, Action::Use)]).await.unwrap();
        }
        bench.accept(make::delivery(1)).await.unwrap();
        let delete = |before, audit| bench.store.delete_older(at(before), at(audit), 2);
        assert_eq!(delete(1_000, 1).await.unwrap(), 0, "the time of the other rows does not apply");
        assert_eq!(delete(-9, 4).await.unwrap(), 2);
        assert_eq!(seconds(&bench, AuditFilter::default()).await, [3, 4, 5]);
        assert_eq!(delete(-9, 4).await.unwrap(), 1);
        assert_eq!(delete(-9, 4).await.unwrap(), 0);
        assert_eq!(seconds(&bench, AuditFilter::default()).await, [4, 5]);
    }
}

#[tokio::test]
async fn numbers_are_never_used_twice() {
    for bench in Bench::all().await {
        bench.store.record(vec![make::entry(1, Action::Use); 3]).await.unwrap();
        assert_eq!(bench.store.delete_older(at(0), at(9), 9).await.unwrap(), 3);
        let bench = bench.reopened().await;
        bench.store.record(vec![make::entry(1, Action::Use)]).await.unwrap();
        let rows = bench.store.audit(AuditFilter::default(), ALL).await.unwrap().items;
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [4]);
    }
}

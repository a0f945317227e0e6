//! Runners as last seen, and the runs that they may take and have.

use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::storage::{Page, RunCommit, RunnerRow};

use super::{Bench, at, claim, make};

const ALL: Page = Page { limit: 100, before: None };

async fn listed(bench: &Bench) -> Vec<(String, Vec<String>, i64, i64)> {
    let page = bench.store.runners(ALL).await.unwrap();
    let second = |row: &RunnerRow| (row.since.ms() / 1_000, row.seen_at.ms() / 1_000);
    let row = |row: RunnerRow| (row.name.clone(), row.labels.clone(), second(&row));
    let flat = |(name, labels, (since, seen))| (name, labels, since, seen);
    page.items.into_iter().map(row).map(flat).collect()
}

#[tokio::test]
async fn a_runner_is_there_since_it_came_and_anew_after_it_had_gone() {
    for bench in Bench::all().await {
        let base = at(0).ms() / 1_000;
        bench.store.see_runner(make::seen_runner("a", Some(&["linux"]), 0)).await.unwrap();
        bench.store.see_runner(make::seen_runner("b", None, 5)).await.unwrap();
        bench.store.see_runner(make::seen_runner("a", None, 50)).await.unwrap();
        // Replicas write out of order.
        bench.store.see_runner(make::seen_runner("a", None, 40)).await.unwrap();
        let linux = vec!["linux".to_owned()];
        let rows = listed(&bench.reopened().await).await;
        assert_eq!(
            rows,
            [
                ("b".to_owned(), vec![], base + 5, base + 5),
                ("a".to_owned(), linux, base, base + 50),
            ]
        );
    }
    for bench in Bench::all().await {
        let base = at(0).ms() / 1_000;
        bench.store.see_runner(make::seen_runner("a", Some(&["linux"]), 0)).await.unwrap();
        bench.store.see_runner(make::seen_runner("a", Some(&["arm"]), 61)).await.unwrap();
        let arm = vec!["arm".to_owned()];
        assert_eq!(listed(&bench).await, [("a".to_owned(), arm, base + 61, base + 61)]);
        bench.store.delete_older(at(61), at(0), 100).await.unwrap();
        assert_eq!(listed(&bench).await.len(), 1);
        bench.store.delete_older(at(62), at(0), 100).await.unwrap();
        assert_eq!(listed(&bench).await.len(), 0, "it was not seen for long");
    }
}

#[tokio::test]
async fn the_queue_has_the_first_run_of_each_check_and_those_that_runners_have() {
    for bench in Bench::all().await {
        let runs = [(1, "unit"), (2, "unit"), (3, "lint"), (4, "lint")];
        bench.plan(1, &runs.map(|(number, check)| make::run(number, check, 'a'))).await;
        let queue = |ci: &str| bench.store.runner_queue(vec![ci.into(), "another".into()]);
        let none = queue("builder").await.unwrap();
        assert!(none.offered.is_empty() && none.leased.is_empty(), "none is dispatched");
        let leased = bench.store.claim_runs(claim(1, 10)).await.unwrap();
        assert_eq!(leased.len(), 4);
        for leased in leased {
            let run = make::moved(&leased.run, State::Dispatched, 1);
            let commit = RunCommit { run, lease: Some(leased.lease), due_at: None };
            bench.store.commit_run(commit).await.unwrap();
        }
        let offered = queue("builder").await.unwrap();
        let checks =
            |runs: &[Run]| -> Vec<String> { runs.iter().map(|run| run.check.clone()).collect() };
        assert_eq!(checks(&offered.offered), ["unit", "lint"]);
        assert!(offered.leased.is_empty());
        let first = offered.offered[0].clone();
        let commit = RunCommit { run: first.clone(), lease: None, due_at: Some(at(60)) };
        bench.store.commit_run(commit).await.unwrap();
        let taken = queue("builder").await.unwrap();
        assert_eq!(checks(&taken.offered), ["unit", "lint"], "the next one of that check");
        assert_ne!(taken.offered[0].id, first.id);
        assert_eq!(taken.leased.iter().map(|run| run.id).collect::<Vec<_>>(), [first.id]);
        assert!(queue("gitlab").await.unwrap().offered.is_empty());
    }
}

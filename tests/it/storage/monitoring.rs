//! Which problems there are in all processes, and since when.

use azdo_gateway::storage::{ProblemKey, ProblemRow, SeenProblems};

use super::{Bench, at};

fn key(kind: &str, about: &str) -> ProblemKey {
    ("fabrikam".into(), kind.into(), about.into())
}

fn row(key: ProblemKey, reason: &str, since: i64) -> ProblemRow {
    ProblemRow { key, reason: reason.into(), since: at(since) }
}

fn seen(all: Vec<ProblemRow>, over: Vec<ProblemKey>, second: i64) -> SeenProblems {
    SeenProblems { all, over, seen_at: at(second), over_before: at((second - 900).max(0)) }
}

#[tokio::test]
async fn a_problem_is_there_since_any_process_has_seen_it() {
    for bench in Bench::all().await {
        let see = async |noted| bench.store.see_problems(noted).await.unwrap();
        let list = async |after| bench.store.problems(at(after)).await.unwrap();
        let (link, ci) = (key("link", ""), key("ci", "legacy"));
        see(seen(vec![row(link.clone(), "refused", 10)], vec![], 10)).await;
        // Another process sees it later, in other words, and one of its own.
        let others = vec![row(link.clone(), "refused again", 20), row(ci.clone(), "401", 20)];
        see(seen(others, vec![], 20)).await;
        let both = [row(ci.clone(), "401", 20), row(link.clone(), "refused again", 10)];
        assert_eq!(list(19).await, both);
        assert!(list(20).await.is_empty(), "nobody has seen them after that");
        see(seen(vec![row(ci.clone(), "401", 20)], vec![link.clone()], 30)).await;
        assert_eq!(list(0).await, [row(ci.clone(), "401", 20)], "the link works again");
        let bench = bench.reopened().await;
        // A process that starts soon sees it anew; much later it is another problem.
        let see = async |noted| bench.store.see_problems(noted).await.unwrap();
        let list = async |after| bench.store.problems(at(after)).await.unwrap();
        see(seen(vec![row(ci.clone(), "401", 500)], vec![], 500)).await;
        assert_eq!(list(499).await, [row(ci.clone(), "401", 20)]);
        see(seen(vec![row(ci.clone(), "401", 5_000)], vec![], 5_000)).await;
        assert_eq!(list(0).await, [row(ci, "401", 5_000)]);
        see(seen(vec![], vec![], 9_000)).await;
        assert!(list(0).await.is_empty());
    }
}

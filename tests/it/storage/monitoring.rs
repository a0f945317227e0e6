//! Which problems there are in all processes and since when, and how much happened in each minute.

use azdo_gateway::storage::{HourRow, MinuteRow, ProblemKey, ProblemRow, SeenProblems};

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

#[tokio::test]
async fn minutes_are_kept_for_each_process_until_they_are_old() {
    for bench in Bench::all().await {
        let row = |series: &str, minute: i64, value| MinuteRow {
            at: at(60 * minute),
            series: series.into(),
            value,
        };
        let add = async |process: &str, rows: Vec<MinuteRow>, forget_before: i64| {
            bench.store.add_minutes(process.into(), rows, at(60 * forget_before)).await.unwrap();
        };
        add("a", vec![row("runs", 1, 5), row("shown.p50", 1, 300)], 0).await;
        add("b", vec![row("runs", 1, 7), row("runs", 2, 8), row("other", 1, 1)], 0).await;
        // The answer was lost, and it is stored again.
        add("a", vec![row("runs", 1, 6), row("runs", 2, 9)], 0).await;
        let wanted = || vec!["shown.p50".to_owned(), "runs".to_owned(), "none".to_owned()];
        let list = async |since: i64| bench.store.minutes(wanted(), at(60 * since)).await.unwrap();
        let of_second = [row("runs", 2, 9), row("runs", 2, 8)];
        let all = [&[row("runs", 1, 6), row("runs", 1, 7)], &of_second[..]].concat();
        assert_eq!(list(0).await, [&all[..], &[row("shown.p50", 1, 300)]].concat());
        assert_eq!(list(2).await, of_second);
        add("a", vec![row("runs", 3, 1)], 2).await;
        assert_eq!(list(0).await, [&of_second[..], &[row("runs", 3, 1)]].concat());
    }
}

#[tokio::test]
async fn hours_add_up_the_minutes_of_all_processes() {
    for bench in Bench::all().await {
        let row = |series: &str, minute: i64, value| MinuteRow {
            at: at(60 * minute),
            series: series.into(),
            value,
        };
        let add = async |process: &str, rows: Vec<MinuteRow>| {
            bench.store.add_minutes(process.into(), rows, at(0)).await.unwrap();
        };
        let minutes = [(59, 1_000), (60, 5), (119, 6), (120, 2_000), (240, 8)];
        add("a", minutes.map(|(minute, value)| row("runs", minute, value)).to_vec()).await;
        add("b", vec![row("runs", 60, 7), row("shown.p50", 61, 300), row("other", 61, 1)]).await;
        let hour = |series: &str, minute: i64, sum, values| HourRow {
            at: at(60 * minute),
            series: series.into(),
            sum,
            values,
        };
        let wanted = || vec!["shown.p50".to_owned(), "runs".to_owned(), "none".to_owned()];
        let hours = async |begins: &[i64]| {
            let begins = begins.iter().map(|minute| at(60 * minute)).collect();
            bench.store.hours(wanted(), begins).await.unwrap()
        };
        assert_eq!(
            hours(&[240, 60, 300]).await,
            [hour("runs", 60, 18, 3), hour("runs", 240, 8, 1), hour("shown.p50", 60, 300, 1)]
        );
        // Hours begin at any minute.
        assert_eq!(hours(&[59]).await[0], hour("runs", 59, 1_012, 3));
        assert!(hours(&[]).await.is_empty());
    }
}

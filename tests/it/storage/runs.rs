//! Runs: numbered in the order of their planning, leased to be started, limited in the concurrency
//! of their check and of their CI.

use azdo_gateway::domain::run::{OfPullRequest, Run, State};
use azdo_gateway::storage::{Commit, LeasedRun, RunCommit};

use super::{Bench, at, claim, make};

async fn claimed(bench: &Bench, second: i64, limit: usize) -> Vec<LeasedRun> {
    bench.store.claim_runs(claim(second, limit)).await.unwrap()
}

fn checks(leased: &[LeasedRun]) -> Vec<&str> {
    leased.iter().map(|one| one.run.check.as_str()).collect()
}

/// Commits the outcome of an attempt, at that second.
async fn attempted(bench: &Bench, of: &LeasedRun, run: Run, due: Option<i64>) -> Commit {
    let commit = RunCommit { run, lease: Some(of.lease), due_at: due.map(at) };
    bench.store.commit_run(commit).await.unwrap()
}

#[tokio::test]
async fn runs_are_numbered_and_claimed_in_the_order_of_their_planning() {
    for bench in Bench::all().await {
        // Ids say nothing about the order.
        let first = bench.plan(1, &[make::run(9, "a", 'a'), make::run(3, "b", 'a')]).await;
        let second = bench.plan(2, &[make::run(5, "c", 'a')]).await;
        assert!(first[0].number < first[1].number && first[1].number < second[0].number);
        assert_eq!(checks(&claimed(&bench, 0, 2).await), ["a", "b"]);
        assert_eq!(checks(&claimed(&bench, 0, 2).await), ["c"]);
        assert!(claimed(&bench, 29, 2).await.is_empty());
        let again = claimed(&bench, 30, 9).await;
        assert_eq!(checks(&again), ["a", "b", "c"]);
        assert_eq!(again[0].lease.number, 2);
    }
}

#[tokio::test]
async fn a_change_under_an_old_lease_is_refused() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let stale = claimed(&bench, 0, 1).await.remove(0);
        let holder = claimed(&bench, 30, 1).await.remove(0);
        let dispatched = make::moved(&stale.run, State::Dispatched, 31);
        assert_eq!(attempted(&bench, &stale, dispatched.clone(), None).await, Commit::LeaseLost);
        assert_eq!(bench.run(stale.run.id).await, holder.run);
        assert_eq!(attempted(&bench, &holder, dispatched, None).await, Commit::Committed);
        assert_eq!(bench.run(stale.run.id).await.state, State::Dispatched);
    }
}

#[tokio::test]
async fn a_change_of_an_old_revision_is_a_conflict() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let leased = claimed(&bench, 0, 1).await.remove(0);
        let running = make::moved(&leased.run, State::Running, 1);
        assert_eq!(bench.change(running.clone()).await, Commit::Committed);
        assert_eq!(bench.change(running).await, Commit::Conflict);
        let late = make::moved(&leased.run, State::Dispatched, 2);
        assert_eq!(attempted(&bench, &leased, late, None).await, Commit::Conflict);
        let current = bench.run(leased.run.id).await;
        assert_eq!((current.state, current.revision), (State::Running, 2));
        // The lease is still held: its holder loads the run again and commits.
        let next = Run { url: Some("https://ci/1".into()), ..current };
        assert_eq!(attempted(&bench, &leased, next, None).await, Commit::Committed);
    }
}

#[tokio::test]
async fn a_failed_attempt_says_when_its_run_is_due_and_it_keeps_its_place_in_the_queue() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        bench.plan(2, &[make::run(2, "b", 'a')]).await;
        let leased = claimed(&bench, 0, 1).await.remove(0);
        let failed = Run { attempts: 1, ..make::moved(&leased.run, State::Planned, 1) };
        assert_eq!(attempted(&bench, &leased, failed, Some(10)).await, Commit::Committed);
        assert_eq!(checks(&claimed(&bench, 9, 9).await), ["b"]);
        let again = claimed(&bench, 39, 1).await.remove(0);
        assert_eq!((again.run.check.as_str(), again.run.attempts, again.lease.number), ("a", 1, 2));
    }
}

#[tokio::test]
async fn a_run_that_ended_while_it_was_leased_is_not_claimed_again() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let leased = claimed(&bench, 0, 1).await.remove(0);
        let ended = make::moved(&leased.run, State::Superseded, 1);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        assert!(claimed(&bench, 90, 1).await.is_empty());
    }
}

fn of_pull_request(id: i64, run: Run) -> Run {
    let about = run.pull_request.map(|of| OfPullRequest { id, ..of });
    Run { pull_request: about, ..run }
}

fn limited(number: u128, check: &str, concurrency: u32) -> Run {
    Run { concurrency: Some(concurrency), ..make::run(number, check, 'a') }
}

#[tokio::test]
async fn a_check_has_no_more_runs_at_the_ci_than_its_concurrency() {
    for bench in Bench::all().await {
        let runs: Vec<_> = (1..=5).map(|number| limited(number, "slow", 2)).collect();
        bench.plan(1, &runs).await;
        let first = claimed(&bench, 0, 9).await;
        assert_eq!(first.len(), 2);
        assert!(claimed(&bench, 1, 9).await.is_empty());
        let dispatched = make::moved(&first[0].run, State::Dispatched, 1);
        assert_eq!(attempted(&bench, &first[0], dispatched, None).await, Commit::Committed);
        // One run is at the CI. The attempt at the other was abandoned, so it may be started again,
        // and it is the oldest one.
        let second = claimed(&bench, 30, 9).await;
        assert_eq!(second.len(), 1);
        assert_eq!(second[0].run.id, first[1].run.id);
        let ended = make::moved(&bench.run(first[0].run.id).await, State::Failed, 31);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        assert_eq!(claimed(&bench, 31, 9).await[0].run.id, runs[2].id);
    }
}

#[tokio::test]
async fn pull_requests_take_turns_at_the_places_of_their_check() {
    for bench in Bench::all().await {
        // Three runs of one pull request are planned before the first one of two others.
        let of = |number, id| of_pull_request(id, limited(number, "slow", 2));
        let runs = [of(1, 7), of(2, 7), of(3, 7), of(4, 8), of(5, 9)];
        bench.plan(1, &runs).await;
        let mut started = Vec::new();
        for second in 0..5 {
            let leased = claimed(&bench, second, 9).await;
            for one in &leased {
                let ended = make::moved(&one.run, State::Failed, second);
                started.push((second, one.run.id));
                // All but the very first one end at once, and free their place.
                if one.run.id != runs[0].id {
                    assert_eq!(attempted(&bench, one, ended, None).await, Commit::Committed);
                }
            }
        }
        let ids = [(0, 0), (0, 3), (1, 4), (2, 1), (3, 2)];
        assert_eq!(started, ids.map(|(second, at)| (second, runs[at].id)));
    }
}

#[tokio::test]
async fn concurrency_is_limited_for_each_check_of_each_organization() {
    for bench in Bench::all().await {
        let contoso = Run { organization: "contoso".into(), ..limited(2, "slow", 1) };
        let other_genre = Run { genre: "nightly".into(), ..limited(3, "slow", 1) };
        bench.plan(1, &[limited(1, "slow", 1), contoso, other_genre]).await;
        assert_eq!(claimed(&bench, 0, 9).await.len(), 3);
    }
}

#[tokio::test]
async fn runs_that_wait_for_their_check_do_not_hide_others() {
    for bench in Bench::all().await {
        let mut runs: Vec<_> = (1..=300).map(|number| limited(number, "slow", 1)).collect();
        runs.push(make::run(1_000, "quick", 'a'));
        runs.push(limited(1_001, "other", 1));
        bench.plan(1, &runs).await;
        assert_eq!(checks(&claimed(&bench, 0, 1).await), ["slow"]);
        assert_eq!(checks(&claimed(&bench, 0, 1).await), ["quick"]);
        assert_eq!(checks(&claimed(&bench, 0, 9).await), ["other"]);
        assert!(claimed(&bench, 0, 9).await.is_empty());
    }
}

/// A run at a CI with a limit.
fn narrow(number: u128, check: &str, ci_concurrency: u32) -> Run {
    let ci_concurrency = Some(ci_concurrency);
    Run { ci: "narrow".into(), ci_concurrency, ..make::run(number, check, 'a') }
}

#[tokio::test]
async fn a_ci_has_no_more_runs_than_its_concurrency_over_all_checks_and_organizations() {
    for bench in Bench::all().await {
        let contoso = Run { organization: "contoso".into(), ..narrow(3, "c", 2) };
        let runs = [narrow(1, "a", 2), narrow(2, "b", 2), contoso, narrow(4, "d", 2)];
        bench.plan(1, &runs).await;
        let first = claimed(&bench, 0, 9).await;
        assert_eq!(checks(&first), ["a", "b"]);
        assert!(claimed(&bench, 1, 9).await.is_empty());
        let dispatched = make::moved(&first[0].run, State::Dispatched, 1);
        assert_eq!(attempted(&bench, &first[0], dispatched, None).await, Commit::Committed);
        // The attempt at the other was abandoned, so it may be started again, and it is the oldest.
        assert_eq!(checks(&claimed(&bench, 30, 9).await), ["b"]);
        let ended = make::moved(&bench.run(first[0].run.id).await, State::Failed, 31);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        let third = claimed(&bench, 31, 9).await.remove(0);
        assert_eq!(third.run.check, "c");
        let failed = make::moved(&third.run, State::Planned, 32);
        assert_eq!(attempted(&bench, &third, failed, Some(50)).await, Commit::Committed);
        assert_eq!(checks(&claimed(&bench, 33, 9).await), ["d"], "one waits for its next attempt");
        assert!(claimed(&bench, 50, 9).await.is_empty());
    }
}

#[tokio::test]
async fn runs_that_wait_for_their_ci_do_not_hide_others() {
    for bench in Bench::all().await {
        let mut runs: Vec<_> = (1..=300).map(|number| narrow(number, "slow", 1)).collect();
        // The same check, which the configuration has moved to another CI, on another pull request.
        runs.push(of_pull_request(8, make::run(1_000, "slow", 'a')));
        runs.push(Run { ci: "other".into(), ..narrow(1_001, "quick", 1) });
        runs.push(Run { ci: "other".into(), ..narrow(1_002, "late", 1) });
        bench.plan(1, &runs).await;
        assert_eq!(claimed(&bench, 0, 1).await[0].run.id, runs[0].id);
        assert_eq!(claimed(&bench, 0, 1).await[0].run.id, runs[300].id);
        assert_eq!(checks(&claimed(&bench, 0, 9).await), ["quick"]);
        assert!(claimed(&bench, 0, 9).await.is_empty());
    }
}

#[tokio::test]
async fn a_run_is_started_within_the_limits_of_its_check_and_of_its_ci() {
    for bench in Bench::all().await {
        let both = |number, check| Run { concurrency: Some(1), ..narrow(number, check, 2) };
        let elsewhere = Run { ci: "builder".into(), ci_concurrency: None, ..both(5, "b") };
        let runs =
            [both(1, "a"), both(2, "a"), narrow(3, "c", 2), both(4, "b"), elsewhere, both(6, "d")];
        bench.plan(1, &runs).await;
        let leased = claimed(&bench, 0, 9).await;
        let numbers: Vec<_> = leased.iter().map(|one| one.run.id).collect();
        // The second is kept back by its check, so the third gets the last place at the CI. The
        // fourth is kept back by its CI, and so has not taken the place of its check.
        assert_eq!(numbers, [runs[0].id, runs[2].id, runs[4].id]);
        for one in &leased {
            let dispatched = make::moved(&one.run, State::Dispatched, 1);
            assert_eq!(attempted(&bench, one, dispatched, None).await, Commit::Committed);
        }
        let ended = make::moved(&bench.run(runs[2].id).await, State::Failed, 2);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        assert_eq!(checks(&claimed(&bench, 2, 9).await), ["d"], "both checks are full");
    }
}

#[tokio::test]
async fn runs_without_the_limit_of_their_ci_count_for_those_that_have_it() {
    for bench in Bench::all().await {
        // Planned before the configuration had the limit.
        let before = Run { ci_concurrency: None, ..narrow(1, "a", 1) };
        bench.plan(1, &[before]).await;
        assert_eq!(claimed(&bench, 0, 9).await.len(), 1);
        bench.plan(2, &[narrow(2, "b", 1)]).await;
        assert!(claimed(&bench, 1, 9).await.is_empty());
    }
}

#[tokio::test]
async fn a_ci_and_a_check_do_not_share_a_limit_whatever_their_names_are() {
    for bench in Bench::all().await {
        let check = limited(1, "slow", 1);
        let ci = azdo_gateway::domain::run_keys::check_key(&check);
        let at_ci = Run { ci, ..narrow(2, "a", 1) };
        let odd = Run { ci: "it's \"odd\" \\ ü".into(), ..narrow(3, "b", 1) };
        bench.plan(1, &[check, at_ci, odd.clone()]).await;
        assert_eq!(claimed(&bench, 0, 9).await.len(), 3);
        bench.plan(2, &[Run { id: make::run(4, "b", 'a').id, ..odd }]).await;
        assert!(claimed(&bench, 0, 9).await.is_empty());
    }
}

#[tokio::test]
async fn a_run_that_has_not_ended_by_its_time_is_overdue() {
    for bench in Bench::all().await {
        let early = Run { overdue_at: at(10), ..make::run(1, "a", 'a') };
        let late = Run { overdue_at: at(20), ..make::run(2, "b", 'a') };
        let runs = bench.plan(1, &[late, early]).await;
        let overdue = async |second, limit| -> Vec<String> {
            let runs = bench.store.overdue_runs(at(second), limit).await.unwrap();
            runs.into_iter().map(|run| run.check).collect()
        };
        assert!(overdue(9, 9).await.is_empty());
        assert_eq!(overdue(10, 9).await, ["a"]);
        assert_eq!(overdue(20, 9).await, ["a", "b"]);
        assert_eq!(overdue(20, 1).await, ["a"]);
        let ended = make::moved(&runs[1], State::TimedOut, 11);
        assert_eq!(bench.change(ended).await, Commit::Committed);
        assert_eq!(overdue(20, 9).await, ["b"]);
    }
}

#[tokio::test]
async fn a_rerun_ends_the_old_run_and_stores_the_new_one_together() {
    for bench in Bench::all().await {
        let old = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let ending = |run: &Run| {
            let run = make::moved(run, State::Superseded, 2);
            Some(RunCommit { run, lease: None, due_at: None })
        };
        assert_eq!(bench.change(make::moved(&old, State::Running, 1)).await, Commit::Committed);
        let new = make::run(2, "a", 'a');
        let stale = bench.store.commit_rerun(ending(&old), new.clone()).await.unwrap();
        assert_eq!(stale, Commit::Conflict);
        assert!(bench.store.run(new.id).await.unwrap().is_none());
        let current = bench.run(old.id).await;
        let done = bench.store.commit_rerun(ending(&current), new.clone()).await.unwrap();
        assert_eq!(done, Commit::Committed);
        assert_eq!(bench.run(old.id).await.state, State::Superseded);
        assert_eq!(claimed(&bench, 2, 9).await[0].run.id, new.id);
        // Both have the same slot: the status of the old run is superseded by that of the new one.
        let slots = bench.slots(2).await;
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].status.run, Some(new.id));
    }
}

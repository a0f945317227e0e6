//! Runs that are followed: leased in the order in which they are due, until they end and need not
//! be cancelled; and the pauses of calls to CIs.

use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::storage::{CiPause, Commit, Lease, LeasedRun, Postponed, RunCommit};

use super::{Bench, Engine, at, claim, make};

async fn followed(bench: &Bench, second: i64, limit: usize) -> Vec<LeasedRun> {
    bench.store.claim_followed_runs(claim(second, limit)).await.unwrap()
}

fn checks(leased: &[LeasedRun]) -> Vec<&str> {
    leased.iter().map(|one| one.run.check.as_str()).collect()
}

/// Commits a run, whose CI is to be asked about it at that second.
async fn commit(bench: &Bench, run: Run, of: Option<&LeasedRun>, due_at: Option<i64>) -> Commit {
    let commit = RunCommit { run, lease: of.map(|of| of.lease), due_at: due_at.map(at) };
    bench.store.commit_run(commit).await.unwrap()
}

async fn postpone(bench: &Bench, of: &LeasedRun, revision: i64, due_at: i64) -> Commit {
    let postponed = Postponed { lease: of.lease, revision, due_at: at(due_at) };
    bench.store.postpone_run(postponed).await.unwrap()
}

/// Plans a run and starts it at second 0; its CI is to be asked about it at that second.
async fn started(bench: &Bench, number: u8, check: &str, due_at: Option<i64>) -> Run {
    let run = make::run(number.into(), check, 'a');
    bench.plan(number.into(), std::slice::from_ref(&run)).await;
    let leased = bench.store.claim_runs(claim(0, 1)).await.unwrap().remove(0);
    assert_eq!(leased.run.id, run.id);
    let dispatched = make::moved(&leased.run, State::Dispatched, 0);
    assert_eq!(commit(bench, dispatched, Some(&leased), due_at).await, Commit::Committed);
    bench.run(run.id).await
}

#[tokio::test]
async fn followed_runs_are_claimed_longest_due_first_and_by_one_at_a_time() {
    for bench in Bench::all().await {
        for (number, check, due_at) in [(1, "a", 30), (2, "b", 10), (3, "c", 20), (4, "d", 10)] {
            started(&bench, number, check, Some(due_at)).await;
        }
        assert!(followed(&bench, 9, 9).await.is_empty());
        assert_eq!(checks(&followed(&bench, 20, 2).await), ["b", "d"]);
        assert_eq!(checks(&followed(&bench, 20, 9).await), ["c"]);
        assert!(followed(&bench, 29, 9).await.is_empty());
        assert_eq!(checks(&followed(&bench, 30, 9).await), ["a"]);
        assert_eq!(checks(&followed(&bench, 49, 9).await), [""; 0], "all are leased");
        let again = followed(&bench, 50, 9).await;
        assert_eq!(checks(&again), ["b", "d", "c"]);
        assert_eq!(again[0].lease.number, 3, "one lease for its start, and two to follow it");
        assert!(followed(&bench, 90, 0).await.is_empty());
    }
}

#[tokio::test]
async fn a_planned_run_is_not_followed_and_a_followed_one_not_started() {
    for bench in Bench::all().await {
        started(&bench, 1, "started", Some(5)).await;
        bench.plan(2, &[make::run(2, "planned", 'a')]).await;
        assert_eq!(checks(&followed(&bench, 5, 9).await), ["started"]);
        let planned = bench.store.claim_runs(claim(90, 9)).await.unwrap();
        assert_eq!(checks(&planned), ["planned"]);
    }
}

#[tokio::test]
async fn a_run_is_followed_once_something_says_when() {
    for bench in Bench::all().await {
        let run = started(&bench, 1, "a", None).await;
        assert!(followed(&bench, 90, 9).await.is_empty());
        let running = make::moved(&run, State::Running, 91);
        assert_eq!(commit(&bench, running, None, None).await, Commit::Committed);
        assert!(followed(&bench, 92, 9).await.is_empty());
        // A callback of its CI.
        let hinted = bench.run(run.id).await;
        assert_eq!(commit(&bench, hinted, None, Some(93)).await, Commit::Committed);
        assert_eq!(checks(&followed(&bench, 93, 9).await), ["a"]);
    }
}

#[tokio::test]
async fn a_change_without_a_time_leaves_the_time_at_which_a_run_is_due() {
    for bench in Bench::all().await {
        let run = started(&bench, 1, "a", Some(10)).await;
        let running = make::moved(&run, State::Running, 5);
        assert_eq!(commit(&bench, running, None, None).await, Commit::Committed);
        assert!(followed(&bench, 9, 9).await.is_empty());
        assert_eq!(followed(&bench, 10, 9).await[0].run.state, State::Running);
    }
}

#[tokio::test]
async fn an_ended_run_is_followed_only_while_it_is_to_be_cancelled() {
    for bench in Bench::all().await {
        let reported = started(&bench, 1, "reported", Some(10)).await;
        let superseded = started(&bench, 2, "superseded", Some(1_000)).await;
        let ended = make::moved(&reported, State::Succeeded, 5);
        assert_eq!(commit(&bench, ended, None, Some(6)).await, Commit::Committed);
        assert!(followed(&bench, 90, 9).await.is_empty());
        let ended = make::moved(&superseded, State::Superseded, 100);
        let ended = Run { cancel_attempts: Some(0), ..ended };
        assert_eq!(commit(&bench, ended, None, None).await, Commit::Committed);
        // At once, whenever it was to be polled.
        assert!(followed(&bench, 99, 9).await.is_empty());
        let told = followed(&bench, 100, 9).await.remove(0);
        assert_eq!(told.run.id, superseded.id);
        let once_more = Run { cancel_attempts: Some(1), ..told.run.clone() };
        assert_eq!(commit(&bench, once_more, Some(&told), Some(110)).await, Commit::Committed);
        assert!(followed(&bench, 109, 9).await.is_empty());
        let told = followed(&bench, 110, 9).await.remove(0);
        let done = Run { cancel_attempts: None, ..told.run.clone() };
        assert_eq!(commit(&bench, done, Some(&told), None).await, Commit::Committed);
        assert!(followed(&bench, 1_000, 9).await.is_empty());
    }
}

#[tokio::test]
async fn a_decision_that_ends_a_run_has_it_cancelled_at_once() {
    for bench in Bench::all().await {
        let run = started(&bench, 1, "a", Some(1_000)).await;
        let leased = bench.delivered(2).await;
        let ended = make::moved(&run, State::Superseded, 50);
        let ended = Run { cancel_attempts: Some(0), ..ended };
        let commit = make::decision(&leased, &[], &[ended]);
        assert_eq!(bench.store.commit_decision(commit).await.unwrap(), Commit::Committed);
        assert!(followed(&bench, 49, 9).await.is_empty());
        assert_eq!(followed(&bench, 50, 9).await[0].run.state, State::Superseded);
    }
}

#[tokio::test]
async fn a_postponed_run_is_unchanged_and_due_at_that_time() {
    for bench in Bench::all().await {
        started(&bench, 1, "a", Some(10)).await;
        let leased = followed(&bench, 10, 1).await.remove(0);
        let revision = leased.run.revision;
        assert_eq!(postpone(&bench, &leased, revision, 15).await, Commit::Committed);
        assert_eq!(bench.run(leased.run.id).await, leased.run);
        assert!(followed(&bench, 14, 9).await.is_empty());
        let again = followed(&bench, 15, 9).await.remove(0);
        assert_eq!(again.lease.number, leased.lease.number + 1);
    }
}

#[tokio::test]
async fn a_run_whose_start_is_postponed_is_started_at_that_time() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let leased = bench.store.claim_runs(claim(0, 1)).await.unwrap().remove(0);
        let revision = leased.run.revision;
        assert_eq!(postpone(&bench, &leased, revision, 20).await, Commit::Committed);
        let due = async |second| bench.store.claim_runs(claim(second, 9)).await.unwrap();
        assert!(due(19).await.is_empty());
        let again = due(20).await.remove(0);
        assert!(!again.is_interrupted);
        assert!(followed(&bench, 20, 9).await.is_empty(), "it is not at its CI");
    }
}

#[tokio::test]
async fn a_postponement_under_an_old_lease_is_refused() {
    for bench in Bench::all().await {
        started(&bench, 1, "a", Some(10)).await;
        let stale = followed(&bench, 10, 1).await.remove(0);
        let holder = followed(&bench, 40, 1).await.remove(0);
        let revision = stale.run.revision;
        assert_eq!(postpone(&bench, &stale, revision, 41).await, Commit::LeaseLost);
        assert!(followed(&bench, 69, 9).await.is_empty(), "the holder has it still");
        assert_eq!(postpone(&bench, &holder, revision, 80).await, Commit::Committed);
        assert_eq!(postpone(&bench, &stale, revision, 41).await, Commit::LeaseLost);
        let unknown = Lease { id: make::run(99, "a", 'a').id, number: 1 };
        let unknown = LeasedRun { lease: unknown, ..stale };
        assert_eq!(postpone(&bench, &unknown, revision, 41).await, Commit::LeaseLost);
        assert!(followed(&bench, 79, 9).await.is_empty());
        assert_eq!(followed(&bench, 80, 9).await.len(), 1);
    }
}

#[tokio::test]
async fn a_hint_during_a_lease_is_not_lost_when_the_holder_postpones_the_run() {
    for bench in Bench::all().await {
        started(&bench, 1, "a", Some(10)).await;
        let leased = followed(&bench, 10, 1).await.remove(0);
        // While the CI is asked, it says by a callback that the run is to be looked at now.
        let hinted = leased.run.clone();
        assert_eq!(commit(&bench, hinted, None, Some(12)).await, Commit::Committed);
        assert!(followed(&bench, 12, 9).await.is_empty(), "it is asked already");
        let revision = leased.run.revision;
        assert_eq!(postpone(&bench, &leased, revision, 70).await, Commit::Conflict);
        let again = followed(&bench, 12, 9).await.remove(0);
        assert_eq!(again.run.revision, revision + 1);
        assert!(!again.is_interrupted, "its holder has ended the lease");
    }
}

#[tokio::test]
async fn a_run_that_ended_during_a_lease_is_cancelled_as_soon_as_the_holder_is_done() {
    for bench in Bench::all().await {
        let run = started(&bench, 1, "a", Some(10)).await;
        let leased = followed(&bench, 10, 1).await.remove(0);
        let ended = make::moved(&run, State::Superseded, 11);
        let ended = Run { cancel_attempts: Some(0), ..ended };
        assert_eq!(commit(&bench, ended, None, None).await, Commit::Committed);
        assert!(followed(&bench, 12, 9).await.is_empty());
        let revision = leased.run.revision;
        assert_eq!(postpone(&bench, &leased, revision, 70).await, Commit::Conflict);
        assert_eq!(followed(&bench, 12, 9).await[0].run.state, State::Superseded);
    }
}

#[tokio::test]
async fn a_lease_that_ended_without_an_outcome_interrupted_the_run() {
    for bench in Bench::all().await {
        bench.plan(1, &[make::run(1, "a", 'a')]).await;
        let start = async |second| bench.store.claim_runs(claim(second, 1)).await.unwrap();
        assert!(!start(0).await[0].is_interrupted);
        let leased = start(30).await.remove(0);
        assert!(leased.is_interrupted, "the start may have been asked for");
        let dispatched = make::moved(&leased.run, State::Dispatched, 31);
        assert_eq!(commit(&bench, dispatched, Some(&leased), Some(40)).await, Commit::Committed);
        assert!(!followed(&bench, 40, 1).await[0].is_interrupted, "the outcome is stored");
        let leased = followed(&bench, 70, 1).await.remove(0);
        assert!(leased.is_interrupted);
        let revision = leased.run.revision;
        assert_eq!(postpone(&bench, &leased, revision, 80).await, Commit::Committed);
        assert!(!followed(&bench, 80, 1).await[0].is_interrupted);
    }
}

#[tokio::test]
async fn a_restart_interrupts_the_runs_that_were_leased_and_no_others() {
    for bench in Bench::all().await {
        started(&bench, 1, "asked", Some(10)).await;
        started(&bench, 2, "answered", Some(10)).await;
        started(&bench, 3, "waiting", Some(20)).await;
        bench.plan(4, &[make::run(4, "starting", 'a'), make::run(5, "refused", 'a')]).await;
        let starting = bench.store.claim_runs(claim(0, 2)).await.unwrap();
        let refused = Run { attempts: 1, ..starting[1].run.clone() };
        let outcome = commit(&bench, refused, Some(&starting[1]), Some(10)).await;
        assert_eq!(outcome, Commit::Committed);
        let asked = followed(&bench, 10, 2).await;
        assert_eq!(checks(&asked), ["asked", "answered"]);
        let revision = asked[1].run.revision;
        assert_eq!(postpone(&bench, &asked[1], revision, 12).await, Commit::Committed);
        let bench = bench.reopened().await;
        let told = |leased: Vec<LeasedRun>| -> Vec<(String, bool)> {
            leased.into_iter().map(|one| (one.run.check, one.is_interrupted)).collect()
        };
        let expected = [("asked", true), ("answered", false), ("waiting", false)];
        let expected = expected.map(|(check, interrupted)| (check.to_owned(), interrupted));
        assert_eq!(told(followed(&bench, 20, 9).await), expected);
        let expected = [("starting", true), ("refused", false)];
        let expected = expected.map(|(check, interrupted)| (check.to_owned(), interrupted));
        assert_eq!(told(bench.store.claim_runs(claim(20, 9)).await.unwrap()), expected);
        // A second restart forgets nothing.
        let bench = bench.reopened().await;
        assert!(followed(&bench, 21, 9).await.iter().all(|one| one.is_interrupted));
    }
}

#[tokio::test]
async fn a_followed_run_is_due_at_its_time_after_a_restart() {
    for bench in Bench::all().await {
        started(&bench, 1, "a", Some(50)).await;
        let bench = bench.reopened().await;
        assert!(followed(&bench, 49, 9).await.is_empty());
        let leased = followed(&bench, 50, 9).await.remove(0);
        assert!(!leased.is_interrupted);
    }
}

#[tokio::test]
async fn a_replica_goes_on_with_the_runs_of_one_that_stopped() {
    let stopped = Bench::of(Engine::Postgres).await;
    started(&stopped, 1, "asked", Some(10)).await;
    started(&stopped, 2, "waiting", Some(20)).await;
    let other = stopped.replica().await;
    assert_eq!(checks(&followed(&stopped, 10, 9).await), ["asked"]);
    assert_eq!(checks(&followed(&other, 20, 9).await), ["waiting"]);
    assert!(followed(&other, 20, 9).await.is_empty());
    stopped.close().await;
    let leased = followed(&other, 20, 9).await;
    assert_eq!(checks(&leased), ["asked"]);
    assert!(leased[0].is_interrupted);
}

/// A run with this id at a CI.
async fn known(bench: &Bench, number: u8, ci: &str, ci_id: &str) -> Run {
    let run = Run { ci: ci.into(), ..make::run(number.into(), "a", 'a') };
    let run = bench.plan(number.into(), &[run]).await.remove(0);
    let run = Run { ci_id: Some(ci_id.into()), ..make::moved(&run, State::Dispatched, 1) };
    assert_eq!(commit(bench, run.clone(), None, Some(10)).await, Commit::Committed);
    bench.run(run.id).await
}

#[tokio::test]
async fn followed_runs_are_found_by_their_id_at_the_ci() {
    for bench in Bench::all().await {
        let first = known(&bench, 1, "builder", "9").await;
        let second = known(&bench, 2, "builder", "9").await;
        let others = [("builder", "10"), ("other", "9"), ("builder", "'9\" \\ ü")];
        for (number, (ci, ci_id)) in (3..).zip(others) {
            known(&bench, number, ci, ci_id).await;
        }
        let at_ci = async |ci, ci_id| bench.store.runs_at_ci(ci, ci_id).await.unwrap();
        assert_eq!(at_ci("builder", "9").await, [first.clone(), second.clone()]);
        assert_eq!(at_ci("other", "9").await.len(), 1);
        assert_eq!(at_ci("builder", "'9\" \\ ü").await.len(), 1);
        assert!(at_ci("builder", "").await.is_empty() && at_ci("none", "9").await.is_empty());
        let ended = make::moved(&first, State::Succeeded, 11);
        assert_eq!(commit(&bench, ended, None, None).await, Commit::Committed);
        let to_cancel = make::moved(&second, State::Cancelled, 11);
        let to_cancel = Run { cancel_attempts: Some(0), ..to_cancel };
        assert_eq!(commit(&bench, to_cancel, None, None).await, Commit::Committed);
        assert_eq!(at_ci("builder", "9").await, [bench.run(second.id).await]);
    }
}

#[tokio::test]
async fn a_decision_has_a_run_asked_about_at_once_unless_it_has_changed() {
    for bench in Bench::all().await {
        let run = known(&bench, 1, "pipelines", "9").await;
        assert!(followed(&bench, 9, 9).await.is_empty());
        let mut stale = make::decision(&bench.delivered(2).await, &[], &[]);
        stale.decision.polled = vec![Run { revision: run.revision - 1, ..run.clone() }];
        let conflict = bench.store.commit_decision(stale.clone()).await.unwrap();
        assert_eq!(conflict, Commit::Conflict);
        assert!(followed(&bench, 9, 9).await.is_empty());
        let mut decided = stale;
        decided.decision.polled = vec![run.clone()];
        decided.now = at(5);
        assert_eq!(bench.store.commit_decision(decided).await.unwrap(), Commit::Committed);
        assert!(followed(&bench, 4, 9).await.is_empty());
        let leased = followed(&bench, 5, 9).await.remove(0);
        // It is as it was, but for its revision.
        assert_eq!(leased.run, Run { revision: run.revision + 1, ..run });
    }
}

fn pause(account: &str, until: i64, reason: &str) -> CiPause {
    CiPause { account: account.into(), until: at(until), reason: reason.into() }
}

/// By account.
async fn pauses(bench: &Bench, second: i64) -> Vec<CiPause> {
    let mut pauses = bench.store.ci_pauses(at(second)).await.unwrap();
    pauses.sort_by(|one, other| one.account.cmp(&other.account));
    pauses
}

#[tokio::test]
async fn a_pause_keeps_its_later_end_and_survives_a_restart() {
    for bench in Bench::all().await {
        for pause in [
            pause("jenkins ci.example", 20, "429"),
            pause("gitlab.example", 30, "locked out"),
            pause("jenkins ci.example", 10, "an earlier end"),
            pause("gitlab.example", 40, "429 again"),
        ] {
            bench.store.pause_ci(pause).await.unwrap();
        }
        let both =
            [pause("gitlab.example", 40, "429 again"), pause("jenkins ci.example", 20, "429")];
        assert_eq!(pauses(&bench, 0).await, both);
        let bench = bench.reopened().await;
        assert_eq!(pauses(&bench, 19).await, both);
        assert_eq!(pauses(&bench, 20).await, both[..1]);
        assert!(pauses(&bench, 40).await.is_empty());
        // One that is over does not hold back a new one.
        bench.store.pause_ci(pause("jenkins ci.example", 60, "429")).await.unwrap();
        assert_eq!(pauses(&bench, 50).await, [pause("jenkins ci.example", 60, "429")]);
    }
}

#[tokio::test]
async fn a_pause_of_one_process_holds_for_all() {
    let one = Bench::of(Engine::Postgres).await;
    let other = one.replica().await;
    one.store.pause_ci(pause("gitlab.example", 40, "429")).await.unwrap();
    other.store.pause_ci(pause("gitlab.example", 30, "429")).await.unwrap();
    for bench in [&one, &other] {
        assert_eq!(pauses(bench, 0).await, [pause("gitlab.example", 40, "429")]);
    }
}

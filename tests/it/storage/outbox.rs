//! Statuses: queued with the change of their run; for each slot the newest one is posted, one
//! attempt at a time.

use azdo_gateway::domain::run::{Run, State, Targets};
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::status::Shown;
use azdo_gateway::storage::{Commit, LeasedSlot};

use super::{Bench, at, make};

const POSTED: Posting = Posting::Posted { iteration: Some(1) };

async fn one(bench: &Bench, second: i64) -> LeasedSlot {
    let mut slots = bench.slots(second).await;
    assert_eq!(slots.len(), 1, "{slots:?}");
    slots.remove(0)
}

#[tokio::test]
async fn a_change_of_a_run_queues_its_statuses() {
    for bench in Bench::all().await {
        let targets = Targets { pull_request: true, commit: true };
        let run = Run { targets, ..make::run(1, "a", 'a') };
        let run = bench.plan(1, &[run]).await.remove(0);
        assert_eq!(bench.outcomes().await, ["queued", "queued"]);
        // Planned and dispatched runs show the same status.
        let dispatched = make::moved(&run, State::Dispatched, 1);
        assert_eq!(bench.change(dispatched).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["queued", "queued"]);
        let done = make::moved(&bench.run(run.id).await, State::Succeeded, 2);
        assert_eq!(bench.change(done).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["superseded", "superseded", "queued", "queued"]);
        let slots = bench.slots(2).await;
        assert!(slots.iter().all(|slot| slot.status.state == Shown::Succeeded));
        assert_eq!(slots.len(), 2);
        assert_eq!(slots[0].queued_at, at(2));
    }
}

#[tokio::test]
async fn an_equal_status_is_not_queued_again() {
    for bench in Bench::all().await {
        let queue = async |state| {
            bench.store.queue_status(make::status("scan", 'a', state), at(0)).await.unwrap()
        };
        let first = queue(Shown::Pending).await;
        assert_eq!(queue(Shown::Pending).await, first);
        let slot = one(&bench, 0).await;
        assert_eq!(queue(Shown::Pending).await, first);
        assert_eq!(bench.posted(&slot, 1, POSTED).await, Commit::Committed);
        assert_eq!(queue(Shown::Pending).await, first);
        assert!(bench.slots(60).await.is_empty());
        assert!(queue(Shown::Succeeded).await > first);
        assert!(queue(Shown::Pending).await > first);
    }
}

#[tokio::test]
async fn a_refused_status_may_be_queued_again() {
    for bench in Bench::all().await {
        let status = make::status("scan", 'a', Shown::Pending);
        bench.store.queue_status(status.clone(), at(0)).await.unwrap();
        let slot = one(&bench, 0).await;
        let refused = Posting::Refused("no such commit".into());
        assert_eq!(bench.posted(&slot, 1, refused).await, Commit::Committed);
        assert!(bench.slots(60).await.is_empty());
        bench.store.queue_status(status, at(2)).await.unwrap();
        assert_eq!(one(&bench, 60).await.attempts, 0);
        let rows = bench.statuses().await;
        assert_eq!(
            (rows[0].outcome.as_str(), rows[0].reason.as_str()),
            ("refused", "no such commit")
        );
    }
}

#[tokio::test]
async fn an_older_run_never_replaces_the_status_of_a_newer_one() {
    for bench in Bench::all().await {
        let runs = bench.plan(1, &[make::run(1, "a", 'a'), make::run(2, "a", 'a')]).await;
        let late = make::moved(&runs[0], State::Failed, 5);
        assert_eq!(bench.change(late).await, Commit::Committed);
        let slot = one(&bench, 5).await;
        assert_eq!(slot.status.run, Some(runs[1].id));
        assert_eq!(bench.outcomes().await, ["superseded", "queued", "superseded"]);
        assert!(bench.statuses().await[2].reason.contains("newer run"));
        assert_eq!(bench.posted(&slot, 6, POSTED).await, Commit::Committed);
        assert!(bench.slots(60).await.is_empty());
    }
}

#[tokio::test]
async fn a_newer_status_is_posted_after_the_attempt_that_is_under_way() {
    for bench in Bench::all().await {
        let run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let pending = one(&bench, 0).await;
        let done = make::moved(&run, State::Succeeded, 1);
        assert_eq!(bench.change(done).await, Commit::Committed);
        assert!(bench.slots(1).await.is_empty(), "one attempt at a time");
        assert_eq!(bench.posted(&pending, 2, POSTED).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["posted", "queued"]);
        let next = one(&bench, 2).await;
        assert_eq!((next.status.state, next.doubtful), (Shown::Succeeded, false));
        assert_eq!(next.posted.as_ref().map(|shown| shown.state), Some(Shown::Pending));
        assert_eq!(next.iteration, Some(1));
        assert_eq!(bench.posted(&next, 3, POSTED).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["posted", "posted"]);
        assert_eq!(bench.statuses().await[1].posted_at, Some(at(3)));
        assert!(bench.slots(60).await.is_empty());
    }
}

#[tokio::test]
async fn the_words_of_a_status_that_waits_are_replaced() {
    for bench in Bench::all().await {
        let mut run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let says = async |run: &mut Run, second, words: &str| {
            let description = Some(words.to_owned());
            let next = Run { description, ..make::moved(run, State::Running, second) };
            assert_eq!(bench.change(next).await, Commit::Committed);
            *run = bench.run(run.id).await;
        };
        for second in 1..5 {
            says(&mut run, second, &format!("step {second}")).await;
        }
        assert_eq!(bench.outcomes().await, ["queued"], "each step took the place of the last");
        let slot = one(&bench, 5).await;
        assert_eq!((slot.status.description.as_str(), slot.queued_at), ("step 4", at(0)));
        // An attempt is under way, or may be: its status stays as it is.
        says(&mut run, 6, "step 6").await;
        says(&mut run, 90, "step 90").await;
        assert_eq!(bench.outcomes().await, ["superseded", "superseded", "queued"]);
        assert_eq!(bench.posted(&slot, 90, POSTED).await, Commit::Committed);
        let later = Posting::Later {
            due_at: at(200),
            counts: true,
            doubtful: true,
            reason: "no answer".into(),
        };
        let slot = one(&bench, 91).await;
        assert_eq!(bench.posted(&slot, 92, later).await, Commit::Committed);
        // After a failed attempt it is due as before.
        says(&mut run, 100, "step 100").await;
        assert!(bench.slots(199).await.is_empty());
        let slot = one(&bench, 200).await;
        assert_eq!((slot.status.description.as_str(), slot.attempts), ("step 100", 1));
        assert!(slot.doubtful);
        assert_eq!(bench.outcomes().await, ["posted", "superseded", "queued"]);
    }
}

#[tokio::test]
async fn a_status_that_was_replaced_during_an_attempt_is_superseded() {
    for bench in Bench::all().await {
        let mut run = bench.plan(1, &[make::run(1, "a", 'a')]).await.remove(0);
        let pending = one(&bench, 0).await;
        for (second, state) in [(1, State::Running), (2, State::Succeeded)] {
            assert_eq!(bench.change(make::moved(&run, state, second)).await, Commit::Committed);
            run = bench.run(run.id).await;
        }
        assert_eq!(bench.posted(&pending, 3, POSTED).await, Commit::Committed);
        let done = one(&bench, 3).await;
        assert_eq!(done.status.state, Shown::Succeeded);
        assert_eq!(bench.posted(&done, 4, POSTED).await, Commit::Committed);
        assert_eq!(bench.outcomes().await, ["posted", "superseded", "posted"]);
        assert_eq!(bench.store.backlog().await.unwrap().unposted, 0);
    }
}

//! Which status a slot shows next, in every order of events.

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::domain::status::Context;

fn at(second: u64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000).plus(Duration::from_secs(second))
}

fn run(number: u128) -> Option<RunId> {
    Some(RunId(Uuid::from_u128(number)))
}

fn status(state: Shown, run: Option<RunId>) -> Status {
    Status {
        organization: "fabrikam".into(),
        project: "Fabrikam".into(),
        repository: "web".into(),
        target: Target::PullRequest { id: 7, commit: Some("a".repeat(40)) },
        context: Context { genre: "ci".into(), name: "lint".into() },
        state,
        description: "Queued".into(),
        url: None,
        run,
    }
}

fn on_commit(state: Shown) -> Status {
    Status { target: Target::Commit { commit: "a".repeat(40) }, ..status(state, None) }
}

fn show(owner: i64) -> Queued {
    Queued::Show { owner, is_again: false }
}

#[test]
fn the_first_status_makes_a_slot_for_its_run() {
    let new = status(Shown::Pending, run(1));
    for (request, owner) in [
        (Request::OfRun(5), 5),
        (Request::OfRunAgain(5), 5),
        (Request::WithoutRun, 0),
        (Request::UnlessRunning, 0),
    ] {
        assert_eq!(queue(None, &new, request), show(owner), "{request:?}");
    }
}

#[test]
fn a_slot_belongs_to_the_newest_run() {
    let (pending, failed) = (status(Shown::Pending, run(1)), status(Shown::Failed, run(1)));
    let slot = Current { owner: 5, is_owner_live: true, newest: Some(&pending), waits: false };
    assert_eq!(queue(Some(slot), &failed, Request::OfRun(6)), show(6));
    assert_eq!(queue(Some(slot), &failed, Request::OfRun(5)), show(5));
    let old = queue(Some(slot), &failed, Request::OfRun(4));
    assert_eq!(old, Queued::Superseded(OWNED_BY_NEWER_RUN));
}

#[test]
fn a_status_without_a_run_is_shown_and_leaves_the_owner() {
    let pending = status(Shown::Pending, run(1));
    let slot = Current { owner: 5, is_owner_live: true, newest: Some(&pending), waits: false };
    let reported = status(Shown::Failed, None);
    assert_eq!(queue(Some(slot), &reported, Request::WithoutRun), show(5));
    let waits = queue(Some(slot), &reported, Request::UnlessRunning);
    assert_eq!(waits, Queued::Superseded(RUN_GOES_ON));
    let ended = Current { is_owner_live: false, ..slot };
    assert_eq!(queue(Some(ended), &reported, Request::UnlessRunning), show(5));
}

#[test]
fn an_equal_status_is_not_queued_again() {
    let pending = status(Shown::Pending, run(1));
    let slot = Current { owner: 5, is_owner_live: true, newest: Some(&pending), waits: false };
    assert_eq!(queue(Some(slot), &pending, Request::OfRun(5)), Queued::Nothing);
    let refused = Current { newest: None, ..slot };
    assert_eq!(queue(Some(refused), &pending, Request::OfRun(5)), show(5), "it was refused");
    let again = Queued::Show { owner: 5, is_again: true };
    assert_eq!(queue(Some(slot), &pending, Request::OfRunAgain(5)), again);
    assert_eq!(queue(Some(slot), &pending, Request::OfRunAgain(4)), Queued::Nothing);
}

#[test]
fn an_equal_report_on_a_pull_request_may_be_about_another_iteration() {
    let (reported, of_commit) = (status(Shown::Failed, None), on_commit(Shown::Failed));
    let slot = |newest| Some(Current { owner: 0, is_owner_live: false, newest, waits: false });
    assert_eq!(queue(slot(Some(&reported)), &reported, Request::WithoutRun), show(0));
    assert_eq!(queue(slot(Some(&of_commit)), &of_commit, Request::WithoutRun), Queued::Nothing);
}

#[test]
fn a_status_that_waits_is_replaced_where_only_its_words_differ() {
    let pending = status(Shown::Pending, run(1));
    let slot = Current { owner: 5, is_owner_live: true, newest: Some(&pending), waits: true };
    let url = Some("https://ci.example.com/9".into());
    let words = Status { description: "step 2 of 5".into(), url, ..pending.clone() };
    assert_eq!(queue(Some(slot), &words, Request::OfRun(5)), Queued::Replace);
    assert_eq!(queue(Some(slot), &pending, Request::OfRun(5)), Queued::Nothing);
    // An attempt is under way, or it is shown already.
    let busy = Current { waits: false, ..slot };
    assert_eq!(queue(Some(busy), &words, Request::OfRun(5)), show(5));
    for other in [
        Status { state: Shown::Failed, ..words.clone() },
        Status { run: run(2), ..words.clone() },
        Status { run: None, ..words.clone() },
    ] {
        assert_eq!(queue(Some(slot), &other, Request::OfRun(5)), show(5), "{other:?}");
    }
    assert_eq!(queue(Some(slot), &words, Request::OfRun(6)), show(6), "it has another owner");
    let without_run = Status { run: None, ..pending.clone() };
    let slot = Current { newest: Some(&without_run), ..slot };
    let words = Status { description: "step 2 of 5".into(), ..without_run.clone() };
    assert_eq!(queue(Some(slot), &words, Request::WithoutRun), show(5), "its number was answered");
}

#[test]
fn a_slot_waits_while_no_attempt_may_have_reached_azure_devops() {
    let shown = status(Shown::Pending, run(1));
    let mut slot = Slot::new(5, StatusId(1), at(0));
    assert!(slot.waits());
    slot.lease(at(30));
    assert!(!slot.waits(), "also after the lease has ended: its holder may be slow");
    let later = Posting::Later { due_at: at(9), counts: true, doubtful: true, reason: "no".into() };
    slot.finish(StatusId(1), &shown, &later, at(1));
    assert!(slot.waits());
    slot.lease(at(30));
    slot.finish(StatusId(1), &shown, &Posting::Posted { iteration: None }, at(2));
    assert!(!slot.waits(), "it shows its newest status");
}

#[test]
fn a_new_status_is_due_at_once_and_supersedes_the_waiting_ones_between_attempts() {
    let mut slot = Slot::new(5, StatusId(1), at(0));
    slot.due_at = Some(at(60));
    slot.attempts = 3;
    assert!(slot.show(StatusId(2), 5, false, at(10)));
    assert_eq!((slot.due_at, slot.attempts, slot.newest), (Some(at(10)), 0, StatusId(2)));
    slot.lease(at(40));
    assert!(!slot.show(StatusId(3), 6, false, at(20)), "an attempt is under way");
    assert_eq!((slot.due_at, slot.owner), (Some(at(10)), 6), "it is due as before");
    assert!(slot.show(StatusId(4), 6, false, at(40)), "the attempt has ended");
}

#[test]
fn an_attempt_makes_the_slot_doubtful_until_its_outcome_is_known() {
    let shown = status(Shown::Pending, run(1));
    let mut slot = Slot::new(5, StatusId(1), at(0));
    slot.lease(at(30));
    assert!(slot.is_doubtful);
    let posted = Posting::Posted { iteration: Some(2) };
    let ended = slot.finish(StatusId(1), &shown, &posted, at(1));
    assert_eq!((ended.outcome, ended.posted_at), (StatusOutcome::Posted, Some(at(1))));
    assert_eq!((slot.is_doubtful, slot.due_at), (false, None));
    assert_eq!(slot.leased_until, Timestamp::ZERO);
    assert_eq!(slot.posted.as_ref().map(|posted| posted.state), Some(Shown::Pending));
    assert_eq!((slot.iteration_of(run(1)), slot.iteration_of(run(2))), (Some(2), None));
    assert_eq!(slot.iteration_of(None), None);
}

#[test]
fn an_attempt_that_is_repeated_counts_for_its_own_status_only() {
    let shown = status(Shown::Pending, run(1));
    let later = |counts, doubtful| Posting::Later {
        due_at: at(90),
        counts,
        doubtful,
        reason: "throttled".into(),
    };
    let mut slot = Slot::new(5, StatusId(1), at(0));
    let ended = slot.finish(StatusId(1), &shown, &later(true, true), at(1));
    assert_eq!((ended.outcome, ended.reason.as_str()), (StatusOutcome::Queued, "throttled"));
    assert_eq!((slot.due_at, slot.attempts, slot.is_doubtful), (Some(at(90)), 1, true));
    slot.finish(StatusId(1), &shown, &later(false, false), at(2));
    assert_eq!((slot.attempts, slot.is_doubtful), (1, false));
    slot.show(StatusId(2), 5, false, at(3));
    let ended = slot.finish(StatusId(1), &shown, &later(true, false), at(4));
    assert_eq!(ended.outcome, StatusOutcome::Superseded);
    assert_eq!((slot.due_at, slot.attempts), (Some(at(4)), 0), "the newer one is due");
}

#[test]
fn a_status_that_came_during_an_attempt_is_due_after_it() {
    let shown = status(Shown::Pending, run(1));
    let mut slot = Slot::new(5, StatusId(1), at(0));
    slot.lease(at(30));
    slot.show(StatusId(2), 5, false, at(1));
    slot.finish(StatusId(1), &shown, &Posting::Unchanged { iteration: None }, at(2));
    assert_eq!(slot.due_at, Some(at(2)));
}

#[test]
fn after_a_refusal_it_is_not_known_what_the_slot_shows() {
    let shown = status(Shown::Pending, run(1));
    let mut slot = Slot::new(5, StatusId(1), at(0));
    slot.finish(StatusId(1), &shown, &Posting::Posted { iteration: Some(1) }, at(1));
    slot.show(StatusId(2), 5, false, at(2));
    let ended = slot.finish(StatusId(2), &shown, &Posting::Refused("gone".into()), at(3));
    assert_eq!((ended.outcome, ended.reason.as_str()), (StatusOutcome::Refused, "gone"));
    assert_eq!((slot.posted, slot.due_at), (None, None));
}

#[test]
fn a_status_that_is_shown_again_looks_for_its_iteration_again() {
    let shown = status(Shown::Succeeded, run(1));
    let mut slot = Slot::new(5, StatusId(1), at(0));
    slot.finish(StatusId(1), &shown, &Posting::Posted { iteration: Some(1) }, at(1));
    slot.show(StatusId(2), 5, true, at(2));
    assert_eq!(slot.iteration_of(run(1)), None);
    // An attempt at the older status that ends late does not bring the old iteration back.
    slot.finish(StatusId(1), &shown, &Posting::Posted { iteration: Some(1) }, at(3));
    assert_eq!(slot.iteration_of(run(1)), None);
    slot.finish(StatusId(2), &shown, &Posting::Posted { iteration: Some(2) }, at(4));
    assert_eq!(slot.iteration_of(run(1)), Some(2));
}

#[test]
fn outcomes_are_read_back_by_their_names() {
    for outcome in StatusOutcome::ALL {
        assert_eq!(StatusOutcome::parse(outcome.as_str()), Some(outcome));
    }
}

//! When a flow has ended, and what counts as a problem.

use std::rc::Rc;

use super::*;
use crate::bodies::Bodies;

const HEAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4";

fn tracker() -> Tracker {
    let bodies = Rc::new(Bodies::mixed());
    let mut tracker = Tracker::new(Vec::new());
    tracker.add(vec![PullRequest { id: 7, head: HEAD.to_owned(), organization: 0, bodies }]);
    tracker
}

fn now_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn on_pull_request(state: &str) -> Shown {
    let state = state.to_owned();
    Shown { pull_request: Some(7), commit: None, iteration: Some(1), state, at_ms: now_ms() }
}

fn on_commit(state: &str) -> Shown {
    let (commit, state) = (Some(HEAD.to_owned()), state.to_owned());
    Shown { pull_request: None, commit, iteration: None, state, at_ms: now_ms() }
}

/// With a flow up to the answer to its report.
fn reported() -> Tracker {
    let mut tracker = tracker();
    let position = tracker.begin(Instant::now()).unwrap();
    tracker.accepted(position, Ok(202));
    assert_eq!(tracker.started(7, HEAD), Some(position));
    tracker.reported(position);
    tracker.report_answered(position, 200, b"");
    tracker
}

#[test]
fn a_flow_ends_with_the_second_final_status() {
    let begun = Instant::now();
    let mut tracker = reported();
    assert!(!tracker.shown(&on_pull_request("pending")));
    assert!(!tracker.shown(&on_pull_request("succeeded")));
    assert!(!tracker.is_settled());
    assert!(tracker.shown(&on_commit("succeeded")));
    assert!(tracker.is_settled());
    let later = Instant::now() + Duration::from_secs(1);
    assert_eq!(tracker.ended_between(begun, later), 1);
    assert_eq!(tracker.ended_between(later, later + Duration::from_secs(1)), 0);
    assert_eq!(tracker.take_problems(), Vec::<String>::new());
    assert_eq!(tracker.begin(later), None, "there was one pull request");
}

#[test]
fn what_is_wrong_is_a_problem() {
    let wrong: [fn(&mut Tracker); 6] = [
        |tracker| _ = tracker.started(7, HEAD),
        |tracker| _ = tracker.started(8, HEAD),
        |tracker| _ = tracker.shown(&on_pull_request("succeeded")),
        |tracker| _ = tracker.shown(&on_pull_request("pending")),
        |tracker| _ = tracker.shown(&on_pull_request("failed")),
        |tracker| tracker.accepted(0, Ok(503)),
    ];
    for (number, wrong) in wrong.into_iter().enumerate() {
        let mut tracker = reported();
        tracker.shown(&on_pull_request("succeeded"));
        tracker.shown(&on_commit("succeeded"));
        wrong(&mut tracker);
        assert_eq!(tracker.take_problems().len(), 1, "{number}");
    }
}

#[test]
fn each_missing_step_is_a_problem() {
    let mut tracker = tracker();
    tracker.begin(Instant::now());
    assert_eq!(tracker.take_problems().len(), 5);
}

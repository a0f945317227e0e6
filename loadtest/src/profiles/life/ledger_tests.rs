//! When a life has ended, and what the ledger does not let pass.

use std::rc::Rc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::{Ledger, Shown};
use crate::bodies::{Bodies, Place};
use crate::profiles::life::scene::{Repository, Subject};

const HEAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4";

fn ledger() -> Ledger {
    let named = || ("id".to_owned(), "name".to_owned());
    let place = Place {
        organization: "fabrikam".to_owned(),
        project: named(),
        repository: named(),
        head: HEAD.to_owned(),
    };
    let bodies = Bodies::of_lives(&place);
    let repository = Rc::new(Repository { organization: 0, bodies });
    let mut ledger = Ledger::new();
    ledger.add(vec![Subject { repository, pull_request: 7, head: HEAD.to_owned() }]);
    ledger
}

fn now_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn on_pull_request(state: &str) -> Shown<'_> {
    let (pull_request, iteration) = (Some(7), Some(1));
    Shown { pull_request, commit: None, iteration, state, at_ms: now_ms() }
}

fn on_commit(state: &str) -> Shown<'_> {
    Shown { pull_request: None, commit: Some(HEAD), iteration: None, state, at_ms: now_ms() }
}

/// Up to the answer to the report.
fn reported() -> Ledger {
    let mut ledger = ledger();
    let at = ledger.begin(Instant::now()).unwrap();
    ledger.accepted(at, 202);
    assert_eq!(ledger.started(7, HEAD), Some(at));
    ledger.reporting(at);
    ledger.reported(at, 200, b"");
    ledger
}

#[test]
fn a_life_ends_with_the_second_status() {
    let begun = Instant::now();
    let mut ledger = reported();
    assert!(!ledger.shown(&on_pull_request("pending")));
    assert!(!ledger.shown(&on_pull_request("succeeded")));
    assert!(!ledger.is_settled());
    assert!(ledger.shown(&on_commit("succeeded")));
    assert!(ledger.is_settled());
    let later = Instant::now() + Duration::from_secs(1);
    assert_eq!(ledger.ended_between(begun, later), 1);
    assert_eq!(ledger.ended_between(later, later + Duration::from_secs(1)), 0);
    assert_eq!(ledger.problems(), Vec::<String>::new());
    assert_eq!(ledger.begin(later), None, "there was one pull request");
}

#[test]
fn what_must_not_be_is_told() {
    let wrong: [fn(&mut Ledger); 6] = [
        |ledger| {
            ledger.started(7, HEAD);
        },
        |ledger| {
            ledger.started(8, HEAD);
        },
        |ledger| {
            ledger.shown(&on_pull_request("succeeded"));
        },
        |ledger| {
            ledger.shown(&on_pull_request("pending"));
        },
        |ledger| {
            ledger.shown(&on_pull_request("failed"));
        },
        |ledger| ledger.accepted(0, 503),
    ];
    for (number, wrong) in wrong.into_iter().enumerate() {
        let mut ledger = reported();
        ledger.shown(&on_pull_request("succeeded"));
        ledger.shown(&on_commit("succeeded"));
        wrong(&mut ledger);
        assert_eq!(ledger.problems().len(), 1, "{number}");
    }
}

#[test]
fn what_lacks_is_told() {
    let mut ledger = ledger();
    ledger.begin(Instant::now());
    assert_eq!(ledger.problems().len(), 5, "no hop was made");
}

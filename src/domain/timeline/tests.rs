//! Timelines: rows in order, gaps with whom they waited for, iterations, and whose time it was.

use uuid::Uuid;

use super::super::run::rerun;
use super::super::run::tests::run as run_in;
use super::super::run_state::Sender;
use super::super::steps::Step;
use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}

fn span(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A delivery that came 1.2 s after its event and was decided 7 ms later.
fn delivered(id: i64, event: Event, received_ms: i64, runs: &[RunId]) -> Delivered {
    Delivered {
        id: DeliveryId(id),
        created_at: Some(at(received_ms - 1_200)),
        received_at: at(received_ms),
        decided_at: Some(at(received_ms + 7)),
        source: Source::Hook,
        event: Some(event),
        outcome: if runs.is_empty() { Outcome::Ignored } else { Outcome::Started },
        reason: "why".into(),
        checks: Vec::new(),
        runs: runs.to_vec(),
    }
}

fn id(number: u128) -> RunId {
    RunId(Uuid::from_u128(number))
}

/// A run that was planned then, with these steps.
fn run(number: u128, planned_ms: i64, steps: &[(i64, What, State)]) -> Run {
    let planned = [(planned_ms, What::Planned, State::Planned)];
    let mut run = run_in(State::Planned);
    run.id = id(number);
    run.number = i64::try_from(number).unwrap();
    run.created_at = at(planned_ms);
    for (ms, what, state) in planned.iter().chain(steps) {
        let (at, words) = (at(*ms), format!("{state}"));
        run.steps.push(Step { at, what: *what, state: *state, words, skipped: 0 });
        run.state = *state;
    }
    run
}

const ATTEMPT: What = What::Attempt { ms: 11 };
const REPORT: What = What::Report { by: Sender::Runner };

fn status(run: u128, posted_ms: i64, state: Shown) -> Reported {
    Reported {
        run: id(run),
        context: "ci/unit".into(),
        on: "the commit",
        state,
        outcome: StatusOutcome::Posted,
        reason: String::new(),
        queued_at: at(posted_ms - 300),
        posted_at: Some(at(posted_ms)),
    }
}

/// The rows in short.
fn rows(iteration: &Iteration) -> Vec<String> {
    let row = |row: &Row| match row {
        Row::Entry(entry, after) => {
            let after = after.map_or(-1, |after| i64::try_from(after.as_millis()).unwrap());
            format!("{:?} +{after}", entry.kind)
        }
        Row::Gap { lasted, waited_for, goes_on } => {
            let goes_on = if *goes_on { " so far" } else { "" };
            format!("~ {} ms {waited_for:?}{goes_on}", lasted.as_millis())
        }
    };
    iteration.rows.iter().map(row).collect()
}

#[test]
fn a_run_from_the_push_to_its_status() {
    let steps = [(31, ATTEMPT, State::Dispatched), (57_000, REPORT, State::Succeeded)];
    let known = Known {
        deliveries: vec![delivered(1, Event::PullRequestOpened, 0, &[id(1)])],
        runs: vec![run(1, 7, &steps)],
        statuses: vec![
            status(1, 57_340, Shown::Succeeded),
            status(1, 360, Shown::Pending),
            Reported { outcome: StatusOutcome::Superseded, ..status(1, 500, Shown::Pending) },
        ],
        has_iterations: true,
    };
    let found = compose(&known, at(100_000));
    assert_eq!(found.len(), 1);
    let expected = [
        "AzureDevOps +-1",
        "Delivery(Hook) +1200",
        "Decision(Started) +7",
        "Attempt +24",
        "Status(Pending, Posted) +329",
        "~ 56640 ms Ci",
        "Report +56640",
        "Status(Succeeded, Posted) +340",
    ];
    assert_eq!(rows(&found[0]), expected);
    assert_eq!(found[0].entries(), 7);
    assert_eq!(found[0].commit, Some("a".repeat(40)));
    let expected = Shares {
        azure_devops: span(1_200),
        gateway: span(31 + 340),
        ci: span(56_969),
        concurrency: Duration::ZERO,
    };
    assert_eq!(found[0].shares, expected);
    assert_eq!(expected.sum(), span(1_200 + 57_340));
    assert!(!found[0].goes_on);
}

#[test]
fn what_goes_on_is_waited_for_until_now() {
    let known = |steps: &[_], limit| Known {
        deliveries: vec![delivered(1, Event::PullRequestOpened, 0, &[id(1)])],
        runs: vec![Run { concurrency: limit, ..run(1, 7, steps) }],
        ..Known::default()
    };
    let last = |known: &Known| rows(&compose(known, at(60_007))[0]).pop().unwrap();
    assert_eq!(last(&known(&[], None)), "~ 60000 ms Gateway so far");
    assert_eq!(last(&known(&[], Some(1))), "~ 60000 ms Concurrency so far");
    let running = [(7, ATTEMPT, State::Dispatched), (7, REPORT, State::Running)];
    assert_eq!(last(&known(&running, Some(1))), "~ 60000 ms Ci so far");
    // The CI was asked and did not take it.
    assert_eq!(last(&known(&[(7, ATTEMPT, State::Planned)], None)), "~ 60000 ms Ci so far");
}

#[test]
fn a_gap_names_whom_it_waited_for() {
    let gap = |deliveries: Vec<Delivered>, runs: Vec<Run>| {
        let known = Known { deliveries, runs, ..Known::default() };
        let found = rows(&compose(&known, at(0))[0]);
        found.into_iter().find(|row| row.starts_with('~')).expect("there is a gap")
    };
    let opened = || delivered(1, Event::PullRequestOpened, 0, &[id(1)]);
    let voted = delivered(2, Event::PullRequestVoted, 90_007, &[]);
    let person = "~ 88800 ms Person";
    assert_eq!(gap(vec![opened(), voted], Vec::new()), person);
    let late = Delivered { created_at: Some(at(-300_000)), ..opened() };
    assert_eq!(gap(vec![late], Vec::new()), "~ 300000 ms AzureDevOps");
    let slow = Delivered { decided_at: Some(at(3_000)), ..opened() };
    assert_eq!(gap(vec![slow], Vec::new()), "~ 3000 ms Gateway");
    let started = run(1, 7, &[(5_007, ATTEMPT, State::Dispatched)]);
    assert_eq!(gap(vec![opened()], vec![started.clone()]), "~ 5000 ms Gateway");
    let limited = Run { ci_concurrency: Some(1), ..started };
    assert_eq!(gap(vec![opened()], vec![limited]), "~ 5000 ms Concurrency");
    for (state, expected) in [(State::TimedOut, "Ci"), (State::Cancelled, "Person")] {
        let ended = run(1, 7, &[(9_007, What::Ended, state)]);
        assert_eq!(gap(vec![opened()], vec![ended]), format!("~ 9000 ms {expected}"));
    }
    let again = rerun(&run(1, 7, &[]), id(2), "jo", at(60_007));
    assert_eq!(gap(vec![opened()], vec![again]), "~ 60000 ms Person");
}

#[test]
fn a_new_head_begins_an_iteration_and_a_stale_or_repeated_one_does_not() {
    let stale = Delivered {
        outcome: Outcome::Stale,
        ..delivered(3, Event::PullRequestPushed, 40_000, &[])
    };
    let first =
        run(1, 7, &[(10, ATTEMPT, State::Running), (30_010, What::Ended, State::Superseded)]);
    let second = Run { commit: "b".repeat(40), ..run(2, 30_007, &[]) };
    let mut known = Known {
        deliveries: vec![
            stale,
            delivered(2, Event::PullRequestPushed, 30_000, &[id(2)]),
            delivered(1, Event::PullRequestOpened, 0, &[id(1)]),
        ],
        runs: vec![second, first],
        statuses: Vec::new(),
        has_iterations: true,
    };
    let found = compose(&known, at(50_000));
    let commits: Vec<_> = found.iter().map(|one| one.commit.clone().unwrap()).collect();
    assert_eq!(commits, ["a".repeat(40), "b".repeat(40)]);
    // The older run was superseded after the newer push, and belongs to its own iteration.
    assert_eq!(rows(&found[0]).last().unwrap(), "Ended(Superseded) +30000");
    assert_eq!((found[0].goes_on, found[1].goes_on), (false, true));
    known.has_iterations = false;
    assert_eq!(compose(&known, at(50_000)).len(), 1);
}

#[test]
fn a_check_has_its_newest_run_or_the_reason_why_it_has_none() {
    let why = |check: &str, why: &str| CheckOutcome {
        check: check.into(),
        why: why.into(),
        ..CheckOutcome::default()
    };
    let mut opened = delivered(1, Event::PullRequestOpened, 0, &[id(1)]);
    opened.checks = vec![why("e2e", "target"), why("unit", "no")];
    let mut edited = delivered(2, Event::PullRequestEdited, 500, &[]);
    edited.checks = vec![why("e2e", "label")];
    let known = Known {
        deliveries: vec![edited, opened],
        runs: vec![run(2, 9, &[]), run(1, 7, &[])],
        ..Known::default()
    };
    let checks = &compose(&known, at(1_000))[0].checks;
    assert_eq!(checks.len(), 2);
    assert_eq!(checks["unit"].run, Some(id(2)));
    assert_eq!(checks["e2e"].outcome, Some(why("e2e", "label")));
}

#[test]
fn clocks_that_differ_do_not_change_the_order_and_nothing_known_is_nothing() {
    let mut ahead = delivered(1, Event::PullRequestOpened, 0, &[]);
    ahead.created_at = Some(at(4_000));
    let known = Known { deliveries: vec![ahead], ..Known::default() };
    let found = rows(&compose(&known, at(0))[0]);
    assert_eq!(found, ["AzureDevOps +-1", "Delivery(Hook) +0", "Decision(Ignored) +7"]);
    assert!(compose(&Known::default(), at(0)).is_empty());
}

//! What is asked of a CI about a run, and when.

use proptest::prelude::*;

use super::super::run::tests::run;
use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn seconds(first: u64, last: u64, offset: u64) -> PollIntervals {
    let [first, last, offset] = [first, last, offset].map(Duration::from_secs);
    PollIntervals { first, last, offset }
}

/// A CI that can be asked everything, and knows a run by an id of its own.
const EVERYTHING: Abilities =
    Abilities { finds: true, polls: true, cancels: true, knows_our_id: false, leases: false };
/// A CI that can be asked nothing.
const NOTHING: Abilities =
    Abilities { finds: false, polls: false, cancels: false, knows_our_id: false, leases: false };

/// Final states.
fn ends() -> impl Iterator<Item = State> {
    State::ALL.into_iter().filter(|state| state.is_final())
}

const AT_CI: [State; 2] = [State::Dispatched, State::Running];

#[test]
fn a_planned_run_is_started_and_first_looked_up_where_its_start_is_in_doubt() {
    let (sure, doubtful) = (run(State::Planned), Run { look_ups: Some(0), ..run(State::Planned) });
    assert_eq!(question(&sure, EVERYTHING), Question::Start);
    assert_eq!(question(&sure, NOTHING), Question::Start);
    assert_eq!(question(&doubtful, EVERYTHING), Question::Find);
    let cannot_find = Abilities { finds: false, ..EVERYTHING };
    assert_eq!(question(&doubtful, cannot_find), Question::Start);
}

#[test]
fn a_started_run_is_polled_once_its_id_at_the_ci_is_known() {
    for state in AT_CI {
        let (unknown, known) = (run(state), Run { ci_id: Some("9".into()), ..run(state) });
        let by_our_id = Abilities { knows_our_id: true, ..EVERYTHING };
        assert_eq!(question(&known, EVERYTHING), Question::Poll);
        assert_eq!(question(&unknown, by_our_id), Question::Poll);
        assert_eq!(question(&unknown, EVERYTHING), Question::Find);
        let cannot_find = Abilities { finds: false, ..EVERYTHING };
        assert_eq!(question(&known, cannot_find), Question::Poll);
        assert_eq!(question(&unknown, cannot_find), Question::Nothing);
        let cannot_poll = Abilities { polls: false, ..EVERYTHING };
        assert_eq!(question(&known, cannot_poll), Question::Nothing);
        assert_eq!(question(&unknown, cannot_poll), Question::Nothing);
    }
}

#[test]
fn an_ended_run_is_cancelled_where_it_may_be_at_the_ci() {
    for state in ends() {
        let ended = |ci_id: Option<&str>, look_ups| Run {
            ci_id: ci_id.map(Into::into),
            look_ups,
            cancel_attempts: Some(0),
            ..run(state)
        };
        let (known, never_sent) = (ended(Some("9"), None), ended(None, None));
        let doubtful = ended(None, Some(0));
        assert_eq!(question(&known, EVERYTHING), Question::Cancel);
        let by_our_id = Abilities { knows_our_id: true, ..EVERYTHING };
        assert_eq!(question(&never_sent, by_our_id), Question::Cancel);
        assert_eq!(question(&never_sent, EVERYTHING), Question::Nothing);
        assert_eq!(question(&doubtful, EVERYTHING), Question::Find);
        let cannot_find = Abilities { finds: false, ..EVERYTHING };
        assert_eq!(question(&doubtful, cannot_find), Question::Nothing);
        let cannot_cancel = Abilities { cancels: false, ..EVERYTHING };
        assert_eq!(question(&known, cannot_cancel), Question::Nothing);
        let told = Run { cancel_attempts: None, ..known };
        assert_eq!(question(&told, EVERYTHING), Question::Nothing);
    }
}

#[test]
fn a_doubtful_start_is_looked_up_after_2_s_and_5_s_and_then_repeated() {
    let reason = "jenkins may have started it: no answer".to_owned();
    let (doubtful, due_at) = doubt(&run(State::Planned), reason.clone(), later(10));
    assert_eq!((doubtful.attempts, doubtful.look_ups, due_at), (1, Some(0), later(12)));
    assert_eq!((&doubtful.reason, doubtful.updated_at), (&reason, later(10)));
    let (asked, due_at) = not_found(&doubtful, later(12));
    assert_eq!((asked.look_ups, due_at), (Some(1), Some(later(15))));
    assert_eq!(question(&asked, EVERYTHING), Question::Find);
    let (given_up, due_at) = not_found(&asked, later(15));
    assert_eq!((given_up.look_ups, due_at), (None, Some(later(15))));
    assert_eq!(question(&given_up, EVERYTHING), Question::Start);
    assert_eq!((given_up.state, given_up.attempts), (State::Planned, 1));
}

#[test]
fn a_run_that_ended_while_its_start_is_in_doubt_is_left_after_the_last_look_up() {
    for state in ends() {
        let ended = Run { cancel_attempts: Some(0), ..run(state) };
        let (doubtful, due_at) = doubt(&ended, "no answer".into(), later(10));
        assert_eq!((doubtful.look_ups, due_at), (Some(0), later(12)));
        let words = (&doubtful.reason, doubtful.updated_at);
        assert_eq!(words, (&ended.reason, ended.updated_at), "it ended for a reason of its own");
        let (asked, due_at) = not_found(&doubtful, later(12));
        assert_eq!((asked.look_ups, asked.cancel_attempts), (Some(1), Some(0)));
        assert_eq!(due_at, Some(later(15)));
        let (left, due_at) = not_found(&asked, later(15));
        assert_eq!((left.look_ups, left.cancel_attempts, due_at), (None, None, None));
        assert_eq!((left.state, is_followed(&left)), (state, false));
    }
}

#[test]
fn the_wait_between_polls_grows_from_the_first_interval_to_the_last() {
    let table = [(0, 10), (40, 10), (80, 20), (120, 30), (240, 60), (3_600, 60)];
    for (unchanged_for, wait) in table {
        let now = later(unchanged_for);
        let due_at = next_poll(&run(State::Running), seconds(10, 60, 0), now);
        assert_eq!(due_at, now.plus(Duration::from_secs(wait)), "{unchanged_for}");
    }
    // An upper bound below the first interval does not count the other way round.
    let due_at = next_poll(&run(State::Running), seconds(10, 2, 0), later(3_600));
    assert_eq!(due_at, later(3_602));
}

#[test]
fn polls_of_one_ci_fall_on_the_same_moments_whatever_runs_they_are_about() {
    let at = |second, offset| {
        let intervals = seconds(10, 60, offset);
        next_poll(
            &Run { updated_at: later(second), ..run(State::Running) },
            intervals,
            later(second),
        )
    };
    assert_eq!([at(0, 0), at(1, 0), at(2, 0)], [later(10); 3]);
    assert_eq!([at(3, 0), at(4, 0), at(7, 0)], [later(15); 3]);
    assert_eq!([at(0, 2), at(1, 2), at(4, 2)], [later(12); 3], "moved by the offset");
}

#[test]
fn a_run_is_followed_while_it_is_at_its_ci_and_until_it_is_cancelled_there() {
    for state in State::ALL {
        let is_at_ci = AT_CI.contains(&state);
        assert_eq!(is_followed(&run(state)), is_at_ci, "{state}");
        assert_eq!(due_after_change(&run(state)), None, "{state}");
        let told = Run { cancel_attempts: Some(1), updated_at: later(3), ..run(state) };
        assert_eq!(is_followed(&told), is_at_ci || state.is_final(), "{state}");
        let at_once = state.is_final().then_some(later(3));
        assert_eq!(due_after_change(&told), at_once, "{state}");
    }
}

#[test]
fn a_ci_is_told_to_cancel_a_run_at_most_four_times() {
    let mut ended = Run { cancel_attempts: Some(0), ..run(State::Superseded) };
    let problem = Some("jenkins could not be told to cancel it: 503".to_owned());
    let mut told = 0;
    while ended.cancel_attempts.is_some() {
        ended = cancelled(&ended, true, problem.clone());
        told += 1;
        assert_eq!(ended.ci_problem, problem);
        assert!(told <= CANCEL_ATTEMPTS_MAX, "it never ends");
    }
    assert_eq!((told, CANCEL_ATTEMPTS_MAX), (4, 4));
    assert!(!is_followed(&ended));
}

#[test]
fn a_cancelled_run_is_not_followed_any_more_and_has_no_problem() {
    let ended = Run { cancel_attempts: Some(2), ..run(State::Cancelled) };
    let ended = with_problem(&ended, Some("503".into()));
    assert_eq!((ended.ci_problem.as_deref(), ended.state), (Some("503"), State::Cancelled));
    let done = cancelled(&ended, false, None);
    assert_eq!((done.cancel_attempts, &done.ci_problem), (None, &None));
    assert_eq!((done.state, &done.reason), (ended.state, &ended.reason));
}

#[test]
fn a_ci_that_can_be_polled_gives_the_verdict() {
    assert_eq!(default_verdict(EVERYTHING), Verdict::Poll);
    assert_eq!(default_verdict(Abilities { polls: true, ..NOTHING }), Verdict::Poll);
    assert_eq!(default_verdict(Abilities { polls: false, ..EVERYTHING }), Verdict::Report);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_poll_is_neither_hurried_nor_late(
        first_ms in 1_000..=3_600_000_u64,
        longer_ms in 0..=3_600_000_u64,
        offset_ms in 0..=3_600_000_u64,
        unchanged_micros in 0..=10 * 3_600_000_000_u64,
    ) {
        let [first, last, offset] =
            [first_ms, first_ms + longer_ms, offset_ms].map(Duration::from_millis);
        let now = NOW.plus(Duration::from_micros(unchanged_micros));
        let due_at =
            next_poll(&run(State::Running), PollIntervals { first, last, offset }, now);
        prop_assert!(due_at >= now.plus(first / 2), "{due_at} is too soon after {now}");
        prop_assert!(due_at <= now.plus(last + last / 2), "{due_at} is too long after {now}");
        let step_ms = i64::try_from(first_ms / 2).unwrap();
        let from_offset_ms = due_at.ms() - i64::try_from(offset_ms).unwrap();
        prop_assert_eq!(from_offset_ms % step_ms, 0, "on the grid");
    }
}

#[test]
fn a_run_is_lost_when_its_ci_does_not_know_it_for_a_minute_after_its_last_news() {
    for state in AT_CI {
        let told = Run { updated_at: NOW, ..run(state) };
        assert!(!is_lost(&told, later(59)), "it may not be listed yet");
        assert!(is_lost(&told, later(60)));
    }
}

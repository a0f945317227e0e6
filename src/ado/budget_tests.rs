//! What answers do to the lanes, and for how long.

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);
const LANES: [Lane; 4] = [Lane::Statuses, Lane::Triggers, Lane::Subscriptions, Lane::CatchUp];

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// For how many seconds from then on each lane pauses.
fn paused(budget: &Budget, now: Timestamp) -> [u64; 4] {
    LANES.map(|lane| budget.pause(lane, now).map_or(0, |pause| pause.until.since(now).as_secs()))
}

fn wait(is_refused: bool, seconds: u64) -> RateHeaders {
    let wait = Some(Duration::from_secs(seconds));
    RateHeaders { is_refused, wait, ..RateHeaders::default() }
}

fn left(share: f64, reset: Option<Timestamp>) -> RateHeaders {
    let left = Remaining { remaining: share * 200.0, share, reset };
    RateHeaders { left: Some(left), ..RateHeaders::default() }
}

fn refused() -> RateHeaders {
    RateHeaders { is_refused: true, ..RateHeaders::default() }
}

#[test]
fn retry_after_pauses_every_lane_and_the_longest_counts() {
    let mut budget = Budget::default();
    assert_eq!(paused(&budget, NOW), [0; 4]);
    assert_eq!(budget.apply(&wait(true, 30), NOW, 0), [Cause::Asked]);
    assert_eq!(budget.apply(&wait(false, 5), NOW, 0), [Cause::Asked]);
    assert_eq!(paused(&budget, NOW), [30; 4]);
    assert_eq!(paused(&budget, after(30)), [0; 4]);
    budget.apply(&wait(false, 86_400), NOW, 0);
    assert_eq!(paused(&budget, NOW), [3_600; 4]);
}

#[test]
fn being_locked_out_is_no_limit() {
    let mut budget = Budget::default();
    budget.lock_out(Duration::from_secs(1), "no", NOW);
    assert_eq!(budget.pause(Lane::Statuses, NOW).map(|pause| pause.is_limit), Some(false));
    // A limit is added meanwhile, and goes on for longer.
    assert_eq!(budget.apply(&refused(), NOW, 0), [Cause::Refused]);
    assert_eq!(budget.pause(Lane::Statuses, NOW).map(|pause| pause.is_limit), Some(true));
}

#[test]
fn a_429_without_a_time_waits_a_few_seconds_and_twice_as_long_each_time_up_to_a_minute() {
    let mut budget = Budget::default();
    let mut now = NOW;
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(budget.apply(&refused(), now, 0), [Cause::Refused]);
        // The answers to calls that were under way count once.
        assert_eq!(budget.apply(&refused(), now, 0), []);
        assert_eq!(paused(&budget, now), [seconds; 4]);
        now = now.plus(Duration::from_secs(seconds));
    }
}

#[test]
fn the_first_success_after_a_pause_ends_the_doubling() {
    let mut budget = Budget::default();
    budget.apply(&refused(), NOW, 0);
    budget.apply(&refused(), after(2), 0);
    assert_eq!(paused(&budget, after(2)), [4; 4]);
    // A call that was made before the pause.
    budget.succeeded(after(3));
    assert_eq!(paused(&budget, after(3)), [3; 4]);
    budget.succeeded(after(6));
    budget.apply(&refused(), after(7), 0);
    assert_eq!(paused(&budget, after(7)), [2; 4]);
    // What Azure DevOps asked for does not end.
    let mut budget = Budget::default();
    budget.apply(&wait(true, 30), NOW, 0);
    budget.succeeded(NOW);
    assert_eq!(paused(&budget, NOW), [30; 4]);
}

#[test]
fn the_first_pause_after_a_429_without_a_time_is_spread_over_three_seconds() {
    for (random, ms) in [(0, 2_000), (1, 2_001), (3_000, 5_000), (3_001, 2_000)] {
        let mut budget = Budget::default();
        budget.apply(&refused(), NOW, random);
        let until = budget.pause(Lane::Statuses, NOW).map(|pause| pause.until);
        assert_eq!(until, Some(NOW.plus(Duration::from_millis(ms))), "{random}");
    }
}

#[test]
fn lanes_stop_one_after_the_other_and_statuses_never() {
    let reset = Some(after(100));
    for (share, expected, cause) in [
        (0.50, [0, 0, 0, 0], None),
        (0.49, [0, 0, 0, 100], Some(Cause::Share)),
        (0.25, [0, 0, 0, 100], Some(Cause::Share)),
        (0.24, [0, 0, 100, 100], Some(Cause::Share)),
        (0.09, [0, 100, 100, 100], Some(Cause::Share)),
        (0.0, [0, 100, 100, 100], Some(Cause::Share)),
    ] {
        let mut budget = Budget::default();
        assert_eq!(budget.apply(&left(share, reset), NOW, 0), Vec::from_iter(cause), "{share}");
        assert_eq!(paused(&budget, NOW), expected, "{share}");
        assert_eq!(paused(&budget, after(100)), [0; 4]);
        // Told once more, it is no new pause; headers better, it is over.
        assert_eq!(budget.apply(&left(share, reset), NOW, 0), []);
        budget.apply(&left(0.9, reset), NOW, 0);
        assert_eq!(paused(&budget, NOW), [0; 4]);
    }
}

#[test]
fn a_reset_is_believed_within_an_hour() {
    for (reset, seconds) in [
        (None, 60),
        (Some(after(3_600)), 3_600),
        (Some(after(3_601)), 60),
        (Some(NOW), 60),
        (Some(Timestamp::ZERO), 60),
    ] {
        let mut budget = Budget::default();
        budget.apply(&left(0.0, reset), NOW, 0);
        assert_eq!(paused(&budget, NOW)[3], seconds, "{reset:?}");
    }
}

#[test]
fn what_is_left_is_forgotten_and_silence_does_not_end_it() {
    let mut budget = Budget::default();
    budget.apply(&left(0.2, None), NOW, 0);
    budget.apply(&RateHeaders::default(), after(1), 0);
    budget.succeeded(after(1));
    assert_eq!(paused(&budget, after(1)), [0, 0, 59, 59]);
    assert_eq!(budget.left(after(299)).map(|left| left.share), Some(0.2));
    assert_eq!(budget.left(after(300)), None);
    budget.apply(&left(0.2, Some(after(400))), after(300), 0);
    assert_eq!(budget.left(after(400)), None);
}

#[test]
fn three_broken_connections_within_a_minute_hold_the_lower_lanes_longer_each_time() {
    let mut budget = Budget::default();
    let mut now = NOW;
    for seconds in [30, 60, 120, 240, 360, 360] {
        assert_eq!((budget.connection_dropped(now), budget.connection_dropped(now)), (None, None));
        assert_eq!(budget.connection_dropped(now), Some(Cause::Broken));
        // Of the same moment: they count once.
        assert_eq!([0; 5].map(|_| budget.connection_dropped(now)), [None; 5]);
        assert_eq!(paused(&budget, now), [5, 5, seconds, seconds]);
        now = now.plus(Duration::from_secs(seconds));
    }
    budget.succeeded(now);
    assert_eq!([0; 3].map(|_| budget.connection_dropped(now)), [None, None, Some(Cause::Broken)]);
    assert_eq!(paused(&budget, now), [5, 5, 30, 30]);
}

#[test]
fn broken_connections_far_apart_or_with_a_success_between_mean_nothing() {
    let mut budget = Budget::default();
    for at in [0, 10, 61, 110, 122] {
        assert_eq!(budget.connection_dropped(after(at)), None, "{at}");
    }
    budget.succeeded(after(122));
    assert_eq!(budget.connection_dropped(after(123)), None);
    assert_eq!(paused(&budget, after(123)), [0; 4]);
}

#[test]
fn their_clock_is_followed_and_their_reset_read_by_it() {
    let mut budget = Budget::default();
    assert_eq!(budget.their_now(NOW), NOW);
    let headers = RateHeaders { date: Some(after(3_600)), ..left(0.0, Some(after(3_690))) };
    budget.apply(&headers, NOW, 0);
    assert_eq!(budget.their_now(after(10)), after(3_610));
    assert_eq!(paused(&budget, NOW)[3], 90);
    // No date says nothing new; one behind ours counts as well.
    budget.apply(&RateHeaders::default(), after(20), 0);
    assert_eq!(budget.their_now(after(20)), after(3_620));
    budget.apply(&RateHeaders { date: Some(NOW), ..RateHeaders::default() }, after(30), 0);
    assert_eq!(budget.their_now(after(40)), after(10));
}

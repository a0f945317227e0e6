//! Pull requests: what counts as missed, and as of when.

use super::super::super::decision::Remembered;
use super::super::super::pull_request::{PullRequest, Status};
use super::*;

fn listed() -> SeenPullRequest {
    let pull_request = PullRequest {
        id: 7,
        source_ref: "refs/heads/search".into(),
        target_ref: "refs/heads/main".into(),
        source_commit: Some(sha('a')),
        labels_known: true,
        ..PullRequest::default()
    };
    SeenPullRequest { pull_request, created_at: Some(at(50)), closed_at: None }
}

fn with(change: impl FnOnce(&mut PullRequest)) -> SeenPullRequest {
    let mut seen = listed();
    change(&mut seen.pull_request);
    seen
}

fn closed(status: Status, seconds: i64) -> SeenPullRequest {
    SeenPullRequest { closed_at: Some(at(seconds)), ..with(|seen| seen.status = status) }
}

/// Known as of second 60.
fn known() -> Remembered {
    Remembered { pull_request: listed().pull_request, as_of: at(60) }
}

fn missed_at(at: Timestamp, is_dated: bool) -> Option<Missed> {
    Some(Missed { at, is_dated, came_back: false })
}

#[test]
fn a_change_that_starts_nothing_is_not_missed() {
    for seen in [
        listed(),
        with(|seen| seen.title = "Add find".into()),
        with(|seen| seen.description = "cut".into()),
        with(|seen| seen.votes = vec![("ada".into(), 10)]),
        with(|seen| seen.labels = vec!["e2e".into()]),
        // Azure DevOps has not computed it yet.
        with(|seen| seen.source_commit = None),
    ] {
        assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &criteria()), None, "{seen:?}");
    }
}

#[test]
fn a_new_head_has_the_time_of_its_push() {
    let seen = with(|seen| seen.source_commit = Some(sha('b')));
    let list = [push(1, 150, &[("search", 'a', 'b')]), push(2, 160, &[("other", 'a', 'b')])];
    assert_eq!(
        missed(Some(&known()), &seen, &pushes(&list), &criteria()),
        missed_at(at(150), true)
    );
    // Without a push it has the time of the last reading, since it cannot be earlier.
    assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &criteria()), missed_at(at(100), false));
    let fork = with(|seen| (seen.source_commit, seen.is_fork) = (Some(sha('b')), true));
    assert_eq!(
        missed(Some(&known()), &fork, &pushes(&list), &criteria()),
        missed_at(at(100), false)
    );
}

#[test]
fn no_change_is_dated_before_what_is_known() {
    let seen = with(|seen| seen.source_commit = Some(sha('b')));
    let list = pushes(&[push(1, 150, &[("search", 'a', 'b')])]);
    let voted = Remembered { as_of: at(170), ..known() };
    assert_eq!(missed(Some(&voted), &seen, &list, &criteria()), missed_at(at(170), true));
    // A hook delivered something newer than the list.
    let newer = Remembered { as_of: at(200), ..known() };
    assert_eq!(missed(Some(&newer), &seen, &list, &criteria()), None);
}

#[test]
fn each_change_that_may_start_a_check_is_missed() {
    for seen in
        [with(|seen| seen.target_ref = "refs/heads/next".into()), with(|seen| seen.is_draft = true)]
    {
        assert_eq!(
            missed(Some(&known()), &seen, &pushes(&[]), &criteria()),
            missed_at(at(100), false)
        );
    }
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let criteria = Criteria { follows_labels: true, ..criteria() };
    assert_eq!(
        missed(Some(&known()), &labelled, &pushes(&[]), &criteria),
        missed_at(at(100), false)
    );
}

fn without_labels(seen: SeenPullRequest) -> SeenPullRequest {
    let pull_request =
        PullRequest { labels: vec![], labels_known: false, ..seen.pull_request.clone() };
    SeenPullRequest { pull_request, ..seen }
}

fn knowing(seen: SeenPullRequest) -> Remembered {
    Remembered { pull_request: seen.pull_request, ..known() }
}

#[test]
fn labels_that_become_known_have_the_time_of_what_was_known() {
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let follows = Criteria { follows_labels: true, ..criteria() };
    let unknown = knowing(without_labels(listed()));
    for seen in [listed(), labelled.clone()] {
        assert_eq!(missed(Some(&unknown), &seen, &pushes(&[]), &follows), missed_at(at(60), false));
        assert_eq!(missed(Some(&unknown), &seen, &pushes(&[]), &criteria()), None);
    }
    // With another difference they are part of it.
    let moved = with(|seen| seen.target_ref = "refs/heads/next".into());
    assert_eq!(missed(Some(&unknown), &moved, &pushes(&[]), &follows), missed_at(at(100), false));
    let list = pushes(&[push(2, 160, &[("search", 'b', 'a')])]);
    let thorough = Criteria { follows_labels: true, ..thorough() };
    let back = missed(Some(&unknown), &listed(), &list, &thorough);
    assert!(back.is_some_and(|back| back.came_back && back.at == at(160)), "{back:?}");
    // Unknown labels are no difference.
    for known in [unknown, knowing(listed()), knowing(labelled)] {
        assert_eq!(missed(Some(&known), &without_labels(listed()), &pushes(&[]), &follows), None);
    }
}

#[test]
fn labels_are_asked_for_where_a_check_needs_them_and_they_may_differ() {
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let follows = Criteria { follows_labels: true, ..criteria() };
    let seen = without_labels(listed());
    let (first, again) = (Some(Urgency::First), Some(Urgency::Again));
    assert!(first < again);
    assert_eq!(wants_labels(None, &seen, &follows), first);
    assert_eq!(wants_labels(Some(&knowing(seen.clone())), &seen, &follows), first);
    assert_eq!(wants_labels(Some(&knowing(labelled.clone())), &seen, &follows), again);
    // Known to be none: the list would show one.
    assert_eq!(wants_labels(Some(&known()), &seen, &follows), None);
    assert_eq!(wants_labels(None, &labelled, &follows), None, "the list shows them");
    assert_eq!(wants_labels(None, &seen, &criteria()), None, "no check depends on them");
    assert_eq!(wants_labels(None, &without_labels(closed(Status::Completed, 140)), &follows), None);
    let newer = Remembered { as_of: at(200), ..knowing(seen.clone()) };
    assert_eq!(wants_labels(Some(&newer), &seen, &follows), None, "newer than the list");
}

#[test]
fn closing_and_reactivating_are_missed() {
    let seen = closed(Status::Completed, 140);
    assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &criteria()), missed_at(at(140), true));
    let ended = Remembered { pull_request: seen.pull_request.clone(), as_of: at(140) };
    assert_eq!(missed(Some(&ended), &seen, &pushes(&[]), &criteria()), None);
    assert_eq!(
        missed(Some(&ended), &listed(), &pushes(&[]), &criteria()),
        missed_at(at(140), false)
    );
}

#[test]
fn an_unknown_pull_request_counts_by_its_own_dates() {
    assert_eq!(missed(None, &listed(), &pushes(&[]), &criteria()), missed_at(at(50), true));
    let old = SeenPullRequest { created_at: Some(at(-500)), ..listed() };
    assert_eq!(missed(None, &old, &pushes(&[]), &first()), missed_at(at(-500), true));
    assert_eq!(
        missed(None, &old, &pushes(&[]), &criteria()),
        missed_at(at(100), true),
        "active again"
    );
    let list = pushes(&[push(1, 5, &[("search", '.', 'a')])]);
    assert_eq!(missed(None, &old, &list, &first()), missed_at(at(5), true), "pushed to since");
    let dateless = SeenPullRequest { created_at: None, ..listed() };
    assert_eq!(
        missed(None, &dateless, &pushes(&[]), &criteria()),
        missed_at(Timestamp::ZERO, false)
    );
}

#[test]
fn the_end_of_an_unknown_pull_request_is_missed_where_a_check_follows_it() {
    let seen = closed(Status::Abandoned, 140);
    assert_eq!(missed(None, &seen, &pushes(&[]), &criteria()), None);
    let follows = Criteria { follows_closing: true, ..criteria() };
    assert_eq!(missed(None, &seen, &pushes(&[]), &follows), missed_at(at(140), true));
    let before = closed(Status::Abandoned, -1);
    assert_eq!(missed(None, &before, &pushes(&[]), &follows), None, "before it was watched");
}

#[test]
fn a_branch_that_moved_and_came_back_is_found_by_a_thorough_scan() {
    let list =
        pushes(&[push(1, 150, &[("search", 'a', 'b')]), push(2, 160, &[("search", 'b', 'a')])]);
    let back = Some(Missed { at: at(160), is_dated: true, came_back: true });
    assert_eq!(missed(Some(&known()), &listed(), &list, &thorough()), back);
    assert_eq!(missed(Some(&known()), &listed(), &list, &criteria()), None);
    // Known already: a second delivery says the same.
    let after = Remembered { as_of: at(160), ..known() };
    assert_eq!(missed(Some(&after), &listed(), &list, &thorough()), None);
    // It has moved on since: the next scan finds that.
    let list = pushes(&[push(3, 199, &[("search", 'a', 'c')])]);
    assert_eq!(missed(Some(&known()), &listed(), &list, &thorough()), None);
}

/// The pull request was opened right after its push; the delivery gives this time for it.
fn opened(as_of: Timestamp) -> Remembered {
    Remembered { as_of, ..known() }
}

#[test]
fn the_push_that_made_the_known_head_is_no_return_whatever_the_times_say() {
    let micros = |second: i64, micros| Timestamp::from_micros(at(second).micros() + micros);
    let pushed_at = |pushed_at| {
        let before = push(1, 20, &[("search", '.', 'c')]);
        let last = push(2, 0, &[("search", 'c', 'a')]);
        pushes(&[before, Push { pushed_at: Some(pushed_at), ..last }])
    };
    for (case, delivered, pushed) in [
        ("equal", micros(60, 123_456), micros(60, 123_456)),
        ("equal, and stored to the millisecond", micros(60, 123_000), micros(60, 123_456)),
        ("swapped", micros(60, 121_000), micros(60, 123_456)),
        ("the fraction of the event is missing", at(60), micros(60, 999_999)),
        ("the fraction of the push is missing", micros(60, 999_999), at(60)),
    ] {
        let found = missed(Some(&opened(delivered)), &listed(), &pushed_at(pushed), &thorough());
        assert_eq!(found, None, "{case}");
    }
    // Long after what is known, it is another push, wherever it came from.
    let found = missed(Some(&opened(at(60))), &listed(), &pushed_at(at(66)), &thorough());
    assert!(found.is_some_and(|found| found.came_back), "{found:?}");
}

#[test]
fn a_branch_that_came_back_within_seconds_is_found_where_a_push_left_its_head() {
    let list = [
        push(1, 59, &[("search", '.', 'a')]),
        push(2, 61, &[("search", 'a', 'b'), ("other", '.', 'a')]),
        push(3, 62, &[("search", 'b', 'a')]),
    ];
    let back = Some(Missed { at: at(62), is_dated: true, came_back: true });
    let opened = opened(at(60));
    assert_eq!(missed(Some(&opened), &listed(), &pushes(&list), &thorough()), back);
    // The push that left is of another branch.
    let list = [
        push(1, 59, &[("search", '.', 'b'), ("other", '.', 'a')]),
        push(2, 61, &[("other", 'a', 'b')]),
        push(3, 62, &[("search", 'b', 'a')]),
    ];
    assert_eq!(missed(Some(&opened), &listed(), &pushes(&list), &thorough()), None);
}

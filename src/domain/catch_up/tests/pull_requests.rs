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

fn told(at: Timestamp, is_dated: bool) -> Option<Missed> {
    Some(Missed { at, is_dated, came_back: false })
}

#[test]
fn what_is_as_we_know_it_was_not_missed() {
    for seen in [
        listed(),
        with(|seen| seen.title = "Add find".into()),
        with(|seen| seen.description = "cut".into()),
        with(|seen| seen.votes = vec![("ada".into(), 10)]),
        with(|seen| seen.labels = vec!["e2e".into()]),
        // Azure DevOps is still looking.
        with(|seen| seen.source_commit = None),
    ] {
        assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &frame()), None, "{seen:?}");
    }
}

#[test]
fn a_new_head_is_told_as_of_its_push() {
    let seen = with(|seen| seen.source_commit = Some(sha('b')));
    let list = [push(1, 150, &[("search", 'a', 'b')]), push(2, 160, &[("other", 'a', 'b')])];
    assert_eq!(missed(Some(&known()), &seen, &pushes(&list), &frame()), told(at(150), true));
    // Where no push says so, it cannot have been before the last reading.
    assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &frame()), told(at(100), false));
    let fork = with(|seen| (seen.source_commit, seen.is_fork) = (Some(sha('b')), true));
    assert_eq!(missed(Some(&known()), &fork, &pushes(&list), &frame()), told(at(100), false));
}

#[test]
fn nothing_is_told_that_would_be_stale() {
    let seen = with(|seen| seen.source_commit = Some(sha('b')));
    let list = pushes(&[push(1, 150, &[("search", 'a', 'b')])]);
    let voted = Remembered { as_of: at(170), ..known() };
    assert_eq!(missed(Some(&voted), &seen, &list, &frame()), told(at(170), true));
    // A hook told more than the list can hold.
    let newer = Remembered { as_of: at(200), ..known() };
    assert_eq!(missed(Some(&newer), &seen, &list, &frame()), None);
}

#[test]
fn each_change_that_may_start_a_check_is_told() {
    for seen in
        [with(|seen| seen.target_ref = "refs/heads/next".into()), with(|seen| seen.is_draft = true)]
    {
        assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &frame()), told(at(100), false));
    }
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let frame = Frame { follows_labels: true, ..frame() };
    assert_eq!(missed(Some(&known()), &labelled, &pushes(&[]), &frame), told(at(100), false));
}

fn untold(seen: SeenPullRequest) -> SeenPullRequest {
    let pull_request =
        PullRequest { labels: vec![], labels_known: false, ..seen.pull_request.clone() };
    SeenPullRequest { pull_request, ..seen }
}

fn knowing(seen: SeenPullRequest) -> Remembered {
    Remembered { pull_request: seen.pull_request, ..known() }
}

#[test]
fn labels_that_are_told_for_the_first_time_are_as_of_what_was_known() {
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let follows = Frame { follows_labels: true, ..frame() };
    let unknown = knowing(untold(listed()));
    for seen in [listed(), labelled.clone()] {
        assert_eq!(missed(Some(&unknown), &seen, &pushes(&[]), &follows), told(at(60), false));
        assert_eq!(missed(Some(&unknown), &seen, &pushes(&[]), &frame()), None);
    }
    // With another difference they are part of it.
    let moved = with(|seen| seen.target_ref = "refs/heads/next".into());
    assert_eq!(missed(Some(&unknown), &moved, &pushes(&[]), &follows), told(at(100), false));
    let list = pushes(&[push(2, 160, &[("search", 'b', 'a')])]);
    let thorough = Frame { follows_labels: true, ..thorough() };
    let back = missed(Some(&unknown), &listed(), &list, &thorough);
    assert!(back.is_some_and(|back| back.came_back && back.at == at(160)), "{back:?}");
    // What is not told is no difference.
    for known in [unknown, knowing(listed()), knowing(labelled)] {
        assert_eq!(missed(Some(&known), &untold(listed()), &pushes(&[]), &follows), None);
    }
}

#[test]
fn labels_are_asked_for_where_they_matter_and_may_be_other_than_known() {
    let labelled = with(|seen| seen.labels = vec!["e2e".into()]);
    let follows = Frame { follows_labels: true, ..frame() };
    let seen = untold(listed());
    let (first, again) = (Some(Urgency::First), Some(Urgency::Again));
    assert!(first < again);
    assert_eq!(wants_labels(None, &seen, &follows), first);
    assert_eq!(wants_labels(Some(&knowing(seen.clone())), &seen, &follows), first);
    assert_eq!(wants_labels(Some(&knowing(labelled.clone())), &seen, &follows), again);
    // Known to be none: the list would tell one.
    assert_eq!(wants_labels(Some(&known()), &seen, &follows), None);
    assert_eq!(wants_labels(None, &labelled, &follows), None, "the list tells them");
    assert_eq!(wants_labels(None, &seen, &frame()), None, "no check depends on them");
    assert_eq!(wants_labels(None, &untold(closed(Status::Completed, 140)), &follows), None);
    let newer = Remembered { as_of: at(200), ..knowing(seen.clone()) };
    assert_eq!(wants_labels(Some(&newer), &seen, &follows), None, "newer than the list");
}

#[test]
fn the_end_and_the_way_back_are_told() {
    let seen = closed(Status::Completed, 140);
    assert_eq!(missed(Some(&known()), &seen, &pushes(&[]), &frame()), told(at(140), true));
    let ended = Remembered { pull_request: seen.pull_request.clone(), as_of: at(140) };
    assert_eq!(missed(Some(&ended), &seen, &pushes(&[]), &frame()), None);
    assert_eq!(missed(Some(&ended), &listed(), &pushes(&[]), &frame()), told(at(140), false));
}

#[test]
fn one_that_we_never_heard_of_counts_by_its_own_dates() {
    assert_eq!(missed(None, &listed(), &pushes(&[]), &frame()), told(at(50), true));
    let old = SeenPullRequest { created_at: Some(at(-500)), ..listed() };
    assert_eq!(missed(None, &old, &pushes(&[]), &first()), told(at(-500), true));
    assert_eq!(missed(None, &old, &pushes(&[]), &frame()), told(at(100), true), "active again");
    let list = pushes(&[push(1, 5, &[("search", '.', 'a')])]);
    assert_eq!(missed(None, &old, &list, &first()), told(at(5), true), "pushed to since");
    let dateless = SeenPullRequest { created_at: None, ..listed() };
    assert_eq!(missed(None, &dateless, &pushes(&[]), &frame()), told(Timestamp::ZERO, false));
}

#[test]
fn the_end_of_one_that_we_never_heard_of_matters_to_those_who_wait_for_it() {
    let seen = closed(Status::Abandoned, 140);
    assert_eq!(missed(None, &seen, &pushes(&[]), &frame()), None);
    let follows = Frame { follows_closing: true, ..frame() };
    assert_eq!(missed(None, &seen, &pushes(&[]), &follows), told(at(140), true));
    let before = closed(Status::Abandoned, -1);
    assert_eq!(missed(None, &before, &pushes(&[]), &follows), None, "before it was watched");
}

#[test]
fn what_moved_and_came_back_is_found_by_a_close_look() {
    let list =
        pushes(&[push(1, 150, &[("search", 'a', 'b')]), push(2, 160, &[("search", 'b', 'a')])]);
    let back = Some(Missed { at: at(160), is_dated: true, came_back: true });
    assert_eq!(missed(Some(&known()), &listed(), &list, &thorough()), back);
    assert_eq!(missed(Some(&known()), &listed(), &list, &frame()), None);
    // Observation already: what is told twice says the same.
    let after = Remembered { as_of: at(160), ..known() };
    assert_eq!(missed(Some(&after), &listed(), &list, &thorough()), None);
    // It went on meanwhile: the next reading tells.
    let list = pushes(&[push(3, 199, &[("search", 'a', 'c')])]);
    assert_eq!(missed(Some(&known()), &listed(), &list, &thorough()), None);
}

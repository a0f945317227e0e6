//! Statuses: what is shown for each state, how words are cut, and which ones share a place.

use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::super::event::Repository;
use super::super::run::{self, OfPullRequest, Targets};
use super::*;

fn run(state: State) -> Run {
    Run {
        repository: Repository {
            id: "b90f".into(),
            name: "storefront".into(),
            project_id: "3e5d".into(),
            project: "Webshop".into(),
        },
        git_ref: "refs/heads/search".into(),
        pull_request: Some(OfPullRequest {
            id: 7,
            title: "Add search".into(),
            source_ref: "refs/heads/search".into(),
            target_ref: "refs/heads/main".into(),
            merge_ref: "refs/pull/7/merge".into(),
            source_commit: "a".repeat(40),
            target_commit: None,
            merge_commit: Some("c".repeat(40)),
            is_draft: false,
            is_fork: false,
        }),
        reason: "no final report within 2h".into(),
        url: Some("https://ci/9".into()),
        ..run::tests::run(state)
    }
}

#[test]
fn each_state_has_its_status() {
    let table = [
        (State::Planned, Shown::Pending, "Queued for jenkins", "3 of 5"),
        (State::Dispatched, Shown::Pending, "Queued for jenkins", "3 of 5"),
        (State::Running, Shown::Pending, "Running at jenkins", "3 of 5"),
        (State::Succeeded, Shown::Succeeded, "Succeeded after 0 s", "3 of 5"),
        (State::Failed, Shown::Failed, "Failed after 0 s", "3 of 5"),
        (State::Errored, Shown::Error, "Error: no final report within 2h", "3 of 5"),
        (State::Cancelled, Shown::Error, "Cancelled: no final report within 2h", "3 of 5"),
        (
            State::TimedOut,
            Shown::Error,
            "Timed out: no final report within 2h",
            "Timed out: no final report within 2h",
        ),
        (State::Superseded, Shown::Error, "Superseded", "Superseded"),
    ];
    for (state, expected, silent, said) in table {
        for status in of(&run(state)) {
            assert_eq!((status.state, status.description.as_str()), (expected, silent));
            let has_word = matches!(state, State::Running | State::Succeeded | State::Failed);
            assert_eq!(status.url.as_deref(), has_word.then_some("https://ci/9"), "{state}");
        }
        let elsewhere = Run { status_link: StatusLink::Run, ..run(state) };
        assert!(of(&elsewhere).iter().all(|status| status.url.is_none()));
        for words in ["", " \n"] {
            let blank = Run { description: Some(words.into()), ..run(state) };
            assert_eq!(of(&blank)[0].description, silent, "blank words say nothing");
        }
        let spoken = Run { description: Some("3 of 5".into()), ..run(state) };
        assert_eq!(of(&spoken)[0].description, said);
    }
}

#[test]
fn a_run_that_waits_says_for_what_and_one_that_ended_how_long_it_took() {
    let text = |run: &Run| of(run)[0].description.clone();
    let words = "jenkins does not start it yet: it answered 503";
    let again = Run { attempts: 1, reason: words.into(), ..run(State::Planned) };
    assert_eq!(text(&again), "Jenkins does not start it yet: it answered 503");
    let mut offered = Run { attempts: 0, ..run(State::Dispatched) };
    offered.runner.is_offered = true;
    offered.reason = "waits for a runner with the label gpu".into();
    assert_eq!(text(&offered), "Waits for a runner with the label gpu");
    for (seconds, expected) in [
        (59, "Failed after 59 s"),
        (60, "Failed after 1 min 0 s"),
        (3_599, "Failed after 59 min 59 s"),
        (93_784, "Failed after 26 h 3 min"),
    ] {
        let ended = run(State::Failed);
        let started_at = ended.overdue_at.minus(Duration::from_millis(ended.timeout_ms));
        let updated_at = started_at.plus(Duration::from_secs(seconds));
        assert_eq!(text(&Run { updated_at, ..ended }), expected);
    }
}

#[test]
fn names_match() {
    use Shown::*;
    for shown in [Pending, Succeeded, Failed, Error, NotApplicable] {
        assert_eq!(Shown::parse(shown.as_str()), Some(shown));
        assert_eq!(serde_json::to_value(shown).unwrap(), shown.as_str());
    }
    assert_eq!(Shown::parse("notSet"), None);
}

#[test]
fn one_status_per_target_on_the_source_head() {
    let on_pull_request = Target::PullRequest { id: 7, commit: Some("a".repeat(40)) };
    let on_commit = Target::Commit { commit: "a".repeat(40) };
    let table = [
        (true, true, vec![on_pull_request.clone(), on_commit.clone()]),
        (true, false, vec![on_pull_request]),
        (false, true, vec![on_commit.clone()]),
        (false, false, vec![]),
    ];
    for (pull_request, commit, expected) in table {
        let run = Run { targets: Targets { pull_request, commit }, ..run(State::Running) };
        let targets: Vec<_> = of(&run).into_iter().map(|status| status.target).collect();
        assert_eq!(targets, expected);
    }
    let pushed = Run { pull_request: None, ..run(State::Running) };
    let targets: Vec<_> = of(&pushed).into_iter().map(|status| status.target).collect();
    assert_eq!(targets, [on_commit]);
}

#[test]
fn a_description_becomes_one_line_of_limited_length() {
    let table = [
        ("plain", 10, "plain"),
        ("exactly 10", 10, "exactly 10"),
        ("eleven char", 10, "eleven ch…"),
        ("cut before space", 11, "cut before…"),
        ("  two\r\nlines\t ", 20, "two  lines"),
        ("\u{7}bell\u{0}", 20, "bell"),
        ("next\u{2028}line\u{85}more", 20, "next line more"),
        ("ÄÖÜäöüßéèê", 10, "ÄÖÜäöüßéèê"),
        ("ÄÖÜäöüßéèêç", 10, "ÄÖÜäöüßéè…"),
        ("🎏🎏🎏🎏", 3, "🎏🎏…"),
        ("", 10, ""),
        ("\n", 10, ""),
    ];
    for (text, chars_max, expected) in table {
        assert_eq!(cut(text, chars_max), expected, "{text:?}");
    }
}

#[test]
fn a_long_description_is_cut_where_it_is_shown() {
    let run = Run { description: Some("🎏".repeat(1_000)), ..run(State::Failed) };
    let description = &of(&run)[0].description;
    assert_eq!(description.chars().count(), DESCRIPTION_CHARS_MAX);
    assert!(description.ends_with("🎏…"));
}

fn status(target: Target, genre: &str, name: &str) -> Status {
    Status {
        organization: "contoso".into(),
        project: "3e5d".into(),
        repository: "b90f".into(),
        target,
        context: Context { genre: genre.into(), name: name.into() },
        state: Shown::Pending,
        description: "Queued".into(),
        url: None,
        run: None,
    }
}

#[test]
fn a_slot_is_shared_by_what_replaces_each_other_only() {
    let queued = status(Target::PullRequest { id: 7, commit: None }, "ci", "unit");
    let failed = Status {
        state: Shown::Failed,
        description: "Failed".into(),
        run: Some(RunId(Uuid::from_u128(9))),
        ..queued.clone()
    };
    assert_eq!(queued.slot(), failed.slot());
    let quoted = [("a/b", "c"), ("a", "b/c"), ("a\"/\"b", "c"), ("", "a/b/c"), ("a\\", "b")];
    let slots: std::collections::HashSet<_> = quoted
        .iter()
        .map(|(genre, name)| status(queued.target.clone(), genre, name).slot())
        .collect();
    assert_eq!(slots.len(), quoted.len());
}

fn target() -> impl Strategy<Value = Target> {
    let commit = || select(vec!["a".repeat(40), "b".repeat(40)]);
    prop_oneof![
        (1..3_i64, prop::option::of(commit()))
            .prop_map(|(id, commit)| Target::PullRequest { id, commit }),
        commit().prop_map(|commit| Target::Commit { commit }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn different_places_have_different_slots(
        one in (target(), "[a/\"\\\\]{0,3}", "[a/\"\\\\]{0,3}"),
        other in (target(), "[a/\"\\\\]{0,3}", "[a/\"\\\\]{0,3}"),
    ) {
        let slot = |(target, genre, name): &(Target, String, String)| {
            status(target.clone(), genre, name).slot()
        };
        prop_assert_eq!(one == other, slot(&one) == slot(&other));
    }

    #[test]
    fn whatever_is_said_becomes_a_short_line(text in "\\PC*|.*", chars_max in 1..300_usize) {
        let line = cut(&text, chars_max);
        prop_assert!(line.chars().count() <= chars_max);
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert_eq!(cut(&line, chars_max), line.clone(), "cutting again changes nothing");
    }

    #[test]
    fn not_applicable_is_never_shown(
        state in select(State::ALL.to_vec()),
        description in prop::option::of(".*"),
        reason in ".*",
    ) {
        for status in of(&Run { description, reason, ..run(state) }) {
            prop_assert!(status.state != Shown::NotApplicable);
            prop_assert_eq!(status.state == Shown::Pending, !state.is_final());
            prop_assert_eq!(status.state == Shown::Succeeded, state == State::Succeeded);
            prop_assert!(!status.description.is_empty());
        }
    }
}

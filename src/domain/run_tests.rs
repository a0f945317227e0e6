//! Runs: who may change a state, and what the answers say.

use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A run of a push, in this state.
pub(in crate::domain) fn run(state: State) -> Run {
    Run {
        id: RunId(Uuid::from_u128(1)),
        number: 5,
        revision: 2,
        check: "unit".into(),
        genre: "ci".into(),
        organization: "contoso".into(),
        repository: Repository::default(),
        commit: "a".repeat(40),
        git_ref: "refs/heads/main".into(),
        pull_request: None,
        ci: "jenkins".into(),
        inputs: BTreeMap::new(),
        is_cancellable: false,
        ci_concurrency: None,
        targets: Targets { pull_request: true, commit: true },
        status_link: Default::default(),
        concurrency: None,
        timeout_ms: 7_200_000,
        verdict: Verdict::Report,
        state,
        reason: "branch main pushed at aaaaaaaa".into(),
        description: None,
        url: None,
        ci_id: None,
        attempts: 0,
        runner: RunnerLeases::default(),
        look_ups: None,
        happened_at: None,
        cancel_attempts: None,
        ci_problem: None,
        reports: 0,
        steps: Steps::default(),
        created_at: NOW,
        updated_at: NOW,
        overdue_at: later(7_200),
    }
}

fn report(state: Reported) -> Report {
    Report { sender: Sender::Runner, state, description: None, url: None }
}

fn to(advance: Advance) -> Run {
    match advance {
        Advance::To(run) => *run,
        Advance::Not(why) => panic!("not advanced: {why}"),
    }
}

fn not(advance: Advance) -> String {
    match advance {
        Advance::Not(why) => why,
        Advance::To(run) => panic!("advanced to {run:?}"),
    }
}

const REPORTED: [Reported; 5] = [
    Reported::Running,
    Reported::Succeeded,
    Reported::Failed,
    Reported::Errored,
    Reported::Cancelled,
];

#[test]
fn names_and_states_match() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        assert!(!state.is_verdict() || state.is_final());
    }
    assert_eq!(State::parse("done"), None);
}

#[test]
fn a_report_moves_a_run_that_goes_on() {
    for state in [State::Planned, State::Dispatched, State::Running] {
        for reported in REPORTED {
            if State::from(reported) == state {
                continue;
            }
            let next = to(advance(&run(state), &report(reported), later(9)));
            let expected = State::from(reported);
            assert_eq!((next.state, next.updated_at), (expected, later(9)));
            assert_eq!(next.reason, format!("reported {expected} by the CI"));
            assert_eq!((next.created_at, next.overdue_at), (NOW, later(7_200)));
        }
    }
}

#[test]
fn a_repeated_report_is_not_applied_and_says_so() {
    let running = run(State::Running);
    let why = not(advance(&running, &report(Reported::Running), later(1)));
    assert_eq!(why, "repeat: the run is running already");
    let sent = Report {
        description: Some("step 3 of 5".into()),
        url: Some("https://ci/9".into()),
        ..report(Reported::Running)
    };
    let next = to(advance(&running, &sent, later(1)));
    assert_eq!(next.reason, running.reason, "no new state, no new reason");
    assert_eq!(not(advance(&next, &sent, later(2))), "repeat: the run is running already");
    let why = not(advance(&run(State::Failed), &report(Reported::Failed), later(1)));
    assert_eq!(why, "repeat: the run is failed already");
}

#[test]
fn a_late_report_is_not_applied_and_says_why() {
    let ended = to(end(
        &run(State::Running),
        State::Superseded,
        "superseded by the newer commit bbbbbbbb".into(),
        later(5),
    ));
    let why = not(advance(&ended, &report(Reported::Succeeded), later(9)));
    assert_eq!(
        why,
        "late: the run is superseded, which is final (superseded by the newer commit bbbbbbbb)"
    );
}

#[test]
fn a_description_is_not_kept_for_the_next_state() {
    let sent = Report { description: Some("step 3 of 5".into()), ..report(Reported::Running) };
    let running = to(advance(&run(State::Dispatched), &sent, NOW));
    let linked = Report { url: Some("https://ci/9".into()), ..report(Reported::Running) };
    let linked = to(advance(&running, &linked, NOW));
    assert_eq!(linked.description.as_deref(), Some("step 3 of 5"));
    let succeeded = to(advance(&linked, &report(Reported::Succeeded), NOW));
    assert_eq!(succeeded.description, None);
    assert_eq!(succeeded.url.as_deref(), Some("https://ci/9"));
}

#[test]
fn only_a_reporter_ends_a_run_whose_verdict_is_the_reporters() {
    let guarded = Run { verdict: Verdict::Reporter, ..run(State::Dispatched) };
    let by = |sender, state| Report { sender, ..report(state) };
    let running = to(advance(&guarded, &by(Sender::Runner, Reported::Running), NOW));
    assert_eq!(running.state, State::Running);
    for reported in REPORTED.into_iter().filter(|state| State::from(*state).is_final()) {
        assert_eq!(
            not(advance(&running, &by(Sender::Runner, reported), NOW)),
            "the run is running, and only an API token with the role reporter ends it \
             (verdict = \"reporter\")"
        );
        let ended = to(advance(&running, &by(Sender::Reporter, reported), NOW));
        assert_eq!(ended.state, State::from(reported));
        let late = not(advance(&ended, &by(Sender::Runner, Reported::Running), NOW));
        assert!(late.starts_with("late: "), "{late}");
    }
    let open = Run { verdict: Verdict::Report, ..guarded };
    for sender in [Sender::Runner, Sender::Reporter] {
        let ended = to(advance(&open, &by(sender, Reported::Failed), NOW));
        assert_eq!(ended.state, State::Failed);
    }
}

#[test]
fn who_ends_a_run_is_decided_by_its_verdict_and_the_sender() {
    use Sender::{Ci, Reporter, Runner};
    let table = [
        (Verdict::Report, [(Runner, true), (Reporter, true), (Ci, true)]),
        (Verdict::Reporter, [(Runner, false), (Reporter, true), (Ci, false)]),
        (Verdict::Poll, [(Runner, false), (Reporter, false), (Ci, true)]),
    ];
    for (verdict, senders) in table {
        for (sender, may_end) in senders {
            let dispatched = Run { verdict, ..run(State::Dispatched) };
            let by = |state| Report { sender, ..report(state) };
            // Whoever sends it, that a run goes on is shown.
            let running = to(advance(&dispatched, &by(Reported::Running), later(1)));
            assert_eq!(running.state, State::Running, "{verdict:?} {sender:?}");
            for reported in REPORTED.into_iter().filter(|state| State::from(*state).is_final()) {
                let outcome = advance(&running, &by(reported), later(2));
                if may_end {
                    let ended = to(outcome);
                    assert_eq!(ended.state, State::from(reported), "{verdict:?} {sender:?}");
                    assert_eq!(ended.cancel_attempts, None, "the CI has ended it itself");
                } else {
                    let why = not(outcome);
                    assert!(why.starts_with("the run is running, and only "), "{why}");
                }
            }
        }
    }
}

#[test]
fn a_runner_does_not_end_a_run_that_is_polled_and_is_told_why() {
    let polled = Run { verdict: Verdict::Poll, ..run(State::Running) };
    for sender in [Sender::Runner, Sender::Reporter] {
        let sent = Report { sender, ..report(Reported::Succeeded) };
        let why = "the run is running, and only the CI itself ends it, when it is asked \
            (verdict = \"poll\")";
        assert_eq!(not(advance(&polled, &sent, NOW)), why);
    }
    let by_ci = Report { sender: Sender::Ci, ..report(Reported::Succeeded) };
    let reported = Run { verdict: Verdict::Reporter, ..run(State::Running) };
    let why = not(advance(&reported, &by_ci, NOW));
    assert!(why.ends_with("(verdict = \"reporter\")"), "{why}");
}

#[test]
fn after_many_reports_only_a_final_one_is_applied() {
    let says = |words: String| Report { description: Some(words), ..report(Reported::Running) };
    let mut chatty = run(State::Dispatched);
    let mut applied = 0;
    while let Advance::To(next) = advance(&chatty, &says(format!("step {applied}")), NOW) {
        (chatty, applied) = (*next, applied + 1);
    }
    assert_eq!((applied, chatty.reports), (1_000, 1_000));
    let why = not(advance(&chatty, &says("one more".into()), NOW));
    assert!(why.starts_with("too many: 1000 reports changed the run already"), "{why}");
    let ended = to(advance(&chatty, &report(Reported::Succeeded), NOW));
    assert_eq!(ended.state, State::Succeeded);
    assert_eq!(rerun(&ended, RunId(Uuid::from_u128(2)), "ada", NOW).reports, 0);
}

#[test]
fn an_accepted_run_is_dispatched_and_its_timeout_begins() {
    let answer = Started::Accepted { ci_id: Some("9".into()), url: Some("https://ci/9".into()) };
    let next = to(started(&run(State::Planned), &answer, later(60)));
    assert_eq!((next.state, next.attempts), (State::Dispatched, 1));
    assert_eq!(next.reason, "started at jenkins");
    assert_eq!((next.ci_id.as_deref(), next.url.as_deref()), (Some("9"), Some("https://ci/9")));
    assert_eq!(next.overdue_at, later(60 + 7_200));
}

#[test]
fn an_answer_slower_than_the_report_only_adds_id_and_url() {
    for reported in REPORTED {
        let sent = Report { url: Some("https://ci/9/log".into()), ..report(reported) };
        let early = to(advance(&run(State::Planned), &sent, later(1)));
        let answer =
            Started::Accepted { ci_id: Some("9".into()), url: Some("https://ci/9".into()) };
        let next = to(started(&early, &answer, later(2)));
        assert_eq!((next.state, &next.reason), (early.state, &early.reason));
        assert_eq!((next.ci_id.as_deref(), next.attempts), (Some("9"), 1));
        assert_eq!(next.url.as_deref(), Some("https://ci/9/log"), "the runner knows better");
        let refused = not(started(&early, &Started::Refused("no".into()), later(2)));
        assert_eq!(refused, format!("the run is {} already", early.state));
    }
}

#[test]
fn a_refused_run_is_errored_in_the_words_of_the_ci() {
    let answer = Started::Refused("no such job: unit".into());
    let next = to(started(&run(State::Planned), &answer, NOW));
    assert_eq!(next.state, State::Errored);
    assert_eq!(next.reason, "jenkins refused to start the run: no such job: unit");
}

#[test]
fn a_timed_out_run_says_what_did_not_come() {
    let next = to(time_out(&run(State::Planned), later(7_200)));
    assert_eq!(next.state, State::TimedOut);
    assert_eq!(next.reason, "jenkins could not be asked to start it within 2h");
    let next = to(time_out(&run(State::Running), later(7_200)));
    assert_eq!(next.reason, "no final report within 2h");
    let why = not(time_out(&run(State::Running), later(7_199)));
    assert_eq!(why, "its timeout has not passed yet");
    let why = not(time_out(&run(State::Succeeded), later(7_200)));
    assert_eq!(why, "the run is succeeded already, which is final");
}

#[test]
fn a_polled_run_that_times_out_says_why_its_ci_did_not_tell() {
    let polled = Run { verdict: Verdict::Poll, ..run(State::Running) };
    assert_eq!(to(time_out(&polled, later(7_200))).reason, "no result within 2h");
    let unanswered = Run { ci_problem: Some("jenkins answered 503".into()), ..polled };
    let next = to(time_out(&unanswered, later(7_200)));
    assert_eq!(next.reason, "no result within 2h (jenkins answered 503)");
}

#[test]
fn a_cancellable_run_that_is_ended_here_is_to_be_cancelled_at_its_ci() {
    let newer = Run { commit: "b".repeat(40), ..run(State::Planned) };
    for state in [State::Planned, State::Dispatched, State::Running] {
        let cancellable = Run { is_cancellable: true, ..run(state) };
        let ended = |it: &Run| {
            [
                supersede(it, &newer, later(7_200)),
                time_out(it, later(7_200)),
                end(it, State::Cancelled, "cancelled by ada".into(), later(7_200)),
            ]
        };
        for next in ended(&cancellable) {
            assert_eq!(to(next).cancel_attempts, Some(0));
        }
        for next in ended(&run(state)) {
            assert_eq!(to(next).cancel_attempts, None, "its CI cannot be told");
        }
        // The CI has refused it, or does not know it.
        let errored = to(end(&cancellable, State::Errored, "no such job".into(), NOW));
        assert_eq!(errored.cancel_attempts, None);
    }
}

#[test]
fn a_superseded_run_names_its_successor() {
    let newer = Run { commit: "b".repeat(40), ..run(State::Planned) };
    let next = to(supersede(&run(State::Running), &newer, NOW));
    assert_eq!(next.reason, "superseded by the newer commit bbbbbbbb");
    let next = to(supersede(&run(State::Running), &run(State::Planned), NOW));
    assert_eq!(next.reason, "superseded by a newer run of aaaaaaaa");
}

#[test]
fn a_rerun_is_a_run_of_its_own() {
    let ended = Run {
        description: Some("2 tests failed".into()),
        url: Some("https://ci/9".into()),
        ci_id: Some("9".into()),
        attempts: 3,
        look_ups: Some(1),
        cancel_attempts: Some(2),
        ci_problem: Some("jenkins answered 503".into()),
        ..run(State::Failed)
    };
    let next = rerun(&ended, RunId(Uuid::from_u128(2)), "ada", later(60));
    assert_eq!((next.state, next.number, next.attempts), (State::Planned, 0, 0));
    assert_eq!((next.description, next.url, next.ci_id), (None, None, None));
    assert_eq!((next.look_ups, next.cancel_attempts, next.ci_problem), (None, None, None));
    assert_eq!(next.reason, "rerun of 00000000-0000-0000-0000-000000000001 by ada");
    assert_eq!(next.overdue_at, later(60 + 7_200));
    assert_eq!((&next.commit, &next.git_ref), (&ended.commit, &ended.git_ref));
}

#[test]
fn durations_are_formatted_for_people() {
    let table = [
        (0, "0ms"),
        (1_500, "1500ms"),
        (30_000, "30s"),
        (90_000, "90s"),
        (5_400_000, "90m"),
        (7_200_000, "2h"),
        (86_400_000, "1d"),
    ];
    for (ms, expected) in table {
        assert_eq!(format_duration(Duration::from_millis(ms)), expected);
    }
}

/// Anything that may happen to a run.
#[derive(Clone, Debug)]
enum Happens {
    Report(Reported, Option<String>),
    Accept,
    Refuse,
    Supersede,
    TimeOut,
    End(State),
}

fn happens() -> impl Strategy<Value = Happens> {
    let ends: Vec<State> = State::ALL.into_iter().filter(|state| state.is_final()).collect();
    prop_oneof![
        4 => (select(REPORTED.to_vec()), prop::option::of("[a-z]{0,3}"))
            .prop_map(|(state, words)| Happens::Report(state, words)),
        1 => Just(Happens::Accept),
        1 => Just(Happens::Refuse),
        1 => Just(Happens::Supersede),
        1 => Just(Happens::TimeOut),
        1 => select(ends).prop_map(Happens::End),
    ]
}

fn apply(run: &Run, happens: &Happens, now: Timestamp) -> Advance {
    match happens {
        Happens::Report(state, words) => {
            advance(run, &Report { description: words.clone(), ..report(*state) }, now)
        }
        Happens::Accept => {
            started(run, &Started::Accepted { ci_id: Some("9".into()), url: None }, now)
        }
        Happens::Refuse => started(run, &Started::Refused("no".into()), now),
        Happens::Supersede => supersede(run, &run.clone(), now),
        Happens::TimeOut => time_out(run, now),
        Happens::End(state) => end(run, *state, "because".into(), now),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_leaves_a_final_state(story in prop::collection::vec(happens(), 0..20)) {
        let mut now_run = run(State::Planned);
        for (at, happens) in (1..).zip(&story) {
            let Advance::To(next) = apply(&now_run, happens, later(at)) else { continue };
            if now_run.state.is_final() {
                prop_assert_eq!(next.state, now_run.state);
                prop_assert_eq!(&next.reason, &now_run.reason);
                prop_assert_eq!(&next.description, &now_run.description);
            }
            prop_assert_eq!(next.id, now_run.id);
            prop_assert_eq!(next.created_at, now_run.created_at);
            prop_assert_eq!(next.updated_at, later(at));
            now_run = *next;
        }
    }

    #[test]
    fn a_report_is_applied_once(
        state in select(State::ALL.to_vec()),
        reported in select(REPORTED.to_vec()),
        description in prop::option::of("[a-z]{0,3}"),
    ) {
        let sent = Report { description, ..report(reported) };
        if let Advance::To(next) = advance(&run(state), &sent, later(1)) {
            prop_assert!(matches!(advance(&next, &sent, later(2)), Advance::Not(_)));
        }
    }
}

#[test]
fn a_report_keeps_what_an_earlier_one_says_that_was_not_applied() {
    let report = |state, description: Option<&str>, url: Option<&str>| Report {
        sender: Sender::Runner,
        state,
        description: description.map(Into::into),
        url: url.map(Into::into),
    };
    let held = report(Reported::Running, Some("step 11"), Some("https://ci.example/11"));
    let bare = report(Reported::Running, None, None);
    assert_eq!(bare.clone().after(Some(&held)), held);
    let newer = report(Reported::Running, Some("step 12"), None);
    let expected = report(Reported::Running, Some("step 12"), Some("https://ci.example/11"));
    assert_eq!(newer.after(Some(&held)), expected);
    let ended = report(Reported::Failed, None, None);
    let expected = report(Reported::Failed, None, Some("https://ci.example/11"));
    assert_eq!(ended.after(Some(&held)), expected);
    assert_eq!(bare.clone().after(None), bare);
}

#[test]
fn a_run_remembers_its_steps_and_eight_reports_that_did_not_count() {
    let planned = run(State::Planned);
    let mut refused = to(advance(&planned, &report(Reported::Failed), NOW));
    let late = Report { sender: Sender::Lease(2), ..report(Reported::Succeeded) };
    let why = not(advance(&refused, &late, NOW));
    for _ in 0..8 {
        refused = refused.with_refused(&late, &why, NOW).unwrap();
    }
    assert_eq!(refused.with_refused(&late, &why, NOW), None);
    let what: Vec<_> = refused.steps.iter().map(|step| step.what.as_str()).collect();
    assert_eq!(what, [&["report"][..], &["refused_report"; 8]].concat());
    let stored = serde_json::to_string(&refused.steps).unwrap();
    assert_eq!(serde_json::from_str::<Steps>(&stored).unwrap(), refused.steps);
    let again = rerun(&refused, RunId(Uuid::from_u128(2)), "jo", NOW);
    let words: Vec<_> = again.steps.iter().map(|step| step.words.as_str()).collect();
    assert_eq!(words, [again.reason.as_str()]);
}

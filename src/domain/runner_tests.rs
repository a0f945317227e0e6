//! Tests of the rules of runners.

use super::super::run::tests::run;
use super::super::run::{Report, Reported, Sender, Started, advance, started, time_out};
use super::*;

const LEASE: Duration = Duration::from_secs(60);

fn at(second: u64) -> Timestamp {
    Timestamp::ZERO.plus(Duration::from_secs(1_000 + second))
}

/// A run that waits for a runner.
fn offered() -> Run {
    let planned = Run { attempts: 0, timeout_ms: 3_600_000, ..run(State::Planned) };
    changed(started(&planned, &Started::Offered(waiting_words(&["gpu".into()])), at(0)))
}

fn changed(advance: Advance) -> Run {
    match advance {
        Advance::To(run) => *run,
        Advance::Not(why) => panic!("the run did not change: {why}"),
    }
}

fn report(number: u32, state: Reported) -> Report {
    Report { sender: Sender::Lease(number), state, description: None, url: None }
}

#[test]
fn an_offered_run_waits_for_labels_and_times_out_with_these_words() {
    let offered = offered();
    assert_eq!(offered.state, State::Dispatched);
    assert_eq!(offered.attempts, 0, "nobody has tried to execute it");
    assert_eq!(offered.reason, "waits for a runner with the label gpu");
    let ended = changed(time_out(&offered, offered.overdue_at));
    assert_eq!(ended.reason, "no runner took it within 1h");
    assert_eq!(waiting_words(&[]), "waits for a runner");
    assert_eq!(waiting_words(&["a".into(), "b".into()]), "waits for a runner with the labels a, b");
}

#[test]
fn a_runner_needs_every_label_whatever_its_case() {
    let has = ["Linux".to_owned(), "gpu".to_owned()];
    for (wanted, expected) in [
        (vec![], true),
        (vec!["linux"], true),
        (vec!["GPU", "linux"], true),
        (vec!["linux", "arm"], false),
        (vec!["lin"], false),
    ] {
        let wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        assert_eq!(fits(&has, &wanted), expected, "{wanted:?}");
    }
}

#[test]
fn a_taken_run_has_its_whole_timeout_and_is_kept_by_heartbeats() {
    let taken = take(&offered(), "a", LEASE, at(500));
    assert_eq!((taken.attempts, taken.reason.as_str()), (1, "taken by runner a"));
    assert_eq!(taken.overdue_at, at(500).plus(Duration::from_secs(3_600)));
    assert_eq!(expire(&taken, at(559)), Err(at(560)));
    let Heartbeat::Renewed(renewed) = renew(&taken, 1, LEASE, at(559)) else { panic!("lost") };
    assert_eq!(expire(&renewed, at(560)), Err(at(619)));
    // Nobody has noticed yet that it is over.
    assert!(matches!(renew(&renewed, 1, LEASE, at(700)), Heartbeat::Renewed(_)));
    assert_eq!(renew(&renewed, 2, LEASE, at(560)), Heartbeat::Lost);
    assert_eq!(renew(&offered(), 0, LEASE, at(560)), Heartbeat::Lost);
}

#[test]
fn a_run_whose_runner_is_lost_is_offered_once_more_and_then_ends() {
    let lost = expire(&take(&offered(), "a", LEASE, at(0)), at(60)).unwrap();
    assert_eq!((lost.state, lost.runner.lost), (State::Planned, 1));
    assert_eq!(
        lost.reason,
        "runner a was lost: no heartbeat came in time; the run is offered once more"
    );
    let offered = changed(started(&lost, &Started::Offered("waits".into()), at(61)));
    let taken = take(&offered, "b", LEASE, at(62));
    assert_eq!(taken.attempts, 2);
    let ended = expire(&taken, at(122)).unwrap();
    assert_eq!(ended.state, State::Errored);
    assert_eq!(
        ended.reason,
        "runner b was lost: no heartbeat came in time, as with the runner before it"
    );
}

#[test]
fn a_runner_that_lost_its_lease_neither_renews_nor_reports() {
    let first = take(&offered(), "a", LEASE, at(0));
    let lost = expire(&first, at(60)).unwrap();
    let refused = |run: &Run, number| match advance(run, &report(number, Reported::Failed), at(99))
    {
        Advance::Not(why) => why,
        Advance::To(_) => panic!("the report counts"),
    };
    assert_eq!(refused(&lost, 1), "the lease is lost: the run waits for another runner");
    assert_eq!(renew(&lost, 1, LEASE, at(61)), Heartbeat::Lost);
    let offered = changed(started(&lost, &Started::Offered("waits".into()), at(61)));
    let second = take(&offered, "b", LEASE, at(62));
    assert_eq!(refused(&second, 1), "the lease is lost: runner b has the run");
    assert_eq!(renew(&second, 1, LEASE, at(63)), Heartbeat::Lost);
    let ended = changed(advance(&second, &report(2, Reported::Failed), at(99)));
    assert_eq!(ended.state, State::Failed);
}

#[test]
fn giving_a_run_back_is_no_loss_and_has_an_end() {
    let mut run = take(&offered(), "a", LEASE, at(0));
    let (back, offered_at) = give_back(&run, 1, at(5));
    let back = changed(back);
    assert_eq!((back.state, back.runner.lost), (State::Planned, 0));
    assert_eq!(back.reason, "runner a gave it back");
    assert_eq!(offered_at, Some(at(6)));
    assert!(matches!(give_back(&back, 1, at(6)), (Advance::Not(_), None)));
    for number in 2..=LEASES_MAX {
        let (back, _) = give_back(&run, number - 1, at(5));
        let offered = changed(started(&changed(back), &Started::Offered("waits".into()), at(6)));
        run = take(&offered, "a", LEASE, at(7));
        assert_eq!(run.attempts, number);
    }
    let (ended, _) = give_back(&run, LEASES_MAX, at(9));
    let ended = changed(ended);
    assert_eq!(ended.state, State::Errored);
    assert_eq!(ended.reason, "10 runners took it, the last one a: none of them has finished it");
}

#[test]
fn a_runner_hears_that_its_run_was_ended_and_why() {
    let taken = take(&offered(), "a", LEASE, at(0));
    let ended = changed(run::end(&taken, State::Cancelled, "by ops".into(), at(9)));
    let expected = Heartbeat::Over("the run is cancelled: by ops".into());
    assert_eq!(renew(&ended, 1, LEASE, at(10)), expected);
    assert_eq!(expire(&ended, at(999)), Err(ended.overdue_at), "it has ended already");
    let (back, _) = give_back(&ended, 1, at(11));
    assert!(matches!(back, Advance::Not(_)));
}

#[test]
fn runs_are_picked_fairly() {
    let one = |number: i64, organization: &str, check: &str| Run {
        number,
        organization: organization.into(),
        check: check.into(),
        ..offered()
    };
    let number = |offered: Vec<Run>, leased: &[Run]| pick(offered, leased).map(|run| run.number);
    let waiting =
        || vec![one(1, "contoso", "unit"), one(2, "contoso", "lint"), one(3, "fabrikam", "unit")];
    assert_eq!(number(Vec::new(), &[]), None);
    assert_eq!(number(waiting(), &[]), Some(1), "the one that was planned first");
    let has = |runs: &[(&str, &str)]| -> Vec<Run> {
        runs.iter().map(|(of, check)| one(9, of, check)).collect()
    };
    // An organization without a runner goes first, then a check without one.
    assert_eq!(number(waiting(), &has(&[("contoso", "unit")])), Some(3));
    let one_each = has(&[("contoso", "unit"), ("fabrikam", "unit")]);
    assert_eq!(number(waiting(), &one_each), Some(2));
    let two_to_one = has(&[("contoso", "unit"), ("fabrikam", "unit"), ("fabrikam", "unit")]);
    assert_eq!(number(waiting(), &two_to_one), Some(2));
    // One that is at its CI under an earlier configuration is not given out.
    let elsewhere = Run { runner: RunnerLeases::default(), ..one(1, "contoso", "unit") };
    assert_eq!(number(vec![elsewhere], &[]), None);
}

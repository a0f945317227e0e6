//! Runs that runners take: which one a runner gets, and what its heartbeats, its giving back and
//! its silence do to the run.
//!
//! A run of kind `runner` is offered when it is dispatched. The runner that takes it holds a lease,
//! which its heartbeats renew. A run whose runner is lost is offered once more, and then ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::run::{self, Advance, Run, State};
use super::run_keys::check_key;
use super::runner_lease::{RunnerLease, RunnerLeases};
use super::steps::What;
use super::time::Timestamp;

/// So many leases a run has at most. Runners that give a run back again and again would else keep
/// it from ever ending.
const LEASES_MAX: u32 = 10;
/// How long a run that was given back waits, so that the same runner does not take it at once.
const GIVEN_BACK_WAIT: Duration = Duration::from_secs(1);
/// A runner that was not heard of for longer has gone; when it asks again it has come anew.
pub const RUNNER_GONE_AFTER: Duration = Duration::from_secs(5 * 60);

/// The run that a runner gets: that of the organization, and there of the check, of which the
/// runners have the fewest; of one check, the one that was planned first.
///
/// `offered` has of each check the run that was planned first, `leased` every run that a runner
/// has.
pub fn pick(offered: Vec<Run>, leased: &[Run]) -> Option<Run> {
    let (mut of_organizations, mut of_checks) = (BTreeMap::new(), BTreeMap::new());
    for run in leased {
        *of_organizations.entry(run.organization.clone()).or_insert(0_u32) += 1;
        *of_checks.entry(check_key(run)).or_insert(0_u32) += 1;
    }
    offered.into_iter().filter(|run| run.runner.is_offered).min_by_key(|run| {
        let of_organization = of_organizations.get(&run.organization);
        let of_check = of_checks.get(&check_key(run));
        (of_organization.copied(), of_check.copied(), run.number)
    })
}

/// Whether a runner with the labels `has` may take runs that want `wanted`: it has all of those.
pub fn fits(has: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|label| has.iter().any(|one| one.eq_ignore_ascii_case(label)))
}

/// The words of a run that waits for a runner with these labels.
pub fn waiting_words(labels: &[String]) -> String {
    match labels {
        [] => "waits for a runner".to_owned(),
        [label] => format!("waits for a runner with the label {label}"),
        labels => format!("waits for a runner with the labels {}", labels.join(", ")),
    }
}

/// The run after `runner` has taken it.
pub fn take(run: &Run, runner: &str, lease: Duration, now: Timestamp) -> Run {
    let number = run.attempts.saturating_add(1);
    let held = RunnerLease { runner: runner.to_owned(), number, expires_at: now.plus(lease) };
    let taken = Run {
        runner: RunnerLeases { is_offered: false, held: Some(held), lost: run.runner.lost },
        attempts: number,
        reason: format!("taken by runner {runner}"),
        updated_at: now,
        overdue_at: now.plus(Duration::from_millis(run.timeout_ms)),
        ..run.clone()
    };
    taken.with_step(What::Lease, now)
}

/// What a heartbeat does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// The lease is renewed: the run afterwards.
    Renewed(Box<Run>),
    /// The run has ended, for this reason: the runner is to stop.
    Over(String),
    /// The lease with that number is not held any more.
    Lost,
}

/// The lease with this number is renewed. One that is over and that nobody has noticed yet is still
/// held: nobody else has the run.
pub fn renew(run: &Run, number: u32, lease: Duration, now: Timestamp) -> Heartbeat {
    let Some(held) = run.runner.held_as(number) else { return Heartbeat::Lost };
    if run.state.is_final() {
        return Heartbeat::Over(format!("the run is {}: {}", run.state, run.reason));
    }
    let held = RunnerLease { expires_at: now.plus(lease), ..held.clone() };
    let runner = RunnerLeases { held: Some(held), ..run.runner.clone() };
    Heartbeat::Renewed(Box::new(Run { runner, ..run.clone() }))
}

/// The run after its runner has given it back, and when it is offered again.
pub fn give_back(run: &Run, number: u32, now: Timestamp) -> (Advance, Option<Timestamp>) {
    let Some(held) = run.runner.held_as(number) else {
        return (Advance::Not("the lease is lost".into()), None);
    };
    if run.attempts >= LEASES_MAX {
        let reason = format!("{LEASES_MAX} runners took it, the last one {}", held.runner);
        let reason = format!("{reason}: none of them has finished it");
        return (run::end(run, State::Errored, reason, now), None);
    }
    if run.state.is_final() {
        return (Advance::Not(format!("the run is {} already", run.state)), None);
    }
    let reason = format!("runner {} gave it back", held.runner);
    let offered_at = now.plus(GIVEN_BACK_WAIT);
    (Advance::To(Box::new(planned_again(run, reason, run.runner.lost, now))), Some(offered_at))
}

/// The run after its lease has expired: it is offered again, and ends the second time.
///
/// # Errors
/// No lease has expired yet: when to look next.
pub fn expire(run: &Run, now: Timestamp) -> Result<Run, Timestamp> {
    let Some(held) = run.runner.held.as_ref().filter(|_| !run.state.is_final()) else {
        return Err(run.overdue_at);
    };
    if now < held.expires_at {
        return Err(held.expires_at);
    }
    let lost = run.runner.lost.saturating_add(1);
    let reason = format!("runner {} was lost: no heartbeat came in time", held.runner);
    if lost < 2 && run.attempts < LEASES_MAX {
        let reason = format!("{reason}; the run is offered once more");
        return Ok(planned_again(run, reason, lost, now));
    }
    let reason = match lost < 2 {
        true => reason,
        false => format!("{reason}, as with the runner before it"),
    };
    let ended = Run { runner: RunnerLeases { lost, ..run.runner.clone() }, ..run.clone() };
    match run::end(&ended, State::Errored, reason, now) {
        Advance::To(ended) => Ok(*ended),
        Advance::Not(_) => Err(run.overdue_at),
    }
}

/// Its runner has not ended it: it is dispatched again.
fn planned_again(run: &Run, reason: String, lost: u32, now: Timestamp) -> Run {
    let planned = Run {
        state: State::Planned,
        reason,
        description: None,
        url: None,
        runner: RunnerLeases { lost, ..RunnerLeases::default() },
        updated_at: now,
        ..run.clone()
    };
    planned.with_step(What::Lease, now)
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;

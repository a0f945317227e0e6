//! The operations that plan and change runs.

use azdo_gateway::domain::decision::Source;
use azdo_gateway::domain::follow::obeys_hints;
use azdo_gateway::domain::id::DeliveryId;
use azdo_gateway::domain::run::{Run, State, Targets};
use azdo_gateway::domain::status::{self, Shown, Status};
use azdo_gateway::storage::{Commit, LeasedDelivery, RunCommit};

use super::super::{at, make};
use super::Operation;
use super::pair::{Pair, pick};

impl Pair {
    /// A new run of one of three checks: without a limit of concurrency, with a low one, on two
    /// targets. Some are at a CI with a limit.
    pub(super) fn planned(&mut self, check: usize) -> Run {
        self.runs_made += 1;
        let (name, concurrency) = [("lint", None), ("slow", Some(1)), ("both", Some(3))][check];
        let run = make::run(
            self.runs_made,
            name,
            if self.runs_made.is_multiple_of(3) { 'b' } else { 'a' },
        );
        let targets = Targets { pull_request: true, commit: check == 2 };
        let (now, overdue_at) = (at(self.second), at(self.second + 120));
        let run = Run { targets, concurrency, created_at: now, updated_at: now, overdue_at, ..run };
        match self.runs_made % 5 {
            0 | 3 => Run { ci: "narrow".into(), ci_concurrency: Some(2), ..run },
            _ => run,
        }
    }

    /// Commits a decision: see [`Operation::Decide`].
    pub(super) async fn decide(&mut self, operation: Operation) {
        let Operation::Decide { which, plan, ended, again, remember, off, clash } = operation
        else {
            return;
        };
        let Some(lease) = pick(&self.deliveries, which) else { return };
        let organization = self.model.deliveries.get(&lease.id.0);
        let organization = organization.map(|row| row.organization.clone());
        let mut planned: Vec<Run> = (0..plan).map(|check| self.planned(check)).collect();
        if let (true, Some((_, there))) = (clash, pick(&self.runs, which)) {
            planned.push(Run { id: there.id, ..self.planned(0) });
        }
        let ended = ended.and_then(|which| pick(&self.runs, which)).map(|(_, run)| run);
        let ended = ended.filter(|run| !run.state.is_final());
        let ended = ended.map(|run| make::moved(&run, State::Superseded, self.second));
        let leased = LeasedDelivery {
            hook: String::new(),
            lease,
            organization: organization.unwrap_or_default(),
            source: Source::Hook,
            received_at: at(0),
            body: Vec::new(),
            catch_up: None,
            attempts: 1,
        };
        let mut commit = make::decision(&leased, &planned, ended.as_slice());
        // `compare` asks for the pull request of one organization only.
        commit.organization = make::ORGANIZATION.into();
        commit.now = at(self.second);
        let again = again.and_then(|which| pick(&self.runs, which)).map(|(_, run)| run);
        // A decision without runs may show that a check does not run.
        let exempt = again.iter().filter(|_| plan == 0).flat_map(status::of);
        let exempt = exempt.map(|shown| Status { run: None, state: Shown::NotApplicable, ..shown });
        commit.decision.without_run.extend(exempt);
        // One that is at its CI may be asked about at once.
        let is_ended = |run: &Run| ended.as_ref().is_some_and(|one| one.number == run.number);
        let is_polled = |run: &Run| !remember && obeys_hints(run) && !is_ended(run);
        let (polled, again) = again.into_iter().partition::<Vec<Run>, _>(is_polled);
        commit.decision.polled.extend(polled);
        commit.decision.shown_again.extend(again);
        if remember {
            let remembered = make::remembered(7, &format!("at {}", self.second), at(self.second));
            commit.decision.pull_request = Some(remembered);
            commit.pull_request_revision = self.model.revision(7) + i64::from(off);
        }
        let expected = self.model.decide(&commit);
        commit.lease.id = DeliveryId(self.numbers.deliveries.of_engine(commit.lease.id.0));
        let of_engine = |runs: Vec<Run>| runs.into_iter().map(|run| self.run_of_engine(run));
        commit.decision.ended = of_engine(commit.decision.ended).collect();
        commit.decision.shown_again = of_engine(commit.decision.shown_again).collect();
        commit.decision.polled = of_engine(commit.decision.polled).collect();
        assert_eq!(self.store().commit_decision(commit).await.ok(), expected);
        self.load_runs();
    }

    /// Commits another state of a run, one that was claimed where `leased`: see
    /// [`Operation::Change`].
    pub(super) async fn change(
        &mut self,
        which: usize,
        (state, cancels): (usize, bool),
        seconds: Option<i64>,
        leased: bool,
    ) {
        // One that has ended is changed only while its CI is to be told.
        let may_change = |run: &Run| !run.state.is_final() || run.cancel_attempts.is_some();
        let of_kind =
            self.runs.iter().filter(|(lease, run)| lease.is_some() == leased && may_change(run));
        let Some((lease, run)) = pick(&of_kind.cloned().collect::<Vec<_>>(), which) else { return };
        let state = if run.state.is_final() { run.state } else { State::ALL[state] };
        let next = make::moved(&run, state, self.second);
        let cancel_attempts = (cancels && state.is_final()).then_some(1);
        let ci_id = (state != State::Planned).then(|| (run.number % 2).to_string());
        let run = Run { cancel_attempts, ci_id, ..next };
        let due_at = seconds.map(|seconds| at(self.second + seconds));
        let commit = RunCommit { run, lease, due_at };
        let expected = self.model.commit_run(&commit);
        let id = commit.run.id;
        let commit = RunCommit { run: self.run_of_engine(commit.run), ..commit };
        assert_eq!(self.store().commit_run(commit).await.unwrap(), expected);
        if expected == Commit::Committed {
            let run = self.model.find(id).expect("it was just changed").clone();
            self.runs.push((None, run));
        }
    }
}

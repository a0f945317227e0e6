//! An engine and the model: every operation is carried out on both, and both answers are equal.
//! Leases and runs that an operation uses are often outdated, on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use azdo_gateway::domain::audit::Action;
use azdo_gateway::domain::follow::obeys_hints;
use azdo_gateway::domain::id::{DeliveryId, RunId, StatusId};
use azdo_gateway::domain::run::{Run, State, Targets};
use azdo_gateway::domain::slot::{Posting, Request};
use azdo_gateway::domain::status::{self, Shown, Status};
use azdo_gateway::storage::{
    CiPause, Commit, Lease, LeasedRun, LeasedSlot, PostingCommit, Postponed, RunCommit, Store,
};

use super::super::make::HookCall;
use super::super::model::Model;
use super::super::{Bench, Engine, at, claim, make, receive};
use super::Operation;

/// The numbers of the rows of one kind. An engine may leave numbers out, the model does not.
#[derive(Default)]
pub(super) struct Numbers {
    of_model: BTreeMap<i64, i64>,
}

impl Numbers {
    /// Both numbers are of the same row, now and later.
    pub(super) fn are_same(&mut self, engine: i64, model: i64) {
        let known = self.of_model.insert(engine, model);
        assert!(known.is_none_or(|known| known == model), "{engine} is {known:?} and {model}");
    }

    /// The number in the model; -1 where the model has no such row.
    pub(super) fn of_model(&self, engine: i64) -> i64 {
        self.of_model.get(&engine).copied().unwrap_or(-1)
    }

    /// The number in the engine; one that is never given out where it has no such row.
    fn of_engine(&self, model: i64) -> i64 {
        let found = self.of_model.iter().find(|(_, of_model)| **of_model == model);
        found.map_or(i64::MAX / 2 + model, |(engine, _)| *engine)
    }
}

/// See [`Numbers`].
#[derive(Default)]
pub(super) struct AllNumbers {
    pub(super) deliveries: Numbers,
    pub(super) runs: Numbers,
    pub(super) statuses: Numbers,
    slots: Numbers,
    pub(super) audit: Numbers,
}

/// Both, and the leases and runs that earlier operations returned, with the numbers of the model;
/// slots have those of the engine.
pub(super) struct Pair {
    /// What each process has open.
    benches: Vec<Bench>,
    /// The process that carries out the present operation.
    process: usize,
    pub(super) model: Model,
    pub(super) numbers: AllNumbers,
    pub(super) second: i64,
    runs_made: u128,
    deliveries: Vec<Lease<DeliveryId>>,
    runs: Vec<(Option<Lease<RunId>>, Run)>,
    slots: Vec<LeasedSlot>,
}

/// One of the latest, so that some of the chosen values are still valid and some are not.
fn pick<T: Clone>(from: &[T], which: usize) -> Option<T> {
    from.iter().rev().nth(which).or(from.last()).cloned()
}

impl Pair {
    /// The stores of so many processes at one location, which is empty.
    pub(super) async fn of(engine: Engine, processes: usize) -> Pair {
        let mut benches = vec![Bench::of(engine).await];
        while benches.len() < processes {
            benches.push(benches[0].replica().await);
        }
        Pair {
            benches,
            process: 0,
            model: Model::default(),
            numbers: AllNumbers::default(),
            second: 0,
            runs_made: 0,
            deliveries: Vec::new(),
            runs: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// What the process has open.
    pub(super) fn bench(&self) -> &Bench {
        &self.benches[self.process]
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.bench().store)
    }

    /// Lets this process carry out the next operations; a number that is too high wraps around.
    pub(super) fn act_as(&mut self, process: usize) {
        self.process = process % self.benches.len();
        self.model.process = self.process;
    }

    /// Another process, where there is one, carries out what comes next.
    pub(super) fn act_as_another(&mut self) {
        self.act_as(self.process + 1);
    }

    /// Stops every process.
    pub(super) async fn close(self) {
        for bench in &self.benches {
            bench.close().await;
        }
    }

    pub(super) async fn apply(mut self, operation: Operation) -> Pair {
        use Operation::*;
        let now = at(self.second);
        match operation {
            Accept { organization, hook, subscription, notification, event, is_json } => {
                let organization = if organization { "fabrikam" } else { "contoso" };
                let subscription = if subscription { "subscription-a" } else { "subscription-b" };
                let event = format!("event-{event}");
                let call = match is_json {
                    true => make::delivery_of(organization, subscription, notification, &event),
                    false => make::not_json(organization, &event),
                };
                // One for every project, and two for one project each.
                let hook = ["git-push", "by-hand@fabrikam", "by-hand@contoso"][hook].to_owned();
                let call = HookCall { hook, received_at: now, ..call };
                self.model.receive(&call);
                receive(&*self.store(), &call).await.unwrap();
                // From now on the list that is compared with the model shows it.
                self.store().claim_deliveries(claim(self.second, 0)).await.unwrap();
            }
            Replay { which } => {
                let id = i64::try_from(which).unwrap();
                let expected = self.model.replay(DeliveryId(id), now);
                let id = DeliveryId(self.numbers.deliveries.of_engine(id));
                let replayed = self.store().replay(id, now).await.unwrap();
                assert_eq!(replayed.is_some(), expected.is_some());
                if let (Some(replayed), Some(expected)) = (replayed, expected) {
                    self.numbers.deliveries.are_same(replayed.0, expected.0);
                }
            }
            ClaimDeliveries { limit } => {
                let claim = claim(self.second, limit);
                let claimed = self.store().claim_deliveries(claim).await.unwrap();
                let of_model = |lease: Lease<DeliveryId>| Lease {
                    id: DeliveryId(self.numbers.deliveries.of_model(lease.id.0)),
                    ..lease
                };
                let claimed = claimed.iter().map(|one| (of_model(one.lease), one.attempts));
                let claimed: Vec<_> = claimed.collect();
                assert_eq!(claimed, self.model.claim_deliveries(claim));
                self.deliveries.extend(claimed.into_iter().map(|(lease, _)| lease));
            }
            Decide { .. } => self.decide(operation).await,
            ClaimRuns { limit } => {
                let claim = claim(self.second, limit);
                let claimed = self.store().claim_runs(claim).await.unwrap();
                let expected = self.model.claim_runs(claim);
                self.leased_runs(claimed, expected);
            }
            ClaimFollowed { limit } => {
                let claim = claim(self.second, limit);
                let claimed = self.store().claim_followed_runs(claim).await.unwrap();
                let expected = self.model.claim_followed_runs(claim);
                self.leased_runs(claimed, expected);
            }
            Change { which, state, seconds, cancels } => {
                self.change(which, (state, cancels), seconds, false).await;
            }
            Attempted { which, state, seconds, cancels } => {
                self.change(which, (state, cancels), seconds, true).await;
            }
            Postpone { which, seconds } => {
                let leased = self.runs.iter().filter_map(|(lease, run)| Some(((*lease)?, run)));
                let leased: Vec<_> = leased.map(|(lease, run)| (lease, run.revision)).collect();
                let Some((lease, revision)) = pick(&leased, which) else { return self };
                let due_at = at(self.second + seconds);
                let postponed = Postponed { lease, revision, due_at };
                let expected = self.model.postpone(&postponed);
                assert_eq!(self.store().postpone_run(postponed).await.unwrap(), expected);
            }
            PauseCi { account, seconds } => {
                let (account, until) = (format!("account-{account}"), at(self.second + seconds));
                let reason = format!("paused at {}", self.second);
                let pause = CiPause { account, until, reason };
                self.model.pause(&pause);
                self.store().pause_ci(pause).await.unwrap();
            }
            Rerun { which, ends } => {
                let Some((_, run)) = pick(&self.runs, which) else { return self };
                let old = make::moved(&run, State::Superseded, self.second);
                let old = RunCommit { run: old, lease: None, due_at: None };
                let old = Some(old).filter(|_| ends && !run.state.is_final());
                let new = self.planned(0);
                let expected = self.model.rerun(old.as_ref(), &new);
                let old = old.map(|old| RunCommit { run: self.run_of_engine(old.run), ..old });
                assert_eq!(self.store().commit_rerun(old, new).await.unwrap(), expected);
                self.load_runs();
            }
            Overdue => {
                let overdue = self.store().overdue_runs(now, 1_000).await.unwrap();
                let mut overdue: Vec<_> = overdue.into_iter().map(|run| run.id).collect();
                let mut expected = self.model.overdue_runs(now);
                overdue.sort();
                expected.sort();
                assert_eq!(overdue, expected);
            }
            RunnerQueue => {
                let queue = self.store().runner_queue(vec!["builder".into()]).await.unwrap();
                let ids = |runs: Vec<Run>| runs.iter().map(|run| run.id).collect::<Vec<_>>();
                let expected = self.model.runner_queue("builder");
                assert_eq!((ids(queue.offered), ids(queue.leased)), expected);
            }
            Queue { name, state } => {
                let states = [Shown::Pending, Shown::Succeeded, Shown::Failed, Shown::Error];
                let mut status = make::status(&format!("scan-{name}"), 'a', states[state]);
                if let (3, Some(first)) = (name, status::of(&make::run(0, "lint", 'a')).first()) {
                    // The slot of the runs of a check.
                    status = Status { state: states[state], run: None, ..first.clone() };
                }
                let expected = self.model.queue(&status, Request::WithoutRun, now);
                let id = self.store().queue_status(status, now).await.unwrap();
                self.numbers.statuses.are_same(id.0, expected);
            }
            ClaimSlots { limit } => self.claim_slots(limit).await,
            Posted { which, posting, seconds } => self.posted(which, posting, seconds).await,
            MakeSlotsDue => {
                let expected = self.model.make_slots_due(now);
                let due = self.store().make_slots_due("Fabrikam", now).await.unwrap();
                assert_eq!(due, expected);
            }
            Record { entries } => {
                let entries = vec![make::entry(self.second, Action::Use); entries];
                self.model.record(&entries);
                self.store().record(entries).await.unwrap();
            }
            Pass { seconds } => self.second += seconds,
            DeleteOlder { seconds, limit } => {
                let before = at(self.second - seconds);
                let expected = self.model.delete_older(before, limit);
                let deleted = self.store().delete_older(before, before, limit).await.unwrap();
                assert_eq!(deleted, expected);
            }
            Reopen => {
                let bench = self.benches.remove(self.process);
                self.benches.insert(self.process, bench.reopened().await);
                self.model.reopen();
            }
        }
        self
    }

    /// Compares leased runs, and keeps them for later operations.
    fn leased_runs(&mut self, claimed: Vec<LeasedRun>, expected: Vec<LeasedRun>) {
        let all = |one: LeasedRun| (one.lease, one.run, one.is_interrupted);
        let of_model = |one: LeasedRun| LeasedRun { run: self.run_of_model(one.run), ..one };
        let claimed: Vec<_> = claimed.into_iter().map(of_model).map(all).collect();
        let expected: Vec<_> = expected.into_iter().map(all).collect();
        assert_eq!(claimed, expected);
        self.runs.extend(claimed.into_iter().map(|(lease, run, _)| (Some(lease), run)));
    }

    /// A new run of one of three checks: without a limit of concurrency, with a low one, on two
    /// targets. Some are at a CI with a limit.
    fn planned(&mut self, check: usize) -> Run {
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

    async fn decide(&mut self, operation: Operation) {
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
        let leased = azdo_gateway::storage::LeasedDelivery {
            hook: String::new(),
            lease,
            organization: organization.unwrap_or_default(),
            source: azdo_gateway::domain::decision::Source::Hook,
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

    /// A run of the engine with its number in the model.
    pub(super) fn run_of_model(&self, run: Run) -> Run {
        Run { number: self.numbers.runs.of_model(run.number), ..run }
    }

    /// A run of the model with its number in the engine.
    fn run_of_engine(&self, run: Run) -> Run {
        Run { number: self.numbers.runs.of_engine(run.number), ..run }
    }

    /// Loads the newest runs.
    fn load_runs(&mut self) {
        let newest = self.model.runs.values().rev().take(3).rev();
        self.runs.extend(newest.map(|row| (None, row.run.clone())));
    }

    async fn change(
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

    async fn claim_slots(&mut self, limit: usize) {
        let claim = claim(self.second, limit);
        let claimed = self.store().claim_slots(claim).await.unwrap();
        let expected = self.model.claim_slots(claim);
        assert_eq!(claimed.len(), expected.len());
        for (slot, expected) in claimed.iter().zip(expected) {
            assert_eq!(slot.status, self.model.statuses[&expected.status].status);
            self.numbers.slots.are_same(slot.lease.id, expected.lease.id);
            let found = super::super::model::Claimed {
                slot: slot.status.slot(),
                lease: Lease { id: expected.lease.id, ..slot.lease },
                status: self.numbers.statuses.of_model(slot.status_id.0),
                posted: slot.posted.clone(),
                iteration: slot.iteration,
                attempts: slot.attempts,
                doubtful: slot.doubtful,
                queued_at: slot.queued_at,
            };
            assert_eq!(found, expected);
        }
        self.slots.extend(claimed);
    }

    async fn posted(&mut self, which: usize, posting: u8, seconds: i64) {
        let Some(slot) = pick(&self.slots, which) else { return };
        let posting = match posting {
            0..3 => Posting::Posted { iteration: Some(i64::from(posting)) },
            3 => Posting::Unchanged { iteration: None },
            4 => Posting::Refused("never".into()),
            _ => Posting::Later {
                due_at: at(self.second + seconds),
                counts: posting != 5,
                doubtful: posting == 6,
                reason: "not now".into(),
            },
        };
        let (lease, status_id, now) = (slot.lease, slot.status_id, at(self.second));
        let commit = PostingCommit { lease, status_id, posting, now };
        let expected = self.model.commit_posting(&PostingCommit {
            lease: Lease { id: self.numbers.slots.of_model(lease.id), ..lease },
            status_id: StatusId(self.numbers.statuses.of_model(status_id.0)),
            ..commit.clone()
        });
        assert_eq!(self.store().commit_posting(commit).await.unwrap(), expected);
        // The outcome of an attempt is committed once.
        self.slots.retain(|one| one.lease != lease);
    }
}

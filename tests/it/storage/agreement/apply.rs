//! Every operation is carried out on the engine and on the model, and both answers are equal.
//! Leases and runs that an operation uses are often outdated, on purpose.

use azdo_gateway::domain::audit::Action;
use azdo_gateway::domain::id::{DeliveryId, StatusId};
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::slot::{Posting, Request};
use azdo_gateway::domain::status::{self, Shown, Status};
use azdo_gateway::storage::{
    CiPause, Lease, LeasedRun, PostingCommit, Postponed, Replayed, RunCommit,
};

use super::super::make::HookCall;
use super::super::model::Claimed;
use super::super::{at, claim, make, receive};
use super::Operation;
use super::pair::{Pair, pick};

impl Pair {
    /// Carries an operation out on both, and compares the answers.
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
            Replay { which, request } => {
                let id = i64::try_from(which).unwrap();
                let expected = self.model.replay(DeliveryId(id), request, now);
                let id = DeliveryId(self.numbers.deliveries.of_engine(id));
                let replayed = self.store().replay(id, request, now).await.unwrap();
                let is_new = |one: Option<Replayed>| one.map(|one| one.is_new);
                assert_eq!(is_new(replayed), is_new(expected));
                if let (Some(replayed), Some(expected)) = (replayed, expected) {
                    self.numbers.deliveries.are_same(replayed.id.0, expected.id.0);
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
            Reopen => self.reopen().await,
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

    async fn claim_slots(&mut self, limit: usize) {
        let claim = claim(self.second, limit);
        let claimed = self.store().claim_slots(claim).await.unwrap();
        let expected = self.model.claim_slots(claim);
        assert_eq!(claimed.len(), expected.len());
        for (slot, expected) in claimed.iter().zip(expected) {
            assert_eq!(slot.status, self.model.statuses[&expected.status].status);
            self.numbers.slots.are_same(slot.lease.id, expected.lease.id);
            let found = Claimed {
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

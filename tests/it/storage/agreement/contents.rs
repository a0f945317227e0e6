//! The contents that an engine lists are those of the model.

use std::sync::Arc;

use azdo_gateway::domain::decision::Remembered;
use azdo_gateway::domain::run::Run;
use azdo_gateway::storage::{AuditFilter, DeliveryFilter, Page, RunFilter};

use super::super::{at, make};
use super::pair::Pair;

impl Pair {
    /// Compares the contents of both.
    pub(super) async fn compare(&mut self) {
        let (store, model) = (Arc::clone(&self.bench().store), &self.model);
        let page = Page { limit: 10_000, before: None };
        let deliveries = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
        let mut ids = Vec::new();
        let found: Vec<_> = deliveries
            .items
            .into_iter()
            .rev()
            .map(|mut row| {
                row.runs.sort();
                ids.push(row.id.0);
                (row.organization, row.source, row.received_at, row.outcome, row.checks, row.runs)
            })
            .collect();
        let expected: Vec<_> = model
            .deliveries
            .iter()
            .map(|(id, row)| {
                let mut runs = model.runs_of(*id);
                runs.sort();
                let (organization, checks) = (row.organization.clone(), row.checks.clone());
                (organization, row.source, row.received_at, row.outcome, checks, runs)
            })
            .collect();
        assert_eq!(found, expected);
        for subject in 0..make::SUBJECTS {
            let filter = DeliveryFilter { about: Some(subject), ..DeliveryFilter::default() };
            let found = store.deliveries(filter, page).await.unwrap().items;
            let about = model.deliveries.values().filter(|row| row.about.contains(&subject));
            assert_eq!(found.len(), about.count(), "deliveries about {subject}");
        }
        for (engine, model) in ids.into_iter().zip(model.deliveries.keys()) {
            self.numbers.deliveries.are_same(engine, *model);
        }
        let runs = store.runs(RunFilter::default(), page).await.unwrap().items;
        for (engine, model) in runs.iter().rev().zip(model.runs.keys()) {
            self.numbers.runs.are_same(engine.number, *model);
        }
        let expected: Vec<_> = model.runs.values().rev().map(|row| row.run.clone()).collect();
        let runs: Vec<_> = runs
            .into_iter()
            .map(|run| Run { number: self.numbers.runs.of_model(run.number), ..run })
            .collect();
        assert_eq!(runs, expected);
        let statuses = self.bench().statuses().await;
        let found: Vec<_> = statuses
            .iter()
            .map(|row| (&row.status, row.queued_at, row.posted_at, row.outcome))
            .collect();
        let expected: Vec<_> = model
            .statuses
            .values()
            .map(|row| (&row.status, row.queued_at, row.posted_at, row.outcome))
            .collect();
        assert_eq!(found, expected);
        for (engine, model) in statuses.iter().zip(model.statuses.keys()) {
            self.numbers.statuses.are_same(engine.id.0, *model);
        }
        let entries = store.audit(AuditFilter::default(), page).await.unwrap().items;
        let found: Vec<_> = entries.iter().rev().map(|row| &row.entry).collect();
        let expected: Vec<_> = model.audit.values().collect();
        assert_eq!(found, expected);
        for (engine, model) in entries.iter().rev().zip(model.audit.keys()) {
            self.numbers.audit.are_same(engine.id, *model);
        }
        assert_eq!(store.backlog().await.unwrap(), model.backlog());
        let mut pauses = store.ci_pauses(at(self.second)).await.unwrap();
        pauses.sort_by(|one, other| one.account.cmp(&other.account));
        assert_eq!(pauses, model.pauses(at(self.second)));
        let found = store.runs_at_ci("builder", "1").await.unwrap();
        let found: Vec<_> = found.into_iter().map(|run| self.run_of_model(run)).collect();
        assert_eq!(found, model.runs_at_ci("builder", "1"));
        let id = make::repository().id;
        let known = store.known_pull_request(make::ORGANIZATION, &id, 7).await.unwrap();
        assert_eq!(known.revision, model.revision(7));
        let expected: Option<Remembered> =
            model.pull_requests.get(&7).map(|(remembered, _)| remembered.clone());
        assert_eq!(known.value.remembered, expected);
        let known: Vec<_> =
            known.value.runs.into_iter().map(|run| self.run_of_model(run)).collect();
        assert_eq!(known, runs, "all runs are about that pull request");
    }
}

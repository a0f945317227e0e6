//! The contents that an engine lists are those of the model.

use azdo_gateway::domain::decision::Remembered;
use azdo_gateway::storage::{AuditFilter, DeliveryFilter, Page, RunFilter};

use super::super::make;
use super::pair::Pair;

impl Pair {
    /// Compares the contents of both.
    pub(super) async fn compare(&self) {
        let (store, model) = (&self.bench.store, &self.model);
        let page = Page { limit: 10_000, before: None };
        let deliveries = store.deliveries(DeliveryFilter::default(), page).await.unwrap();
        let found: Vec<_> = deliveries
            .items
            .into_iter()
            .rev()
            .map(|mut row| {
                row.runs.sort();
                (row.id.0, row.organization, row.source, row.received_at, row.outcome, row.runs)
            })
            .collect();
        let expected: Vec<_> = model
            .deliveries
            .iter()
            .map(|(id, row)| {
                let mut runs = model.runs_of(*id);
                runs.sort();
                (*id, row.organization.clone(), row.source, row.received_at, row.outcome, runs)
            })
            .collect();
        assert_eq!(found, expected);
        let runs = store.runs(RunFilter::default(), page).await.unwrap().items;
        let expected: Vec<_> = model.runs.values().rev().map(|row| row.run.clone()).collect();
        assert_eq!(runs, expected);
        let statuses = self.bench.statuses().await;
        let found: Vec<_> = statuses
            .iter()
            .map(|row| (row.id.0, &row.status, row.queued_at, row.posted_at, row.outcome))
            .collect();
        let expected: Vec<_> = model
            .statuses
            .iter()
            .map(|(id, row)| (*id, &row.status, row.queued_at, row.posted_at, row.outcome))
            .collect();
        assert_eq!(found, expected);
        let entries = store.audit(AuditFilter::default(), page).await.unwrap().items;
        let found: Vec<_> = entries.iter().rev().map(|row| (row.id, &row.entry)).collect();
        let expected: Vec<_> = model.audit.iter().map(|(id, entry)| (*id, entry)).collect();
        assert_eq!(found, expected);
        assert_eq!(store.backlog().await.unwrap(), model.backlog());
        let id = make::repository().id;
        let known = store.known_pull_request(make::ORGANIZATION, &id, 7).await.unwrap();
        assert_eq!(known.revision, model.revision(7));
        let expected: Option<Remembered> =
            model.pull_requests.get(&7).map(|(remembered, _)| remembered.clone());
        assert_eq!(known.value.remembered, expected);
        assert_eq!(known.value.runs, runs, "all runs are about that pull request");
    }
}

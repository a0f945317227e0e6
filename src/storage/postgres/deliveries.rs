//! Deliveries and the decisions about them.

pub(super) mod accept;
pub(super) mod activity;
mod decision;
pub(super) mod inbox;
mod list;
pub(super) mod names;
mod subscriptions;

use std::sync::Arc;

use async_trait::async_trait;

use super::Postgres;
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::pull_request::PullRequest;
use crate::domain::subscription::KnownProject;
use crate::domain::time::Timestamp;
use crate::storage::{
    Claim, Commit, DecisionCommit, Deliveries, Delivery, DeliveryFilter, Error, LeasedDelivery,
    Page, Paged, Replayed, Versioned,
};

/// Accepting goes first: while deliveries wait to be stored, so few are claimed at a time. One that
/// is decided later is only late.
const CLAIMED_WHILE_BEHIND_MAX: usize = 4;

#[async_trait]
impl Deliveries for Postgres {
    async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        self.accept.receive(organization, hook, received_at, body).await
    }

    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error> {
        if claim.limit == 0 {
            return Ok(Vec::new());
        }
        let limit = match self.accept.waiting() {
            0 => claim.limit,
            _ => claim.limit.min(CLAIMED_WHILE_BEHIND_MAX),
        };
        let of = (Claim { limit, ..claim }, Arc::clone(&self.instance));
        let claimed =
            self.pool.write(of, |db, of| async move { inbox::claim(&db, &of.0, &of.1).await });
        claimed.await
    }

    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error> {
        let of = (organization.to_owned(), repository.to_owned(), id);
        let known = self.pool.read(of, |db, of| async move {
            decision::known_pull_request(&db, &of.0, &of.1, of.2).await
        });
        known.await
    }

    async fn pull_requests_at(
        &self,
        organization: &str,
        commit: &str,
    ) -> Result<Vec<PullRequest>, Error> {
        let of = (organization.to_owned(), commit.to_owned());
        let found = self
            .pool
            .read(of, |db, of| async move { decision::pull_requests_at(&db, &of.0, &of.1).await });
        found.await
    }

    async fn known_refs(
        &self,
        organization: &str,
        repository: &str,
        names: Vec<String>,
    ) -> Result<Vec<Versioned<KnownRef>>, Error> {
        let of = (organization.to_owned(), repository.to_owned(), names);
        let known = self
            .pool
            .read(of, |db, of| async move { decision::known_refs(&db, &of.0, &of.1, &of.2).await });
        known.await
    }

    async fn former_names(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<Vec<String>, Error> {
        let of = (organization.to_owned(), repository.clone());
        let names =
            self.pool.read(of, |db, of| async move { names::former(&db, &of.0, &of.1).await });
        names.await
    }

    async fn known_project(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<KnownProject, Error> {
        let of = (organization.to_owned(), repository.clone());
        let known = self
            .pool
            .read(of, |db, of| async move { names::known_project(&db, &of.0, &of.1).await });
        known.await
    }

    async fn watched_since(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<Option<Timestamp>, Error> {
        let of = (organization.to_owned(), repository.to_owned());
        let since = self
            .pool
            .read(of, |db, of| async move { decision::watched_since(&db, &of.0, &of.1).await });
        since.await
    }

    async fn commit_decision(&self, commit: DecisionCommit) -> Result<Commit, Error> {
        let committed = self.pool.write_unless_conflict(commit, |db, commit| async move {
            decision::commit(&db, &commit).await
        });
        Ok(committed.await?.unwrap_or(Commit::Conflict))
    }

    async fn replay(
        &self,
        id: DeliveryId,
        request: i64,
        now: Timestamp,
    ) -> Result<Option<Replayed>, Error> {
        let replayed = self.pool.write((id, request, now), |db, of| async move {
            inbox::replay(&db, of.0, of.1, of.2).await
        });
        replayed.await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        self.pool.read(id, |db, id| async move { list::delivery(&db, *id).await }).await
    }

    async fn delivery_body(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        self.pool.read(id, |db, id| async move { inbox::body(&db, *id).await }).await
    }

    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Paged<Delivery>, Error> {
        let found = self.pool.read_snapshot((filter, page), |db, of| async move {
            list::deliveries(&db, &of.0, of.1).await
        });
        found.await
    }
}

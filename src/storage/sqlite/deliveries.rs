//! Deliveries and the decisions about them.

mod decision;
pub(super) mod inbox;
pub(super) mod list;
pub(super) mod names;

use async_trait::async_trait;

use super::Sqlite;
use super::engine::condition::Part;
use super::engine::{intake, writer};
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::{
    Accepted, Arrived, Availability, Claim, Commit, DecisionCommit, Deliveries, Delivery,
    DeliveryFilter, Error, LeasedDelivery, NewDelivery, Page, Paged, TakeIn, Versioned,
};

/// The body is most of what a delivery holds in memory.
pub(super) fn bytes_of(delivery: &NewDelivery) -> usize {
    delivery.body.len() + 512
}

#[async_trait]
impl Deliveries for Sqlite {
    async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        // What cannot be taken in would only lie there, and nobody would know.
        if !self.condition.is_well(Part::Database)
            && let Availability::Unwritable(advice) = self.condition.health()
        {
            return Err(Error::unavailable(advice));
        }
        self.intake.append(organization, hook, received_at, body).await
    }

    async fn arrived(&self, limit: usize) -> Result<Arrived, Error> {
        let arrived = self.intake.read(limit).await?;
        if arrived.deliveries.is_empty() && arrived.from != arrived.upto {
            // Nothing but damage, which was told: it is passed over, or it would be told for ever.
            let (from, upto) = (arrived.from, arrived.upto);
            self.take_in(TakeIn { deliveries: Vec::new(), from, upto }).await?;
        }
        Ok(arrived)
    }

    async fn take_in(&self, arrived: TakeIn) -> Result<Option<Vec<Accepted>>, Error> {
        let (from, upto) = (arrived.from, arrived.upto);
        let bytes: usize = arrived.deliveries.iter().map(bytes_of).sum();
        // It was answered and is in memory already: what is longer than the queue would be refused
        // for ever, and with it all that came later.
        let bytes = bytes.min(writer::WAITING_BYTES_MAX / 2);
        let take = move |db: &rusqlite::Connection| {
            if !intake::advance(db, from, upto)? {
                return Ok(None);
            }
            let accept = |delivery| inbox::accept(db, delivery);
            arrived.deliveries.iter().map(accept).collect::<Result<Vec<_>, _>>().map(Some)
        };
        // Until the mark leaves a segment, what is lost with the machine lies there still.
        let accepted = match from.segment == upto.segment {
            true => self.writer.write_without_sync(bytes, take).await?,
            false => self.writer.write(bytes, take).await?,
        };
        match &accepted {
            // What did not come from the intake is not counted there.
            Some(_) if from == upto => {}
            Some(accepted) => self.intake.taken(accepted.len(), upto),
            // Somebody began with it and did not hear what came of it.
            None => self.intake.taken(0, self.writer.write(0, intake::mark).await?),
        }
        Ok(accepted)
    }

    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error> {
        // A lease that is lost with the machine is one that nobody has.
        self.writer.write_without_sync(0, move |db| inbox::claim(db, claim)).await
    }

    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error> {
        self.readers.look_up(|db| decision::known_pull_request(db, organization, repository, id))
    }

    async fn known_refs(
        &self,
        organization: &str,
        repository: &str,
        names: Vec<String>,
    ) -> Result<Vec<Versioned<KnownRef>>, Error> {
        self.readers.look_up(|db| decision::known_refs(db, organization, repository, &names))
    }

    async fn former_names(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<Vec<String>, Error> {
        self.readers.look_up(|db| names::former(db, organization, repository))
    }

    async fn commit_decision(&self, commit: DecisionCommit) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| decision::commit(db, &commit)).await
    }

    async fn replay(&self, id: DeliveryId, now: Timestamp) -> Result<Option<DeliveryId>, Error> {
        self.writer.write(4096, move |db| inbox::replay(db, id, now)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        self.intake.settle().await;
        self.readers.read(move |db| list::delivery(db, id)).await
    }

    async fn delivery_body(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, Error> {
        self.readers.read(move |db| inbox::body(db, id)).await
    }

    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Paged<Delivery>, Error> {
        self.intake.settle().await;
        self.readers.read(move |db| list::deliveries(db, &filter, page)).await
    }
}

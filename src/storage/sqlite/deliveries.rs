//! Deliveries and the decisions about them.

mod decision;
pub(super) mod inbox;
pub(super) mod list;
#[cfg(test)]
mod move_tests;
pub(super) mod names;

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::future::join;
use rusqlite::Connection;

use super::Sqlite;
use super::engine::intake::{self, Batch, Received};
use super::engine::writer;
use super::reconciliation::hooks;
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::pull_request::PullRequest;
use crate::domain::subscription::{KnownProject, name_in_url};
use crate::domain::time::Timestamp;
use crate::storage::{
    ActiveHook, Claim, Commit, DecisionCommit, Deliveries, Delivery, DeliveryFilter, Error,
    LeasedDelivery, Page, Paged, Replayed, Versioned,
};
use inbox::{Inserted, NewRow};

/// Deliveries moved from the intake into the inbox in one transaction.
const MOVE_MAX: usize = 256;

impl Sqlite {
    /// Moves a batch from the intake into the inbox. Another move may be faster: then nothing is
    /// done.
    async fn move_to_inbox(&self, batch: Batch) -> Result<(), Error> {
        let Batch { received, from, upto } = batch;
        let rows: Vec<NewRow> = received.into_iter().map(|one| self.row_of(one)).collect();
        let bytes: usize = rows.iter().map(NewRow::bytes).sum();
        // These deliveries were acknowledged and are in memory already. The writer would refuse
        // more bytes than its queue may hold every time, and with them all later deliveries.
        let bytes = bytes.min(writer::WAITING_BYTES_MAX / 2);
        let insert = move |db: &Connection| {
            if !intake::advance(db, from, upto)? {
                return Ok(None);
            }
            for (organization, active) in hook_activity(&rows) {
                hooks::note_activity(db, organization, &active)?;
            }
            let insert = |row| inbox::insert(db, row);
            rows.iter().map(insert).collect::<Result<Vec<_>, _>>().map(Some)
        };
        // A power failure may undo this commit while the deliveries are still in their segment.
        // Once the position leaves the segment it may be overwritten, so that commit is synced.
        let inserted = match from.segment == upto.segment {
            true => self.writer.write_without_sync(bytes, insert).await?,
            false => self.writer.write(bytes, insert).await?,
        };
        match inserted {
            Some(inserted) => {
                count(&inserted);
                self.intake.note_moved(inserted.len(), upto);
            }
            // An earlier move was committed after its caller had stopped waiting for it.
            None => self.intake.note_moved(0, self.writer.write(0, intake::moved_upto).await?),
        }
        Ok(())
    }

    fn row_of(&self, received: Received) -> NewRow {
        let Received { organization, hook, received_at, body } = received;
        let envelope = (self.read_envelope)(&body);
        NewRow::of_hook(organization, hook, received_at, envelope, &body)
    }

    /// Moves everything that was received before into the inbox.
    pub(super) async fn move_all_to_inbox(&self) -> Result<(), Error> {
        let end = self.intake.end();
        loop {
            let batch = self.intake.read(MOVE_MAX).await?;
            if batch.is_empty() || batch.from >= end {
                return Ok(());
            }
            self.move_to_inbox(batch).await?;
        }
    }
}

/// When each hook delivered first and last among these rows, with its organization. A repeat
/// counts, too: it shows that the hook delivers.
fn hook_activity(rows: &[NewRow]) -> Vec<(&str, ActiveHook)> {
    let mut active: BTreeMap<(&str, &str), (Timestamp, Timestamp)> = BTreeMap::new();
    for NewRow { organization, hook, received_at, .. } in rows {
        let times =
            active.entry((organization, name_in_url(hook))).or_insert((*received_at, *received_at));
        *times = (times.0.min(*received_at), times.1.max(*received_at));
    }
    let row = |((organization, hook), (first_at, last_at)): ((_, &str), _)| {
        (organization, ActiveHook { hook: hook.to_owned(), first_at, last_at })
    };
    active.into_iter().map(row).collect()
}

fn count(inserted: &[Inserted]) {
    for one in inserted {
        let result = match one {
            Inserted::New(_) => "stored",
            Inserted::AlreadyThere => "already_there",
        };
        metrics::counter!("azdo_gateway_deliveries_total", "result" => result).increment(1);
    }
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
        if let Some(advice) = self.faults.refusal() {
            return Err(Error::unavailable(advice));
        }
        self.intake.append(organization, hook, received_at, body).await
    }

    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error> {
        // A lease that a power failure takes away is held by nobody.
        let leased = || self.writer.write_without_sync(0, move |db| inbox::claim(db, claim));
        let end = self.intake.end();
        loop {
            let batch = match self.intake.read(MOVE_MAX).await {
                Ok(batch) if !batch.is_empty() => batch,
                Err(error) if claim.limit == 0 => return Err(error),
                // What cannot be read now is logged as a fault, and read by a later claim. What is
                // in the inbox is decided meanwhile.
                Ok(_) | Err(_) => return leased().await,
            };
            let is_last = batch.upto >= end;
            // Both writes share a transaction, and the first is carried out first: the claim finds
            // what was moved.
            let (moved, claimed) = join(self.move_to_inbox(batch), leased()).await;
            let claimed = claimed?;
            match moved {
                // What is leased is decided now; otherwise it would wait until its lease ends.
                Err(error) if !claimed.is_empty() => {
                    tracing::warn!(
                        "deliveries that were received last are not in the inbox yet: {error}"
                    );
                    return Ok(claimed);
                }
                Err(error) => return Err(error),
                Ok(()) if is_last || !claimed.is_empty() => return Ok(claimed),
                Ok(()) => {}
            }
        }
    }

    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error> {
        self.readers.look_up(|db| decision::known_pull_request(db, organization, repository, id))
    }

    async fn pull_requests_at(
        &self,
        organization: &str,
        commit: &str,
    ) -> Result<Vec<PullRequest>, Error> {
        self.readers.look_up(|db| decision::pull_requests_at(db, organization, commit))
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

    async fn known_project(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<KnownProject, Error> {
        self.readers.look_up(|db| names::known_project(db, organization, repository))
    }

    async fn watched_since(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<Option<Timestamp>, Error> {
        self.readers.look_up(|db| decision::watched_since(db, organization, repository))
    }

    async fn commit_decision(&self, commit: DecisionCommit) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| decision::commit(db, &commit)).await
    }

    async fn replay(
        &self,
        id: DeliveryId,
        request: i64,
        now: Timestamp,
    ) -> Result<Option<Replayed>, Error> {
        self.writer.write(4096, move |db| inbox::replay(db, id, request, now)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        self.intake.wait_until_moved().await;
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
        self.intake.wait_until_moved().await;
        self.readers.read(move |db| list::deliveries(db, &filter, page)).await
    }
}

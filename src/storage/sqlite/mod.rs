//! The embedded engine: one SQLite file, one writer, a few readers.
//!
//! One process owns the file; a lock beside it says so. That also makes every lease of an earlier
//! process void, so that work goes on at once after a crash. It must never decide anything.

mod audit;
mod checkpoint;
mod condition;
mod connection;
mod decisions;
mod hooks;
mod inbox;
mod intake;
mod links;
mod lists;
mod logins;
mod migration;
mod names;
mod outbox;
mod owner;
mod policies;
mod readers;
mod reconcilers;
mod retention;
mod rows;
mod runs;
mod search;
mod subscriptions;
mod upkeep;
mod watching;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Accepted, Arrived, AuditFilter, AuditRow, Availability, Backlog, Claim, Commit, DecisionCommit,
    Delivery, DeliveryFilter, Error, Lease, LeasedDelivery, LeasedRun, LeasedSlot, Link,
    LinkChange, Login, NewDelivery, Page, Paged, PostingCommit, Refresh, RefreshCommit, RunCommit,
    RunFilter, StatusFilter, StatusRow, Store, TakeIn, Ticket, Versioned,
};
use crate::domain::audit::Entry;
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use checkpoint::Checkpointer;
use condition::{Condition, Part};
use intake::Intake;
use owner::Owned;
use readers::Readers;
use writer::Writer;

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    writer: Arc<Writer>,
    readers: Readers,
    intake: Arc<Intake>,
    condition: Arc<Condition>,
    checkpointer: Arc<Checkpointer>,
    owned: Arc<Owned>,
}

impl Sqlite {
    /// Opens the database, creating it and its folder where there is none.
    ///
    /// # Errors
    /// Another process has it, it cannot be opened, or it was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| {
                let folder = folder.display();
                Error::unavailable(format!("the folder {folder} cannot be created: {error}"))
            })?;
        }
        let owned = Owned::take(path)?;
        let failed = |source| Error::Unavailable {
            advice: connection::advice(&source, path),
            source: Some(source),
        };
        let db = connection::open_for_writing(path).map_err(failed)?;
        migration::migrate(&db).map_err(failed)?.map_err(Error::unavailable)?;
        migration::void_leases(&db).map_err(failed)?;
        let condition = Arc::new(Condition::default());
        let intake = Arc::new(Intake::open(path, &db, Arc::clone(&condition))?);
        let threads = |error| Error::unavailable(format!("no thread could be started: {error}"));
        let writer = Writer::start(path.to_owned(), db, Arc::clone(&condition));
        Ok(Self {
            writer: Arc::new(writer.map_err(threads)?),
            readers: Readers::new(path),
            intake,
            condition,
            checkpointer: Arc::new(Checkpointer::start(path).map_err(threads)?),
            owned: Arc::new(owned),
        })
    }
}

/// The body is most of what a delivery holds in memory.
fn bytes_of(delivery: &NewDelivery) -> usize {
    delivery.body.len() + 512
}

#[async_trait]
impl Store for Sqlite {
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

    async fn release_delivery(
        &self,
        lease: Lease<DeliveryId>,
        due_at: Timestamp,
    ) -> Result<Commit, Error> {
        self.writer.write(0, move |db| inbox::release(db, lease, due_at)).await
    }

    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error> {
        self.readers.look_up(|db| decisions::known_pull_request(db, organization, repository, id))
    }

    async fn known_refs(
        &self,
        organization: &str,
        repository: &str,
        names: Vec<String>,
    ) -> Result<Vec<Versioned<KnownRef>>, Error> {
        self.readers.look_up(|db| decisions::known_refs(db, organization, repository, &names))
    }

    async fn former_names(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<Vec<String>, Error> {
        self.readers.look_up(|db| names::former(db, organization, repository))
    }

    async fn commit_decision(&self, commit: DecisionCommit) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| decisions::commit(db, &commit)).await
    }

    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        self.writer.write_without_sync(0, move |db| runs::claim(db, claim)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        self.readers.look_up(|db| runs::find(db, id))
    }

    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error> {
        self.writer.write(2048, move |db| runs::commit(db, &commit)).await
    }

    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| runs::commit_rerun(db, old.as_ref(), &new)).await
    }

    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error> {
        self.readers.read(move |db| runs::overdue(db, now, limit)).await
    }

    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error> {
        self.writer.write(1024, move |db| outbox::queue(db, &status, None, now)).await
    }

    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error> {
        self.writer.write(0, move |db| outbox::claim(db, claim)).await
    }

    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error> {
        self.writer.write(512, move |db| outbox::commit(db, &commit)).await
    }

    async fn replay(&self, id: DeliveryId, now: Timestamp) -> Result<Option<DeliveryId>, Error> {
        self.writer.write(4096, move |db| inbox::replay(db, id, now)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error> {
        self.intake.settle().await;
        self.readers.read(move |db| lists::delivery(db, id)).await
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
        self.readers.read(move |db| lists::deliveries(db, &filter, page)).await
    }

    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error> {
        self.readers.read(move |db| lists::runs(db, &filter, page)).await
    }

    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error> {
        self.readers.read(move |db| lists::status(db, id)).await
    }

    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error> {
        self.readers.read(move |db| lists::statuses(db, &filter, page)).await
    }

    async fn gateway(&self) -> Result<String, Error> {
        self.readers.read(migration::gateway).await
    }

    async fn issue_ticket(&self, ticket: Ticket) -> Result<(), Error> {
        self.writer.write(512, move |db| logins::issue_ticket(db, &ticket)).await
    }

    async fn take_ticket(
        &self,
        digest: [u8; 32],
        organization: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Error> {
        let organization = organization.to_owned();
        self.writer.write(512, move |db| logins::take_ticket(db, &digest, &organization, now)).await
    }

    async fn begin_login(&self, login: Login, now: Timestamp) -> Result<(), Error> {
        self.writer.write(1024, move |db| logins::begin(db, &login, now)).await
    }

    async fn take_login(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Login>, Error> {
        self.writer.write(512, move |db| logins::take(db, &state, &browser, now)).await
    }

    async fn link(&self, organization: &str) -> Result<Option<Link>, Error> {
        let organization = organization.to_owned();
        self.readers.read(move |db| links::find(db, &organization)).await
    }

    async fn links(&self) -> Result<Vec<Link>, Error> {
        self.readers.read(links::all).await
    }

    async fn commit_link(&self, change: LinkChange) -> Result<Commit, Error> {
        self.writer.write(8192, move |db| links::commit(db, &change)).await
    }

    async fn claim_refresh(
        &self,
        organization: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Refresh, Error> {
        let (organization, until) = (organization.to_owned(), now.plus(lease));
        self.writer.write(512, move |db| links::claim_refresh(db, &organization, now, until)).await
    }

    async fn commit_refresh(&self, commit: RefreshCommit) -> Result<Commit, Error> {
        self.writer.write(8192, move |db| links::commit_refresh(db, &commit)).await
    }

    async fn hurry_slots(&self, organization: &str, now: Timestamp) -> Result<usize, Error> {
        let organization = organization.to_owned();
        self.writer.write(512, move |db| outbox::hurry(db, &organization, now)).await
    }

    async fn record(&self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let bytes = audit::bytes_of(&entries);
        let insert = move |db: &rusqlite::Connection| {
            entries.iter().try_for_each(|entry| audit::insert(db, entry))
        };
        self.writer.write(bytes, insert).await
    }

    async fn audit(&self, filter: AuditFilter, page: Page) -> Result<Paged<AuditRow>, Error> {
        self.readers.read(move |db| audit::list(db, &filter, page)).await
    }

    async fn audit_entry(&self, id: i64) -> Result<Option<AuditRow>, Error> {
        self.readers.read(move |db| audit::find(db, id)).await
    }

    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let delete = move |db: &rusqlite::Connection| {
            retention::delete_older(db, before, audit_before, limit)
        };
        self.writer.write(0, delete).await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        let waiting = self.intake.waiting();
        let backlog = self.readers.read(lists::backlog).await?;
        Ok(Backlog { undecided: backlog.undecided + waiting, ..backlog })
    }

    fn health(&self) -> Availability {
        self.condition.health()
    }

    async fn close(&self, within: Duration) {
        let (intake, checkpointer) = (Arc::clone(&self.intake), Arc::clone(&self.checkpointer));
        let (writer, owned) = (Arc::clone(&self.writer), Arc::clone(&self.owned));
        let close = move || {
            intake.close();
            checkpointer.stop();
            writer.close();
            owned.give_up();
        };
        owner::close(close, within).await;
    }
}

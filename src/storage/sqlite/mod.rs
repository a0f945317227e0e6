//! The embedded engine: one SQLite file, one writer, a few readers.
//!
//! One process owns the file; a lock beside it says so. That also makes every lease of an earlier
//! process void, so that work goes on at once after a crash. It must never decide anything.

mod checkpoint;
mod connection;
mod decisions;
mod inbox;
mod lists;
mod outbox;
mod readers;
mod retention;
mod rows;
mod runs;
mod writer;

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Accepted, Backlog, Claim, Commit, DecisionCommit, Delivery, DeliveryFilter, Error, Health,
    Lease, LeasedDelivery, LeasedRun, LeasedSlot, NewDelivery, Page, Paged, PostingCommit,
    RunCommit, RunFilter, StatusFilter, StatusRow, Store, Versioned,
};
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use checkpoint::Checkpointer;
use readers::Readers;
use writer::Writer;

/// The version of `schema.sql`.
const SCHEMA_VERSION: i64 = 1;

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: Readers,
    checkpointer: Checkpointer,
    /// Held as long as the process lives.
    _lock: File,
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
        let lock = lock(path)?;
        let failed = |source| Error::Unavailable {
            advice: connection::advice(&source, path),
            source: Some(source),
        };
        let db = connection::open_for_writing(path).map_err(failed)?;
        migrate(&db).map_err(failed)?.map_err(Error::unavailable)?;
        void_leases(&db).map_err(failed)?;
        let threads = |error| Error::unavailable(format!("no thread could be started: {error}"));
        Ok(Self {
            writer: Writer::start(path.to_owned(), db).map_err(threads)?,
            readers: Readers::new(path),
            checkpointer: Checkpointer::start(path).map_err(threads)?,
            _lock: lock,
        })
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let shown = Path::new(&beside).display().to_string();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(|error| Error::unavailable(format!("{shown} cannot be opened: {error}")))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(Error::unavailable(format!(
            "{} belongs to another running gateway: stop it, or ask it over HTTP",
            path.display()
        ))),
    }
}

fn migrate(db: &rusqlite::Connection) -> rusqlite::Result<Result<(), String>> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Ok(Err(format!(
            "the database has schema version {version}, and this gateway knows {SCHEMA_VERSION}: \
             run the newer gateway, or restore a backup"
        )));
    }
    if version == 0 {
        let schema = include_str!("schema.sql");
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {schema} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        ))?;
    }
    Ok(Ok(()))
}

/// Whoever held a lease is dead: we hold the lock. Lease numbers stay, so that they keep growing.
fn void_leases(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "UPDATE inbox SET due_at = 0 WHERE lease > 0;
         UPDATE run SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL;
         UPDATE slot SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL;",
    )
}

/// The body is most of what a delivery holds in memory.
fn bytes_of(delivery: &NewDelivery) -> usize {
    delivery.body.len() + 512
}

#[async_trait]
impl Store for Sqlite {
    async fn accept(&self, delivery: NewDelivery) -> Result<Accepted, Error> {
        let bytes = bytes_of(&delivery);
        self.writer.write(bytes, move |db| inbox::accept(db, &delivery)).await
    }

    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error> {
        self.writer.write(0, move |db| inbox::claim(db, claim)).await
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
        let (organization, repository) = (organization.to_owned(), repository.to_owned());
        self.readers
            .read(move |db| decisions::known_pull_request(db, &organization, &repository, id))
            .await
    }

    async fn known_refs(
        &self,
        organization: &str,
        repository: &str,
        names: Vec<String>,
    ) -> Result<Vec<Versioned<KnownRef>>, Error> {
        let (organization, repository) = (organization.to_owned(), repository.to_owned());
        self.readers
            .read(move |db| decisions::known_refs(db, &organization, &repository, &names))
            .await
    }

    async fn former_names(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<Vec<String>, Error> {
        let (organization, repository) = (organization.to_owned(), repository.clone());
        self.readers.read(move |db| decisions::former_names(db, &organization, &repository)).await
    }

    async fn commit_decision(&self, commit: DecisionCommit) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| decisions::commit(db, &commit)).await
    }

    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        self.writer.write(0, move |db| runs::claim(db, claim)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        self.readers.read(move |db| runs::find(db, id)).await
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

    async fn delete_older(
        &self,
        before: Timestamp,
        _audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        self.writer.write(0, move |db| retention::delete_older(db, before, limit)).await
    }

    async fn issue_ticket(&self, _: super::Ticket) -> Result<(), Error> {
        Err(Error::unavailable("later"))
    }
    async fn take_ticket(&self, _: [u8; 32], _: &str, _: Timestamp) -> Result<bool, Error> {
        Err(Error::unavailable("later"))
    }
    async fn begin_login(&self, _: super::Login, _: Timestamp) -> Result<(), Error> {
        Err(Error::unavailable("later"))
    }
    async fn take_login(
        &self,
        _: [u8; 32],
        _: [u8; 32],
        _: Timestamp,
    ) -> Result<Option<super::Login>, Error> {
        Err(Error::unavailable("later"))
    }
    async fn link(&self, _: &str) -> Result<Option<super::Link>, Error> {
        Err(Error::unavailable("later"))
    }
    async fn links(&self) -> Result<Vec<super::Link>, Error> {
        Err(Error::unavailable("later"))
    }
    async fn commit_link(&self, _: super::LinkChange) -> Result<Commit, Error> {
        Err(Error::unavailable("later"))
    }
    async fn claim_refresh(
        &self,
        _: &str,
        _: Timestamp,
        _: Duration,
    ) -> Result<super::Refresh, Error> {
        Err(Error::unavailable("later"))
    }
    async fn commit_refresh(&self, _: super::RefreshCommit) -> Result<Commit, Error> {
        Err(Error::unavailable("later"))
    }
    async fn hurry_slots(&self, _: &str, _: Timestamp) -> Result<usize, Error> {
        Err(Error::unavailable("later"))
    }
    async fn record(&self, _: Vec<crate::domain::audit::Entry>) -> Result<(), Error> {
        Err(Error::unavailable("later"))
    }
    async fn audit(&self, _: super::AuditFilter, _: Page) -> Result<Paged<super::AuditRow>, Error> {
        Err(Error::unavailable("later"))
    }
    async fn audit_entry(&self, _: i64) -> Result<Option<super::AuditRow>, Error> {
        Err(Error::unavailable("later"))
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        self.readers.read(lists::backlog).await
    }

    fn health(&self) -> Health {
        self.writer.health()
    }

    async fn close(&self, _within: Duration) {
        self.checkpointer.stop();
        self.writer.close();
    }
}

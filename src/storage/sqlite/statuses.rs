//! Statuses, and the slots that show them.

pub(super) mod list;
pub(super) mod slots;

use async_trait::async_trait;

use super::Sqlite;
use crate::domain::id::StatusId;
use crate::domain::slot::Request;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::storage::{
    Claim, Commit, Error, LeasedSlot, Page, Paged, PostingCommit, StatusFilter, StatusRow, Statuses,
};

#[async_trait]
impl Statuses for Sqlite {
    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error> {
        self.writer.write(1024, move |db| slots::queue(db, &status, Request::WithoutRun, now)).await
    }

    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error> {
        self.writer.write(0, move |db| slots::claim(db, claim)).await
    }

    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error> {
        self.writer.write(512, move |db| slots::commit(db, &commit)).await
    }

    async fn make_slots_due(&self, organization: &str, now: Timestamp) -> Result<usize, Error> {
        let organization = organization.to_owned();
        self.writer.write(512, move |db| slots::make_due(db, &organization, now)).await
    }

    async fn statuses_of_target(&self, status: &Status) -> Result<Vec<Status>, Error> {
        let slots = status.slots();
        self.readers.read(move |db| slots::of_target(db, &slots)).await
    }

    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error> {
        self.readers.read(move |db| list::status(db, id)).await
    }

    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error> {
        self.readers.read(move |db| list::statuses(db, &filter, page)).await
    }
}

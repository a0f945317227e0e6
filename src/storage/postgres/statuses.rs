//! Statuses, and the slots that show them.

pub(super) mod list;
pub(super) mod slots;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;

use super::Postgres;
use crate::domain::id::StatusId;
use crate::domain::slot::Request;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::storage::{
    Claim, Commit, Error, LeasedSlot, Page, Paged, PostingCommit, StatusFilter, StatusRow, Statuses,
};
use slots::NewStatus;

#[async_trait]
impl Statuses for Postgres {
    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error> {
        let request = Request::WithoutRun;
        let new = NewStatus { status: Cow::Owned(status), request, now };
        let queued = self.pool.write([new], |db, new| async move {
            Ok(slots::queue_all(&db, &*new).await?.first().copied().unwrap_or(StatusId(0)))
        });
        queued.await
    }

    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error> {
        let args = (claim, Arc::clone(&self.instance));
        let claimed = self
            .pool
            .write(args, |db, args| async move { slots::claim(&db, args.0, &args.1).await });
        claimed.await
    }

    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error> {
        self.pool.write(commit, |db, commit| async move { slots::commit(&db, &commit).await }).await
    }

    async fn make_slots_due(&self, organization: &str, now: Timestamp) -> Result<usize, Error> {
        let due = self.pool.write((organization.to_owned(), now), |db, args| async move {
            slots::make_due(&db, &args.0, args.1).await
        });
        due.await
    }

    async fn statuses_of_target(&self, status: &Status) -> Result<Vec<Status>, Error> {
        let slots = status.slots();
        self.pool.read(slots, |db, slots| async move { slots::of_target(&db, &slots).await }).await
    }

    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error> {
        self.pool.read(id, |db, id| async move { list::status(&db, *id).await }).await
    }

    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error> {
        let found = self.pool.read_snapshot((filter, page), |db, args| async move {
            list::statuses(&db, &args.0, args.1).await
        });
        found.await
    }
}

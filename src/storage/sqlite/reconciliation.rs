//! What reconcilers remember between two passes, and which replica runs each.

pub(super) mod hooks;
mod passes;
mod policies;
mod repositories;
mod subscriptions;

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use super::Sqlite;
use super::deliveries::inbox::NewRow;
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::reconciler::{Asked, LastPass, PassClaim, Release};
use crate::domain::subscription::HookScope;
use crate::domain::time::Timestamp;
use crate::storage::{
    CatchUpDelivery, Commit, Error, HookState, KnownRepository, Page, Paged, PolicyRow, Reconciler,
    Reconciliation, SubscriptionFilter, SubscriptionRow, WatchRow, Watermark,
};

/// The memory that a short row takes, roughly.
const ROW_BYTES: usize = 256;

#[async_trait]
impl Reconciliation for Sqlite {
    async fn claim_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        instance: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<PassClaim, Error> {
        let (organization, instance) = (organization.to_owned(), instance.to_owned());
        let claim = move |db: &Connection| {
            let mut state = passes::load(db, &organization, reconciler)?;
            let claim = state.claim(&instance, now, lease);
            if matches!(claim, PassClaim::Claimed(_)) {
                passes::save(db, &organization, reconciler, &state)?;
            }
            Ok(claim)
        };
        self.writer.write_without_sync(ROW_BYTES, claim).await
    }

    async fn renew_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Commit, Error> {
        let organization = organization.to_owned();
        let renew = move |db: &Connection| {
            let mut state = passes::load(db, &organization, reconciler)?;
            if !state.renew(number, now, lease) {
                return Ok(Commit::LeaseLost);
            }
            passes::save(db, &organization, reconciler, &state)?;
            Ok(Commit::Committed)
        };
        self.writer.write_without_sync(ROW_BYTES, renew).await
    }

    async fn release_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        release: Release,
    ) -> Result<Commit, Error> {
        let organization = organization.to_owned();
        let release = move |db: &Connection| {
            let mut state = passes::load(db, &organization, reconciler)?;
            // The work may be repeated, so the release is not moved out of it.
            if !state.release(number, release.clone()) {
                return Ok(Commit::LeaseLost);
            }
            passes::save(db, &organization, reconciler, &state)?;
            Ok(Commit::Committed)
        };
        self.writer.write(ROW_BYTES, release).await
    }

    async fn ask_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        asked: Asked,
    ) -> Result<(), Error> {
        let organization = organization.to_owned();
        let ask = move |db: &Connection| {
            let mut state = passes::load(db, &organization, reconciler)?;
            state.ask(asked);
            passes::save(db, &organization, reconciler, &state)
        };
        self.writer.write(ROW_BYTES, ask).await
    }

    async fn last_pass(
        &self,
        organization: &str,
        reconciler: Reconciler,
    ) -> Result<Option<LastPass>, Error> {
        let organization = organization.to_owned();
        let last = move |db: &Connection| passes::load(db, &organization, reconciler);
        Ok(self.readers.read(last).await?.last)
    }

    async fn hooks(&self, organization: &str) -> Result<HookState, Error> {
        self.intake.wait_until_moved().await;
        let organization = organization.to_owned();
        self.readers.read(move |db| hooks::hook_state(db, &organization)).await
    }

    async fn renew_hooks(
        &self,
        organization: &str,
        hook_scopes: Vec<HookScope>,
        heals: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (organization, bytes) = (organization.to_owned(), hook_scopes.len() * ROW_BYTES);
        let renew =
            move |db: &Connection| hooks::renew(db, &organization, &hook_scopes, heals, now);
        self.writer.write(bytes, renew).await
    }

    async fn older_hook_seen(
        &self,
        organization: &str,
        hook_scope: HookScope,
        at: Timestamp,
    ) -> Result<(), Error> {
        let organization = organization.to_owned();
        let seen = move |db: &Connection| hooks::older_seen(db, &organization, &hook_scope, at);
        self.writer.write(ROW_BYTES, seen).await
    }

    async fn retire_hooks(
        &self,
        organization: &str,
        hook_scope: HookScope,
        live_from: u32,
    ) -> Result<(), Error> {
        let organization = organization.to_owned();
        let retire =
            move |db: &Connection| hooks::retire(db, &organization, &hook_scope, live_from);
        self.writer.write(ROW_BYTES, retire).await
    }

    async fn hold_hooks(
        &self,
        organization: &str,
        is_held: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let organization = organization.to_owned();
        let hold = move |db: &Connection| hooks::hold(db, &organization, is_held, now);
        self.writer.write(ROW_BYTES, hold).await
    }

    async fn replace_subscriptions(
        &self,
        organization: &str,
        seen: Vec<SubscriptionRow>,
    ) -> Result<(), Error> {
        let (organization, bytes) = (organization.to_owned(), subscriptions::bytes_of(&seen));
        self.writer.write(bytes, move |db| subscriptions::replace(db, &organization, &seen)).await
    }

    async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        page: Page,
    ) -> Result<Paged<SubscriptionRow>, Error> {
        self.readers.read(move |db| subscriptions::list(db, &filter, page)).await
    }

    async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>, Error> {
        let id = id.to_owned();
        self.readers.read(move |db| subscriptions::find(db, &id)).await
    }

    async fn watch(
        &self,
        organization: &str,
        repositories: Vec<Repository>,
        now: Timestamp,
    ) -> Result<Vec<WatchRow>, Error> {
        let (organization, bytes) = (organization.to_owned(), repositories.len() * ROW_BYTES);
        let watch =
            move |db: &Connection| repositories::watch(db, &organization, &repositories, now);
        self.writer.write(bytes, watch).await
    }

    async fn known_repository(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<KnownRepository, Error> {
        let (organization, repository) = (organization.to_owned(), repository.to_owned());
        self.readers.read(move |db| repositories::known(db, &organization, &repository)).await
    }

    async fn commit_catch_up(
        &self,
        found: Vec<CatchUpDelivery>,
        watermarks: Vec<Watermark>,
    ) -> Result<Vec<DeliveryId>, Error> {
        let found: Vec<NewRow> = found.into_iter().map(NewRow::of_catch_up).collect();
        let bytes = found.iter().map(NewRow::bytes).sum::<usize>() + watermarks.len() * ROW_BYTES;
        let commit = move |db: &Connection| repositories::commit(db, &found, &watermarks);
        self.writer.write(bytes, commit).await
    }

    async fn policies(&self, organization: &str) -> Result<Vec<PolicyRow>, Error> {
        let organization = organization.to_owned();
        self.readers.read(move |db| policies::all(db, &organization)).await
    }

    async fn record_policy(
        &self,
        organization: &str,
        policy: PolicyRow,
        is_ours: bool,
    ) -> Result<(), Error> {
        let organization = organization.to_owned();
        let record = move |db: &Connection| policies::record(db, &organization, &policy, is_ours);
        self.writer.write(ROW_BYTES, record).await
    }
}

//! What reconcilers remember between two passes, and which replica runs each.

mod hooks;
mod passes;
mod policies;
mod repositories;
mod subscriptions;

use std::time::Duration;

use async_trait::async_trait;

use super::Postgres;
use super::deliveries::accept::WAITING_BYTES_MAX;
use crate::domain::event::Repository;
use crate::domain::id::DeliveryId;
use crate::domain::reconciler::{Asked, LastPass, PassClaim, Release};
use crate::domain::subscription::HookScope;
use crate::domain::time::Timestamp;
use crate::storage::{
    CatchUpDelivery, Commit, Error, HookState, KnownRepository, Page, Paged, PolicyRow, Reconciler,
    Reconciliation, SubscriptionFilter, SubscriptionRow, WatchRow, Watermark,
};

/// A claim of a pass, or its renewal.
struct Claim {
    organization: String,
    reconciler: Reconciler,
    instance: String,
    now: Timestamp,
    lease: Duration,
}

#[async_trait]
impl Reconciliation for Postgres {
    async fn claim_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        instance: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<PassClaim, Error> {
        let (organization, instance) = (organization.to_owned(), instance.to_owned());
        // Every replica asks often, and mostly the answer is no: that costs one read.
        let of = (organization.clone(), reconciler);
        let looked = self.pool.read(of, |db, of| async move {
            let (organization, reconciler) = &*of;
            passes::load(&db, organization, *reconciler).await
        });
        let looked = looked.await?.claim(&instance, now, lease);
        if !matches!(looked, PassClaim::Claimed(_)) {
            return Ok(looked);
        }
        let claim = Claim { organization, reconciler, instance, now, lease };
        let claimed = self.pool.write(claim, |db, claim| async move {
            let Claim { organization, reconciler, instance, now, lease } = &*claim;
            let mut state = passes::lock(&db, organization, *reconciler).await?;
            let claim = state.claim(instance, *now, *lease);
            if matches!(claim, PassClaim::Claimed(_)) {
                passes::save(&db, organization, *reconciler, &state).await?;
            }
            Ok(claim)
        });
        claimed.await
    }

    async fn renew_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Commit, Error> {
        let (organization, instance) = (organization.to_owned(), String::new());
        let claim = (Claim { organization, reconciler, instance, now, lease }, number);
        let renewed = self.pool.write(claim, |db, claim| async move {
            let (Claim { organization, reconciler, now, lease, .. }, number) = &*claim;
            let mut state = passes::lock(&db, organization, *reconciler).await?;
            if !state.renew(*number, *now, *lease) {
                return Ok(Commit::LeaseLost);
            }
            passes::save(&db, organization, *reconciler, &state).await?;
            Ok(Commit::Committed)
        });
        renewed.await
    }

    async fn release_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        release: Release,
    ) -> Result<Commit, Error> {
        let of = (organization.to_owned(), reconciler, number, release);
        let released = self.pool.write(of, |db, of| async move {
            let (organization, reconciler, number, release) = &*of;
            let mut state = passes::lock(&db, organization, *reconciler).await?;
            // The work may be repeated, so the release is not moved out of it.
            if !state.release(*number, release.clone()) {
                return Ok(Commit::LeaseLost);
            }
            passes::save(&db, organization, *reconciler, &state).await?;
            Ok(Commit::Committed)
        });
        released.await
    }

    async fn ask_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        asked: Asked,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), reconciler, asked);
        let asked = self.pool.write(of, |db, of| async move {
            let (organization, reconciler, asked) = &*of;
            let mut state = passes::lock(&db, organization, *reconciler).await?;
            state.ask(*asked);
            passes::save(&db, organization, *reconciler, &state).await
        });
        asked.await
    }

    async fn last_pass(
        &self,
        organization: &str,
        reconciler: Reconciler,
    ) -> Result<Option<LastPass>, Error> {
        let of = (organization.to_owned(), reconciler);
        let state = self.pool.read(of, |db, of| async move {
            let (organization, reconciler) = &*of;
            passes::load(&db, organization, *reconciler).await
        });
        Ok(state.await?.last)
    }

    async fn hooks(&self, organization: &str) -> Result<HookState, Error> {
        self.activity.flush().await?;
        let read =
            self.pool.read_snapshot(organization.to_owned(), |db, organization| async move {
                hooks::hook_state(&db, &organization).await
            });
        read.await
    }

    async fn renew_hooks(
        &self,
        organization: &str,
        hook_scopes: Vec<HookScope>,
        heals: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), hook_scopes, heals, now);
        let renewed = self.pool.write(of, |db, of| async move {
            let (organization, hook_scopes, heals, now) = &*of;
            hooks::renew(&db, organization, hook_scopes, *heals, *now).await
        });
        renewed.await
    }

    async fn older_hook_seen(
        &self,
        organization: &str,
        hook_scope: HookScope,
        at: Timestamp,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), hook_scope, at);
        let seen = self.pool.write(of, |db, of| async move {
            let (organization, hook_scope, at) = &*of;
            hooks::change(&db, organization, hook_scope, |known| known.older_seen(*at)).await
        });
        seen.await
    }

    async fn retire_hooks(
        &self,
        organization: &str,
        hook_scope: HookScope,
        live_from: u32,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), hook_scope, live_from);
        let retired = self.pool.write(of, |db, of| async move {
            let (organization, hook_scope, live_from) = &*of;
            hooks::change(&db, organization, hook_scope, |known| known.retired(*live_from)).await
        });
        retired.await
    }

    async fn hold_hooks(
        &self,
        organization: &str,
        is_held: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), is_held, now);
        let held = self.pool.write(of, |db, of| async move {
            let (organization, is_held, now) = &*of;
            hooks::hold(&db, organization, *is_held, *now).await
        });
        held.await
    }

    async fn replace_subscriptions(
        &self,
        organization: &str,
        seen: Vec<SubscriptionRow>,
    ) -> Result<(), Error> {
        let replaced = self.pool.write((organization.to_owned(), seen), |db, of| async move {
            let (organization, seen) = &*of;
            subscriptions::replace(&db, organization, seen).await
        });
        replaced.await
    }

    async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        page: Page,
    ) -> Result<Paged<SubscriptionRow>, Error> {
        let listed = self.pool.read_snapshot((filter, page), |db, of| async move {
            let (filter, page) = &*of;
            subscriptions::list(&db, filter, *page).await
        });
        listed.await
    }

    async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>, Error> {
        let found = self
            .pool
            .read(id.to_owned(), |db, id| async move { subscriptions::find(&db, &id).await });
        found.await
    }

    async fn watch(
        &self,
        organization: &str,
        repositories: Vec<Repository>,
        now: Timestamp,
    ) -> Result<Vec<WatchRow>, Error> {
        let of = (organization.to_owned(), repositories, now);
        let watched = self.pool.write(of, |db, of| async move {
            let (organization, repositories, now) = &*of;
            repositories::watch(&db, organization, repositories, *now).await
        });
        watched.await
    }

    async fn known_repository(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<KnownRepository, Error> {
        let of = (organization.to_owned(), repository.to_owned());
        let known = self.pool.read_snapshot(of, |db, of| async move {
            let (organization, repository) = &*of;
            repositories::known(&db, organization, repository).await
        });
        known.await
    }

    async fn commit_catch_up(
        &self,
        found: Vec<CatchUpDelivery>,
        watermarks: Vec<Watermark>,
    ) -> Result<Vec<DeliveryId>, Error> {
        if found.iter().map(|one| one.body.len()).sum::<usize>() > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting: found.len() });
        }
        let committed = self.pool.write((found, watermarks), |db, of| async move {
            let (found, watermarks) = &*of;
            repositories::commit(&db, found, watermarks).await
        });
        committed.await
    }

    async fn policies(&self, organization: &str) -> Result<Vec<PolicyRow>, Error> {
        let found = self.pool.read(organization.to_owned(), |db, organization| async move {
            policies::all(&db, &organization).await
        });
        found.await
    }

    async fn record_policy(
        &self,
        organization: &str,
        policy: PolicyRow,
        is_ours: bool,
    ) -> Result<(), Error> {
        let of = (organization.to_owned(), policy, is_ours);
        let recorded = self.pool.write(of, |db, of| async move {
            let (organization, policy, is_ours) = &*of;
            policies::record(&db, organization, policy, *is_ours).await
        });
        recorded.await
    }
}

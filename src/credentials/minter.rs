//! Mints personal access tokens, holds them for one call, and makes them worthless afterwards.
//!
//! What goes out of scope comes back here to be revoked, spent or not: there is no way to forget a
//! token but to die, and for that there is the sweep. It must never lend one itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use super::minted::{Pat, Spent};
use super::session::{Access, Session};
use super::sweep::Watch;
use super::{AuditLog, Error, Purpose};
use crate::ado::{
    self, Client, Credential, Lane, MintedPat, PatRemedy, Receipt, Scope, Throttle, Usage,
    WantedPat,
};
use crate::deps::Instance;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::pat::Name;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};

/// Tries at one token before the caller is told why there is none.
const TRIES_MAX: u32 = 3;
const TRY_AGAIN: Duration = Duration::from_millis(150);
/// Tokens that live or wait to be revoked; beyond, none is minted.
const HELD_MAX: usize = 2_000;
const REVOKING_MAX: usize = 16;
const PAUSED: &str = "the service user is being changed, or the gateway stops";
/// When what will pass by itself is tried again.
const PASSES_SOON: Duration = Duration::from_secs(2);
/// Where fresh tokens are refused one after the other (docs/azure-devops.md §4.1).
pub(super) const REFUSED: &str = "Several fresh tokens were refused, so it is the account: sign \
    in to Azure DevOps through a browser as the service user, since tokens die when nobody has \
    for 30 days; and check that conditional access lets this address in.";
/// How often it is looked whether all are revoked.
const PACE: Duration = Duration::from_millis(10);
const REVOKE_AGAIN: Duration = Duration::from_millis(250);
const REVOKE_AGAIN_MAX: Duration = Duration::from_secs(10);
/// How far Azure DevOps may round the end of a life.
const ROUNDED: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Minter {
    pub(super) client: Client,
    pub(super) session: Arc<Session>,
    pub(super) audit_log: AuditLog,
    pub(super) instance: Instance,
    pub(super) watch: Watch,
    pub(super) lifetime: Duration,
    throttle: Arc<Throttle>,
    health: Arc<Health>,
    /// Serials of tokens that somebody here will revoke.
    held: DashMap<u64, ()>,
    serial: AtomicU64,
    /// Left over, and being revoked.
    sweeping: DashMap<String, ()>,
    /// Nothing is minted: the service user changes, or the gateway stops.
    is_paused: AtomicBool,
    revoking: Semaphore,
    /// Revocations that wait for another try make it now.
    hurry: Notify,
    runtime: Handle,
}

impl Minter {
    /// Mints for the organization of `session` with tokens of this lifetime.
    ///
    /// # Panics
    /// Outside of a runtime: revoking goes on in the background.
    pub(super) fn new(
        client: Client,
        session: Arc<Session>,
        throttle: Arc<Throttle>,
        instance: Instance,
    ) -> Self {
        let (audit_log, health) = (session.audit_log.clone(), Arc::clone(&session.health));
        Self {
            client,
            lifetime: session.user.pat_lifetime,
            watch: Watch::new(audit_log.clock.now()),
            session,
            audit_log,
            instance,
            throttle,
            health,
            held: DashMap::new(),
            serial: AtomicU64::new(1),
            sweeping: DashMap::new(),
            is_paused: AtomicBool::new(false),
            revoking: Semaphore::new(REVOKING_MAX),
            hurry: Notify::new(),
            runtime: Handle::current(),
        }
    }

    /// Mints a token for one call.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    pub(super) async fn mint(
        self: &Arc<Self>,
        scope: Scope,
        purpose: Purpose,
    ) -> Result<Pat, Error> {
        let (organization, now) = (self.session.organization(), self.audit_log.clock.now());
        if self.is_paused.load(Ordering::SeqCst) {
            return Err(Error::until(PAUSED, now.plus(PASSES_SOON)));
        }
        if self.held.len() >= HELD_MAX {
            let reason = format!("{HELD_MAX} tokens wait to be revoked");
            return Err(Error::until(reason, now.plus(PASSES_SOON)));
        }
        if let Some(pause) = self.throttle.pause(organization, Lane::Statuses, now) {
            let (until, reason) = (pause.until, pause.reason);
            let reason = format!("{organization} is left in peace until {until}: {reason}");
            return Err(Error::until(reason, until));
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let access = self.session.access().await?;
            // By itself: whoever waits for it may give up, and the token must still be taken in.
            let (minter, lent) = (Arc::clone(self), access.clone());
            let minting = async move { minter.mint_once(&lent, scope, purpose).await };
            let minted = self.runtime.spawn(minting).await;
            let error = match minted.map_err(|error| Error::new(error.to_string()))? {
                Ok(pat) => {
                    self.health.clear(organization, ProblemKind::Mint);
                    self.session.accepted(&access);
                    tokio::time::sleep(purpose.settle).await;
                    return Ok(pat);
                }
                Err(error) => error,
            };
            if matches!(error, ado::Error::Unauthorized { .. }) {
                self.session.refused(&access).await;
            }
            if self.is_paused.load(Ordering::SeqCst) {
                return Err(Error::until(PAUSED, now.plus(PASSES_SOON)));
            }
            if tries == TRIES_MAX || !may_pass(&error) {
                return Err(self.refused(&error));
            }
            tokio::time::sleep(TRY_AGAIN * tries).await;
        }
    }

    async fn mint_once(
        self: &Arc<Self>,
        access: &Access,
        scope: Scope,
        purpose: Purpose,
    ) -> Result<Pat, ado::Error> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        // Before it is asked for: the sweep must not take it for one whose answer was lost.
        self.held.insert(serial, ());
        if self.is_paused.load(Ordering::SeqCst) {
            self.held.remove(&serial);
            return Err(ado::Error::Rejected { status: 0, reason: PAUSED.to_owned() });
        }
        let Instance { gateway, process } = self.instance.clone();
        let what = purpose.what.to_owned();
        let name = Name { gateway, process, serial, what, run: purpose.run }.display();
        let minted_at = self.audit_log.clock.now();
        let valid_to = minted_at.plus(self.lifetime);
        let wanted = WantedPat { display_name: &name, scope: scope.as_str(), valid_to };
        let told = Told::default();
        let credential = Credential::from_bearer(&access.token).with_receipt(told.receipt());
        let minted = self.client.mint_pat(credential, &wanted).await;
        let entry = Entry {
            identity: Some(access.identity.clone()),
            run: purpose.run,
            scope: Some(scope.as_str().to_owned()),
            lifetime_s: i64::try_from(self.lifetime.as_secs()).ok(),
            activity_id: told.activity_id(),
            detail: name.clone(),
            ..self.audit_log.entry(Action::Mint, Outcome::Done)
        };
        match minted {
            Ok(minted) => self.take_in(minted, serial, scope, valid_to, entry).await,
            Err(error) => {
                self.held.remove(&serial);
                if matches!(error, ado::Error::Unavailable { doubtful: true, .. }) {
                    self.watch.suspect(minted_at);
                }
                let outcome = match error {
                    ado::Error::Unavailable { .. } => Outcome::Failed,
                    _ => Outcome::Refused,
                };
                let detail = format!("{}: {error}", entry.detail);
                self.audit_log.record(vec![Entry { outcome, detail, ..entry }]).await;
                Err(error)
            }
        }
    }

    /// From here on the token is held, whatever happens.
    async fn take_in(
        self: &Arc<Self>,
        minted: MintedPat,
        serial: u64,
        scope: Scope,
        wanted: Timestamp,
        entry: Entry,
    ) -> Result<Pat, ado::Error> {
        let entry = Entry { pat: Some(minted.authorization_id.clone()), ..entry };
        let spent = Spent {
            authorization_id: minted.authorization_id,
            serial: Some(serial),
            valid_to: minted.valid_to,
            entry: Entry { lifetime_s: None, activity_id: None, ..entry.clone() },
            used: None,
        };
        let pat = Pat {
            minted_at: entry.at,
            valid_to: minted.valid_to,
            token: minted.token,
            scope,
            minter: Arc::clone(self),
            spent: Some(spent),
        };
        // The audit log knows a token before anybody uses it.
        self.audit_log.record(vec![entry]).await;
        if minted.valid_to > wanted.plus(ROUNDED) {
            let reason = format!("it would live until {}, longer than asked", minted.valid_to);
            return Err(ado::Error::Rejected { status: 200, reason });
        }
        Ok(pat)
    }

    fn refused(&self, error: &ado::Error) -> Error {
        let organization = self.session.organization();
        let reason = match error {
            ado::Error::NoPat(error) => error.to_string(),
            ado::Error::Unauthorized { reason } => format!(
                "Azure DevOps does not let the linked user mint tokens ({reason}): link it again, \
                 and check that the app has the permissions vso.pats and vso.pats_manage"
            ),
            ado::Error::Forbidden { reason } => format!(
                "Azure DevOps does not let the linked user in ({reason}): add it to the \
                 organization {organization} with a Basic licence"
            ),
            other => format!("no token is minted: {other}"),
        };
        if self.health.raise(organization, ProblemKind::Mint, &reason) {
            tracing::error!(organization, "{reason}; statuses wait until then");
        }
        // What has passed by then, has; everything else waits for somebody.
        let wait = match error {
            ado::Error::RateLimited { retry_after, .. } => *retry_after,
            ado::Error::Unavailable { retry_after, .. } => {
                Some(retry_after.unwrap_or_default().max(PASSES_SOON))
            }
            ado::Error::NoPat(error) if error.remedy == PatRemedy::Wait => Some(PASSES_SOON),
            _ => None,
        };
        Error { reason, until: wait.map(|wait| self.audit_log.clock.now().plus(wait)) }
    }

    /// What is held now, and the serial from which on it is not known.
    pub(super) fn held(&self) -> (HashSet<u64>, u64) {
        let next = self.serial.load(Ordering::SeqCst);
        (self.held.iter().map(|entry| *entry.key()).collect(), next)
    }

    /// Revokes what was left over, unless that is under way.
    pub(super) fn revoke_left_over(self: &Arc<Self>, spent: Spent) {
        if self.sweeping.insert(spent.authorization_id.clone(), ()).is_none() {
            tracing::warn!("revoking a token: {}", spent.entry.detail);
            metrics::counter!("azdo_gateway_pats_left_over_total").increment(1);
            self.revoke_later(spent);
        }
    }

    /// Revokes in the background.
    pub(super) fn revoke_later(self: &Arc<Self>, spent: Spent) {
        let minter = Arc::clone(self);
        drop(self.runtime.spawn(async move { minter.revoke(spent).await }));
    }

    /// Revokes, until it worked or the token has ended by itself.
    async fn revoke(&self, mut spent: Spent) {
        // The semaphore is never closed.
        let _permit = self.revoking.acquire().await;
        let mut entries: Vec<Entry> = spent.used.take().into_iter().collect();
        let mut wait = REVOKE_AGAIN;
        loop {
            let error = self.revoke_once(&spent).await.err();
            let now = self.audit_log.clock.now();
            let is_over = now >= spent.valid_to;
            let (outcome, detail) = match &error {
                None => (Outcome::Done, spent.entry.detail.clone()),
                Some(_) if is_over => (Outcome::Failed, "it has ended by itself".to_owned()),
                Some(error) => (Outcome::Failed, format!("tried again: {error}")),
            };
            // The use is told at once, failed tries at revoking once.
            if error.is_none() || is_over || wait == REVOKE_AGAIN {
                let action = Action::Revoke;
                entries.push(Entry { at: now, action, outcome, detail, ..spent.entry.clone() });
                self.audit_log.record(std::mem::take(&mut entries)).await;
            }
            if error.is_none() || is_over {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(REVOKE_AGAIN_MAX),
                () = self.hurry.notified() => wait = REVOKE_AGAIN,
            }
        }
        self.sweeping.remove(&spent.authorization_id);
        if let Some(serial) = spent.serial {
            self.held.remove(&serial);
        }
    }

    async fn revoke_once(&self, spent: &Spent) -> Result<(), String> {
        let organization = self.session.organization();
        let pause = self.throttle.pause(organization, Lane::Statuses, self.audit_log.clock.now());
        if let Some(pause) = pause.filter(|pause| pause.is_limit) {
            return Err(pause.reason);
        }
        let access = self.session.access().await.map_err(|error| error.reason)?;
        // To anybody else Azure DevOps says that there is no such token.
        if spent.entry.identity.as_ref().is_some_and(|owner| *owner != access.identity) {
            return Err(format!("{} is linked now", access.identity));
        }
        let credential = Credential::from_bearer(&access.token);
        let revoked = self.client.revoke_pat(credential, &spent.authorization_id).await;
        match &revoked {
            Err(ado::Error::Unauthorized { .. }) => self.session.refused(&access).await,
            Err(_) => {}
            Ok(()) => self.session.accepted(&access),
        }
        revoked.map_err(|error| error.to_string())
    }

    /// Mints nothing more, and waits until whatever was minted is revoked.
    pub(super) async fn pause(&self) {
        // Whoever mints puts itself among the held before it looks at this, so none slips through.
        self.is_paused.store(true, Ordering::SeqCst);
        self.hurry.notify_waiters();
        let mut pace = tokio::time::interval(PACE);
        while !self.held.is_empty() {
            pace.tick().await;
        }
    }

    /// Goes on.
    pub(super) fn resume(&self) {
        self.is_paused.store(false, Ordering::SeqCst);
    }
}

/// Whether trying again at once makes sense.
fn may_pass(error: &ado::Error) -> bool {
    match error {
        ado::Error::NoPat(error) => error.remedy == PatRemedy::Wait,
        ado::Error::Unauthorized { .. } | ado::Error::Unavailable { .. } => true,
        _ => false,
    }
}

/// Keeps the id that Azure DevOps gave to a request of our own.
#[derive(Clone, Default)]
struct Told(Arc<std::sync::Mutex<Option<String>>>);

impl Told {
    fn receipt(&self) -> Box<dyn Receipt> {
        Box::new(self.clone())
    }

    fn activity_id(&self) -> Option<String> {
        self.0.lock().ok().and_then(|mut id| id.take())
    }
}

impl Receipt for Told {
    fn used(self: Box<Self>, usage: Usage) {
        if let Ok(mut id) = self.0.lock() {
            *id = usage.activity_id;
        }
    }
}

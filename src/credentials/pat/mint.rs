//! Mints PATs for the linked service user, with the scope of one call and a short life.
//!
//! Dropping a [`Pat`] revokes it; the sweep finds what a crash or a lost answer left over.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::revoke::{Revocation, Revoker};
use super::serials::{Serial, Serials};
use super::sweep::Sweeper;
use super::token::Pat;
use crate::ado::{
    self, Client, Credential, Lane, MintedPat, PatRemedy, Receipt, Scope, Throttle, Usage,
    WantedPat,
};
use crate::clock::Clock;
use crate::credentials::audit_log::AuditLog;
use crate::credentials::error::Error;
use crate::credentials::service_user::{AccessToken, Session};
use crate::credentials::source::Purpose;
use crate::deps::{Deps, Instance};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::pat::Name;
use crate::health::{Health, ProblemKind};

/// Requests for one PAT before minting fails.
const TRIES_MAX: u32 = 3;
/// The wait before the second request; the third waits twice as long.
const RETRY_WAIT: Duration = Duration::from_millis(150);
/// PATs that are in use or wait for their revocation; with more, none is minted.
const LIVE_MAX: usize = 2_000;
/// Retry delay after a transient error.
const TRANSIENT_WAIT: Duration = Duration::from_secs(2);
/// How far Azure DevOps may round the end of validity up.
const ROUNDING_MAX: Duration = Duration::from_secs(1);

/// What an operator can do when PATs are refused one after the other (docs/azure-devops.md §4.1).
pub(super) const REFUSAL_ADVICE: &str = "Several fresh tokens were refused, so it is the account: \
    sign in to Azure DevOps through a browser as the service user, since Azure DevOps refuses the \
    tokens of an account that nobody has signed in to for 30 days; and check that conditional \
    access lets this address in.";

/// See the module.
#[derive(Debug)]
pub(in crate::credentials) struct Minter {
    client: Client,
    pub(super) session: Arc<Session>,
    pub(super) audit_log: AuditLog,
    pub(super) clock: Clock,
    /// The life of each PAT.
    pub(super) lifetime: Duration,
    pub(super) sweeper: Sweeper,
    instance: Instance,
    throttle: Arc<Throttle>,
    health: Arc<Health>,
    serials: Arc<Serials>,
    revoker: Arc<Revoker>,
    /// The access token at the beginning of the last pause.
    before_pause: Mutex<Option<AccessToken>>,
}

impl Minter {
    /// Mints for the service user of `session`.
    ///
    /// # Panics
    /// Outside of a tokio runtime: revocations run in the background.
    pub(in crate::credentials) fn new(client: Client, session: Arc<Session>, deps: &Deps) -> Self {
        let (throttle, instance) = (Arc::clone(&deps.throttle), deps.instance.clone());
        let serials = Arc::<Serials>::default();
        let revoker = Revoker::new(client.clone(), Arc::clone(&session), Arc::clone(&throttle));
        let revoker = Arc::new(revoker);
        let sweeper = Sweeper::new(
            client.clone(),
            Arc::clone(&session),
            deps,
            Arc::clone(&serials),
            Arc::clone(&revoker),
        );
        Self {
            client,
            audit_log: session.audit_log.clone(),
            clock: session.clock.clone(),
            lifetime: session.user.pat_lifetime,
            sweeper,
            instance,
            throttle,
            health: Arc::clone(&deps.health),
            serials,
            revoker,
            session,
            before_pause: Mutex::default(),
        }
    }

    /// Mints a PAT for one call.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    pub(super) async fn mint(
        self: &Arc<Self>,
        scope: Scope,
        purpose: Purpose,
    ) -> Result<Pat, Error> {
        self.check_limits()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let access_token = self.session.access_token().await?;
            let serial = self.serials.register().ok_or_else(|| self.paused())?;
            // In a task of its own: a caller that gives up must not lose a PAT that was minted.
            let (minter, token) = (Arc::clone(self), access_token.clone());
            let request =
                tokio::spawn(async move { minter.request(&token, serial, scope, purpose).await });
            let error = match request.await.map_err(|error| Error::new(error.to_string()))? {
                Ok(pat) => {
                    self.health.clear(self.session.organization(), ProblemKind::Mint);
                    self.session.token_accepted(&access_token);
                    tokio::time::sleep(purpose.min_age).await;
                    return Ok(pat);
                }
                Err(error) => error,
            };
            if matches!(error, ado::Error::Unauthorized { .. }) {
                self.session.token_refused(&access_token).await;
            }
            if self.serials.is_paused() {
                return Err(self.paused());
            }
            if tries == TRIES_MAX || !may_pass(&error) {
                return Err(self.report(&error));
            }
            tokio::time::sleep(RETRY_WAIT * tries).await;
        }
    }

    fn check_limits(&self) -> Result<(), Error> {
        if self.serials.is_paused() {
            return Err(self.paused());
        }
        let (organization, now) = (self.session.organization(), self.clock.now());
        if self.serials.count() >= LIVE_MAX {
            let reason = format!("{LIVE_MAX} tokens wait for their revocation");
            return Err(Error::transient(reason, now.plus(TRANSIENT_WAIT)));
        }
        if let Some(pause) = self.throttle.pause(organization, Lane::Statuses, now) {
            let (until, reason) = (pause.until, pause.reason);
            let reason = format!("no calls to {organization} until {until}: {reason}");
            return Err(Error::transient(reason, until));
        }
        Ok(())
    }

    fn paused(&self) -> Error {
        let reason = "no token is minted while the service user is changed or the gateway stops";
        Error::transient(reason, self.clock.now().plus(TRANSIENT_WAIT))
    }

    /// Asks Azure DevOps once.
    async fn request(
        self: &Arc<Self>,
        access_token: &AccessToken,
        serial: Serial,
        scope: Scope,
        purpose: Purpose,
    ) -> Result<Pat, ado::Error> {
        let name = self.name(&serial, purpose);
        let requested_at = self.clock.now();
        let valid_to = requested_at.plus(self.lifetime);
        let wanted = WantedPat { display_name: &name, scope: scope.as_str(), valid_to };
        let activity_id = ActivityId::default();
        let credential = Credential::from_bearer(&access_token.secret)
            .with_receipt(Box::new(activity_id.clone()));
        let minted = self.client.mint_pat(credential, &wanted).await;
        let entry = Entry {
            identity: Some(access_token.user_name.clone()),
            run: purpose.run,
            scope: Some(scope.as_str().to_owned()),
            lifetime_s: i64::try_from(self.lifetime.as_secs()).ok(),
            activity_id: activity_id.take(),
            detail: name,
            ..self.audit_log.entry(Action::Mint, Outcome::Done)
        };
        match minted {
            Ok(minted) => {
                let entry = Entry { pat: Some(minted.authorization_id.clone()), ..entry };
                let pat = self.pat(minted, serial, scope, &entry);
                // Recorded before the PAT can be used.
                self.audit_log.record(vec![entry]).await;
                if pat.valid_to > valid_to.plus(ROUNDING_MAX) {
                    let reason = format!("it is valid until {}, longer than asked", pat.valid_to);
                    return Err(ado::Error::Rejected { status: 200, reason });
                }
                Ok(pat)
            }
            Err(error) => {
                if matches!(error, ado::Error::Unavailable { doubtful: true, .. }) {
                    self.sweeper.answer_lost(requested_at);
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

    fn name(&self, serial: &Serial, purpose: Purpose) -> String {
        let Instance { installation_id, id: instance_id } = self.instance.clone();
        let (what, run) = (purpose.what.to_owned(), purpose.run);
        Name { installation_id, instance_id, serial: serial.number, what, run }.display()
    }

    fn pat(&self, minted: MintedPat, serial: Serial, scope: Scope, entry: &Entry) -> Pat {
        let revocation = Revocation {
            authorization_id: minted.authorization_id,
            valid_to: minted.valid_to,
            entry: Entry { lifetime_s: None, activity_id: None, ..entry.clone() },
            use_entry: None,
            serial: Some(serial),
        };
        Pat::new(minted.token, scope, entry.at, Arc::clone(&self.revoker), revocation)
    }

    /// Raises a problem for a request that failed, and words it for an operator.
    fn report(&self, error: &ado::Error) -> Error {
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
        // Errors without a time last until somebody acts.
        let wait = match error {
            // Without a time, the pause of all calls says when the next one makes sense.
            ado::Error::RateLimited { retry_after, .. } => {
                Some(retry_after.unwrap_or(TRANSIENT_WAIT))
            }
            ado::Error::Unavailable { retry_after, .. } => {
                Some(retry_after.unwrap_or_default().max(TRANSIENT_WAIT))
            }
            ado::Error::NoPat(error) if error.remedy == PatRemedy::Wait => Some(TRANSIENT_WAIT),
            _ => None,
        };
        Error { reason, retry_at: wait.map(|wait| self.clock.now().plus(wait)) }
    }

    /// Mints nothing more until [`Minter::resume`]. What was minted is revoked as soon as its owner
    /// drops it.
    pub(super) async fn pause(&self) {
        *self.before_pause.lock() = self.session.access_token().await.ok();
        self.serials.pause();
        self.revoker.retry_now();
    }

    /// Revokes in the background what other replicas have minted for the user who was linked before
    /// the pause.
    pub(super) fn revoke_of_former_user(self: &Arc<Self>) {
        let Some(access_token) = self.before_pause.lock().take() else { return };
        let minter = Arc::clone(self);
        tokio::spawn(async move { minter.sweeper.revoke_of_former_user(&access_token).await });
    }

    /// Returns when every minted PAT is revoked or has expired.
    pub(super) async fn wait_until_revoked(&self) {
        self.serials.wait_until_released().await;
    }

    pub(super) fn resume(&self) {
        self.serials.resume();
    }
}

/// Whether another request may succeed at once.
fn may_pass(error: &ado::Error) -> bool {
    match error {
        ado::Error::NoPat(error) => error.remedy == PatRemedy::Wait,
        ado::Error::Unauthorized { .. } | ado::Error::Unavailable { .. } => true,
        _ => false,
    }
}

/// Keeps the id that Azure DevOps gave to the mint request, for the audit log.
#[derive(Clone, Default)]
struct ActivityId(Arc<Mutex<Option<String>>>);

impl ActivityId {
    fn take(&self) -> Option<String> {
        self.0.lock().take()
    }
}

impl Receipt for ActivityId {
    fn used(self: Box<Self>, usage: Usage) {
        *self.0.lock() = usage.activity_id;
    }
}

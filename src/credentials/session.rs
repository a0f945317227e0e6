//! The access token of a linked service user: kept alive, renewed once however many ask for it.
//!
//! In one process a mutex lets one caller renew while the others wait for what it brings; between
//! processes a lease in the store does. Tokens rest sealed. It must never know what the access is
//! used for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::audit_log::count;
use super::entra::{self, Entra};
use super::{AuditLog, Error, ServiceUser};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::backoff::Backoff;
use crate::domain::ending;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::secret::{Keyring, Sealed, Secret, Unreadable};
use crate::storage::{Link, Refresh, RefreshCommit, Refreshed};

/// How long a renewal may take before another process tries.
const LEASE: Duration = Duration::from_secs(20);
/// How often we look whether another process is done, and how many times.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 100;
/// How long a refused token is not renewed before its time after the one before it was.
const REFUSED_WAIT: Duration = Duration::from_secs(1);
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a cached token is used before the store is asked whether it is still linked.
const TRUSTED: Duration = Duration::from_secs(1);
const BACKOFF: Backoff =
    Backoff { base_ms: 2_000, cap_ms: 15 * 60_000, retry_after_ms_max: 60 * 60_000 };

/// See the module.
#[derive(Debug)]
pub struct Session {
    pub(super) user: ServiceUser,
    pub(super) entra: Entra,
    pub(super) keys: Keyring,
    pub(super) audit_log: AuditLog,
    pub(super) health: Arc<Health>,
    pub(super) cache: Mutex<Cache>,
}

/// What this process knows of the token.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: Option<Known>,
    refused: Option<Refused>,
}

/// A token that Azure DevOps refused although its time was not over.
#[derive(Clone, Copy, Debug)]
struct Refused {
    made_at: Timestamp,
    /// When the next one that is refused will be renewed before its time.
    again_at: Timestamp,
    wait: Duration,
}

#[derive(Debug)]
struct Known {
    access: Access,
    usable_until: Timestamp,
    looked_at: Timestamp,
}

/// The right to ask for tokens.
#[derive(Clone, Debug)]
pub struct Access {
    pub(super) token: Secret,
    /// Whose it is.
    pub(super) identity: String,
    made_at: Timestamp,
}

impl Session {
    /// The session of one organization.
    pub fn new(
        user: ServiceUser,
        entra: Entra,
        keys: Keyring,
        audit_log: AuditLog,
        health: Arc<Health>,
    ) -> Self {
        Self { user, entra, keys, audit_log, health, cache: Mutex::default() }
    }

    pub(super) fn organization(&self) -> &str {
        &self.audit_log.organization
    }

    /// An access token that works, renewed if need be.
    ///
    /// # Errors
    /// Nobody is linked, or the link does not work, and what to do about it.
    pub async fn access(self: &Arc<Self>) -> Result<Access, Error> {
        let mut cache = self.cache.lock().await;
        let now = self.audit_log.clock.now();
        if let Some(known) = &cache.known
            && known.usable_until > now
            && now.since(known.looked_at) < TRUSTED
        {
            return Ok(known.access.clone());
        }
        cache.known = None;
        let loaded = self.load(cache.refused.map(|one| one.made_at), usable_until).await;
        self.tell(loaded.as_ref().err());
        let (access, usable_until) = loaded?;
        let known = Known { access: access.clone(), usable_until, looked_at: now };
        cache.known = Some(known);
        Ok(access)
    }

    /// Azure DevOps refuses this token although its time is not over: the next one is renewed.
    pub(super) async fn refused(&self, access: &Access) {
        let (mut cache, now) = (self.cache.lock().await, self.audit_log.clock.now());
        let before = cache.refused.take();
        let is_known = |before: &Refused| before.made_at == access.made_at;
        // A token that is refused right after the one before it was is not the cause.
        if let Some(before) = before.filter(|one| is_known(one) || now < one.again_at) {
            cache.refused = Some(before);
            return;
        }
        let wait = before.map_or(REFUSED_WAIT, |before| (before.wait * 2).min(REFUSED_WAIT_MAX));
        cache.known = None;
        cache.refused = Some(Refused { made_at: access.made_at, again_at: now.plus(wait), wait });
    }

    /// Azure DevOps takes this token: what was refused before is over.
    pub(super) fn accepted(&self, access: &Access) {
        // Whoever holds the lock is about to look anyway.
        if let Ok(mut cache) = self.cache.try_lock() {
            cache.refused.take_if(|refused| refused.made_at != access.made_at);
        }
    }

    /// Forgets what is cached: the link has changed.
    pub(super) async fn forget(&self) {
        *self.cache.lock().await = Cache::default();
    }

    /// Renews in good time, so that no call waits for it and 90 idle days never happen; and warns
    /// of what will end.
    pub(super) async fn upkeep(self: &Arc<Self>) {
        // Without the lock: a token that is still good is lent meanwhile.
        let refused = self.cache.lock().await.refused.map(|one| one.made_at);
        let loaded = self.load(refused, renewed_until).await;
        self.tell(loaded.as_ref().err());
        if let Ok((access, _)) = &loaded {
            let mut cache = self.cache.lock().await;
            cache.known.take_if(|known| known.access.made_at != access.made_at);
        }
        self.warn().await;
    }

    async fn load(
        self: &Arc<Self>,
        refused: Option<Timestamp>,
        until: fn(&Link) -> Timestamp,
    ) -> Result<(Access, Timestamp), Error> {
        let began = self.audit_log.clock.now();
        let store = &self.audit_log.store;
        let unavailable = |error: crate::storage::Error| Error::new(error.to_string());
        for _ in 0..LOOKS_MAX {
            let now = self.audit_log.clock.now();
            let link = store.link(self.organization()).await.map_err(unavailable)?;
            let link = link.ok_or_else(|| self.not_linked())?;
            let found = self.stored(&link, refused);
            // However short-lived Entra makes it, what was just renewed is not renewed again.
            let is_good = until(&link) > now || link.refreshed_at >= began;
            if let Some(access) = found.as_ref().filter(|_| is_good) {
                return Ok((access.clone(), until(&link)));
            }
            if link.retry_at > now {
                let reason = link.problem.clone().unwrap_or_default();
                let still = found.filter(|_| usable_until(&link) > now);
                return still
                    .map(|access| (access, usable_until(&link)))
                    .ok_or(Error::until(reason, link.retry_at));
            }
            match store.claim_refresh(self.organization(), now, LEASE).await.map_err(unavailable)? {
                Refresh::NotLinked => return Err(self.not_linked()),
                Refresh::Busy(_) => match found.filter(|_| usable_until(&link) > now) {
                    Some(access) => return Ok((access, usable_until(&link))),
                    None => tokio::time::sleep(LOOK_AGAIN).await,
                },
                // Whoever held the lease before us may have renewed it since we looked.
                Refresh::Leased { link: now_there, lease }
                    if now_there.revision != link.revision =>
                {
                    self.commit(lease, Refreshed::Kept, None).await?;
                }
                Refresh::Leased { link, lease } => {
                    // By itself: whoever waits for it may give up, and the lease must end.
                    let session = Arc::clone(self);
                    let renewing = tokio::spawn(async move { session.renew(&link, lease).await });
                    renewing.await.map_err(|error| Error::new(error.to_string()))??;
                }
            }
        }
        Err(Error::new("another process has been renewing the access token for too long"))
    }

    /// The token in the store, where it can be used.
    fn stored(&self, link: &Link, refused: Option<Timestamp>) -> Option<Access> {
        let sealed = link.access_token.as_ref().filter(|_| refused != Some(link.refreshed_at))?;
        let opened = self.keys.open(&self.place("access"), sealed).ok();
        let opened = opened.filter(|opened| !opened.is_stale)?;
        let (identity, made_at) = (link.user_name.clone(), link.refreshed_at);
        Some(Access { token: opened.secret, identity, made_at })
    }

    async fn renew(&self, link: &Link, lease: i64) -> Result<(), Error> {
        let now = self.audit_log.clock.now();
        let opened = self.keys.open(&self.place("refresh"), &link.refresh_token);
        let renewed = match opened {
            Ok(opened) => match self.entra.refresh(&opened.secret).await {
                Ok(tokens) => Ok((opened.secret, tokens)),
                Err(error) => Err(error),
            },
            Err(Unreadable) => Err(entra::Error::Answer { reason: Unreadable.to_string() }),
        };
        let identity = Some(link.user_name.clone());
        let entry = |outcome, detail: String| Entry {
            identity: identity.clone(),
            detail,
            ..self.audit_log.entry(Action::Refresh, outcome)
        };
        let (refreshed, entry) = match renewed {
            Ok((before, tokens)) => {
                let life_s = i64::try_from(tokens.expires_at.since(now).as_secs()).ok();
                let refreshed = Refreshed::Renewed {
                    refresh_token: self
                        .seal("refresh", tokens.refresh_token.as_ref().unwrap_or(&before))?,
                    access_token: self.seal("access", &tokens.access_token)?,
                    access_expires_at: tokens.expires_at,
                    at: now,
                };
                (refreshed, Entry { lifetime_s: life_s, ..entry(Outcome::Done, String::new()) })
            }
            Err(error) => {
                let wait = BACKOFF.wait(link.failures + 1, random(), error.retry_after());
                let problem = format!("the access token cannot be renewed: {error}");
                let outcome = match error.is_transient() {
                    true => Outcome::Failed,
                    false => Outcome::Refused,
                };
                let retry_at = self.audit_log.clock.now().plus(wait);
                (Refreshed::Failed { problem: problem.clone(), retry_at }, entry(outcome, problem))
            }
        };
        self.commit(lease, refreshed, Some(entry)).await
    }

    async fn commit(
        &self,
        lease: i64,
        refreshed: Refreshed,
        entry: Option<Entry>,
    ) -> Result<(), Error> {
        let organization = self.organization().to_owned();
        entry.iter().for_each(count);
        let commit = RefreshCommit { organization, lease, refreshed, entry };
        // A lost lease means that somebody linked anew: what is there now is read next.
        let committed = self.audit_log.store.commit_refresh(commit).await;
        committed.map(drop).map_err(|error| Error::new(error.to_string()))
    }

    pub(super) fn seal(&self, what: &str, secret: &Secret) -> Result<Sealed, Error> {
        let sealed = self.keys.seal(&self.place(what), secret);
        sealed.map_err(|error| Error::new(format!("no randomness: {error}")))
    }

    pub(super) fn place(&self, what: &str) -> String {
        format!("link/{}/{what}", self.organization().to_ascii_lowercase())
    }

    fn not_linked(&self) -> Error {
        let organization = self.organization();
        Error::new(format!(
            "no service user is linked: run `azdo-gateway link {organization}` and open the \
             address that it prints"
        ))
    }

    fn tell(&self, error: Option<&Error>) {
        let organization = self.organization();
        metrics::gauge!("azdo_gateway_linked", "organization" => organization.to_owned())
            .set(if error.is_none() { 1.0 } else { 0.0 });
        match error {
            None => self.health.clear(organization, ProblemKind::Link),
            Some(Error { reason, .. }) => {
                if self.health.raise(organization, ProblemKind::Link, reason) {
                    tracing::error!(organization, "{reason}; statuses wait until then");
                }
            }
        }
    }

    async fn warn(&self) {
        let (now, organization) = (self.audit_log.clock.now(), self.organization());
        let ends = self.user.client_secret_expires;
        let secret = ends.and_then(|ends| ending::client_secret(ends, now));
        self.warning(ProblemKind::ClientSecret, secret);
        let link = self.audit_log.store.link(organization).await.ok().flatten();
        let sign_in = link.and_then(|link| {
            ending::sign_in(&link.user_name, link.signed_in_at, organization, now)
        });
        self.warning(ProblemKind::SignIn, sign_in);
    }

    fn warning(&self, aspect: ProblemKind, text: Option<String>) {
        let organization = self.organization();
        match text {
            None => self.health.clear(organization, aspect),
            Some(text) => {
                if self.health.raise(organization, aspect, &text) {
                    tracing::warn!(organization, "{text}");
                }
            }
        }
    }
}

/// Until when calls use the token; a token in its last minute may die on the way.
fn usable_until(link: &Link) -> Timestamp {
    before_end(link, Duration::from_secs(60), 10)
}

/// Until when nobody renews it.
fn renewed_until(link: &Link) -> Timestamp {
    before_end(link, Duration::from_secs(600), 4)
}

/// This long before its end, or this part of its life, whatever is shorter.
fn before_end(link: &Link, margin: Duration, part: u32) -> Timestamp {
    let life = link.access_expires_at.since(link.refreshed_at);
    link.access_expires_at.minus(margin.min(life / part))
}

pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness waits are merely less spread.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

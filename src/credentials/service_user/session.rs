//! The session of a linked service user: its access token, renewed with the refresh token before it
//! expires.
//!
//! One caller renews while the others wait for the result: within a process by a mutex, between
//! processes by a lease in the store. Stored tokens are sealed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::credentials::audit_log::{AuditLog, count};
use crate::credentials::entra::Entra;
use crate::credentials::error::Error;
use crate::credentials::options::ServiceUser;
use crate::deps::Deps;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::backoff::Backoff;
use crate::domain::ending;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::jitter;
use crate::secret::{Keyring, Opened, Sealed, Secret, Unreadable};
use crate::storage::{Link, Links, Refresh, RefreshCommit, Refreshed};

/// How long a renewal may take before another process may try.
const LEASE: Duration = Duration::from_secs(20);
/// How often, and how many times, to look whether another process has finished its renewal.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const POLLS_MAX: usize = 100;
/// How long after a refused token a further refused one is not renewed early.
const REFUSED_WAIT: Duration = Duration::from_secs(1);
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a cached token is used before the store is asked whether the user is still linked.
const CACHE_MAX: Duration = Duration::from_secs(1);
const BACKOFF: Backoff =
    Backoff { base_ms: 2_000, cap_ms: 15 * 60_000, retry_after_ms_max: 60 * 60_000 };

/// See the module.
#[derive(Debug)]
pub(in crate::credentials) struct Session {
    pub(in crate::credentials) user: ServiceUser,
    pub(super) entra: Entra,
    pub(in crate::credentials) audit_log: AuditLog,
    pub(in crate::credentials) clock: Clock,
    pub(super) links: Arc<dyn Links>,
    keys: Keyring,
    health: Arc<Health>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    token: Option<Cached>,
    refused: Option<Refused>,
}

#[derive(Debug)]
struct Cached {
    token: AccessToken,
    usable_until: Timestamp,
    read_at: Timestamp,
}

/// A token that Azure DevOps refused before it had expired.
#[derive(Clone, Copy, Debug)]
struct Refused {
    issued_at: Timestamp,
    /// From then on, another refused token is renewed early.
    next_at: Timestamp,
    wait: Duration,
}

/// An access token of the service user, with which PATs are minted and revoked.
#[derive(Clone, Debug)]
pub(in crate::credentials) struct AccessToken {
    pub(in crate::credentials) secret: Secret,
    pub(in crate::credentials) user_name: String,
    issued_at: Timestamp,
}

impl Session {
    pub(in crate::credentials) fn new(
        user: ServiceUser,
        entra: Entra,
        audit_log: AuditLog,
        deps: &Deps,
    ) -> Self {
        Self {
            user,
            entra,
            audit_log,
            clock: deps.clock.clone(),
            links: Arc::clone(&deps.store) as Arc<dyn Links>,
            keys: deps.keys.clone(),
            health: Arc::clone(&deps.health),
            cache: Mutex::default(),
        }
    }

    pub(in crate::credentials) fn organization(&self) -> &str {
        &self.audit_log.organization
    }

    /// A valid access token, renewed if necessary.
    ///
    /// # Errors
    /// Nobody is linked, or the link does not work, and what to do about it.
    pub(in crate::credentials) async fn access_token(
        self: &Arc<Self>,
    ) -> Result<AccessToken, Error> {
        let mut cache = self.cache.lock().await;
        let now = self.clock.now();
        if let Some(cached) = &cache.token
            && cached.usable_until > now
            && now.since(cached.read_at) < CACHE_MAX
        {
            return Ok(cached.token.clone());
        }
        cache.token = None;
        let loaded = self.load(cache.refused.map(|one| one.issued_at), usable_until).await;
        self.report(loaded.as_ref().err());
        let (token, usable_until) = loaded?;
        cache.token = Some(Cached { token: token.clone(), usable_until, read_at: now });
        Ok(token)
    }

    /// Azure DevOps refused this token before it had expired: it is renewed at its next use.
    pub(in crate::credentials) async fn token_refused(&self, token: &AccessToken) {
        let (mut cache, now) = (self.cache.lock().await, self.clock.now());
        let before = cache.refused.take();
        let is_same = |before: &Refused| before.issued_at == token.issued_at;
        // If a new token is refused right after the last one, renewing again would not help.
        if let Some(before) = before.filter(|one| is_same(one) || now < one.next_at) {
            cache.refused = Some(before);
            return;
        }
        let wait = before.map_or(REFUSED_WAIT, |before| (before.wait * 2).min(REFUSED_WAIT_MAX));
        cache.token = None;
        let (issued_at, next_at) = (token.issued_at, now.plus(wait));
        cache.refused = Some(Refused { issued_at, next_at, wait });
    }

    /// Azure DevOps accepted this token: earlier refusals do not count any more.
    pub(in crate::credentials) fn token_accepted(&self, token: &AccessToken) {
        // While another task holds the lock, the cache is about to be read or changed anyway.
        if let Ok(mut cache) = self.cache.try_lock() {
            cache.refused.take_if(|refused| refused.issued_at != token.issued_at);
        }
    }

    /// The link has changed: nothing cached is valid any more.
    pub(super) async fn clear_cache(&self) {
        *self.cache.lock().await = Cache::default();
    }

    /// Renews the token ahead of time, so that no call waits for it and the refresh token is never
    /// idle for its 90 days; raises warnings of what expires soon.
    pub(in crate::credentials) async fn maintain(self: &Arc<Self>) {
        // The lock is not held meanwhile: calls go on with the token that is still valid.
        let refused = self.cache.lock().await.refused.map(|one| one.issued_at);
        let loaded = self.load(refused, renewed_from).await;
        self.report(loaded.as_ref().err());
        if let Ok((token, _)) = &loaded {
            let mut cache = self.cache.lock().await;
            cache.token.take_if(|cached| cached.token.issued_at != token.issued_at);
        }
        self.warn().await;
    }

    /// The token in the store, renewed unless `good_until` of the link is in the future. Returns
    /// the token and that time. A token issued at `refused` is not used.
    async fn load(
        self: &Arc<Self>,
        refused: Option<Timestamp>,
        good_until: fn(&Link) -> Timestamp,
    ) -> Result<(AccessToken, Timestamp), Error> {
        let began_at = self.clock.now();
        let unavailable = |error: crate::storage::Error| Error::new(error.to_string());
        for _ in 0..POLLS_MAX {
            let now = self.clock.now();
            let link = self.links.link(self.organization()).await.map_err(unavailable)?;
            let link = link.ok_or_else(|| self.not_linked())?;
            let stored = self.stored(&link, refused);
            // A token that was renewed meanwhile is used, however soon it expires.
            let is_good = good_until(&link) > now || link.refreshed_at >= began_at;
            if let Some(token) = stored.as_ref().filter(|_| is_good) {
                return Ok((token.clone(), good_until(&link)));
            }
            let still_usable = stored.filter(|_| usable_until(&link) > now);
            if link.retry_at > now {
                let reason = link.problem.clone().unwrap_or_default();
                return still_usable
                    .map(|token| (token, usable_until(&link)))
                    .ok_or(Error::transient(reason, link.retry_at));
            }
            match self.links.claim_refresh(self.organization(), now, LEASE).await {
                Err(error) => return Err(unavailable(error)),
                Ok(Refresh::NotLinked) => return Err(self.not_linked()),
                Ok(Refresh::Busy(_)) => match still_usable {
                    Some(token) => return Ok((token, usable_until(&link))),
                    None => tokio::time::sleep(POLL_INTERVAL).await,
                },
                // Another process renewed the token between the read and the lease.
                Ok(Refresh::Leased { link: leased, lease }) if leased.revision != link.revision => {
                    self.commit(lease, Refreshed::Unchanged, None).await?;
                }
                Ok(Refresh::Leased { link, lease }) => {
                    // In a task of its own: a caller that gives up must not leave the lease behind.
                    let session = Arc::clone(self);
                    let renewal = tokio::spawn(async move { session.renew(&link, lease).await });
                    renewal.await.map_err(|error| Error::new(error.to_string()))??;
                }
            }
        }
        Err(Error::new("another process has been renewing the access token for too long"))
    }

    /// The stored access token; none when it is the refused one, or sealed with an older root key.
    fn stored(&self, link: &Link, refused: Option<Timestamp>) -> Option<AccessToken> {
        let sealed = link.access_token.as_ref().filter(|_| refused != Some(link.refreshed_at))?;
        let opened = self.open("access", sealed).ok().filter(|opened| !opened.is_stale)?;
        let (user_name, issued_at) = (link.user_name.clone(), link.refreshed_at);
        Some(AccessToken { secret: opened.secret, user_name, issued_at })
    }

    async fn renew(&self, link: &Link, lease: i64) -> Result<(), Error> {
        let now = self.clock.now();
        let refresh_token = match self.open("refresh", &link.refresh_token) {
            Ok(Opened { secret, .. }) => secret,
            Err(error) => return self.renewal_failed(link, lease, &error, false, None).await,
        };
        let tokens = match self.entra.refresh(&refresh_token).await {
            Ok(tokens) => tokens,
            Err(error) => {
                let (is_transient, retry_after) = (error.is_transient(), error.retry_after());
                return self.renewal_failed(link, lease, &error, is_transient, retry_after).await;
            }
        };
        let refresh_token = tokens.refresh_token.as_ref().unwrap_or(&refresh_token);
        let refreshed = Refreshed::Renewed {
            refresh_token: self.seal("refresh", refresh_token)?,
            access_token: self.seal("access", &tokens.access_token)?,
            access_expires_at: tokens.expires_at,
            at: now,
        };
        let entry = Entry {
            identity: Some(link.user_name.clone()),
            lifetime_s: i64::try_from(tokens.expires_at.since(now).as_secs()).ok(),
            ..self.audit_log.entry(Action::Refresh, Outcome::Done)
        };
        self.commit(lease, refreshed, Some(entry)).await
    }

    async fn renewal_failed(
        &self,
        link: &Link,
        lease: i64,
        error: &(dyn std::error::Error + Sync),
        is_transient: bool,
        retry_after: Option<Duration>,
    ) -> Result<(), Error> {
        let problem = format!("the access token cannot be renewed: {error}");
        let wait = BACKOFF.wait(link.failures + 1, jitter::random(), retry_after);
        let outcome = if is_transient { Outcome::Failed } else { Outcome::Refused };
        let entry = Entry {
            identity: Some(link.user_name.clone()),
            detail: problem.clone(),
            ..self.audit_log.entry(Action::Refresh, outcome)
        };
        let retry_at = self.clock.now().plus(wait);
        self.commit(lease, Refreshed::Failed { problem, retry_at }, Some(entry)).await
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
        // A lost lease means that the user was linked anew; the caller reads the new link next.
        let committed = self.links.commit_refresh(commit).await;
        committed.map(drop).map_err(|error| Error::new(error.to_string()))
    }

    /// Seals a secret of this link: `refresh`, `access` or `verifier`.
    pub(super) fn seal(&self, what: &str, secret: &Secret) -> Result<Sealed, Error> {
        let sealed = self.keys.seal(&self.seal_context(what), secret);
        sealed.map_err(|error| Error::new(format!("no randomness: {error}")))
    }

    pub(super) fn open(&self, what: &str, sealed: &Sealed) -> Result<Opened, Unreadable> {
        self.keys.open(&self.seal_context(what), sealed)
    }

    fn seal_context(&self, what: &str) -> String {
        format!("link/{}/{what}", self.organization().to_ascii_lowercase())
    }

    fn not_linked(&self) -> Error {
        let organization = self.organization();
        Error::new(format!(
            "no service user is linked: run `azdo-gateway link {organization}` and open the \
             address that it prints"
        ))
    }

    /// Raises or clears the problem with the link.
    fn report(&self, error: Option<&Error>) {
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

    /// When the client secret ends, where the configuration says so.
    pub(super) fn client_secret_expires(&self) -> Option<Timestamp> {
        self.user.client_secret_expires
    }

    async fn warn(&self) {
        let (now, organization) = (self.clock.now(), self.organization());
        let expires = self.client_secret_expires();
        let client_secret = expires.and_then(|expires| ending::client_secret(expires, now));
        self.set_warning(ProblemKind::ClientSecret, client_secret);
        let link = self.links.link(organization).await.ok().flatten();
        let sign_in_ends = link.as_ref().map(|link| ending::sign_in_ends(link.signed_in_at));
        self.set_ends([("client_secret", expires), ("sign_in", sign_in_ends)]);
        let sign_in = link.and_then(|link| {
            ending::sign_in(&link.user_name, link.signed_in_at, organization, now)
        });
        self.set_warning(ProblemKind::SignIn, sign_in);
    }

    /// Sets the metric of when credentials end, as far as that is known.
    fn set_ends(&self, credentials: [(&'static str, Option<Timestamp>); 2]) {
        for (credential, ends) in credentials {
            let ends = ends.map_or(f64::NAN, |ends| ends.ms() as f64 / 1_000.0);
            metrics::gauge!("azdo_gateway_expires_timestamp_seconds",
                "organization" => self.organization().to_owned(), "credential" => credential)
            .set(ends);
        }
    }

    fn set_warning(&self, kind: ProblemKind, text: Option<String>) {
        let organization = self.organization();
        match text {
            None => self.health.clear(organization, kind),
            Some(text) => {
                if self.health.raise(organization, kind, &text) {
                    tracing::warn!(organization, "{text}");
                }
            }
        }
    }
}

/// Until when calls use the token: one that expires within a minute may expire on its way.
fn usable_until(link: &Link) -> Timestamp {
    before_expiry(link, Duration::from_secs(60), 10)
}

/// From when on the token is renewed ahead of time.
fn renewed_from(link: &Link) -> Timestamp {
    before_expiry(link, Duration::from_secs(600), 4)
}

/// `margin` before the token expires, or a `part`-th of its life, whichever is shorter.
fn before_expiry(link: &Link, margin: Duration, part: u32) -> Timestamp {
    let life = link.access_expires_at.since(link.refreshed_at);
    link.access_expires_at.minus(margin.min(life / part))
}

//! Revokes PATs in the background. A failed revocation is repeated until it succeeds or the PAT has
//! expired.
//!
//! Every PAT ends here: after its call, unused, or left over from a crash.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use super::serials::Serial;
use crate::ado::{self, Client, Credential, Lane, Throttle};
use crate::clock::Clock;
use crate::credentials::audit_log::AuditLog;
use crate::credentials::service_user::Session;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::time::Timestamp;

/// Revocations under way at the same time; others wait.
const CONCURRENT_MAX: usize = 16;
/// The wait before the second try; it doubles with every further one.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Revoker {
    client: Client,
    session: Arc<Session>,
    throttle: Arc<Throttle>,
    pub(super) audit_log: AuditLog,
    clock: Clock,
    /// Authorization ids of the PATs that wait for their revocation or are being revoked.
    in_progress: Mutex<HashSet<String>>,
    permits: Semaphore,
    /// Ends the waits between tries.
    retry_now: Notify,
    /// A PAT may be dropped outside of a runtime.
    runtime: Handle,
}

/// A PAT that is to be revoked.
#[derive(Debug)]
pub(super) struct Revocation {
    pub(super) authorization_id: String,
    pub(super) valid_to: Timestamp,
    /// The audit entry of the revocation; its time and outcome are filled in later.
    pub(super) entry: Entry,
    /// The audit entry of the PAT's use; none when it was not used.
    pub(super) use_entry: Option<Entry>,
    /// Stays registered until the PAT is revoked; none for a PAT of another process.
    pub(super) serial: Option<Serial>,
}

impl Revoker {
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn new(client: Client, session: Arc<Session>, throttle: Arc<Throttle>) -> Self {
        Self {
            client,
            audit_log: session.audit_log.clone(),
            clock: session.clock.clone(),
            session,
            throttle,
            in_progress: Mutex::default(),
            permits: Semaphore::new(CONCURRENT_MAX),
            retry_now: Notify::new(),
            runtime: Handle::current(),
        }
    }

    /// Begins to revoke. Returns false when the PAT is being revoked already.
    pub(super) fn revoke_in_background(self: &Arc<Self>, revocation: Revocation) -> bool {
        let is_new = self.in_progress.lock().insert(revocation.authorization_id.clone());
        if is_new {
            let revoker = Arc::clone(self);
            self.runtime.spawn(async move { revoker.revoke(revocation).await });
        }
        is_new
    }

    /// Repeats now what waits for its next try.
    pub(super) fn retry_now(&self) {
        self.retry_now.notify_waiters();
    }

    async fn revoke(&self, mut revocation: Revocation) {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let mut entries: Vec<Entry> = revocation.use_entry.take().into_iter().collect();
        let mut wait = RETRY_FIRST;
        loop {
            let error = self.try_once(&revocation).await.err();
            let now = self.clock.now();
            let has_ended = error.is_none() || now >= revocation.valid_to;
            let (outcome, detail) = match &error {
                None => (Outcome::Done, revocation.entry.detail.clone()),
                Some(_) if has_ended => (Outcome::Failed, "the token has expired".to_owned()),
                Some(error) => (Outcome::Failed, format!("revoking is tried again: {error}")),
            };
            // Of several failed tries only the first is recorded, together with the use.
            if has_ended || wait == RETRY_FIRST {
                let action = Action::Revoke;
                entries.push(Entry {
                    at: now,
                    action,
                    outcome,
                    detail,
                    ..revocation.entry.clone()
                });
                self.audit_log.record(std::mem::take(&mut entries)).await;
            }
            if has_ended {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(RETRY_MAX),
                () = self.retry_now.notified() => wait = RETRY_FIRST,
            }
        }
        self.in_progress.lock().remove(&revocation.authorization_id);
        drop(revocation.serial.take());
    }

    async fn try_once(&self, revocation: &Revocation) -> Result<(), String> {
        let organization = self.session.organization();
        let pause = self.throttle.pause(organization, Lane::Statuses, self.clock.now());
        if let Some(pause) = pause.filter(|pause| pause.is_limit) {
            return Err(pause.reason);
        }
        let access_token = self.session.access_token().await.map_err(|error| error.reason)?;
        // Azure DevOps tells every other user that the PAT does not exist.
        let owner = revocation.entry.identity.as_ref();
        if owner.is_some_and(|owner| *owner != access_token.user_name) {
            return Err(format!("another user is linked now: {}", access_token.user_name));
        }
        let credential = Credential::from_bearer(&access_token.secret);
        let revoked = self.client.revoke_pat(credential, &revocation.authorization_id).await;
        match &revoked {
            Ok(()) => self.session.token_accepted(&access_token),
            Err(ado::Error::Unauthorized { .. }) => {
                self.session.token_refused(&access_token).await;
            }
            Err(_) => {}
        }
        revoked.map_err(|error| error.to_string())
    }
}

//! Finds PATs that were left over and has them revoked: those of a process that crashed, and those
//! whose minting succeeded but whose answer was lost.
//!
//! The list comes from Azure DevOps, which alone knows the PATs of lost answers. Only PATs whose
//! name says that this gateway minted them are touched.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::revoke::{Revocation, Revoker};
use super::serials::Serials;
use crate::ado::{self, Client, Credential, ListedPat};
use crate::clock::Clock;
use crate::credentials::audit_log::AuditLog;
use crate::credentials::error::Error;
use crate::credentials::service_user::Session;
use crate::deps::Instance;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::pat::{Name, is_left_over};
use crate::domain::time::Timestamp;

/// When to sweep after an event that may have left a PAT over. Several times: the request that
/// mints it may reach Azure DevOps after the first sweep.
const AFTER_EVENT: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(6),
    Duration::from_secs(15),
    Duration::from_secs(40),
];
/// The interval of sweeps otherwise.
const INTERVAL: Duration = Duration::from_secs(600);
/// Pages of 100 PATs each.
const PAGES_MAX: usize = 50;

/// See the module.
#[derive(Debug)]
pub(super) struct Sweeper {
    client: Client,
    session: Arc<Session>,
    audit_log: AuditLog,
    clock: Clock,
    instance: Instance,
    /// The longest life of a PAT that this gateway mints.
    lifetime: Duration,
    serials: Arc<Serials>,
    revoker: Arc<Revoker>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// The last event that may have left a PAT over.
    event_at: Timestamp,
    sweeps_since_event: usize,
    swept_at: Timestamp,
}

impl Sweeper {
    /// The start counts as an event: the process before it may have crashed.
    pub(super) fn new(
        client: Client,
        session: Arc<Session>,
        instance: Instance,
        serials: Arc<Serials>,
        revoker: Arc<Revoker>,
    ) -> Self {
        let now = session.clock.now();
        let schedule = Schedule { event_at: now, sweeps_since_event: 0, swept_at: now };
        Self {
            client,
            audit_log: session.audit_log.clone(),
            clock: session.clock.clone(),
            lifetime: session.user.pat_lifetime,
            session,
            instance,
            serials,
            revoker,
            schedule: Mutex::new(schedule),
        }
    }

    /// The answer to a mint request of this time was lost: sweep soon.
    pub(super) fn answer_lost(&self, at: Timestamp) {
        let mut schedule = self.schedule.lock();
        (schedule.event_at, schedule.sweeps_since_event) = (at, 0);
    }

    /// Sweeps if that is due. After an error the sweep stays due.
    pub(super) async fn sweep(&self) {
        let now = self.clock.now();
        if !self.schedule.lock().is_due(now) {
            return;
        }
        // Taken before the list: a PAT that is revoked while Azure DevOps answers is still listed.
        let serials = self.serials.snapshot();
        let Ok(listed) = self.active_pats().await else { return };
        self.schedule.lock().swept(now);
        let Instance { installation_id, id } = &self.instance;
        for pat in listed {
            let is_live = |serial| serials.may_be_live(serial);
            if is_left_over(&pat.display_name, installation_id, id, is_live) {
                self.revoke(pat);
            }
        }
    }

    fn revoke(&self, pat: ListedPat) {
        let name = pat.display_name;
        let entry = Entry {
            run: Name::parse(&name).and_then(|name| name.run),
            pat: Some(pat.authorization_id.clone()),
            detail: format!("left over: {name}"),
            ..self.audit_log.entry(Action::Revoke, Outcome::Done)
        };
        let expires_by = self.clock.now().plus(self.lifetime);
        let revocation = Revocation {
            authorization_id: pat.authorization_id,
            valid_to: pat.valid_to.unwrap_or(expires_by).min(expires_by),
            entry,
            use_entry: None,
            serial: None,
        };
        if self.revoker.revoke_in_background(revocation) {
            tracing::warn!("revoking a token that was left over: {name}");
            metrics::counter!("azdo_gateway_pats_left_over_total").increment(1);
        }
    }

    /// Every active PAT of the service user.
    async fn active_pats(&self) -> Result<Vec<ListedPat>, Error> {
        let mut pats = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let access_token = self.session.access_token().await?;
            let credential = Credential::from_bearer(&access_token.secret);
            let page = match self.client.active_pats(credential, next.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    if let ado::Error::Unauthorized { .. } = error {
                        self.session.token_refused(&access_token).await;
                    }
                    return Err(Error::new(error.to_string()));
                }
            };
            pats.extend(page.pats);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(pats)
    }
}

impl Schedule {
    fn is_due(&self, now: Timestamp) -> bool {
        match AFTER_EVENT.get(self.sweeps_since_event) {
            Some(wait) => now >= self.event_at.plus(*wait),
            None => now >= self.swept_at.plus(INTERVAL),
        }
    }

    fn swept(&mut self, now: Timestamp) {
        self.sweeps_since_event = self.sweeps_since_event.saturating_add(1);
        self.swept_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_event_sweeps_are_frequent_and_then_regular() {
        let start = Timestamp::from_ms(1_000_000);
        let mut schedule = Schedule { event_at: start, sweeps_since_event: 0, swept_at: start };
        let mut sweeps_s = Vec::new();
        for second in 0..1_300 {
            let now = start.plus(Duration::from_secs(second));
            if schedule.is_due(now) {
                schedule.swept(now);
                sweeps_s.push(second);
            }
        }
        assert_eq!(sweeps_s, [0, 2, 6, 15, 40, 640, 1_240]);
    }
}

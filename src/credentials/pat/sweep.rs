//! Finds PATs that were left over and has them revoked: those of a process that crashed, and those
//! whose minting succeeded but whose answer was lost.
//!
//! The list comes from Azure DevOps, which alone knows the PATs of lost answers. Only PATs whose
//! name says that this gateway minted them are touched, and none of a process that lives.
//!
//! Of several replicas the one with the smallest id looks for the PATs of others; for those whose
//! answer was lost each looks itself.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::revoke::{Revocation, Revoker};
use super::serials::Serials;
use crate::ado::{self, Client, Credential, ListedPat};
use crate::clock::Clock;
use crate::credentials::audit_log::AuditLog;
use crate::credentials::error::Error;
use crate::credentials::service_user::{AccessToken, Session};
use crate::deps::{Deps, Instance};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::pat::{Name, is_left_over};
use crate::domain::time::Timestamp;
use crate::storage::Replicas;

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
/// When to revoke what other replicas hold after a user was unlinked: they go on for up to a
/// second, and a request that mints takes a while.
const AFTER_UNLINK: [Duration; 3] =
    [Duration::from_millis(1_500), Duration::from_secs(4), Duration::from_secs(12)];
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
    replicas: Arc<dyn Replicas>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug)]
struct Schedule {
    /// The last event that may have left a PAT over.
    event_at: Timestamp,
    sweeps_since_event: usize,
    swept_at: Timestamp,
    /// The other processes that lived at the last look; none before the first one.
    others: Option<Vec<String>>,
}

impl Sweeper {
    pub(super) fn new(
        client: Client,
        session: Arc<Session>,
        deps: &Deps,
        serials: Arc<Serials>,
        revoker: Arc<Revoker>,
    ) -> Self {
        let now = session.clock.now();
        let schedule = Schedule {
            event_at: now,
            sweeps_since_event: AFTER_EVENT.len(),
            swept_at: now,
            others: None,
        };
        Self {
            client,
            audit_log: session.audit_log.clone(),
            clock: session.clock.clone(),
            lifetime: session.user.pat_lifetime,
            session,
            instance: deps.instance.clone(),
            serials,
            revoker,
            replicas: Arc::clone(&deps.store) as Arc<dyn Replicas>,
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
        let Instance { installation_id, id } = &self.instance;
        let Ok(others) = self.replicas.other_instances().await else { return };
        let is_first = others.iter().all(|other| other > id);
        let is_due = {
            let mut schedule = self.schedule.lock();
            schedule.note_others(others, is_first, now);
            schedule.is_due(is_first, now)
        };
        if !is_due {
            return;
        }
        // Taken before the list: a PAT that is revoked while Azure DevOps answers is still listed.
        let serials = self.serials.snapshot();
        let Ok(listed) = self.active_pats(None).await else { return };
        // Read after the list: a process that began meanwhile has no PAT in the list.
        let Ok(others) = self.replicas.other_instances().await else { return };
        self.schedule.lock().swept(now);
        for pat in listed {
            let is_live = |serial| serials.may_be_live(serial);
            if is_left_over(&pat.display_name, installation_id, id, &others, is_live) {
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

    /// Revokes every PAT of this installation, with the access token of a user who is not linked
    /// any more: other replicas may hold PATs of that user, and cannot revoke them.
    pub(super) async fn revoke_of_former_user(&self, access_token: &AccessToken) {
        let others = self.replicas.other_instances().await;
        if others.is_ok_and(|others| others.is_empty()) {
            return;
        }
        for wait in AFTER_UNLINK {
            tokio::time::sleep(wait).await;
            self.revoke_all_of(access_token).await;
        }
    }

    async fn revoke_all_of(&self, access_token: &AccessToken) {
        let Ok(listed) = self.active_pats(Some(access_token)).await else { return };
        let Instance { installation_id, .. } = &self.instance;
        for pat in listed {
            let name = Name::parse(&pat.display_name);
            let Some(name) = name.filter(|name| name.installation_id == *installation_id) else {
                continue;
            };
            let credential = Credential::from_bearer(&access_token.secret);
            let revoked = self.client.revoke_pat(credential, &pat.authorization_id).await;
            let outcome = if revoked.is_ok() { Outcome::Done } else { Outcome::Failed };
            let entry = Entry {
                identity: Some(access_token.user_name.clone()),
                run: name.run,
                pat: Some(pat.authorization_id),
                detail: format!("of a user who is not linked any more: {}", pat.display_name),
                ..self.audit_log.entry(Action::Revoke, outcome)
            };
            self.audit_log.record(vec![entry]).await;
        }
    }

    /// Every active PAT of the service user, or of the user of that access token.
    async fn active_pats(&self, former: Option<&AccessToken>) -> Result<Vec<ListedPat>, Error> {
        let mut pats = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let access_token = match former {
                Some(access_token) => access_token.clone(),
                None => self.session.access_token().await?,
            };
            let credential = Credential::from_bearer(&access_token.secret);
            let page = match self.client.active_pats(credential, next.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    if let (ado::Error::Unauthorized { .. }, None) = (&error, former) {
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
    /// The end of another process is an event, and so is the start of this one, before which
    /// another may have crashed: for the first one of those that live.
    fn note_others(&mut self, others: Vec<String>, is_first: bool, now: Timestamp) {
        let has_ended = |before: &Vec<String>| before.iter().any(|id| !others.contains(id));
        if is_first && self.others.as_ref().is_none_or(has_ended) {
            (self.event_at, self.sweeps_since_event) = (now, 0);
        }
        self.others = Some(others);
    }

    fn is_due(&self, is_first: bool, now: Timestamp) -> bool {
        match AFTER_EVENT.get(self.sweeps_since_event) {
            Some(wait) => now >= self.event_at.plus(*wait),
            None => is_first && now >= self.swept_at.plus(INTERVAL),
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

    /// Begins at the start of the process, which is `first` of those that live.
    fn schedule(is_first: bool) -> Schedule {
        let at = Timestamp::from_ms(1_000_000);
        let sweeps_since_event = AFTER_EVENT.len();
        let mut schedule =
            Schedule { event_at: at, sweeps_since_event, swept_at: at, others: None };
        schedule.note_others(vec!["other".into()], is_first, at);
        schedule
    }

    /// The seconds at which it sweeps, of so many after its start.
    fn sweeps(schedule: &mut Schedule, is_first: bool, seconds: u64) -> Vec<u64> {
        let start = schedule.event_at;
        let mut sweeps = Vec::new();
        for second in 0..seconds {
            let now = start.plus(Duration::from_secs(second));
            if schedule.is_due(is_first, now) {
                schedule.swept(now);
                sweeps.push(second);
            }
        }
        sweeps
    }

    #[test]
    fn after_an_event_sweeps_are_frequent_and_then_regular() {
        assert_eq!(sweeps(&mut schedule(true), true, 1_300), [0, 2, 6, 15, 40, 640, 1_240]);
    }

    #[test]
    fn of_several_replicas_the_first_one_sweeps_regularly_and_when_another_has_ended() {
        let later = Timestamp::from_ms(2_000_000);
        let mut second = schedule(false);
        assert!(sweeps(&mut second, false, 1_300).is_empty());
        second.note_others(Vec::new(), true, later);
        assert_eq!(sweeps(&mut second, true, 50), [0, 2, 6, 15, 40], "it is the first one now");
        let mut first = schedule(true);
        sweeps(&mut first, true, 50);
        let later = first.swept_at.plus(Duration::from_secs(100));
        first.note_others(vec!["other".into(), "new".into()], true, later);
        assert!(!first.is_due(true, later), "a process has begun");
        first.note_others(vec!["new".into()], true, later);
        assert!(first.is_due(true, later), "a process has ended");
    }
}

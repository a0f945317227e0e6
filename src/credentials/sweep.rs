//! Revokes tokens that nobody holds: a process died with them, or the answer to their minting was
//! lost.
//!
//! Azure DevOps is asked for the living tokens of the service user, since it alone knows those
//! whose answer never came. It must never touch a token that is not named as ours.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use super::Error;
use super::minted::Spent;
use super::minter::Minter;
use crate::ado::{self, Credential, ListedPat};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::pat::{Name, is_left_over};
use crate::domain::time::Timestamp;

/// When to look after something happened that may have left one: a request may still be on its
/// way to Azure DevOps when we look first.
const LOOKS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(6),
    Duration::from_secs(15),
    Duration::from_secs(40),
];
/// When to look where nothing happened.
const OTHERWISE: Duration = Duration::from_secs(600);
/// Pages of 100 tokens each.
const PAGES_MAX: usize = 50;

/// When to look next.
#[derive(Debug)]
pub(super) struct Watch(Mutex<Plan>);

#[derive(Clone, Copy, Debug)]
struct Plan {
    since: Timestamp,
    looks: usize,
    looked_at: Timestamp,
}

impl Watch {
    /// A start is suspicious: the process before may have died.
    pub(super) fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Plan { since: now, looks: 0, looked_at: now }))
    }

    /// Something may have been left now.
    pub(super) fn suspect(&self, now: Timestamp) {
        self.change(|plan| (plan.since, plan.looks) = (now, 0));
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let mut is_due = false;
        self.change(|plan| {
            is_due = match LOOKS.get(plan.looks) {
                Some(wait) => now >= plan.since.plus(*wait),
                None => now >= plan.looked_at.plus(OTHERWISE),
            };
        });
        is_due
    }

    fn looked(&self, now: Timestamp) {
        self.change(|plan| {
            plan.looks = plan.looks.saturating_add(1);
            plan.looked_at = now;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Plan)) {
        let mut plan = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut plan);
    }
}

impl Minter {
    /// Looks for tokens that nobody holds, where that is due, and revokes them.
    pub(super) async fn sweep(self: &Arc<Self>) {
        let now = self.audit_log.clock.now();
        if !self.watch.is_due(now) {
            return;
        }
        // Before Azure DevOps is asked: what is revoked meanwhile was alive when it answered.
        let (held, next) = self.held();
        let Ok(living) = self.living().await else { return };
        self.watch.looked(now);
        let (gateway, process) = (&self.instance.gateway, &self.instance.process);
        let left_over = living.into_iter().filter(|pat| {
            let is_held = |serial| serial >= next || held.contains(&serial);
            is_left_over(&pat.display_name, gateway, process, is_held)
        });
        left_over.for_each(|pat| self.revoke_left_over(self.spent(pat)));
    }

    fn spent(&self, pat: ListedPat) -> Spent {
        let run = Name::parse(&pat.display_name).and_then(|name| name.run);
        let entry = Entry {
            run,
            pat: Some(pat.authorization_id.clone()),
            detail: format!("left over: {}", pat.display_name),
            ..self.audit_log.entry(Action::Revoke, Outcome::Done)
        };
        let soon = self.audit_log.clock.now().plus(self.lifetime);
        Spent {
            authorization_id: pat.authorization_id,
            serial: None,
            valid_to: pat.valid_to.unwrap_or(soon).min(soon),
            entry,
            used: None,
        }
    }

    /// Every living token of the service user.
    async fn living(&self) -> Result<Vec<ListedPat>, Error> {
        let mut living = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let access = self.session.access().await?;
            let credential = Credential::from_bearer(&access.token);
            let page = match self.client.active_pats(credential, next.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    if let ado::Error::Unauthorized { .. } = error {
                        self.session.refused(&access).await;
                    }
                    return Err(Error::new(error.to_string()));
                }
            };
            living.extend(page.pats);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(living)
    }
}

//! Catch-up: what hooks never told is looked for in Azure DevOps and put into the inbox, where it
//! is decided like any other delivery.
//!
//! A pass goes over the watched repositories of an organization, those that were read longest ago
//! first, a project in one tick; each repository commits by itself, so that a pass which stops
//! goes on where it stopped. It must never decide what is started.

mod deliveries;
mod pass;
mod project;
mod reading;
mod repository;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::schedule::{Turned, Upkeep};
use super::turn::{Stop, Upkept};
use crate::credentials::CallError;
use crate::domain::check::Check;
use crate::domain::subscription::HookScope;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::storage::{self, Reconciler};
use crate::worker::{Notifier, Progress};
use pass::{Going, Next};

/// Between the last moment of one reading and the first of the next: Azure DevOps' lists and its
/// clock may be a little behind. What is read twice starts nothing twice.
const OVERLAP: Duration = Duration::from_secs(60);
/// Less than this, and what Azure DevOps showed is not taken for later than what it tells.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// Ticks that undecided deliveries are waited for: a difference may only be lag.
const WAITS_MAX: u32 = 3;
/// After a pass was stopped, by whatever has no end that is known, at the latest.
const RETRY: Duration = Duration::from_secs(30);
/// The same where no credential is lent.
const RETRY_SOON: Duration = Duration::from_secs(5);
/// After a pass that could not read everything, at the latest.
const RETRY_UNREAD: Duration = Duration::from_secs(60);

/// An organization whose repositories are followed.
#[derive(Clone, Debug)]
pub struct Followed {
    pub upkept: Upkept,
    /// Those of other organizations may be among them.
    pub checks: Arc<[Check]>,
    /// None where it is only done when somebody asks.
    pub every: Option<Duration>,
    /// Hooks tell, too, and a little later than things happen.
    pub has_hooks: bool,
}

/// What one pass came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// When it began.
    pub at: Timestamp,
    /// Calls to Azure DevOps, minting and revoking not counted.
    pub requests: u64,
    /// Deliveries that entered the inbox.
    pub found: usize,
    /// Changes that a hook should have told long before the pass, by where it is: pushes, or for
    /// all about pull requests those that tell changes of them.
    pub missed_by_hooks: BTreeMap<HookScope, Unheard>,
    /// The first thing that could not be read, and why.
    pub problem: Option<String>,
}

/// Changes that no hook told, in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unheard {
    pub count: usize,
    /// When the last of them happened, by the clock of Azure DevOps.
    pub last_at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub struct CatchUp {
    organizations: Vec<Organization>,
    decide: Notifier,
    health: Arc<Health>,
}

#[derive(Debug)]
struct Organization {
    followed: Followed,
    state: Mutex<State>,
}

/// What is to be done when.
#[derive(Debug)]
struct State {
    due_at: Timestamp,
    /// Somebody wants a thorough pass now.
    is_asked: bool,
    /// The next pass judges anew what required checks show.
    is_guarded_anew: bool,
    /// The next pass has to look for what came back, too.
    is_thorough: bool,
    waited: u32,
    going: Option<Box<Going>>,
    /// Why nothing is done for now, as told last.
    told: String,
    last: Option<Pass>,
    /// How far the repository was read that was read longest ago.
    oldest: Option<Timestamp>,
    /// Until when the pushes of each repository were read, in this process.
    pushes_read: BTreeMap<String, Timestamp>,
}

impl CatchUp {
    /// Follows these organizations; `decide` is woken when something was found. The first pass of
    /// each is due at once, and thorough.
    pub fn new(organizations: Vec<Followed>, decide: Notifier, health: Arc<Health>) -> Self {
        let organizations = organizations.into_iter().map(Organization::new).collect();
        Self { organizations, decide, health }
    }

    /// A hook of an organization is a new one: what happened before it was told by none.
    pub fn after_healing(&self, organization: &str) {
        let is_followed = |one: &Organization| one.followed.every.is_some();
        if self.named(organization).is_some_and(is_followed) {
            self.ask(organization);
        }
    }

    /// Wants a thorough pass of an organization as soon as possible. Answers whether it is
    /// known at all.
    pub fn ask(&self, organization: &str) -> bool {
        let Some(one) = self.named(organization) else { return false };
        let mut state = one.state();
        state.is_asked = true;
        if state.going.is_some() {
            // Also one that waits goes on at once: what kept it may be mended.
            state.due_at = Timestamp::ZERO;
        }
        true
    }

    /// A policy that waits for required checks is new or another one: what they show of the pull
    /// requests that are open is judged again, in the next pass.
    pub fn after_guarding(&self, organization: &str) {
        if let Some(one) = self.named(organization) {
            one.state().is_guarded_anew = true;
        }
        self.after_healing(organization);
    }

    /// The last pass of an organization that came to its end in this process.
    pub fn last(&self, organization: &str) -> Option<Pass> {
        self.named(organization).and_then(|one| one.state().last.clone())
    }

    /// The same as a turn; none before the first pass.
    pub fn turned(&self, organization: &str) -> Option<Turned> {
        let Pass { at, found, problem, .. } = self.last(organization)?;
        Some(Turned { at, changes: found, goes_on: false, problem })
    }

    fn named(&self, organization: &str) -> Option<&Organization> {
        self.organizations
            .iter()
            .find(|one| one.followed.upkept.organization.eq_ignore_ascii_case(organization))
    }
}

#[async_trait]
impl Upkeep for CatchUp {
    fn name(&self) -> &'static str {
        "catch_up"
    }

    fn organizations(&self) -> Vec<String> {
        self.organizations.iter().map(|one| one.followed.upkept.organization.clone()).collect()
    }

    async fn due(&self, organization: &str) -> Result<Progress, storage::Error> {
        match self.named(organization) {
            Some(one) => Box::pin(one.step(&self.decide, &self.health)).await,
            None => Ok(Progress::Idle),
        }
    }
}

impl Organization {
    fn new(followed: Followed) -> Self {
        let state = State {
            due_at: followed.every.map_or(Timestamp::NEVER, |_| Timestamp::ZERO),
            is_asked: false,
            is_guarded_anew: false,
            is_thorough: true,
            waited: 0,
            going: None,
            told: String::new(),
            last: None,
            oldest: None,
            pushes_read: BTreeMap::new(),
        };
        Self { followed, state: Mutex::new(state) }
    }

    /// Nothing is left half-done under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of the pass that is due or going on.
    async fn step(&self, decide: &Notifier, health: &Health) -> Result<Progress, storage::Error> {
        let Upkept { organization, clock, .. } = &self.followed.upkept;
        self.show_age();
        let Some(mut going) = self.due().await? else { return Ok(Progress::Idle) };
        let turn = match self.followed.upkept.turn(Reconciler::CatchUp).await {
            Ok(Some(turn)) => turn,
            Ok(None) => {
                // Another replica does it; what it finds is found.
                self.put_off(going, self.retry(), String::new());
                return Ok(Progress::Idle);
            }
            Err(error) => {
                self.state().going = Some(going);
                return Err(error);
            }
        };
        let next = going.step(&self.followed, &turn, decide).await;
        going.pass.requests += turn.requests();
        turn.end().await;
        self.state().oldest = going.oldest();
        match next {
            Ok(Next::More) => self.state().going = Some(going),
            Ok(Next::Done) => self.finish(*going, health),
            Err(Stop::Store(error)) => {
                self.state().going = Some(going);
                return Err(error);
            }
            Err(Stop::Stopping) => {
                self.state().going = Some(going);
                return Ok(Progress::Idle);
            }
            Err(stop) => {
                let wait = match &stop {
                    Stop::Paused(pause) => pause.until.since(clock.now()),
                    stop => {
                        let told = format!("catch-up waits: {stop}");
                        health.raise(organization, ProblemKind::CatchUp, &told);
                        match stop {
                            // Somebody may be linked any moment.
                            Stop::Call(CallError::Credential(_)) => self.retry().min(RETRY_SOON),
                            _ => self.retry(),
                        }
                    }
                };
                self.put_off(going, wait, format!("{organization}: catch-up waits: {stop}"));
                return Ok(Progress::Idle);
            }
        }
        Ok(Progress::Worked)
    }

    /// The pass to go on with, or a new one where one is due.
    async fn due(&self) -> Result<Option<Box<Going>>, storage::Error> {
        let now = self.followed.upkept.clock.now();
        {
            let mut state = self.state();
            let is_due = now >= state.due_at;
            if let Some(going) = state.going.take_if(|_| is_due) {
                return Ok(Some(going));
            }
            if state.going.is_some() || !(is_due || state.is_asked) {
                return Ok(None);
            }
        }
        let undecided = self.followed.upkept.store.backlog().await?.undecided;
        let mut state = self.state();
        if undecided > 0 && state.waited < WAITS_MAX {
            state.waited += 1;
            return Ok(None);
        }
        state.waited = 0;
        // Every further step of it is due at once.
        state.due_at = now;
        let is_thorough = std::mem::take(&mut state.is_asked) || state.is_thorough;
        let is_guarded_anew = std::mem::take(&mut state.is_guarded_anew);
        let pushes_read = std::mem::take(&mut state.pushes_read);
        let going = Going::new(now, is_thorough, is_guarded_anew, pushes_read);
        Ok(Some(Box::new(going)))
    }

    fn retry(&self) -> Duration {
        self.followed.every.map_or(RETRY, |every| RETRY.min(every))
    }

    fn put_off(&self, going: Box<Going>, wait: Duration, why: String) {
        let now = self.followed.upkept.clock.now();
        let mut state = self.state();
        state.due_at = now.plus(wait);
        state.going = Some(going);
        if !why.is_empty() && why != state.told {
            tracing::warn!("{why}");
            state.told = why;
        }
    }

    fn finish(&self, going: Going, health: &Health) {
        let Upkept { organization, clock, .. } = &self.followed.upkept;
        let Going { pass, is_thorough, is_guarded_anew, pushes_read, .. } = going;
        let Pass { requests, found, problem, .. } = &pass;
        match problem {
            None => health.clear(organization, ProblemKind::CatchUp),
            Some(problem) => {
                let told = format!("catch-up could not read everything: {problem}");
                health.raise(organization, ProblemKind::CatchUp, &told);
            }
        }
        if *found > 0 {
            tracing::info!(
                organization,
                found,
                requests,
                "catch_up_payload up with what no hook told"
            );
        }
        let name = organization.clone();
        metrics::counter!("azdo_gateway_catch_up_found_total", "organization" => name.clone())
            .increment(u64::try_from(*found).unwrap_or(u64::MAX));
        let requests = u32::try_from(*requests).unwrap_or(u32::MAX);
        metrics::gauge!("azdo_gateway_catch_up_requests", "organization" => name)
            .set(f64::from(requests));
        let mut state = self.state();
        let wait = |every: Duration| match problem {
            Some(_) => every.min(RETRY_UNREAD),
            None => every,
        };
        let due_at = |every| clock.now().plus(wait(every));
        state.due_at = self.followed.every.map_or(Timestamp::NEVER, due_at);
        state.is_guarded_anew |= is_guarded_anew && problem.is_some();
        // What could not be read was not looked at closely either.
        state.is_thorough = is_thorough && problem.is_some();
        state.told.clear();
        state.pushes_read = pushes_read;
        state.last = Some(pass);
        drop(state);
        self.show_age();
    }

    fn show_age(&self) {
        let Upkept { organization, clock, .. } = &self.followed.upkept;
        let Some(oldest) = self.state().oldest else { return };
        metrics::gauge!("azdo_gateway_catch_up_age_seconds", "organization" => organization.clone())
            .set(clock.now().since(oldest).as_secs_f64());
    }
}

/// What time it is at Azure DevOps, by whose clock everything here is compared.
fn their_now(upkept: &Upkept) -> Timestamp {
    upkept.throttle.their_now(&upkept.organization, upkept.clock.now())
}

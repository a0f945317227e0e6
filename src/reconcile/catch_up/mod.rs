//! Catch-up: looks in Azure DevOps for events that no hook delivered, and puts them into the inbox,
//! where they are decided like any other delivery.
//!
//! A pass scans the watched repositories of an organization project by project, those first that
//! were read longest ago. Each repository is committed by itself, so a scan that is interrupted
//! goes on where it stopped.

mod comments;
mod deliveries;
mod lists;
mod project;
mod repository;
mod scan;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::Counter;
use parking_lot::Mutex;

use super::context::OrganizationContext;
use super::driver::{Driver, Ended, Reconcile};
use super::pass::{Pass, Stop};
use crate::ado::Scope;
use crate::credentials::CallError;
use crate::domain::catch_up::next_scan_at;
use crate::domain::check::Check;
use crate::domain::reconciler::{Asked, Outcome};
use crate::domain::time::Timestamp;
use crate::health::ProblemKind;
use crate::storage::{self, Reconciler, WatchRow};
use project::read_project;
use scan::{Scan, ends_the_scan};
use target::Target;

pub use scan::{MissedByHooks, Report};

/// How often a scan waits for the inbox to become empty before it begins: a difference may only be
/// a delivery that is not decided yet.
const WAITS_MAX: u32 = 3;
/// How long it waits each time.
const WAIT: Duration = Duration::from_millis(500);
/// The longest wait after an interruption whose end is not known.
const RETRY: Duration = Duration::from_secs(30);
/// The same where there is no credential.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// See the module. Of one organization.
#[derive(Debug)]
pub struct CatchUp {
    target: Target,
    state: Mutex<State>,
}

/// What this process knows beyond the store.
#[derive(Debug)]
struct State {
    /// Somebody asked for a scan while another one was interrupted: it follows that one.
    is_asked: bool,
    /// The next scan decides again about open pull requests with required checks.
    rechecks_required: bool,
    /// The next scan also looks for branches that moved and came back.
    is_thorough: bool,
    waits: u32,
    /// A scan that was interrupted.
    interrupted: Option<Box<Scan>>,
    /// The last reason for an interruption that was logged.
    logged: String,
    last_report: Option<Report>,
    /// Until when the repository was read that was read longest ago.
    oldest: Option<Timestamp>,
    /// Until when this process has read the pushes of each repository, by its id.
    pushes_read: BTreeMap<String, Timestamp>,
}

impl CatchUp {
    /// The first scan of a process is thorough.
    pub(super) fn new(
        context: OrganizationContext,
        checks: Arc<[Check]>,
        every: Option<Duration>,
        has_hooks: bool,
    ) -> Self {
        let state = State {
            is_asked: false,
            rechecks_required: false,
            is_thorough: true,
            waits: 0,
            interrupted: None,
            logged: String::new(),
            last_report: None,
            oldest: None,
            pushes_read: BTreeMap::new(),
        };
        found_in(&context.organization).increment(0);
        let target = Target { context, checks, has_hooks, every };
        Self { target, state: Mutex::new(state) }
    }

    /// The report of the last scan that this process ended.
    pub(super) fn last_report(&self) -> Option<Report> {
        self.state.lock().last_report.clone()
    }

    /// The interrupted scan, or a new one; none while the inbox is to be waited for.
    async fn begin(&self, asked: Asked) -> Result<Option<Box<Scan>>, storage::Error> {
        {
            let mut state = self.state.lock();
            state.is_asked |= asked >= Asked::Pass;
            state.rechecks_required |= asked >= Asked::Recheck;
            if let Some(scan) = state.interrupted.take() {
                return Ok(Some(scan));
            }
        }
        let deps = &self.target.context.deps;
        let undecided = deps.store.backlog().await?.undecided;
        let mut state = self.state.lock();
        if undecided > 0 && state.waits < WAITS_MAX {
            state.waits += 1;
            return Ok(None);
        }
        state.waits = 0;
        let is_thorough = std::mem::take(&mut state.is_asked) || state.is_thorough;
        let rechecks_required = std::mem::take(&mut state.rechecks_required);
        let pushes_read = std::mem::take(&mut state.pushes_read);
        let scan = Scan::new(deps.clock.now(), is_thorough, rechecks_required, pushes_read);
        Ok(Some(Box::new(scan)))
    }

    /// Scans until the end.
    async fn scan(&self, scan: &mut Scan, pass: &Pass<'_>) -> Result<(), Stop> {
        if !scan.is_listed() {
            scan.list(self.watched(pass).await?);
        }
        while let Some(rows) = scan.next_batch() {
            let mut left = rows;
            if let Err(stop) = read_project(scan, &self.target, pass, &mut left).await {
                if ends_the_scan(&stop) || scan.is_hopeless() {
                    scan.give_back(left);
                    return Err(stop);
                }
                scan.fail(&stop, &left);
            }
            self.state.lock().oldest = scan.oldest();
            self.update_gauges();
        }
        Ok(())
    }

    /// The repositories that checks watch. Since when is stored before anything of them is read.
    async fn watched(&self, pass: &Pass<'_>) -> Result<Vec<WatchRow>, Stop> {
        let Target { context, checks, .. } = &self.target;
        let OrganizationContext { organization, client, deps, .. } = context;
        let list = |credential| client.repositories(credential);
        let all = pass.call(Scope::Code, "catch-up", list).await?;
        let mut watched = Vec::new();
        for repository in all {
            let watches = |former: &[String]| {
                checks.iter().any(|check| check.watches(organization, &repository, former))
            };
            if watches(&[]) || watches(&deps.store.former_names(organization, &repository).await?) {
                watched.push(repository);
            }
        }
        Ok(deps.store.watch(organization, watched, self.target.now_there()).await?)
    }

    /// Keeps the scan, to go on later.
    fn interrupt(&self, scan: Box<Scan>, stop: Stop) -> Result<Ended, Stop> {
        let context = &self.target.context;
        let mut state = self.state.lock();
        state.oldest = scan.oldest();
        let asked = state.asked(scan.rechecks_required);
        state.interrupted = Some(scan);
        let retry = self.target.every.map_or(RETRY, |every| RETRY.min(every));
        let wait = match &stop {
            Stop::Store(_) | Stop::Stopping | Stop::LeaseLost => return Err(stop),
            Stop::Paused(pause) => pause.until.since(context.now()),
            // Somebody may link the service user at any moment.
            Stop::Call(CallError::Credential(_)) => retry.min(RETRY_SOON),
            Stop::Call(_) | Stop::TimedOut => retry,
        };
        let reason = format!("{}: {stop}", Self::FAILED);
        if !matches!(stop, Stop::Paused(_)) {
            context.deps.health.raise(&context.organization, Self::PROBLEM, &reason);
        }
        if reason != state.logged {
            tracing::warn!(organization = context.organization, "{reason}");
            state.logged = reason;
        }
        Ok(Ended::Postponed { until: context.now().plus(wait), asked })
    }

    fn finish(&self, scan: Scan) -> Ended {
        let OrganizationContext { organization, deps, .. } = &self.target.context;
        let Scan { report, is_thorough, rechecks_required, pushes_read, .. } = scan;
        let Report { at, requests, found, problem, .. } = report.clone();
        match &problem {
            None => deps.health.clear(organization, Self::PROBLEM),
            Some(problem) => {
                let problem = format!("catch-up could not read everything: {problem}");
                deps.health.raise(organization, Self::PROBLEM, &problem);
            }
        }
        if found > 0 {
            tracing::info!(organization, found, requests, "found events that no hook delivered");
        }
        found_in(organization).increment(u64::try_from(found).unwrap_or(u64::MAX));
        metrics::gauge!("azdo_gateway_catch_up_requests", "organization" => organization.clone())
            .set(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
        let is_complete = problem.is_none();
        let mut state = self.state.lock();
        // What could not be read is due again.
        state.rechecks_required |= rechecks_required && !is_complete;
        state.is_thorough = is_thorough && !is_complete;
        state.logged.clear();
        state.pushes_read = pushes_read;
        state.last_report = Some(report);
        let due_at = if state.is_asked {
            Timestamp::ZERO
        } else {
            next_scan_at(deps.clock.now(), self.target.every, is_complete)
        };
        let changes = u32::try_from(found).unwrap_or(u32::MAX);
        let outcome = Outcome { at, changes, has_more: false, problem };
        let asked = state.asked(false);
        Ended::Finished { outcome, due_at: Some(due_at), asked }
    }
}

impl State {
    /// What another replica has to do if this one dies: to decide again about open pull requests,
    /// which nobody else would ask for. `rechecks` says it of a scan that is interrupted.
    fn asked(&self, rechecks: bool) -> Asked {
        match rechecks || self.rechecks_required {
            true => Asked::Recheck,
            false => Asked::Nothing,
        }
    }
}

#[async_trait]
impl Reconcile for CatchUp {
    const KIND: Reconciler = Reconciler::CatchUp;
    const PROBLEM: ProblemKind = ProblemKind::CatchUp;
    const FAILED: &'static str = "catch-up is interrupted and goes on later";

    fn context(&self) -> &OrganizationContext {
        &self.target.context
    }

    fn every(&self) -> Option<Duration> {
        self.target.every
    }

    async fn reconcile(&self, pass: &Pass<'_>) -> Result<Ended, Stop> {
        let Some(mut scan) = self.begin(pass.asked()).await? else {
            let until = self.target.context.now().plus(WAIT);
            return Ok(Ended::Postponed { until, asked: self.state.lock().asked(false) });
        };
        let ended = self.scan(&mut scan, pass).await;
        scan.report.requests += pass.requests();
        match ended {
            Ok(()) => Ok(self.finish(*scan)),
            Err(stop) => self.interrupt(scan, stop),
        }
    }

    fn update_gauges(&self) {
        let OrganizationContext { organization, deps, .. } = &self.target.context;
        let Some(oldest) = self.state.lock().oldest else { return };
        metrics::gauge!("azdo_gateway_catch_up_age_seconds", "organization" => organization.clone())
            .set(deps.clock.now().since(oldest).as_secs_f64());
    }
}

/// The counter of events that no hook delivered.
fn found_in(organization: &str) -> Counter {
    let organization = organization.to_owned();
    metrics::counter!("azdo_gateway_catch_up_found_total", "organization" => organization)
}

impl Driver<CatchUp> {
    /// Asks for a thorough scan, since a hook was created or repaired and earlier events may be
    /// lost. Does nothing where catch-up is off.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn after_lost_events(&self) -> Result<(), storage::Error> {
        match self.reconciler.target.every {
            Some(_) => self.ask(Asked::Pass).await,
            None => Ok(()),
        }
    }

    /// Asks for a scan that decides again about open pull requests with required checks, since
    /// there is a new policy that waits for them. Does nothing where catch-up is off.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn recheck_required(&self) -> Result<(), storage::Error> {
        match self.reconciler.target.every {
            Some(_) => self.ask(Asked::Recheck).await,
            None => Ok(()),
        }
    }
}

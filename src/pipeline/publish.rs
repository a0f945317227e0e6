//! Stage 5: Azure DevOps shows what the newest run of each context says.
//!
//! One attempt per place at a time; what is shown already is not posted; after an attempt without
//! an answer we look before we post again. It must never decide what a run's state means.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::ado::{self, Client, Credential, Lane, Scope, Throttle};
use crate::clock::Clock;
use crate::credentials::{self, CallError, Purpose};
use crate::domain::backoff::Backoff;
use crate::domain::status::{Status, Target};
use crate::health::ProblemKind;
use crate::jitter;
use crate::storage::{Claim, LeasedSlot, Posted, Posting, PostingCommit, Store};
use crate::worker::{self, InFlight, Progress, Tick};

const IN_FLIGHT_MAX: usize = 64;
const CLAIM_MAX: usize = 64;
/// Longer than one attempt may take: iterations, a look, the post, and minting for each.
const LEASE: Duration = Duration::from_secs(30);
const POST_MAX: Duration = Duration::from_secs(25);
const _: () = assert!(LEASE.as_secs() > POST_MAX.as_secs());
const _: () = assert!(POST_MAX.as_secs() > 3 * ado::CALL_MAX.as_secs());
const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 5 * 60_000, retry_after_ms_max: 60 * 60_000 };
/// How long a status is tried before it is given up.
const TRIED_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Tries to find what may not be there yet, such as an iteration just pushed.
const LOOKS_MAX: u32 = 8;
/// How long an identity that is not let in is left alone.
const LOCKED_OUT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Publish {
    posts: Arc<Posts>,
    in_flight: InFlight,
}

/// One organization as the stage sees it.
#[derive(Clone, Debug)]
pub struct Organization {
    pub client: Client,
    pub credentials: Arc<dyn credentials::Source>,
}

/// What posting needs.
#[derive(Clone, Debug)]
pub struct Posts {
    pub store: Arc<dyn Store>,
    pub organizations: HashMap<String, Organization>,
    pub throttle: Arc<Throttle>,
    pub health: Arc<crate::health::Health>,
    pub clock: Clock,
}

impl Organization {
    /// One call with a credential of its own.
    async fn call<T, F>(
        &self,
        scope: Scope,
        what: &'static str,
        status: &Status,
        make: impl Fn(Credential) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, ado::Error>>,
    {
        let purpose = Purpose::new(what).of_run(status.run);
        credentials::call(self.credentials.as_ref(), scope, purpose, make).await
    }
}

impl Publish {
    /// A stage that posts like this.
    pub fn new(posts: Posts) -> Self {
        Self { posts: Arc::new(posts), in_flight: InFlight::new(IN_FLIGHT_MAX) }
    }
}

#[async_trait]
impl Tick for Publish {
    fn name(&self) -> &'static str {
        "publish"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let limit = self.in_flight.capacity().await.min(CLAIM_MAX);
        let claim = Claim { now: self.posts.clock.now(), limit, lease: LEASE };
        let claimed = self.posts.store.claim_slots(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        for slot in claimed {
            let posts = Arc::clone(&self.posts);
            self.in_flight.spawn(async move { posts.make(slot).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

/// Why an attempt ended without a post.
enum Failure {
    Call(CallError),
    /// No iteration of the pull request has the commit.
    NoIteration,
    /// All of it took too long.
    TooLong,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Failure::Call(error)
    }
}

impl Posts {
    async fn make(&self, slot: LeasedSlot) {
        let now = self.clock.now();
        let organization = &slot.status.organization;
        let posting = match self.organizations.get(organization) {
            None => {
                let reason = format!("organization {organization} is not configured any more");
                Posting::Refused(reason)
            }
            Some(found) => match self.throttle.pause(organization, Lane::Statuses, now) {
                Some(pause) => Posting::Later {
                    due_at: pause.until.plus(Duration::from_millis(jitter::random() % 1_000)),
                    counts: false,
                    doubtful: slot.doubtful,
                    reason: format!(
                        "{organization} is left in peace until {}: {}",
                        pause.until, pause.reason
                    ),
                },
                None => match tokio::time::timeout(POST_MAX, self.post(found, &slot)).await {
                    Ok(Ok(posting)) => posting,
                    Ok(Err(failure)) => self.judge(&slot, failure),
                    Err(_) => self.judge(&slot, Failure::TooLong),
                },
            },
        };
        self.finish(slot, posting).await;
    }

    /// Makes the calls that the status needs, each with a credential of its own.
    async fn post(&self, to: &Organization, slot: &LeasedSlot) -> Result<Posting, Failure> {
        let status = &slot.status;
        let iteration = match (&status.target, slot.iteration) {
            (Target::Commit { .. }, _) => None,
            (_, Some(known)) => Some(known),
            (Target::PullRequest { id, commit }, None) => {
                let iterations = to.call(Scope::Code, "iterations", status, |credential| {
                    to.client.iterations(credential, status, *id)
                });
                let iterations = iterations.await?;
                let newest = iterations
                    .iter()
                    .rev()
                    .find(|found| commit.is_none() || found.source_commit == *commit);
                Some(newest.ok_or(Failure::NoIteration)?.id)
            }
        };
        if shows(slot.posted.as_ref(), status, iteration) && !slot.doubtful {
            return Ok(Posting::Unchanged { iteration });
        }
        if slot.doubtful {
            let shown = to.call(Scope::CodeStatus, "look", status, |credential| {
                to.client.shown_status(credential, status, iteration)
            });
            if shown.await?.is_some_and(|shown| is_same(&shown, status)) {
                return Ok(Posting::Unchanged { iteration });
            }
        }
        let post = to.call(Scope::CodeStatus, "status", status, |credential| {
            to.client.post_status(credential, status, iteration)
        });
        post.await?;
        self.health.clear(&status.organization, ProblemKind::Calls);
        Ok(Posting::Posted { iteration })
    }

    fn judge(&self, slot: &LeasedSlot, failure: Failure) -> Posting {
        let now = self.clock.now();
        let organization = &slot.status.organization;
        let attempts = slot.attempts.saturating_add(1);
        // What an earlier attempt left in doubt stays so until a look is answered.
        let later = |retry_after, counts, may_be_posted, reason: String| {
            if now.since(slot.queued_at) > TRIED_MAX {
                return Posting::Refused(format!("given up after a day: {reason}"));
            }
            let due_at = now.plus(BACKOFF.wait(attempts, jitter::random(), retry_after));
            let doubtful = may_be_posted || slot.doubtful;
            Posting::Later { due_at, counts, doubtful, reason }
        };
        match failure {
            Failure::NoIteration if attempts < LOOKS_MAX => {
                later(None, true, false, "its iteration is not there yet".into())
            }
            Failure::NoIteration => Posting::Refused(
                "no iteration of the pull request has this commit as its source".into(),
            ),
            // It may have been posted: whoever tries again looks first.
            Failure::TooLong => later(None, true, true, "it took too long".into()),
            // Nothing is given up for want of a link, however long that takes.
            Failure::Call(CallError::Credential(error)) => Posting::Later {
                due_at: match error.retry_at {
                    Some(until) => {
                        until.max(now).plus(Duration::from_millis(jitter::random() % 1_000))
                    }
                    None => now.plus(BACKOFF.wait(attempts, jitter::random(), Some(LOCKED_OUT))),
                },
                counts: false,
                doubtful: slot.doubtful,
                reason: error.to_string(),
            },
            Failure::Call(CallError::Ado(error)) => match &error {
                ado::Error::RateLimited { retry_after, .. } => {
                    later(*retry_after, false, false, error.to_string())
                }
                ado::Error::Unauthorized { .. } => {
                    let reason = error.to_string();
                    self.throttle.lock_out(organization, LOCKED_OUT, &reason, now);
                    self.health.raise(organization, ProblemKind::Calls, &reason);
                    tracing::error!(
                        organization,
                        "{error}: renew the credential of this organization; its statuses wait"
                    );
                    later(Some(LOCKED_OUT), false, false, error.to_string())
                }
                ado::Error::Forbidden { .. } => {
                    tracing::error!(organization, "{error}: grant it; the status waits");
                    later(Some(LOCKED_OUT), true, false, error.to_string())
                }
                ado::Error::NotFound { .. } if attempts < LOOKS_MAX => {
                    later(None, true, false, error.to_string())
                }
                ado::Error::WrongIteration { .. } if attempts < LOOKS_MAX => {
                    later(None, true, false, error.to_string())
                }
                ado::Error::Unavailable { doubtful, retry_after, .. } => {
                    later(*retry_after, true, *doubtful, error.to_string())
                }
                ado::Error::NotEditable
                | ado::Error::NotFound { .. }
                | ado::Error::WrongIteration { .. }
                | ado::Error::NoPat(_)
                | ado::Error::Rejected { .. } => Posting::Refused(error.to_string()),
            },
        }
    }

    async fn finish(&self, slot: LeasedSlot, posting: Posting) {
        let LeasedSlot { lease, status_id, status, .. } = slot;
        let now = self.clock.now();
        tell(&status, &posting, now.since(slot.queued_at));
        let commit = PostingCommit { lease, status_id, posting, now };
        if let Err(error) = self.store.commit_posting(commit).await {
            // The lease runs out; whoever takes over looks before posting.
            tracing::warn!(status = status_id.0, "the outcome of a post is lost: {error}");
        }
    }
}

fn shows(posted: Option<&Posted>, status: &Status, iteration: Option<i64>) -> bool {
    posted.is_some_and(|posted| {
        posted.state == status.state
            && posted.description == status.description
            && posted.url == status.url
            && posted.iteration == iteration
    })
}

fn is_same(shown: &ado::ShownStatus, status: &Status) -> bool {
    shown.state == status.state.as_str()
        && shown.description == status.description
        && shown.url == status.url
}

fn tell(status: &Status, posting: &Posting, took: Duration) {
    let (outcome, reason) = match posting {
        Posting::Posted { .. } => ("posted", ""),
        Posting::Unchanged { .. } => ("unchanged", ""),
        Posting::Refused(reason) => ("refused", reason.as_str()),
        Posting::Later { reason, .. } => ("later", reason.as_str()),
    };
    metrics::counter!("azdo_gateway_statuses_total", "outcome" => outcome).increment(1);
    if outcome == "posted" {
        metrics::histogram!("azdo_gateway_status_seconds").record(took.as_secs_f64());
    }
    let place = match &status.target {
        Target::PullRequest { id, .. } => format!("pull request {id}"),
        Target::Commit { commit } => {
            format!("commit {}", crate::domain::event::short(commit))
        }
    };
    let run = status.run.map(|run| run.to_string()).unwrap_or_default();
    let (name, state) = (&status.context.name, status.state.as_str());
    match posting {
        Posting::Refused(_) => {
            tracing::warn!(run, outcome, "{place}: {name} {state} not posted: {reason}");
        }
        _ => tracing::info!(run, outcome, reason, "{place}: {name} {state}"),
    }
}

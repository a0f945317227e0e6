//! Stage 5: posts the newest status of each slot to Azure DevOps.
//!
//! A slot is leased while its status is posted, so that statuses cannot overtake each other. What
//! Azure DevOps shows already is not posted again; after a post without an answer, Azure DevOps is
//! asked what it shows before the next one.

mod failure;
mod shown;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use url::Url;

use self::failure::{Failure, shortly_after};
use self::shown::{is_posted, is_shown, linked};
use super::iterations::{Iterations, Wanted};
use crate::ado::{self, Credential, Lane, MaySend, Scope, Throttle};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::credentials::{self, CallError, Identity, Purpose};
use crate::deps::Deps;
use crate::domain::event::short;
use crate::domain::slot::Posting;
use crate::domain::status::{Status, Target};
use crate::domain::summary;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::series::Series;
use crate::storage::{
    self, CONFLICTS_MAX, Claim, Deliveries, LeasedSlot, PostingCommit, Replicas, Runs, Statuses,
};
use crate::worker::{self, InFlight, Progress, Tick};

const IN_FLIGHT_MAX: usize = 64;
const CLAIM_MAX: usize = 64;
/// Longer than an attempt may take.
const LEASE: Duration = Duration::from_secs(30);
/// An attempt: the list of iterations, what is shown, the post, and minting a PAT for each.
const ATTEMPT_MAX: Duration = Duration::from_secs(25);
const _: () = assert!(LEASE.as_secs() > ATTEMPT_MAX.as_secs());
const _: () = assert!(ATTEMPT_MAX.as_secs() > 3 * ado::CALL_MAX.as_secs());

/// See the module.
#[derive(Debug)]
pub struct Publish {
    poster: Arc<Poster>,
    in_flight: InFlight,
}

/// Posts the status of one slot.
#[derive(Debug)]
struct Poster {
    statuses: Arc<dyn Statuses>,
    runs: Arc<dyn Runs>,
    deliveries: Arc<dyn Deliveries>,
    replicas: Arc<dyn Replicas>,
    changes: Changes,
    series: Arc<Series>,
    /// By organization.
    identities: HashMap<String, Identity>,
    /// The organizations whose pull requests have a summary.
    summaries: HashSet<String>,
    throttle: Arc<Throttle>,
    health: Arc<Health>,
    clock: Clock,
    iterations: Iterations,
    /// Where the pages of the gateway are.
    public_url: Url,
}

impl Publish {
    /// `identities` are those of all organizations, by name; the pull requests of those in
    /// `summaries` have a summary.
    pub fn new(
        identities: HashMap<String, Identity>,
        summaries: HashSet<String>,
        deps: &Deps,
    ) -> Self {
        let poster = Poster {
            statuses: Arc::clone(&deps.store) as Arc<dyn Statuses>,
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            deliveries: Arc::clone(&deps.store) as Arc<dyn Deliveries>,
            replicas: Arc::clone(&deps.store) as Arc<dyn Replicas>,
            changes: deps.changes.clone(),
            series: Arc::clone(&deps.series),
            identities,
            summaries,
            throttle: Arc::clone(&deps.throttle),
            health: Arc::clone(&deps.health),
            clock: deps.clock.clone(),
            iterations: Iterations::default(),
            public_url: deps.public_url.clone(),
        };
        Self { poster: Arc::new(poster), in_flight: InFlight::new(IN_FLIGHT_MAX) }
    }
}

#[async_trait]
impl Tick for Publish {
    fn name(&self) -> &'static str {
        "publish"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let limit = self.in_flight.capacity().await.min(CLAIM_MAX);
        let claim = Claim { now: self.poster.clock.now(), limit, lease: LEASE };
        let claimed_at = Instant::now();
        let claimed = self.poster.statuses.claim_slots(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        for slot in claimed {
            let poster = Arc::clone(&self.poster);
            self.in_flight.spawn(async move { poster.publish(slot, claimed_at).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Poster {
    async fn publish(&self, slot: LeasedSlot, claimed_at: Instant) {
        let now = self.clock.now();
        let organization = &slot.status.organization;
        let posting = match self.identities.get(organization) {
            None => {
                let reason = format!("organization {organization} is not configured any more");
                Posting::Refused(reason)
            }
            Some(identity) => match self.throttle.pause(organization, Lane::Statuses, now) {
                Some(pause) => Posting::Later {
                    due_at: shortly_after(pause.until),
                    counts: false,
                    doubtful: slot.doubtful,
                    reason: format!(
                        "no calls to {organization} until {}: {}",
                        pause.until, pause.reason
                    ),
                },
                None => {
                    let attempt = self.attempt(identity, &slot, claimed_at);
                    match tokio::time::timeout(ATTEMPT_MAX, attempt).await {
                        Ok(Ok(posting)) => posting,
                        Ok(Err(failure)) => self.after_failure(&slot, failure),
                        Err(_) => self.after_failure(&slot, Failure::TimedOut),
                    }
                }
            },
        };
        self.commit(slot, posting).await;
    }

    /// Makes the calls that the status needs, each with a credential of its own.
    async fn attempt(
        &self,
        identity: &Identity,
        slot: &LeasedSlot,
        claimed_at: Instant,
    ) -> Result<Posting, Failure> {
        let (client, status) = (&identity.client, &slot.status);
        if let Target::Comment { pull_request, thread, comment } = &status.target {
            return self
                .answer(identity, slot, claimed_at, (*pull_request, *thread, *comment))
                .await;
        }
        let iteration = match (&status.target, slot.iteration) {
            (Target::Commit { .. } | Target::Comment { .. }, _) => None,
            (_, Some(known)) => Some(known),
            (Target::PullRequest { id, commit }, None) => {
                let wanted = Wanted {
                    status,
                    id: *id,
                    commit: commit.as_deref(),
                    queued_at: slot.queued_at,
                    revision: self.revision(status, *id).await?,
                    is_repeated: slot.attempts > 0,
                };
                let ask = async || {
                    call(identity, Scope::Code, "iterations", status, |credential| {
                        let repository = (status.project.as_str(), status.repository.as_str());
                        client.iterations(credential, repository, *id)
                    })
                    .await
                };
                let newest = self.iterations.newest(wanted, &self.clock, ask).await?;
                Some(newest.ok_or(Failure::NoIteration)?)
            }
        };
        if is_posted(slot.posted.as_ref(), status, iteration) && !slot.doubtful {
            return Ok(Posting::Unchanged { iteration });
        }
        let status = &linked(status, &self.public_url);
        if slot.doubtful {
            let shown = call(identity, Scope::CodeStatus, "look", status, |credential| {
                client.shown_status(credential, status, iteration)
            });
            if shown.await?.is_some_and(|shown| is_shown(&shown, status)) {
                return Ok(Posting::Unchanged { iteration });
            }
        }
        let post = call(identity, Scope::CodeStatus, "status", status, |credential| {
            client.post_status(credential, status, iteration, self.may_post(claimed_at))
        });
        post.await?;
        self.health.clear(&status.organization, ProblemKind::Calls);
        Ok(Posting::Posted { iteration })
    }

    /// The revision of what is known of the pull request of a status without a run. For those of a
    /// run it is not needed: they are queued as soon as the pull request has changed, and the slot
    /// keeps the iteration of the first.
    async fn revision(&self, status: &Status, id: i64) -> Result<Option<i64>, Failure> {
        if status.run.is_some() {
            return Ok(None);
        }
        let (organization, repository) = (&status.organization, &status.repository);
        let known = self.deliveries.known_pull_request(organization, repository, id).await?;
        Ok(known.value.remembered.map(|_| known.revision))
    }

    /// The same for an answer to a comment.
    async fn answer(
        &self,
        identity: &Identity,
        slot: &LeasedSlot,
        claimed_at: Instant,
        comment: (i64, i64, i64),
    ) -> Result<Posting, Failure> {
        let (client, status) = (&identity.client, &slot.status);
        if slot.doubtful {
            let look = call(identity, Scope::Threads, "look", status, |credential| {
                client.has_answer(credential, status, comment)
            });
            if look.await? {
                return Ok(Posting::Unchanged { iteration: None });
            }
        }
        let post = call(identity, Scope::Threads, "answer", status, |credential| {
            client.answer_comment(credential, status, comment, self.may_post(claimed_at))
        });
        post.await?;
        Ok(Posting::Posted { iteration: None })
    }

    /// Says whether no other attempt can have begun since the lease was claimed: this process may
    /// have been suspended at any time.
    fn may_post(&self, claimed_at: Instant) -> MaySend {
        let replicas = Arc::clone(&self.replicas);
        Arc::new(move || claimed_at.elapsed() < ATTEMPT_MAX && replicas.has_lived_since(claimed_at))
    }

    /// Queues the summary of the pull request that a status is about. Before the outcome of the
    /// post is stored: where this process ends in between, the post is repeated, and so is this.
    async fn summarize(&self, status: &Status) -> Result<(), storage::Error> {
        let has_summary = self.summaries.contains(&status.organization);
        if !has_summary || summary::summarized(status).is_none() {
            return Ok(());
        }
        // Another status may be queued, and summarized, at the same time: whoever queues the
        // summary last looks at all of them once more.
        for _ in 0..CONFLICTS_MAX {
            let shown = self.statuses.statuses_of_target(status).await?;
            let Some(summary) = summary::summarize(&shown) else { return Ok(()) };
            self.statuses.queue_status(summary, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Records how long after its event a run has its first status.
    async fn record_first(&self, status: &Status, now: Timestamp) {
        let Some(run) = status.run else { return };
        if let Ok(Some(run)) = self.runs.run(run).await
            && let Some(happened_at) = run.happened_at
        {
            let span = now.since(happened_at);
            metrics::histogram!("azdo_gateway_event_to_status_seconds").record(span);
        }
    }

    async fn commit(&self, slot: LeasedSlot, posting: Posting) {
        if let Err(error) = self.summarize(&slot.status).await {
            // The lease expires, and the next attempt summarizes it.
            tracing::warn!(status = slot.status_id.0, "the summary is not queued: {error}");
            return;
        }
        let LeasedSlot { lease, status_id, status, .. } = slot;
        let now = self.clock.now();
        let since_queued = now.since(slot.queued_at);
        report(&status, &posting);
        match posting {
            Posting::Posted { .. } => self.series.took("shown", "", since_queued, now),
            Posting::Refused(_) => self.series.count("refused", "", now),
            Posting::Unchanged { .. } | Posting::Later { .. } => {}
        }
        let is_first = matches!(posting, Posting::Posted { .. }) && slot.posted.is_none();
        let commit = PostingCommit { lease, status_id, posting, now };
        match self.statuses.commit_posting(commit).await {
            Ok(_) => {
                self.changes.status(status_id, status.run);
                // Nothing waits for this: the outcome is stored.
                if is_first {
                    self.record_first(&status, now).await;
                }
            }
            // The lease expires, and the next attempt asks what is shown before it posts.
            Err(error) => {
                tracing::warn!(
                    status = status_id.0,
                    "the outcome of a post is not stored: {error}"
                );
            }
        }
    }
}

/// Makes one call for a status, with a credential of its own.
async fn call<T, F>(
    identity: &Identity,
    scope: Scope,
    what: &'static str,
    status: &Status,
    make: impl Fn(Credential) -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, ado::Error>>,
{
    let purpose = Purpose::new(what).of_run(status.run);
    credentials::call(identity.source.as_ref(), scope, purpose, make).await
}

/// Logs and counts an outcome.
fn report(status: &Status, posting: &Posting) {
    let (outcome, reason) = match posting {
        Posting::Posted { .. } => ("posted", ""),
        Posting::Unchanged { .. } => ("unchanged", ""),
        Posting::Refused(reason) => ("refused", reason.as_str()),
        Posting::Later { reason, .. } => ("later", reason.as_str()),
    };
    metrics::counter!("azdo_gateway_statuses_total", "outcome" => outcome).increment(1);
    let target = match &status.target {
        Target::PullRequest { id, .. } => format!("pull request {id}"),
        Target::Commit { commit } => format!("commit {}", short(commit)),
        Target::Comment { pull_request, .. } => format!("a comment on pull request {pull_request}"),
    };
    let run = status.run.map(|run| run.to_string()).unwrap_or_default();
    let (name, state) = (&status.context.name, status.state.as_str());
    match posting {
        Posting::Refused(_) => {
            tracing::warn!(run, outcome, "{target}: {name} {state} not posted: {reason}");
        }
        _ => tracing::info!(run, outcome, reason, "{target}: {name} {state}"),
    }
}

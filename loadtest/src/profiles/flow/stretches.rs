//! Stretches of load with flows: at a rate, as many as the machine can do, and few with slow calls
//! to Azure DevOps; with what they cost each process.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::ci::Ci;
use super::environment::Environment;
use super::journal::{self, Requests};
use super::mode::Mode;
use super::options::Options;
use super::pull_requests;
use super::statuses::watch;
use super::tracker::Tracker;
use crate::deliveries::head_of;
use crate::load::{self, Load};
use crate::pace::{Pace, Schedule, Spacing};
use crate::postgres::Counters;
use crate::processes::{self, Spent};
use crate::rounds::Measurement;
use crate::system::{Storage, System};
use crate::{metrics, procfs};

/// Connections for deliveries; more flows than these may be under way.
const CONNECTIONS: usize = 64;
/// How long flows may take to end when no new one begins.
const SETTLED_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// With more cores used by other processes, a measurement says little.
const DISTURBED_CORES: f64 = 0.2;
/// A status that is posted twice, and the revocation of its token, come within this.
const QUIET: Duration = Duration::from_millis(500);
/// Pull requests for a second of warming up, above the fastest gateway that is to be expected.
const WARM_UP_PER_SECOND: usize = 3_000;
/// The gateway may become so much faster than it was while it warmed up.
const FASTER_MAX: f64 = 3.0;
/// A gateway that was held up while it warmed up may become faster than that.
const PER_SECOND_MIN: f64 = 1_000.0;
/// How long a run takes beside slow calls: pending statuses are posted by then.
const SLOW_RUN_TIME: Duration = Duration::from_millis(400);

/// What a flow costs the database and the proxy.
pub(super) const DATABASE_US: &str = "database_us_per_flow";
pub(super) const PROXY_US: &str = "proxy_us_per_flow";

/// The stretches of load.
pub(super) const OPEN_LOOP: &str = "open loop";
pub(super) const CLOSED_LOOP: &str = "closed loop";
pub(super) const SLOW_CALLS: &str = "slow calls";

/// What a measurement is called.
pub(super) fn subject(mode: Mode, system: System, stretch: &str) -> String {
    match system.storage {
        Storage::Sqlite => format!("{mode}, {stretch}"),
        Storage::Postgres => format!("{mode}, {system}, {stretch}"),
    }
}

/// Which stretches an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// At a rate, then as many flows as the machine can do.
    Fast,
    /// What a token costs each status, when each call takes its time.
    SlowCalls,
}

/// What all stretches need.
#[derive(Debug)]
struct Flows<'a> {
    options: &'a Options,
    environment: &'a Environment,
    tracker: Rc<RefCell<Tracker>>,
    permits: Rc<Semaphore>,
}

/// Processor time and counters of the database, from the start until now.
struct Used {
    time: processes::Used,
    fakes: Duration,
    /// Of the database, if there is one.
    counters: Option<Counters>,
}

/// Runs the stretches of a kind; what was measured and what was wrong.
pub(super) async fn run(
    kind: Kind,
    options: &Options,
    environment: &Environment,
    ci_listener: TcpListener,
) -> anyhow::Result<(Vec<Measurement>, Vec<String>)> {
    let (replicas, fakes) = (&environment.replicas, &environment.fakes);
    let hooks = environment.gateway.hooks()?;
    let heads = hooks.iter().map(|hook| head_of(replicas.address, hook)).collect();
    let tracker = Rc::new(RefCell::new(Tracker::new(heads)));
    let permits = Rc::new(Semaphore::new(0));
    let run_time = if kind == Kind::SlowCalls { SLOW_RUN_TIME } else { Duration::ZERO };
    let ci = Ci::new(&tracker, replicas.address, run_time);
    let flows = Flows { options, environment, tracker, permits };
    let calls_before = journal::seen(fakes).await?;
    let stretches = async {
        match kind {
            Kind::Fast => flows.fast().await,
            Kind::SlowCalls => flows.slow_calls().await,
        }
    };
    let mut measured = tokio::select! {
        measured = stretches => measured?,
        ended = ci.serve(ci_listener) => return Err(ended.err().context("the CI ended")?),
        ended = watch(fakes.address, &flows.tracker, &flows.permits) => {
            return Err(ended.err().context("the statuses are not read any more")?);
        }
    };
    let calls = journal::seen(fakes).await? - calls_before;
    let metrics = metrics::read(&replicas.addresses()).await?;
    let mut tracker = flows.tracker.borrow_mut();
    let begun = tracker.begun as f64;
    if let Some(first) = measured.first_mut() {
        first.add("statuses_per_flow", tracker.statuses as f64 / begun.max(1.0));
        first.add("calls_per_flow", calls as f64 / begun.max(1.0));
    }
    let mut problems = tracker.take_problems();
    if (metrics.decided - begun).abs() > 0.5 || metrics.undecided > 0.5 {
        let (decided, undecided) = (metrics.decided, metrics.undecided);
        problems.push(format!("{begun} accepted, {decided} decided, {undecided} undecided"));
    }
    Ok((measured, problems))
}

impl Flows<'_> {
    async fn fast(&self) -> anyhow::Result<Vec<Measurement>> {
        let flows_per_second = self.warm_up().await?;
        let (open_hops, open_costs) = self.open_loop().await?;
        let (hops, costs) = self.closed_loop(flows_per_second).await?;
        Ok([open_hops, hops].into_iter().chain(open_costs).chain(costs).collect())
    }

    /// Warms the gateway up; how many flows per second it did, roughly.
    async fn warm_up(&self) -> anyhow::Result<f64> {
        let Options { flows, warm_up_seconds, .. } = *self.options;
        let seconds = usize::try_from(warm_up_seconds)?;
        self.open_pull_requests(0, seconds * WARM_UP_PER_SECOND + flows).await?;
        let begun = Instant::now();
        self.begin(self.closed_pace(Duration::from_secs(warm_up_seconds))).await?;
        self.settle().await?;
        Ok(self.tracker.borrow().begun as f64 / begun.elapsed().as_secs_f64())
    }

    async fn open_loop(&self) -> anyhow::Result<(Measurement, Vec<Measurement>)> {
        let Options { rate, open_seconds, .. } = *self.options;
        let time = Duration::from_secs(open_seconds);
        let schedule = Schedule { per_second: rate, spacing: Spacing::Poisson, time };
        // Independent arrivals are never twice as many as expected, for long.
        self.open_pull_requests(1, (2.0 * rate * time.as_secs_f64()) as usize + 100).await?;
        let (before, from) = (self.used().await?, self.tracker.borrow().begun);
        let pace = self.begin(Pace::open(schedule)).await?;
        self.settle().await?;
        let after = self.used().await?;
        let (mut hops, mut costs) = self.measured(OPEN_LOOP, &before, &after, from)?;
        pace.missed().into_iter().flatten().for_each(|(figure, count)| hops.add(figure, count));
        // Statements are those of the closed loop.
        costs.truncate(1);
        Ok((hops, costs))
    }

    async fn closed_loop(
        &self,
        flows_per_second: f64,
    ) -> anyhow::Result<(Measurement, Vec<Measurement>)> {
        let Options { flows, closed_seconds, .. } = *self.options;
        let time = Duration::from_secs(closed_seconds);
        let enough = (flows_per_second * FASTER_MAX).max(PER_SECOND_MIN) * time.as_secs_f64();
        self.open_pull_requests(2, enough as usize + 4 * flows).await?;
        let from = self.tracker.borrow().begun;
        // The flows that begin at once also end at once: they are left out.
        let watch = async {
            tokio::time::sleep(time / 8).await;
            let before = self.used().await?;
            tokio::time::sleep(time * 7 / 8).await;
            anyhow::Ok((before, self.used().await?))
        };
        let ((before, after), _) = tokio::try_join!(watch, self.begin(self.closed_pace(time)))?;
        ensure!(self.tracker.borrow().left() > 0, "there were too few pull requests");
        self.settle().await?;
        tokio::time::sleep(QUIET).await;
        self.measured(CLOSED_LOOP, &before, &after, from)
    }

    /// The requests for each status, and the time from the report until both statuses are shown.
    async fn slow_calls(&self) -> anyhow::Result<Vec<Measurement>> {
        let Options { slow_rate, slow_seconds, slow_warm_up_seconds, .. } = *self.options;
        let flows = slow_rate * (slow_seconds + slow_warm_up_seconds) as f64;
        self.open_pull_requests(0, flows as usize + 100).await?;
        let pace = |seconds| {
            let time = Duration::from_secs(seconds);
            Pace::open(Schedule { per_second: slow_rate, spacing: Spacing::Even, time })
        };
        self.begin(pace(slow_warm_up_seconds)).await?;
        self.settle().await?;
        tokio::time::sleep(QUIET).await;
        let seen = journal::seen(&self.environment.fakes).await?;
        let (before, from) = (self.used().await?, self.tracker.borrow().begun);
        self.begin(pace(slow_seconds)).await?;
        self.settle().await?;
        tokio::time::sleep(QUIET).await;
        let (hops, _) = self.measured(SLOW_CALLS, &before, &self.used().await?, from)?;
        let requests = Requests::since(&self.environment.fakes, seen).await?;
        let requests = requests.measurement(hops.subject.clone());
        Ok(vec![hops, requests])
    }

    /// Keeps as many flows under way as the options say; none may be under way before.
    fn closed_pace(&self, time: Duration) -> Pace {
        let permits = Rc::clone(&self.permits);
        permits.forget_permits(permits.available_permits());
        permits.add_permits(self.options.flows);
        Pace::Permits { permits, until: Instant::now() + time }
    }

    /// Begins flows until the pace is over.
    async fn begin(&self, pace: Pace) -> anyhow::Result<Rc<Pace>> {
        let address = self.environment.replicas.address;
        let connections = load::open(address, CONNECTIONS).await?;
        Load::start(address, connections, &self.tracker, pace).finish().await
    }

    /// Opens so many pull requests that this many flows can begin.
    async fn open_pull_requests(&self, batch: usize, flows: usize) -> anyhow::Result<()> {
        let lacking = flows.saturating_sub(self.tracker.borrow().left());
        let opened = pull_requests::open(&self.environment.fakes, batch, lacking).await?;
        self.tracker.borrow_mut().add(opened);
        Ok(())
    }

    /// Waits until every flow has ended, or notes a problem.
    async fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.tracker.borrow().is_settled() {
            if begun.elapsed() > SETTLED_MAX {
                let problem = "some flows had not ended after a minute".to_owned();
                self.tracker.borrow_mut().add_problem(problem);
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn used(&self) -> anyhow::Result<Used> {
        let postgres = self.environment.gateway.store.postgres.as_ref();
        let counters = match postgres {
            Some(postgres) => Some(postgres.counters().await?),
            None => None,
        };
        let fakes = procfs::time_of(self.environment.fakes.id())?;
        Ok(Used { time: self.environment.processes().used()?, fakes, counters })
    }

    /// The hops of the flows that began from `from` on, and what the flows that ended between the
    /// two moments cost each process, followed by the statements of the database.
    fn measured(
        &self,
        stretch: &str,
        before: &Used,
        after: &Used,
        from: usize,
    ) -> anyhow::Result<(Measurement, Vec<Measurement>)> {
        let subject = subject(self.environment.mode, self.environment.system(), stretch);
        let tracker = self.tracker.borrow();
        let spent = Spent::between(before.time, after.time);
        let ended = tracker.ended_between(before.time.at, after.time.at) as f64;
        let fakes = after.fakes.saturating_sub(before.fakes).as_secs_f64();
        let ours = spent.cores(processes::Used::ours) + fakes / spent.seconds();
        let other_cores = (spent.cores(|used| used.all_cores) - ours).max(0.0);
        let mut hops = Measurement::new(subject.clone(), tracker.hops(from..tracker.begun)?);
        let figures = [
            ("flows", (tracker.begun - from) as f64),
            ("flows_per_second", ended / spent.seconds()),
            ("gateway_us_per_flow", spent.each_us(|used| used.servers, ended)),
            ("fakes_us_per_flow", fakes * 1e6 / ended.max(1.0)),
            ("loadtest_us_per_flow", spent.each_us(|used| used.loadtest, ended)),
            ("cores", ours),
            ("other_cores", other_cores),
        ];
        let mut costs = Measurement::new(subject, figures);
        spent.add_to(&mut costs, ended, [DATABASE_US, PROXY_US]);
        hops.is_disturbed = other_cores > DISTURBED_CORES;
        costs.is_disturbed = hops.is_disturbed;
        let mut all = vec![costs];
        if let (Some(before), Some(after)) = (&before.counters, &after.counters) {
            for costs in &mut all {
                after
                    .since(before, ended)
                    .into_iter()
                    .for_each(|(name, each)| costs.add(name, each));
            }
            if self.options.systems.statements {
                all.extend(after.statements_since(before, ended));
            }
        }
        Ok((hops, all))
    }
}

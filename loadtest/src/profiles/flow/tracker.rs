//! How far each flow has come, and what went wrong on its way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Deserialize;
use time::OffsetDateTime;

use super::pull_requests::PullRequest;
use crate::bodies;
use crate::deliveries;
use crate::latencies::Latencies;
use crate::load::{Due, Requests};

/// How many problems are kept.
const PROBLEMS_MAX: usize = 20;

/// One flow: a delivery, its run, its report and its two statuses. A step that was not reached has
/// no moment.
#[derive(Debug, Default)]
struct Flow {
    due: Option<Instant>,
    accepted: Option<Instant>,
    started: Option<Instant>,
    reported: Option<Instant>,
    report_answered: Option<Instant>,
    on_pull_request: Option<Instant>,
    on_commit: Option<Instant>,
}

impl Flow {
    /// When both final statuses were shown.
    fn ended(&self) -> Option<Instant> {
        Some(self.on_pull_request?.max(self.on_commit?))
    }
}

/// A status that was posted to Azure DevOps.
#[derive(Debug, Deserialize)]
pub(super) struct Shown {
    pull_request: Option<u64>,
    commit: Option<String>,
    iteration: Option<u64>,
    state: String,
    /// In milliseconds since 1970.
    at_ms: u64,
}

/// See the module. A flow is known by the position of its pull request.
#[derive(Debug)]
pub(super) struct Tracker {
    /// Of the hook of each organization: the request up to the length of its body.
    heads: Vec<String>,
    pull_requests: Vec<PullRequest>,
    flows: Vec<Flow>,
    by_pull_request: HashMap<u64, usize>,
    by_commit: HashMap<String, usize>,
    /// How many flows have begun, and how many of them have ended.
    pub(super) begun: usize,
    ended: usize,
    /// One moment on the monotonic clock and on the wall clock.
    anchor: (Instant, OffsetDateTime),
    problems: Vec<String>,
    /// All posted statuses, pending ones included.
    pub(super) statuses: u64,
}

impl Tracker {
    pub(super) fn new(heads: Vec<String>) -> Self {
        Self {
            heads,
            pull_requests: Vec::new(),
            flows: Vec::new(),
            by_pull_request: HashMap::new(),
            by_commit: HashMap::new(),
            begun: 0,
            ended: 0,
            anchor: (Instant::now(), OffsetDateTime::now_utc()),
            problems: Vec::new(),
            statuses: 0,
        }
    }

    /// Adds pull requests, each of which can begin a flow.
    pub(super) fn add(&mut self, pull_requests: Vec<PullRequest>) {
        for pull_request in pull_requests {
            let position = self.pull_requests.len();
            self.by_pull_request.insert(pull_request.id, position);
            self.by_commit.insert(pull_request.head.clone(), position);
            self.flows.push(Flow::default());
            self.pull_requests.push(pull_request);
        }
    }

    /// How many flows can still begin.
    pub(super) fn left(&self) -> usize {
        self.flows.len() - self.begun
    }

    /// Whether every flow that has begun has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.ended == self.begun
    }

    /// Begins a flow whose delivery is due at that moment; none when no pull request is left.
    fn begin(&mut self, due: Instant) -> Option<usize> {
        let position = self.begun;
        self.flows.get_mut(position)?.due = Some(due);
        self.begun += 1;
        Some(position)
    }

    fn accepted(&mut self, position: usize, answer: std::io::Result<u16>) {
        match (answer, self.flows.get_mut(position)) {
            (Ok(202), Some(flow)) => flow.accepted = Some(Instant::now()),
            (answer, _) => self.add_problem(format!("a delivery was answered {answer:?}")),
        }
    }

    /// The CI was asked to start a run; the flow, unless there is something wrong with that.
    pub(super) fn started(&mut self, pull_request: u64, commit: &str) -> Option<usize> {
        let found = self.by_pull_request.get(&pull_request).copied();
        let Some(position) = found.filter(|at| self.by_commit.get(commit) == Some(at)) else {
            self.add_problem(format!("a run was started for {commit} of {pull_request}"));
            return None;
        };
        let earlier = self.flows.get_mut(position)?.started.replace(Instant::now());
        if earlier.is_some() {
            self.add_problem(format!("pull request {pull_request} was started twice"));
            return None;
        }
        Some(position)
    }

    pub(super) fn reported(&mut self, position: usize) {
        if let Some(flow) = self.flows.get_mut(position) {
            flow.reported = Some(Instant::now());
        }
    }

    pub(super) fn report_answered(&mut self, position: usize, status: u16, answer: &[u8]) {
        match self.flows.get_mut(position) {
            Some(flow) if status == 200 => flow.report_answered = Some(Instant::now()),
            _ => {
                let text = String::from_utf8_lossy(answer);
                self.add_problem(format!("a report was answered {status}: {text}"));
            }
        }
    }

    /// Whether that status ended a flow.
    pub(super) fn shown(&mut self, shown: &Shown) -> bool {
        self.statuses += 1;
        let position = match (shown.pull_request, &shown.commit) {
            (Some(id), _) => self.by_pull_request.get(&id).copied(),
            (None, Some(commit)) => self.by_commit.get(commit).copied(),
            _ => None,
        };
        let moment = self.moment(shown.at_ms);
        let Some(flow) = position.and_then(|position| self.flows.get_mut(position)) else {
            self.add_problem(format!("a status of no pull request: {shown:?}"));
            return false;
        };
        let is_final = shown.state == "succeeded";
        let had_ended = flow.ended().is_some();
        let place = match shown.pull_request {
            Some(_) => &mut flow.on_pull_request,
            None => &mut flow.on_commit,
        };
        let problem = match (is_final, place.is_some()) {
            (true, true) => Some("posted twice"),
            (true, false) if flow.reported.is_none() => Some("posted before the report"),
            (false, true) => Some("posted after the final one"),
            (false, false) if shown.state != "pending" => Some("of an unknown state"),
            _ if shown.pull_request.is_some() && shown.iteration != Some(1) => {
                Some("of another iteration")
            }
            _ => None,
        };
        if is_final {
            *place = Some(moment);
        }
        let has_ended = !had_ended && flow.ended().is_some();
        self.ended += usize::from(has_ended);
        if let Some(problem) = problem {
            self.add_problem(format!("a status {problem}: {shown:?}"));
        }
        has_ended
    }

    /// The fakes tell whole milliseconds; the end of one is the latest that it can mean.
    fn moment(&self, at_ms: u64) -> Instant {
        let (instant, wall) = self.anchor;
        let at = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(at_ms + 1);
        instant + Duration::try_from(at - wall).unwrap_or_default()
    }

    pub(super) fn add_problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// How many flows ended between these moments.
    pub(super) fn ended_between(&self, from: Instant, to: Instant) -> usize {
        let ended = self.flows.iter().filter_map(Flow::ended);
        ended.filter(|at| *at >= from && *at < to).count()
    }

    /// Median and 99th percentile, in milliseconds, of each hop of the flows that began as these.
    pub(super) fn hops(&self, begun: Range<usize>) -> anyhow::Result<Vec<(&'static str, f64)>> {
        type Moment = fn(&Flow) -> Option<Instant>;
        let (accepted, reported): (Moment, Moment) = (|flow| flow.accepted, |flow| flow.reported);
        let hops: [(_, _, Moment, Moment); 5] = [
            ("accept_p50_ms", "accept_p99_ms", |flow| flow.due, accepted),
            ("start_p50_ms", "start_p99_ms", accepted, |flow| flow.started),
            ("report_p50_ms", "report_p99_ms", reported, |flow| flow.report_answered),
            ("show_p50_ms", "show_p99_ms", reported, Flow::ended),
            ("flow_p50_ms", "flow_p99_ms", |flow| flow.due, Flow::ended),
        ];
        let mut figures = Vec::new();
        for (p50, p99, from, to) in hops {
            let mut took = Latencies::new()?;
            for flow in self.flows.get(begun.clone()).unwrap_or_default() {
                if let (Some(from), Some(to)) = (from(flow), to(flow)) {
                    // The CI may be asked before the answer to the delivery is read.
                    took.record(to.saturating_duration_since(from));
                }
            }
            figures.extend([(p50, took.at_ms(0.5)), (p99, took.at_ms(0.99))]);
        }
        Ok(figures)
    }

    /// What went wrong, with the steps that no flow may lack at the end.
    pub(super) fn take_problems(&mut self) -> Vec<String> {
        let count = |lacks: fn(&Flow) -> bool| {
            self.flows.iter().take(self.begun).filter(|flow| lacks(flow)).count()
        };
        let lacking = [
            (count(|flow| flow.accepted.is_none()), "deliveries were not accepted"),
            (count(|flow| flow.started.is_none()), "runs were never started"),
            (count(|flow| flow.report_answered.is_none()), "reports were not taken"),
            (count(|flow| flow.on_pull_request.is_none()), "pull requests show no result"),
            (count(|flow| flow.on_commit.is_none()), "commits show no result"),
        ];
        let lacking = lacking.into_iter().filter(|(count, _)| *count > 0);
        let mut all: Vec<_> = lacking.map(|(count, what)| format!("{count} {what}")).collect();
        all.append(&mut self.problems);
        all
    }
}

/// Each delivery begins a flow.
impl Requests for RefCell<Tracker> {
    /// A refused delivery is a problem, and not sent again.
    fn failed(&self) -> Option<Due> {
        None
    }

    fn take(&self, at: Instant) -> Option<Due> {
        let number = u64::try_from(self.borrow_mut().begin(at)?).ok()?;
        Some(Due { number, at, is_duplicate: false })
    }

    fn render(&self, due: Due, request: &mut Vec<u8>) -> anyhow::Result<()> {
        let tracker = self.borrow();
        let found = tracker.pull_requests.get(usize::try_from(due.number)?);
        let about = found.context("there is no such flow")?;
        let template = about.bodies.template(due.number).context("there are no bodies")?;
        let head = tracker.heads.get(about.organization).context("no such hook")?;
        let pull_request = bodies::PullRequest { id: about.id, head: &about.head };
        deliveries::render(head, template, due.number, Some(pull_request), request);
        Ok(())
    }

    fn answered(&self, due: Due, _: Instant, answer: std::io::Result<u16>) {
        let position = usize::try_from(due.number).unwrap_or(usize::MAX);
        self.borrow_mut().accepted(position, answer);
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

//! What has become of each life, hop by hop, and what must not have. It must never do anything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::record::{Curves, Hops, Life};
use super::scene::Subject;

/// So many complaints are kept.
const PROBLEMS_MAX: usize = 20;
const SUCCEEDED: &str = "succeeded";

/// A status that Azure DevOps was told.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) pull_request: Option<u64>,
    pub(super) commit: Option<&'a str>,
    pub(super) iteration: Option<u64>,
    pub(super) state: &'a str,
    /// In milliseconds since 1970.
    pub(super) at_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) subjects: Vec<Subject>,
    lives: Vec<Life>,
    by_pull_request: HashMap<u64, usize>,
    by_commit: HashMap<String, usize>,
    next: usize,
    ended: usize,
    /// One moment by both clocks.
    anchor: (Instant, OffsetDateTime),
    problems: Vec<String>,
    problems_count: usize,
    /// Statuses told, the final and the others.
    pub(super) shown: u64,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            subjects: Vec::new(),
            lives: Vec::new(),
            by_pull_request: HashMap::new(),
            by_commit: HashMap::new(),
            next: 0,
            ended: 0,
            anchor: (Instant::now(), OffsetDateTime::now_utc()),
            problems: Vec::new(),
            problems_count: 0,
            shown: 0,
        }
    }

    /// More lives to begin.
    pub(super) fn add(&mut self, subjects: Vec<Subject>) {
        for subject in subjects {
            let at = self.subjects.len();
            self.by_pull_request.insert(subject.pull_request, at);
            self.by_commit.insert(subject.head.clone(), at);
            self.lives.push(Life::default());
            self.subjects.push(subject);
        }
    }

    /// How many can still be begun.
    pub(super) fn left(&self) -> usize {
        self.lives.len() - self.next
    }

    /// The next life, which is due at that moment; none when there are no pull requests left.
    pub(super) fn begin(&mut self, due: Instant) -> Option<usize> {
        let at = self.next;
        self.lives.get_mut(at)?.due = Some(due);
        self.next += 1;
        Some(at)
    }

    pub(super) fn accepted(&mut self, at: usize, status: u16) {
        if status != 202 {
            self.complain(format!("a delivery was answered {status}"));
        } else if let Some(life) = self.lives.get_mut(at) {
            life.accepted = Some(Instant::now());
        }
    }

    /// The CI was asked to start a run.
    pub(super) fn started(&mut self, pull_request: u64, commit: &str) -> Option<usize> {
        let at = self.by_pull_request.get(&pull_request).copied();
        let Some(at) = at.filter(|at| self.by_commit.get(commit) == Some(at)) else {
            self.complain(format!("a run was started for {commit} of {pull_request}"));
            return None;
        };
        let is_first = self
            .lives
            .get_mut(at)
            .is_some_and(|life| life.started.replace(Instant::now()).is_none());
        if !is_first {
            self.complain(format!("pull request {pull_request} was started twice"));
        }
        is_first.then_some(at)
    }

    pub(super) fn reporting(&mut self, at: usize) {
        if let Some(life) = self.lives.get_mut(at) {
            life.reported = Some(Instant::now());
        }
    }

    pub(super) fn reported(&mut self, at: usize, status: u16, answer: &[u8]) {
        if status != 200 {
            let text = String::from_utf8_lossy(answer);
            self.complain(format!("a report was answered {status}: {text}"));
        } else if let Some(life) = self.lives.get_mut(at) {
            life.answered = Some(Instant::now());
        }
    }

    /// Whether that was the end of a life.
    pub(super) fn shown(&mut self, shown: &Shown<'_>) -> bool {
        self.shown += 1;
        let at = match (shown.pull_request, shown.commit) {
            (Some(id), _) => self.by_pull_request.get(&id).copied(),
            (None, Some(commit)) => self.by_commit.get(commit).copied(),
            _ => None,
        };
        let moment = self.moment(shown.at_ms);
        let Some(life) = at.and_then(|at| self.lives.get_mut(at)) else {
            self.complain(format!("a status for nobody: {shown:?}"));
            return false;
        };
        let is_final = shown.state == SUCCEEDED;
        let was_ended = life.ended().is_some();
        let place = match shown.pull_request {
            Some(_) => &mut life.on_pull_request,
            None => &mut life.on_commit,
        };
        let complaint = match (is_final, place.is_some()) {
            (true, true) => Some("told twice"),
            (true, false) if life.reported.is_none() => Some("told before the report"),
            (false, true) => Some("told after the final one"),
            (false, false) if shown.state != "pending" => Some("of an unknown state"),
            _ if shown.pull_request.is_some() && shown.iteration != Some(1) => {
                Some("of another iteration")
            }
            _ => None,
        };
        if is_final {
            *place = Some(moment);
        }
        let has_ended = !was_ended && life.ended().is_some();
        self.ended += usize::from(has_ended);
        if let Some(complaint) = complaint {
            self.complain(format!("a status {complaint}: {shown:?}"));
        }
        has_ended
    }

    /// Azure DevOps counts in whole milliseconds; the end of one is what it means at the latest.
    fn moment(&self, at_ms: u64) -> Instant {
        let (instant, wall) = self.anchor;
        let at = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(at_ms + 1);
        let after = Duration::try_from(at - wall).unwrap_or_default();
        instant + after
    }

    pub(super) fn complain(&mut self, problem: String) {
        self.problems_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    pub(super) fn begun(&self) -> usize {
        self.next
    }

    pub(super) fn is_settled(&self) -> bool {
        self.ended == self.next
    }

    /// How many lives ended between these moments.
    pub(super) fn ended_between(&self, from: Instant, to: Instant) -> u64 {
        let ended = self.lives.iter().filter_map(Life::ended);
        ended.filter(|at| *at >= from && *at < to).count() as u64
    }

    /// How long the hops of the lives took that were begun as these.
    pub(super) fn hops(&self, begun: std::ops::Range<usize>) -> anyhow::Result<(Hops, Curves)> {
        Hops::of(self.lives.get(begun).unwrap_or_default())
    }

    /// What must not be, once everything is over.
    pub(super) fn problems(&mut self) -> Vec<String> {
        let count = |lacks: fn(&Life) -> bool| {
            self.lives.iter().take(self.next).filter(|life| lacks(life)).count()
        };
        let lacking = [
            (count(|life| life.accepted.is_none()), "deliveries were not accepted"),
            (count(|life| life.started.is_none()), "runs were never started"),
            (count(|life| life.answered.is_none()), "reports were not taken"),
            (count(|life| life.on_pull_request.is_none()), "pull requests show no result"),
            (count(|life| life.on_commit.is_none()), "commits show no result"),
        ];
        let mut all: Vec<_> = lacking
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if self.problems_count > self.problems.len() {
            all.push(format!("{} problems, of which the first:", self.problems_count));
        }
        all.append(&mut self.problems);
        all
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;

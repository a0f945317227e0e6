//! What has become of each life, hop by hop, and what must not have. It must never do anything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::record::{Hops, Life};
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
    pub(super) fn hops(&self, begun: std::ops::Range<usize>) -> anyhow::Result<Hops> {
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
mod tests {
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use time::OffsetDateTime;

    use super::{Ledger, Shown};
    use crate::bodies::{Bodies, Place};
    use crate::profiles::life::scene::{Repository, Subject};

    const HEAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4";

    fn ledger() -> Ledger {
        let named = || ("id".to_owned(), "name".to_owned());
        let place = Place {
            organization: "fabrikam".to_owned(),
            project: named(),
            repository: named(),
            head: HEAD.to_owned(),
        };
        let bodies = Bodies::of_lives(&place);
        let repository = Rc::new(Repository { organization: 0, bodies });
        let mut ledger = Ledger::new();
        ledger.add(vec![Subject { repository, pull_request: 7, head: HEAD.to_owned() }]);
        ledger
    }

    fn now_ms() -> u64 {
        u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap()
    }

    fn on_pull_request(state: &str) -> Shown<'_> {
        let (pull_request, iteration) = (Some(7), Some(1));
        Shown { pull_request, commit: None, iteration, state, at_ms: now_ms() }
    }

    fn on_commit(state: &str) -> Shown<'_> {
        Shown { pull_request: None, commit: Some(HEAD), iteration: None, state, at_ms: now_ms() }
    }

    /// Up to the answer to the report.
    fn reported() -> Ledger {
        let mut ledger = ledger();
        let at = ledger.begin(Instant::now()).unwrap();
        ledger.accepted(at, 202);
        assert_eq!(ledger.started(7, HEAD), Some(at));
        ledger.reporting(at);
        ledger.reported(at, 200, b"");
        ledger
    }

    #[test]
    fn a_life_ends_with_the_second_status() {
        let begun = Instant::now();
        let mut ledger = reported();
        assert!(!ledger.shown(&on_pull_request("pending")));
        assert!(!ledger.shown(&on_pull_request("succeeded")));
        assert!(!ledger.is_settled());
        assert!(ledger.shown(&on_commit("succeeded")));
        assert!(ledger.is_settled());
        let later = Instant::now() + Duration::from_secs(1);
        assert_eq!(ledger.ended_between(begun, later), 1);
        assert_eq!(ledger.ended_between(later, later + Duration::from_secs(1)), 0);
        assert_eq!(ledger.problems(), Vec::<String>::new());
        assert_eq!(ledger.begin(later), None, "there was one pull request");
    }

    #[test]
    fn what_must_not_be_is_told() {
        let wrong: [fn(&mut Ledger); 6] = [
            |ledger| {
                ledger.started(7, HEAD);
            },
            |ledger| {
                ledger.started(8, HEAD);
            },
            |ledger| {
                ledger.shown(&on_pull_request("succeeded"));
            },
            |ledger| {
                ledger.shown(&on_pull_request("pending"));
            },
            |ledger| {
                ledger.shown(&on_pull_request("failed"));
            },
            |ledger| ledger.accepted(0, 503),
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            let mut ledger = reported();
            ledger.shown(&on_pull_request("succeeded"));
            ledger.shown(&on_commit("succeeded"));
            wrong(&mut ledger);
            assert_eq!(ledger.problems().len(), 1, "{number}");
        }
    }

    #[test]
    fn what_lacks_is_told() {
        let mut ledger = ledger();
        ledger.begin(Instant::now());
        assert_eq!(ledger.problems().len(), 5, "no hop was made");
    }
}

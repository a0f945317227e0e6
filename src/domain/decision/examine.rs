//! Says for each check why it runs on a pull request as it is now, or why it does not. Decides and
//! changes nothing.

use uuid::Uuid;

use super::super::check::{Check, Trigger};
use super::super::event::{Event, short};
use super::super::id::RunId;
use super::super::pull_request::{PullRequest, Status, changes};
use super::super::question::Question;
use super::super::run::Run;
use super::super::time::Timestamp;
use super::pull_request::{KnownPullRequest, Step, although_unknown};
use super::{Observation, is_of};

/// What is to be expected of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// It would run.
    Runs,
    /// It has a run on this commit, or a result that stands for one.
    HasRun,
    DoesNotRun,
    /// It does not run, and merging need not wait for it although it is required.
    NotApplicable,
}

impl Expectation {
    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Expectation::Runs => "runs",
            Expectation::HasRun => "has_run",
            Expectation::DoesNotRun => "does_not_run",
            Expectation::NotApplicable => "not_applicable",
        }
    }
}

/// What was found about one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub check: String,
    pub genre: String,
    pub expectation: Expectation,
    /// A clause.
    pub why: String,
    /// The run that it has.
    pub run: Option<RunId>,
}

/// Looks at every check of the organization, in the order of the configuration. What has to be
/// asked first comes back, too.
pub fn examine(
    checks: &[Check],
    observation: &Observation<'_>,
    seen: &PullRequest,
    known: &KnownPullRequest,
    now: Timestamp,
) -> (Vec<Finding>, Vec<Question>) {
    let before = known.remembered.as_ref().map(|before| &before.pull_request);
    let events: Vec<Event> = changes(before, seen);
    let next = PullRequest::merged(seen, before);
    let mut no_id = || RunId(Uuid::nil());
    let mut step = Step::new(observation, &next, known, &events, (&mut no_id, now));
    let of_organization = checks
        .iter()
        .filter(|check| check.organization.eq_ignore_ascii_case(observation.organization));
    let findings = of_organization.map(|check| step.examine(check)).collect();
    (findings, step.questions)
}

impl Step<'_> {
    fn examine(&mut self, check: &Check) -> Finding {
        let (expectation, why, run) = self.expectation(check);
        let Check { name, genre, .. } = check;
        Finding { check: name.clone(), genre: genre.clone(), expectation, why, run }
    }

    fn expectation(&mut self, check: &Check) -> (Expectation, String, Option<RunId>) {
        let not = |why: String| (Expectation::DoesNotRun, why, None);
        let exempt = |why| match check.required {
            true => (Expectation::NotApplicable, why, None),
            false => (Expectation::DoesNotRun, why, None),
        };
        let repository = &self.next.repository;
        let Observation { organization, former_names, .. } = self.observation;
        if !check.watches(organization, repository, former_names) {
            let (project, name) = (&repository.project, &repository.name);
            let watched = check.repositories.listed();
            return not(format!("{project}/{name} does not match repositories [{watched}]"));
        }
        if !check.is_on(Trigger::PullRequest) {
            return not("on does not have \"pull_request\"".into());
        }
        match self.next.status {
            Status::Active => {}
            Status::Abandoned => return not("the pull request is abandoned".into()),
            Status::Completed => return not("the pull request is completed".into()),
        }
        if let Err(mismatch) = check.admits(self.next) {
            return match check.exempts(self.next) {
                Some(why) => exempt(why),
                None => not(mismatch.why),
            };
        }
        let Some(commit) = self.commit() else {
            return not("Azure DevOps does not name its source commit yet".into());
        };
        let path_mismatch = self.path_mismatch(check);
        if let Some(run) = self.answer(check, &commit) {
            return (Expectation::HasRun, on_commit(run), Some(run.id));
        }
        if let Some(result) = self.reusable(check, &commit) {
            let why = format!("{}, and reuse_results is true", on_commit(result));
            return (Expectation::HasRun, why, Some(result.id));
        }
        if let Some(why) = path_mismatch {
            return exempt(why);
        }
        let why = match self.newest_of(check, &commit) {
            Some(ended) => format!("it matches, and {}", on_commit(ended)),
            None => "it matches".to_owned(),
        };
        (Expectation::Runs, why + &although_unknown(check, self.changed_files()), None)
    }

    fn newest_of(&self, check: &Check, commit: &str) -> Option<&Run> {
        let of_commit = |run: &&Run| is_of(run, check) && run.commit == commit;
        self.known.runs.iter().filter(of_commit).max_by_key(|run| run.id)
    }
}

/// `its run on 1234abcd has failed`, with the reason of a run without a result.
fn on_commit(run: &Run) -> String {
    let commit = short(&run.commit);
    if !run.state.is_final() {
        return format!("its run on {commit} is {}", run.state);
    }
    if run.state.is_verdict() {
        return format!("its run on {commit} has {}", run.state);
    }
    format!("its last run on {commit} is {}: {}", run.state, run.reason)
}

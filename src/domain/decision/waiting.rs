//! The status of a required check on a pull request on which it does not run: not applicable, or
//! pending.
//!
//! Never not applicable where a run may still come: that would satisfy the policy without a run.

use super::super::check::{Check, Trigger};
use super::super::event::Event;
use super::super::run::Run;
use super::super::status::{self, Shown};
use super::super::summary;
use super::is_of;
use super::pull_request::{Obstacle, Step};

/// Addition to a reason: the status not applicable is posted.
const EXEMPT: &str = " (shown as not applicable)";

/// The description where merging waits for a run that no event has started.
const WAITS_FOR_A_PUSH: &str =
    "Waits: it was open before this check was required; push a commit, or replay its delivery";

impl Step<'_> {
    /// A pull request that is older than the watch starts nothing. Merging it may still wait for a
    /// required check, whose status then says so.
    pub(super) fn past(&mut self, checks: &[Check]) -> (Vec<Run>, Vec<Run>) {
        for check in self.watching(checks, Trigger::PullRequest) {
            self.judge_again(check);
        }
        Default::default()
    }

    /// Posts the status of a required check where no event starts a run: a status from before the
    /// policy existed may satisfy it, or be missing.
    pub(super) fn judge_again(&mut self, check: &Check) {
        let (true, Some(commit)) = (check.required && check.targets.pull_request, self.commit())
        else {
            return;
        };
        if let Some(run) = self.answer(check, &commit).cloned() {
            self.shown_again.push(run);
            return;
        }
        if let Some(result) = self.reusable(check, &commit).cloned() {
            self.show_result(&result);
            return;
        }
        let admitted = check.admits(self.next);
        let by_path = if admitted.is_ok() { self.path_mismatch(check) } else { None };
        let (state, why) = match (check.exempts(self.next).or(by_path), admitted) {
            (Some(why), _) => (Shown::NotApplicable, format!("Not applicable: {why}")),
            (None, Err(mismatch)) => (Shown::Pending, format!("Waits: {}", mismatch.why)),
            (None, Ok(())) => (Shown::Pending, WAITS_FOR_A_PUSH.to_owned()),
        };
        let organization = self.observation.organization;
        let shown = status::without_run(organization, check, self.next, &commit, (state, &why));
        self.without_run.push(shown);
    }

    /// Posts whether merging waits for a required check that was not started. Returns the addition
    /// to the reason.
    pub(super) fn show_without_run(
        &mut self,
        check: &Check,
        obstacle: &Obstacle,
        cancelled: &[Run],
    ) -> &'static str {
        let awaits_approval = check.awaits_approval(self.next);
        let is_shown = (check.required || awaits_approval) && check.targets.pull_request;
        let (true, Some(commit)) = (is_shown, self.commit()) else { return "" };
        let goes_on = |run: &&Run| is_of(run, check) && run.commit == commit && is_live(run);
        let is_cancelled = |run: &&Run| cancelled.iter().any(|ended| ended.id == run.id);
        if self.known.runs.iter().any(|run| goes_on(&run) && !is_cancelled(&run)) {
            return "";
        }
        let by_path = obstacle.is_by_path.then(|| obstacle.mismatch.why.clone());
        let exempted = check.exempts(self.next).or(by_path);
        let (state, why, addition) = match (exempted, check.admits(self.next)) {
            (Some(why), _) if check.required => {
                (Shown::NotApplicable, format!("Not applicable: {why}"), EXEMPT)
            }
            // A status not applicable from before must not remain when the pull request is
            // published or approved.
            (None, Err(mismatch)) if awaits_approval || self.may_be_shown_as_exempt() => {
                if let Some(run) = self.answer(check, &commit).cloned() {
                    self.shown_again.push(run);
                    return "";
                }
                (Shown::Pending, format!("Waits: {}", mismatch.why), "")
            }
            _ => return "",
        };
        let organization = self.observation.organization;
        let shown = status::without_run(organization, check, self.next, &commit, (state, &why));
        self.without_run.push(shown);
        addition
    }

    /// Posts the summary of a pull request on whose commit nothing else is posted: merging may wait
    /// for it.
    pub(super) fn summarize_nothing(&mut self, checks: &[Check], planned: &[Run]) {
        let has_moved = [Event::PullRequestOpened, Event::PullRequestPushed]
            .iter()
            .any(|event| self.events.contains(event));
        let is_shown = !self.shown_again.is_empty() || !self.without_run.is_empty();
        if !has_moved || is_shown || !planned.is_empty() || !self.questions.is_empty() {
            return;
        }
        let watching = self.watching(checks, Trigger::PullRequest);
        let summarized = watching.into_iter().find(|check| check.has_summary);
        let (Some(check), Some(commit)) = (summarized, self.commit()) else { return };
        let organization = self.observation.organization;
        self.without_run.push(summary::of_nothing(organization, check, self.next, &commit));
    }

    /// Labels or the target branch changed and the commit did not: an earlier status not applicable
    /// may still be shown.
    fn may_be_shown_as_exempt(&self) -> bool {
        self.is_relabelled() || self.events.contains(&Event::PullRequestRetargeted)
    }
}

fn is_live(run: &Run) -> bool {
    !run.state.is_final()
}

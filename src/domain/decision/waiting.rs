//! What a required check shows of a pull request that it does not run on: that merging need not
//! wait for it, or that it still has to.
//!
//! Never that it need not where a run is still to come: that would satisfy the policy without one.

use super::super::check::{Check, Trigger};
use super::super::event::Event;
use super::super::run::Run;
use super::super::status::{self, Shown};
use super::is_of;
use super::pull_request::Step;

/// How a reason says that a check shows itself as not applicable.
const EXEMPT: &str = " and shown as not applicable";

/// Shown where merging waits for a run that nothing has started.
const WAITS_FOR_A_PUSH: &str =
    "Waits: it was open before this check was required; push a commit, or replay its delivery";

impl Step<'_> {
    /// What was there before anybody watched starts nothing. Merging it may wait for a check all
    /// the same, and then says so.
    pub(super) fn past(&mut self, checks: &[Check]) -> (Vec<Run>, Vec<Run>) {
        for check in self.watching(checks, Trigger::PullRequest) {
            self.judge_again(check);
        }
        Default::default()
    }

    /// Shows what merging waits for, where nothing has happened that could start a run: what was
    /// shown before a policy was there may open it, or be missing.
    pub(super) fn judge_again(&mut self, check: &Check) {
        let (true, Some(commit)) = (check.required && check.targets.pull_request, self.commit())
        else {
            return;
        };
        if let Some(run) = self.answer(check, &commit).cloned() {
            self.shown_again.push(run);
            return;
        }
        let (state, why) = match (check.exempts(self.next), check.admits(self.next)) {
            (Some(why), _) => (Shown::NotApplicable, format!("Not applicable: {why}")),
            (None, Err(why)) => (Shown::Pending, format!("Waits: {why}")),
            (None, Ok(())) => (Shown::Pending, WAITS_FOR_A_PUSH.to_owned()),
        };
        let organization = self.told.organization;
        let shown = status::without_run(organization, check, self.next, &commit, (state, &why));
        self.without_run.push(shown);
    }

    /// Says at Azure DevOps whether merging waits for a required check that was not started; for
    /// the reason, what is shown.
    pub(super) fn show_without_run(&mut self, check: &Check, cancelled: &[Run]) -> &'static str {
        let (true, Some(commit)) = (check.required && check.targets.pull_request, self.commit())
        else {
            return "";
        };
        let goes_on = |run: &&Run| is_of(run, check) && run.commit == commit && is_live(run);
        let is_cancelled = |run: &&Run| cancelled.iter().any(|ended| ended.id == run.id);
        if self.known.runs.iter().any(|run| goes_on(&run) && !is_cancelled(&run)) {
            return "";
        }
        let (state, why, told) = match (check.exempts(self.next), check.admits(self.next)) {
            (Some(why), _) => (Shown::NotApplicable, format!("Not applicable: {why}"), EXEMPT),
            // Shown as not applicable before, it must not be when it is published or approved.
            (None, Err(why)) if self.may_be_shown_as_exempt() => {
                if let Some(run) = self.answer(check, &commit).cloned() {
                    self.shown_again.push(run);
                    return "";
                }
                (Shown::Pending, format!("Waits: {why}"), "")
            }
            _ => return "",
        };
        let organization = self.told.organization;
        let shown = status::without_run(organization, check, self.next, &commit, (state, &why));
        self.without_run.push(shown);
        told
    }

    /// Something that decides about exemptions has changed, and the commit has not: what was shown
    /// of it still stands.
    fn may_be_shown_as_exempt(&self) -> bool {
        self.is_relabelled() || self.events.contains(&Event::PullRequestRetargeted)
    }
}

fn is_live(run: &Run) -> bool {
    !run.state.is_final()
}

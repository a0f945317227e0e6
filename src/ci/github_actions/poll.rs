//! How runs are: `GET …/actions/runs/{id}` → `{"id", "status", "conclusion", "html_url"}`. Several
//! runs are looked for in one list first. Source: docs/ci.md, "Kind `github_actions`".

use std::collections::BTreeMap;

use serde_json::Value;

use super::GithubActions;
use crate::ci::error::Error;
use crate::ci::system::Observed;
use crate::ci::urls::{id, web_url};
use crate::domain::run::{Reported, Run};

impl GithubActions {
    pub(super) async fn poll_runs(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let listed = match self.listed(runs).await {
            Ok(listed) => listed,
            Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = Vec::with_capacity(runs.len());
        for run in runs {
            answers.push(match listed.get(run.ci_id.as_deref().unwrap_or_default()) {
                Some(found) => observed(found),
                None => self.poll_run(run).await,
            });
        }
        answers
    }

    /// The newest runs by their ids, where that saves calls.
    async fn listed(&self, runs: &[&Run]) -> Result<BTreeMap<String, Value>, Error> {
        let oldest = runs.iter().map(|run| run.created_at).min();
        let Some(oldest) = oldest.filter(|_| runs.len() > 1) else { return Ok(BTreeMap::new()) };
        match self.runs_since(oldest, 1).await {
            Ok(found) => {
                let by_id = found.into_iter().filter_map(|run| Some((id(run.get("id"))?, run)));
                Ok(by_id.collect())
            }
            // The workflow is gone, which need not be true of its runs.
            Err(error) if error.is_gone() => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    async fn poll_run(&self, run: &Run) -> Result<Observed, Error> {
        let Some(ci_id) = &run.ci_id else {
            return Err(Error::ambiguous("its id at GitHub is not known"));
        };
        observed(&self.json(self.get(&["actions", "runs", ci_id])).await?)
    }
}

/// What a run in an answer says.
fn observed(run: &Value) -> Result<Observed, Error> {
    let text = |name: &str| run.get(name).and_then(Value::as_str);
    let Some(status) = text("status") else {
        return Err(Error::ambiguous("GitHub's answer has no status"));
    };
    let (state, description) = state(status, text("conclusion"));
    Ok(Observed { state, description, url: web_url(run.get("html_url")) })
}

/// The state, and what there is to say about it.
fn state(status: &str, conclusion: Option<&str>) -> (Reported, Option<String>) {
    let errored = |why: &str| (Reported::Errored, Some(why.to_owned()));
    match (status, conclusion) {
        ("completed", Some("success" | "neutral")) => (Reported::Succeeded, None),
        ("completed", Some("failure")) => (Reported::Failed, None),
        ("completed", Some("cancelled")) => (Reported::Cancelled, None),
        ("completed", Some("skipped")) => errored("GitHub skipped every job: nothing was run"),
        ("completed", Some("timed_out")) => errored("it took longer than GitHub lets it"),
        ("completed", Some("startup_failure")) => errored("GitHub could not start the workflow"),
        ("completed", Some("action_required")) => errored("GitHub waits for an approval"),
        ("completed", other) => {
            let other: String = other.unwrap_or("none").chars().take(40).collect();
            errored(&format!("GitHub gives the conclusion {other}"))
        }
        ("waiting", _) => (Reported::Running, Some("it waits for an approval at GitHub".into())),
        _ => (Reported::Running, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_state() {
        for (status, conclusion, expected) in [
            ("requested", None, Reported::Running),
            ("queued", None, Reported::Running),
            ("pending", None, Reported::Running),
            ("waiting", None, Reported::Running),
            ("in_progress", Some("success"), Reported::Running),
            ("new_word", Some("action_required"), Reported::Running),
            ("completed", Some("success"), Reported::Succeeded),
            ("completed", Some("neutral"), Reported::Succeeded),
            ("completed", Some("failure"), Reported::Failed),
            ("completed", Some("cancelled"), Reported::Cancelled),
            ("completed", Some("timed_out"), Reported::Errored),
            ("completed", Some("startup_failure"), Reported::Errored),
            ("completed", Some("stale"), Reported::Errored),
            ("completed", Some("action_required"), Reported::Errored),
            ("completed", Some("skipped"), Reported::Errored),
            ("completed", Some("new_word"), Reported::Errored),
            ("completed", None, Reported::Errored),
        ] {
            let (state, description) = state(status, conclusion);
            assert_eq!(state, expected, "{status} {conclusion:?}");
            let is_told = description.is_some() && status == "completed";
            assert_eq!(state == Reported::Errored, is_told, "{status} {conclusion:?}");
        }
        let (_, told) = state("completed", Some("new_word"));
        assert_eq!(told.as_deref(), Some("GitHub gives the conclusion new_word"));
    }
}

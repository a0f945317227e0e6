//! How runs are: `GET …/pipelines/{id}` → `{"id", "status", "yaml_errors", "web_url"}`. Several
//! runs are looked for in one list first, which does not tell why a pipeline failed.
//! Source: docs/ci.md, "Kind `gitlab`".

use std::collections::BTreeMap;

use serde_json::Value;

use super::Gitlab;
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::system::Observed;
use crate::ci::text::plain;
use crate::ci::urls::{id, web_url};
use crate::domain::run::{Reported, Run};

/// Characters of GitLab's words about a configuration.
const WORDS_CHARS_MAX: usize = 300;

impl Gitlab {
    pub(super) async fn poll_pipelines(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let listed = match self.listed(runs).await {
            Ok(listed) => listed,
            Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut answers = Vec::with_capacity(runs.len());
        for run in runs {
            answers.push(match listed.get(run.ci_id.as_deref().unwrap_or_default()) {
                Some(found) => self.observed(found),
                None => self.poll_pipeline(run).await,
            });
        }
        answers
    }

    /// The newest pipelines by their ids, where that saves calls; but those whose list entry does
    /// not say enough.
    async fn listed(&self, runs: &[&Run]) -> Result<BTreeMap<String, Value>, Error> {
        let oldest = runs.iter().map(|run| run.created_at).min();
        let Some(oldest) = oldest.filter(|_| runs.len() > 1) else { return Ok(BTreeMap::new()) };
        let found = match self.pipelines_since(oldest, 1).await {
            Ok(found) => found,
            Err(error) if error.is_gone() => Vec::new(),
            Err(error) => return Err(error),
        };
        let is_told = |one: &Value| one.get("status").and_then(Value::as_str) != Some("failed");
        let by_id = found.into_iter().filter(is_told);
        Ok(by_id.filter_map(|one| Some((id(one.get("id"))?, one))).collect())
    }

    async fn poll_pipeline(&self, run: &Run) -> Result<Observed, Error> {
        let Some(ci_id) = &run.ci_id else {
            return Err(Error::ambiguous("its id at GitLab is not known"));
        };
        let call = self.call(Call::get, &["pipelines", ci_id]);
        self.observed(&self.client.succeed_with_json(call).await?)
    }

    /// What a pipeline in an answer says.
    fn observed(&self, pipeline: &Value) -> Result<Observed, Error> {
        let text = |name: &str| pipeline.get(name).and_then(Value::as_str);
        let Some(status) = text("status") else {
            return Err(Error::ambiguous("GitLab's answer has no status"));
        };
        let yaml_errors = text("yaml_errors").filter(|text| !text.is_empty());
        let (state, description) = state(status, yaml_errors, text("finished_at").is_some());
        let description =
            description.map(|text| plain(&self.client.masks.mask(&text), WORDS_CHARS_MAX));
        Ok(Observed { state, description, url: web_url(pipeline.get("web_url")) })
    }
}

/// The state, and what there is to say about it.
fn state(status: &str, yaml_errors: Option<&str>, ended: bool) -> (Reported, Option<String>) {
    match (status, yaml_errors) {
        ("success", _) => (Reported::Succeeded, None),
        ("failed", Some(why)) => {
            (Reported::Errored, Some(format!("GitLab cannot use the configuration: {why}")))
        }
        ("failed", None) => (Reported::Failed, None),
        ("canceled", _) => (Reported::Cancelled, None),
        ("skipped", _) => {
            (Reported::Errored, Some("GitLab skipped the pipeline: nothing was run".to_owned()))
        }
        ("manual", _) => (Reported::Running, Some("it waits for a person at GitLab".to_owned())),
        (
            "created"
            | "waiting_for_resource"
            | "preparing"
            | "waiting_for_callback"
            | "pending"
            | "running"
            | "canceling"
            | "scheduled",
            _,
        ) => (Reported::Running, None),
        (other, _) if ended => {
            (Reported::Errored, Some(format!("GitLab says that the pipeline is {other}")))
        }
        _ => (Reported::Running, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_a_state() {
        for (status, expected) in [
            ("created", Reported::Running),
            ("waiting_for_resource", Reported::Running),
            ("preparing", Reported::Running),
            ("waiting_for_callback", Reported::Running),
            ("pending", Reported::Running),
            ("running", Reported::Running),
            ("canceling", Reported::Running),
            ("scheduled", Reported::Running),
            ("manual", Reported::Running),
            ("new_word", Reported::Running),
            ("success", Reported::Succeeded),
            ("failed", Reported::Failed),
            ("canceled", Reported::Cancelled),
            ("skipped", Reported::Errored),
        ] {
            assert_eq!(state(status, None, false).0, expected, "{status}");
        }
        let (errored, told) = state("failed", Some("no visible job"), true);
        assert_eq!(errored, Reported::Errored);
        assert!(told.unwrap().ends_with("no visible job"));
        let (errored, told) = state("new_word", None, true);
        assert_eq!(errored, Reported::Errored);
        assert!(told.unwrap().contains("new_word"));
    }
}

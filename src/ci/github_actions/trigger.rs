//! Dispatches the workflow.
//!
//! `POST …/actions/workflows/{workflow}/dispatches`
//! `{"ref", "inputs": {…}, "return_run_details": true}` → 200 `{"workflow_run_id", "html_url"}`, or
//! 204 without the run, which is then found by its title. Older servers refuse the field.
//! Source: docs/ci.md, "Kind `github_actions`".

use serde_json::json;

use super::GithubActions;
use crate::ci::client::{Answer, Call};
use crate::ci::error::{Error, Refusal, unfit};
use crate::ci::text::error_text;
use crate::ci::trigger::Trigger;
use crate::ci::urls::{id, web_url};
use crate::domain::run::Started;

/// The field that asks for the id of the run.
const DETAILS: &str = "return_run_details";

impl GithubActions {
    pub(super) fn dispatch(
        &self,
        trigger: &Trigger<'_>,
        wants_details: bool,
    ) -> Result<Call, Error> {
        let rendered = self.options.git_ref.render(&trigger.context()?);
        let git_ref = rendered.map_err(|why| unfit(format!("ref does not render: {why}")))?;
        if git_ref.is_empty() {
            return Err(unfit("ref renders to nothing"));
        }
        let mut inputs = trigger.inputs()?;
        if let Some(name) = &self.options.input {
            inputs.insert(name.clone(), trigger.run.id.to_string());
        }
        let mut body = json!({ "ref": git_ref, "inputs": inputs });
        if let Some(fields) = body.as_object_mut().filter(|_| wants_details) {
            fields.insert(DETAILS.to_owned(), true.into());
        }
        let workflow = &self.options.workflow;
        Ok(self.post(&["actions", "workflows", workflow, "dispatches"]).json(&body))
    }

    pub(super) async fn start_run(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let mut answer = self.send(self.dispatch(trigger, true)?).await?;
        if self.refuses_details(&answer) {
            answer = self.send(self.dispatch(trigger, false)?).await?;
        }
        match answer.status.as_u16() {
            204 => Ok(Started::Accepted { ci_id: None, url: None }),
            200..=299 => {
                let run = answer.json();
                let Some(ci_id) = id(run.get("workflow_run_id")) else {
                    return Err(Error::ambiguous("GitHub's answer does not name the run"));
                };
                Ok(Started::Accepted { ci_id: Some(ci_id), url: web_url(run.get("html_url")) })
            }
            // GitHub hides what the token does not see.
            404 => {
                let words = error_text(answer.status, &answer.body, &self.client.masks);
                let reason = format!("{words}: {}", self.unseen());
                Err(Error::refused(reason, Refusal::Configuration))
            }
            _ => Err(self.client.failure(&answer)),
        }
    }

    /// What a 404 about the workflow means.
    pub(super) fn unseen(&self) -> String {
        let super::Options { owner, repository, workflow, .. } = &self.options;
        format!(
            "the token does not see {owner}/{repository}, or its default branch has no workflow \
             {workflow}"
        )
    }

    fn refuses_details(&self, answer: &Answer) -> bool {
        matches!(answer.status.as_u16(), 400 | 422)
            && error_text(answer.status, &answer.body, &self.client.masks).contains(DETAILS)
    }
}

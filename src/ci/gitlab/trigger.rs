//! Starts a pipeline.
//!
//! With a trigger token `POST …/trigger/pipeline` `{"token", "ref", "variables": {K: V},
//! "inputs": {K: V}}`, else `POST …/pipeline` `{"ref", "variables": [{"key", "value"}],
//! "inputs"}` → 201 `{"id", "web_url", …}`. Source: docs/ci.md, "Kind `gitlab`".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Gitlab, VARIABLE};
use crate::ci::client::{Answer, Call};
use crate::ci::error::{Error, Refusal, unfit};
use crate::ci::text::error_text;
use crate::ci::trigger::Trigger;
use crate::ci::urls::{id, web_url};
use crate::domain::run::Started;

impl Gitlab {
    pub(super) fn start_pipeline_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        let rendered = self.options.git_ref.render(&trigger.context()?);
        let git_ref = rendered.map_err(|why| unfit(format!("ref does not render: {why}")))?;
        if git_ref.is_empty() {
            return Err(unfit("ref renders to nothing"));
        }
        let mut inputs = trigger.inputs()?;
        let mut variables = BTreeMap::new();
        if self.options.inputs_are_variables {
            variables.append(&mut inputs);
        }
        variables.insert(VARIABLE.to_owned(), trigger.run.id.to_string());
        let (call, mut body) = match &self.options.trigger_token {
            Some(token) => (
                self.anonymous(Call::post, &["trigger", "pipeline"]),
                json!({ "token": token.expose(), "ref": git_ref, "variables": variables }),
            ),
            None => {
                let variable = |(key, value)| json!({ "key": key, "value": value });
                let variables: Vec<Value> = variables.iter().map(variable).collect();
                let body = json!({ "ref": git_ref, "variables": variables });
                (self.call(Call::post, &["pipeline"]), body)
            }
        };
        // Instances before 18.1 know no inputs.
        if let Some(fields) = body.as_object_mut().filter(|_| !inputs.is_empty()) {
            fields.insert("inputs".to_owned(), json!(inputs));
        }
        Ok(call.json(&body))
    }

    pub(super) async fn start_pipeline(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let answer = self.client.send(self.start_pipeline_call(trigger)?).await?;
        if answer.status.is_success() {
            let pipeline = answer.json();
            let Some(ci_id) = id(pipeline.get("id")) else {
                return Err(Error::ambiguous("GitLab's answer does not name the pipeline"));
            };
            let url = web_url(pipeline.get("web_url"));
            return Ok(Started::Accepted { ci_id: Some(ci_id), url });
        }
        match self.advice(&answer) {
            Some(advice) => {
                let words = error_text(answer.status, &answer.body, &self.client.masks);
                Err(Error::refused(format!("{words}: {advice}"), Refusal::Configuration))
            }
            None => Err(self.client.failure(&answer)),
        }
    }

    /// What to do about a refusal whose words do not say it.
    fn advice(&self, answer: &Answer) -> Option<String> {
        let project = &self.options.project;
        match answer.status.as_u16() {
            404 if self.options.trigger_token.is_some() => {
                Some(format!("trigger_token is no trigger token of the project {project}"))
            }
            404 => Some(format!("the token does not see the project {project}")),
            400 if says_no_variables(&answer.body) => Some(format!(
                "let whoever starts the pipeline set variables in the project's CI/CD settings, \
                 since {VARIABLE} carries the run"
            )),
            _ => None,
        }
    }
}

fn says_no_variables(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("Insufficient permissions to set pipeline variables")
}

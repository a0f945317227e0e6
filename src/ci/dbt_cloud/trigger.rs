//! Starts a run of the job: `POST jobs/{job}/run/` → `{"data": {"id", "href"}}`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DbtCloud, Options, id_of};
use crate::ci::client::Call;
use crate::ci::error::{Error, unfit};
use crate::ci::template::Template;
use crate::ci::trigger::Trigger;
use crate::ci::urls::web_url;
use crate::domain::id::RunId;
use crate::domain::run::Started;

/// How the cause of a run begins that we started; our run id follows.
const CAUSE: &str = "azdo-gateway run ";

impl DbtCloud {
    pub(super) fn trigger_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        let job = self.options.job.to_string();
        let url = self.url(&["jobs", &job, "run"]);
        Ok(Call::post(url).bearer(&self.options.token).json(&self.options.body(trigger)?))
    }

    pub(super) async fn trigger(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let run = self.data(self.trigger_call(trigger)?).await?;
        accepted(&run).ok_or_else(|| Error::ambiguous("its answer to the start has no id"))
    }
}

impl Options {
    /// The properties of a request to start a run.
    pub(super) fn body(&self, trigger: &Trigger<'_>) -> Result<Value, Error> {
        let run = trigger.run;
        if run.pull_request.as_ref().is_some_and(|of| of.is_fork) {
            return Err(unfit(
                "the pull request comes from a fork, and dbt Cloud clones the repository itself, \
                 which does not have its commits",
            ));
        }
        let mut context = trigger.context()?;
        if let Some(fields) = context.as_object_mut() {
            fields.insert("job".into(), json!(self.job));
        }
        // The commit of a trial merge is in no clone, so it is the source that is built.
        let mut body = json!({ "cause": cause_of(run.id), "git_sha": run.commit });
        let Some(fields) = body.as_object_mut() else { return Ok(body) };
        if let Some(branch) = run.git_ref.strip_prefix("refs/heads/") {
            fields.insert("git_branch".into(), json!(branch));
        }
        if let Some(of) = &run.pull_request {
            fields.insert("azure_pull_request_id".into(), json!(of.id));
        }
        if let Some(schema) = self.schema(trigger, &context)? {
            fields.insert("schema_override".into(), json!(schema));
        }
        let steps = self.steps(&trigger.inputs()?, &context)?;
        if !steps.is_empty() {
            fields.insert("steps_override".into(), json!(steps));
        }
        Ok(body)
    }

    /// The schema of a pull request has the name that dbt's own integration would give it: dbt
    /// drops what is so named.
    fn schema(&self, trigger: &Trigger<'_>, context: &Value) -> Result<Option<String>, Error> {
        let schema = match (&self.schema, &trigger.run.pull_request) {
            (Some(template), _) => rendered("schema", template, context)?,
            (None, Some(of)) => format!("dbt_cloud_pr_{}_{}", self.job, of.id),
            (None, None) => String::new(),
        };
        Ok(Some(schema).filter(|schema| !schema.is_empty()))
    }

    /// The commands, each with the inputs as its variables. One that renders to nothing is left
    /// out.
    fn steps(
        &self,
        inputs: &BTreeMap<String, String>,
        context: &Value,
    ) -> Result<Vec<String>, Error> {
        let vars = vars(inputs)?;
        if !vars.is_empty() && self.steps.is_empty() {
            return Err(unfit("inputs are variables of the steps, and there are no steps"));
        }
        let mut steps = Vec::new();
        for template in &self.steps {
            let step = rendered("a step", template, context)?;
            if step.contains(['\n', '\r']) {
                return Err(unfit(format!("the step {step:?} has a line break")));
            }
            if !step.trim().is_empty() {
                steps.push(format!("{}{vars}", step.trim()));
            }
        }
        Ok(steps)
    }
}

fn rendered(what: &str, template: &Template, context: &Value) -> Result<String, Error> {
    template.render(context).map_err(|why| unfit(format!("{what} does not render: {why}")))
}

/// ` --vars '{"suite":"smoke"}'`, or nothing without inputs. No value can end the quotes.
fn vars(inputs: &BTreeMap<String, String>) -> Result<String, Error> {
    let is_quoted = |text: &str| text.contains(['\'', '"', '\n', '\r']);
    if let Some((name, _)) = inputs.iter().find(|(name, value)| is_quoted(name) || is_quoted(value))
    {
        let what = format!("the input {name} has a quote or a line break");
        return Err(unfit(format!("{what}, which no command of dbt can be given")));
    }
    match inputs.is_empty() {
        true => Ok(String::new()),
        false => Ok(format!(" --vars '{}'", json!(inputs))),
    }
}

/// The run in an answer, as one that was started.
pub(super) fn accepted(run: &Value) -> Option<Started> {
    let url = web_url(run.get("href"));
    Some(Started::Accepted { ci_id: Some(id_of(run)?), url })
}

/// The text in which our run id is carried.
fn cause_of(run: RunId) -> String {
    format!("{CAUSE}{run}")
}

/// Whether a cause is that of this run: no part of a longer text counts.
pub(super) fn is_cause_of(cause: &str, run: RunId) -> bool {
    cause.trim() == cause_of(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn inputs_are_one_quoted_argument() {
        assert_eq!(vars(&inputs(&[])), Ok(String::new()));
        let given = inputs(&[("b", "{x} $HOME \\"), ("a", "ä -- c")]);
        assert_eq!(vars(&given), Ok(r#" --vars '{"a":"ä -- c","b":"{x} $HOME \\"}'"#.to_owned()));
        for value in ["it's", "\"", "a\nb", "a\rb"] {
            let refused = vars(&inputs(&[("suite", value)])).unwrap_err().to_string();
            assert!(refused.starts_with("the input suite has a quote"), "{refused}");
        }
    }

    #[test]
    fn only_the_whole_cause_is_ours() {
        let run = "019a0000-0000-7000-8000-000000000001".parse().unwrap();
        assert!(is_cause_of("azdo-gateway run 019a0000-0000-7000-8000-000000000001", run));
        for other in [
            "azdo-gateway run 019a0000-0000-7000-8000-0000000000012",
            "rerun of azdo-gateway run 019a0000-0000-7000-8000-000000000001",
            "azdo-gateway run 019a0000-0000-7000-8000-000000000002",
            "",
        ] {
            assert!(!is_cause_of(other, run), "{other}");
        }
    }
}

//! What every kind of CI is told about a run. It contains no credential but the report token, which
//! is valid for this run only.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use super::error::{Error, unfit};
use super::template::{Template, short_ref};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::secret::{Keyring, Secret};

/// See the module.
#[derive(Debug)]
pub struct Trigger<'a> {
    pub run: &'a Run,
    /// Counted from 1.
    pub attempt: u32,
    pub clone_url: String,
    pub report_url: String,
    pub report_token: Secret,
    /// When this attempt is sent.
    pub sent_at: Timestamp,
}

impl<'a> Trigger<'a> {
    /// The trigger of the next attempt. `public_url` is that of the gateway.
    pub fn new(
        run: &'a Run,
        clone_url: String,
        public_url: &Url,
        keys: &Keyring,
        sent_at: Timestamp,
    ) -> Self {
        let public_url = public_url.as_str().trim_end_matches('/');
        Self {
            run,
            attempt: run.attempts.saturating_add(1),
            clone_url,
            report_url: format!("{public_url}/v1/runs/{}/reports", run.id),
            report_token: keys.report_token(run.id),
            sent_at,
        }
    }

    /// What the runner is told that has taken a run: its attempt is that of its lease.
    pub fn leased(
        run: &'a Run,
        clone_url: String,
        public_url: &Url,
        keys: &Keyring,
        sent_at: Timestamp,
    ) -> Self {
        let report_token = keys.lease_report_token(run.id, run.attempts);
        let next = Self::new(run, clone_url, public_url, keys, sent_at);
        Self { attempt: run.attempts, report_token, ..next }
    }
}

impl Trigger<'_> {
    /// The JSON that the CI receives. Only `attempt` differs between attempts.
    ///
    /// # Errors
    /// An input does not render: [`Error::Refused`].
    pub fn to_json(&self) -> Result<Value, Error> {
        let mut body = self.without_inputs();
        let inputs = self.inputs()?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("inputs".into(), json!(inputs));
        }
        Ok(body)
    }

    /// The rendered inputs; without those that are empty.
    ///
    /// # Errors
    /// One does not render: [`Error::Refused`].
    pub fn inputs(&self) -> Result<BTreeMap<String, String>, Error> {
        let context = with_branch(self.without_inputs());
        let mut inputs = BTreeMap::new();
        for (name, text) in &self.run.inputs {
            let rendered = Template::parse(text).and_then(|template| template.render(&context));
            let failed = |why| unfit(format!("the input {name} does not render: {why}"));
            let rendered = rendered.map_err(failed)?;
            if !rendered.is_empty() {
                inputs.insert(name.clone(), rendered);
            }
        }
        Ok(inputs)
    }

    /// What templates see: the JSON of the trigger, and the short name of the ref.
    ///
    /// # Errors
    /// An input does not render: [`Error::Refused`].
    pub(crate) fn context(&self) -> Result<Value, Error> {
        Ok(with_branch(self.to_json()?))
    }

    fn without_inputs(&self) -> Value {
        let mut body = of_run(self.run);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("attempt".into(), json!(self.attempt));
            let report = json!({ "url": self.report_url, "token": self.report_token.expose() });
            fields.insert("report".into(), report);
        }
        if let Some(Value::Object(repository)) = body.get_mut("repository") {
            repository.insert("clone_url".into(), json!(self.clone_url));
        }
        body
    }
}

/// What templates see after a run was started: the same without the attempt, the address to clone
/// from and the report. Inputs that need one of those are left out.
pub(crate) fn context_of(run: &Run) -> Value {
    let mut context = with_branch(of_run(run));
    let mut inputs = Map::new();
    for (name, text) in &run.inputs {
        let rendered = Template::parse(text).and_then(|template| template.render(&context));
        if let Some(text) = rendered.ok().filter(|text| !text.is_empty()) {
            inputs.insert(name.clone(), Value::String(text));
        }
    }
    if let Some(fields) = context.as_object_mut() {
        fields.insert("inputs".into(), Value::Object(inputs));
    }
    context
}

/// What is the same for every attempt.
fn of_run(run: &Run) -> Value {
    let repository = &run.repository;
    let mut body = json!({
        "type": "run.requested",
        "run": run.id,
        "check": run.check,
        "organization": run.organization,
        "project": { "id": repository.project_id, "name": repository.project },
        "repository": { "id": repository.id, "name": repository.name },
        "commit": run.commit,
        "ref": run.git_ref,
    });
    if let (Some(of), Some(fields)) = (&run.pull_request, body.as_object_mut()) {
        fields.insert("pull_request".into(), json!(of));
    }
    body
}

/// Templates may ask for a pull request where there is none.
fn with_branch(mut context: Value) -> Value {
    let branch = context.get("ref").and_then(Value::as_str).map(|text| short_ref(text).to_owned());
    if let Some(fields) = context.as_object_mut() {
        fields.insert("branch".into(), json!(branch));
        fields.entry("pull_request").or_insert(Value::Null);
    }
    context
}

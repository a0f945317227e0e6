//! Starts a build: `POST {job}/buildWithParameters` → 201 and the item's address in `Location`, or
//! 303 where an item with the same parameters waits already.

use super::{Jenkins, errors, is_id, parameters};
use crate::ci::client::{Answer, Call};
use crate::ci::error::{Error, Refusal, unfit};
use crate::ci::trigger::Trigger;
use crate::domain::run::Started;

/// Jenkins reads it as how long the item is to wait.
const DELAY: &str = "delay";

impl Jenkins {
    /// What the parameters of the job are to be.
    pub(super) fn values(&self, trigger: &Trigger<'_>) -> Result<Vec<(String, String)>, Error> {
        let parameter = &self.options.parameter;
        let mut values = Vec::new();
        if !parameter.is_empty() {
            values.push((parameter.clone(), trigger.run.id.to_string()));
        }
        for (name, value) in trigger.inputs()? {
            if name == *parameter {
                return Err(unfit(format!("the input {name} is the parameter of the run id")));
            }
            if name == DELAY {
                return Err(unfit("an input delay would be how long the build waits"));
            }
            values.push((name, value));
        }
        Ok(values)
    }

    pub(super) fn build_call(&self, values: &[(String, String)]) -> Call {
        let verb = if values.is_empty() { "build" } else { "buildWithParameters" };
        let mut url = self.of_job(&[verb]);
        url.query_pairs_mut().append_pair(DELAY, "0sec");
        let call = Call::post(url).basic(&self.options.user, &self.options.token);
        call.form(values)
    }

    pub(super) async fn start_build(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let values = self.values(trigger)?;
        self.look_at_parameters(&values).await?;
        let answer = self.send(self.build_call(&values)).await?;
        match answer.status.as_u16() {
            201 | 303 => item(&answer),
            302 if errors::is_of_jenkins(&answer) => Err(Error::refused(
                "it takes no build: one of its plugins refuses it, or it is shutting down (302)",
                Refusal::Configuration,
            )),
            _ => Err(errors::failure(&self.client, &answer)),
        }
    }

    async fn look_at_parameters(&self, values: &[(String, String)]) -> Result<(), Error> {
        if values.is_empty() {
            return Ok(());
        }
        let job = self.data(self.job_data(&[], parameters::TREE)).await.map_err(not_started)?;
        match parameters::refusal(&parameters::declared(&job), values) {
            Some(why) => Err(unfit(why)),
            None => Ok(()),
        }
    }
}

/// Nothing was started yet, so nothing is in doubt.
fn not_started(error: Error) -> Error {
    match error {
        Error::Ambiguous { reason, retry_after } => Error::Unavailable { reason, retry_after },
        other => other,
    }
}

/// The item of an answer: of its address only the id is believed.
fn item(answer: &Answer) -> Result<Started, Error> {
    match answer.id_in_location().filter(|id| is_id(id)) {
        Some(id) => Ok(Started::Accepted { ci_id: Some(id), url: None }),
        None => Err(Error::ambiguous("its answer to the start has no item of the queue")),
    }
}

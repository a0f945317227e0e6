//! Asks how a run is, and judges the answer by the rules.

use serde_json::Value;

use super::Http;
use super::call::{Call, with};
use super::rules::{looked_at, state};
use super::scalar;
use crate::ci::error::Error;
use crate::ci::system::Observed;
use crate::domain::run::{Reported, Run};

impl Http {
    pub(super) async fn poll_run(&self, run: &Run) -> Result<Observed, Error> {
        let Some(call) = &self.options.poll else {
            return Err(Error::ambiguous("it cannot be asked how a run is"));
        };
        let context = self.context(run);
        let body = self.ask(call, call.request.render(&context)?, &context).await?;
        let body = self.second(call, body, &context).await?;
        // What matches no rule is not over, as far as anybody knows.
        let state = state(&call.rules, call.each.as_ref(), &body).unwrap_or(Reported::Running);
        let words = call.description.as_ref().and_then(|pointer| pointer.find(&body));
        let words = words.and_then(|found| match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let words =
            words.or_else(|| looked_at(&call.rules, &body).filter(|_| state == Reported::Errored));
        let url = self.web_url(call, None, &body, &context);
        Ok(Observed { state, description: words, url })
    }

    /// The answer to the second request, where the first one names what to ask for.
    async fn second(&self, call: &Call, body: Value, context: &Value) -> Result<Value, Error> {
        let Some(then) = &call.then else { return Ok(body) };
        let Some(value) = scalar(then.from.find(&body)) else { return Ok(body) };
        let context = with(context, "value", value);
        self.ask(call, then.request.render(&context)?, &context).await
    }

    /// Whether the run has ended, as far as the CI says; none where it does not.
    pub(super) async fn has_ended(&self, run: &Run) -> Option<bool> {
        self.options.poll.as_ref()?;
        match self.poll_run(run).await {
            Ok(observed) => Some(observed.state != Reported::Running),
            Err(error) if error.is_gone() => Some(true),
            Err(_) => None,
        }
    }
}

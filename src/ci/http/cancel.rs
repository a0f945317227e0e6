//! Tells the CI to cancel a run, with every call that the configuration has for it.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::{Call, ForEach, with};
use super::{Http, is_ok, scalar};
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

/// When it is told again, where nothing was there yet that could be cancelled.
const AGAIN: Duration = Duration::from_secs(5);

impl Http {
    pub(super) async fn cancel_run(&self, run: &Run, reason: &str) -> Result<Cancelled, Error> {
        // To cancel what has ended may change its result, as Airflow does.
        if self.has_ended(run).await == Some(true) {
            return Ok(Cancelled::Done);
        }
        let context = with(&self.context(run), "reason", json!(reason));
        let mut refused = None;
        let mut is_idle = false;
        for call in &self.options.cancel {
            match self.cancel_by(call, &context).await {
                Ok(calls) => is_idle |= calls == 0,
                // The next call may be the one that is meant for a run in this state.
                Err(error @ Error::Refused { .. }) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        if refused.is_none() && !is_idle {
            return Ok(Cancelled::Done);
        }
        // Each CI refuses in its own way to cancel what has ended.
        match (self.has_ended(run).await, refused) {
            (Some(true), _) | (None, None) => Ok(Cancelled::Done),
            (_, Some(refused)) => Err(refused),
            (Some(false), None) => Ok(Cancelled::Again(AGAIN)),
        }
    }

    /// Returns how many requests were made.
    async fn cancel_by(&self, call: &Call, context: &Value) -> Result<usize, Error> {
        let Some(for_each) = &call.for_each else {
            self.cancel_once(call, context).await?;
            return Ok(1);
        };
        let values = match self.values(call, for_each, context).await {
            Err(error) if error.is_gone() => Vec::new(),
            values => values?,
        };
        let count = values.len();
        let mut refused = None;
        for value in values {
            match self.cancel_once(call, &with(context, "value", value)).await {
                Err(error @ Error::Refused { .. }) => refused = Some(error),
                done => done?,
            }
        }
        refused.map_or(Ok(count), Err)
    }

    async fn values(
        &self,
        call: &Call,
        for_each: &ForEach,
        context: &Value,
    ) -> Result<Vec<Value>, Error> {
        let body = self.ask(call, for_each.request.render(context)?, context).await?;
        let items = for_each.items.items(&body).iter();
        Ok(items.filter_map(|item| scalar(for_each.value.find(item))).collect())
    }

    async fn cancel_once(&self, call: &Call, context: &Value) -> Result<(), Error> {
        let (request, _) = self.request(call, context)?;
        let answer = self.session.send(request).await?;
        let status = answer.status.as_u16();
        let is_gone = matches!(status, 404 | 409 | 410) || call.statuses.gone.contains(&status);
        let is_refused = call.statuses.refused.contains(&status);
        match is_ok(call, &answer) || (is_gone && !is_refused) {
            true => Ok(()),
            false => Err(self.failure(call, &answer)),
        }
    }
}

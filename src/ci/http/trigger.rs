//! Starts a run.

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::Http;
use super::call::{Call, TextFrom, with};
use super::is_ok;
use crate::ci::client::Answer;
use crate::ci::error::{Error, Refusal};
use crate::ci::text::text_at;
use crate::ci::trigger::Trigger;
use crate::ci::urls::id;
use crate::domain::run::Started;

impl Http {
    pub(super) async fn start_run(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let call = &self.options.start;
        let context = trigger.context()?;
        let (request, sent) = self.request(call, &context)?;
        let answer = self.session.send(request).await?;
        let exists = call.statuses.exists.contains(&answer.status.as_u16());
        if !exists && !is_ok(call, &answer) {
            return Err(self.failure(call, &answer));
        }
        let is_chosen = matches!(call.id, Some(TextFrom::Value(_)));
        if is_chosen && is_page(&answer) {
            // Nothing in it says that the CI has the run, and under its id it is started once.
            return Err(Error::ambiguous("a page in place of an answer"));
        }
        let body = serde_json::from_slice::<Value>(&answer.body).ok();
        let known = body.as_ref().unwrap_or(&Value::Null);
        let ci_id = self.id(call, &answer, known, &context).await;
        let mut ci_id = ci_id.map_err(|error| self.started_without_id(error))?;
        if let (None, true, Some(TextFrom::Body(pointer)), Some(sent)) =
            (&ci_id, exists, &call.id, &sent)
        {
            // It is named as we named it, where the answer does not repeat it.
            ci_id = id(pointer.find(sent));
        }
        if ci_id.is_none() && (call.id.is_some() || call.then.is_some()) && self.options.polls {
            self.judge_without_id(call, &answer, body.as_ref(), exists)?;
        }
        let context = match &ci_id {
            Some(id) => with(&context, "id", Value::String(id.clone())),
            None => context,
        };
        let url = self.web_url(call, Some(&answer), known, &context);
        Ok(Started::Accepted { ci_id, url })
    }

    /// The run was started, whatever became of the second request, for its id. A refusal would only
    /// be repeated, with another run each time, where the run cannot be looked up.
    fn started_without_id(&self, error: Error) -> Error {
        match error {
            Error::Unavailable { reason, retry_after } => Error::Ambiguous { reason, retry_after },
            Error::Paused { reason, .. } => Error::ambiguous(reason),
            Error::Refused { reason, .. } if self.options.find.is_some() => {
                Error::ambiguous(reason)
            }
            other => other,
        }
    }

    /// What a success without an id means: the CI may answer so where it refuses, or where it is
    /// not the CI that answers.
    fn judge_without_id(
        &self,
        call: &Call,
        answer: &Answer,
        body: Option<&Value>,
        exists: bool,
    ) -> Result<(), Error> {
        let can_find = self.options.find.is_some();
        let Some(body) = body.filter(|_| !exists) else {
            return match (exists, can_find) {
                (true, true) => Ok(()),
                (true, false) => Err(Error::refused(
                    "it has the run already and does not tell its id",
                    Refusal::Configuration,
                )),
                (false, _) => Err(Error::ambiguous("its answer is not JSON")),
            };
        };
        let pointers: Vec<_> = call.error.iter().map(|it| it.text().to_owned()).collect();
        let words = text_at(body, &pointers).map(|text| self.plain(&text));
        let status = answer.status.as_u16();
        match (words, can_find) {
            (Some(words), _) => {
                Err(Error::refused(format!("{words} ({status})"), Refusal::Configuration))
            }
            (None, true) => Err(Error::ambiguous("its answer has no id")),
            // To start it again would not help: its id would be as unknown.
            (None, false) => Err(Error::refused(
                format!("its answer ({status}) has no id where the configuration says"),
                Refusal::Configuration,
            )),
        }
    }
}

/// Whether it is for a browser, as a proxy or a sign-in sends it.
fn is_page(answer: &Answer) -> bool {
    answer.header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"))
}

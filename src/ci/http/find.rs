//! Looks for a run by the gateway's id, wherever the templates have put it.

use serde_json::Value;

use super::call::{TextFrom, with};
use super::rules::fulfils;
use super::{Http, is_ok};
use crate::ci::error::Error;
use crate::domain::run::{Run, Started};

impl Http {
    /// None where the CI has no such run: its answer has no id, or is 404.
    pub(super) async fn find_run(&self, run: &Run) -> Result<Option<Started>, Error> {
        let Some(call) = &self.options.find else { return Ok(None) };
        let context = self.context(run);
        let (request, _) = self.request(call, &context)?;
        let answer = self.session.send(request).await?;
        if !is_ok(call, &answer) {
            return match self.failure(call, &answer) {
                error if error.is_gone() => Ok(None),
                error => Err(error),
            };
        }
        let body = self.json(call, &answer)?;
        let found = match (&call.each, call.when.is_empty()) {
            (None, true) => Some(&body),
            (None, false) => Some(&body).filter(|body| fulfils(body, &call.when, &context)),
            (Some(each), _) => {
                each.items(&body).iter().find(|item| fulfils(item, &call.when, &context))
            }
        };
        let Some(found) = found else { return Ok(None) };
        // An id that was chosen is no proof that the run is there.
        let is_chosen = matches!(call.id, Some(TextFrom::Value(_)));
        if is_chosen && call.when.is_empty() && found.as_object().is_none_or(|it| it.is_empty()) {
            return Ok(None);
        }
        let Some(id) = self.id(call, &answer, found, &context).await? else { return Ok(None) };
        let context = with(&context, "id", Value::String(id.clone()));
        let url = self.web_url(call, Some(&answer), found, &context);
        Ok(Some(Started::Accepted { ci_id: Some(id), url }))
    }
}

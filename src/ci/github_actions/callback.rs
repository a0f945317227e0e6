//! Reads the webhook `workflow_run`: `X-Hub-Signature-256` over the body, which has
//! `workflow_run.id`. Other events mention no run. Source: docs/ci.md, "Kind `github_actions`".

use super::GithubActions;
use crate::ci::callback::{Callback, CallbackError, Mentioned, Scheme};
use crate::ci::urls::id;

impl GithubActions {
    pub(super) fn mentioned(
        &self,
        callback: &Callback<'_>,
    ) -> Result<Vec<Mentioned>, CallbackError> {
        if self.options.webhook_secrets.is_empty() {
            return Err(CallbackError::Unexpected);
        }
        Scheme::HubSignature256.verify(&self.options.webhook_secrets, callback)?;
        let body = callback.json();
        Ok(id(body.pointer("/workflow_run/id")).map(Mentioned::AtCi).into_iter().collect())
    }
}

//! Webhooks: `Authorization` is the signature of the body, and ids are texts.

use super::DbtCloud;
use crate::ci::callback::{Callback, CallbackError, Mentioned, Scheme};
use crate::ci::urls;

impl DbtCloud {
    pub(super) fn mentioned(
        &self,
        callback: &Callback<'_>,
    ) -> Result<Vec<Mentioned>, CallbackError> {
        let secrets = &self.options.webhook_secrets;
        if secrets.is_empty() {
            return Err(CallbackError::Unexpected);
        }
        let header = "authorization".to_owned();
        Scheme::HmacSha256 { header }.verify(secrets, callback)?;
        let body = callback.json();
        let id = urls::id(body.pointer("/data/runId"));
        Ok(id.map(Mentioned::AtCi).into_iter().collect())
    }
}

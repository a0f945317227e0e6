//! Webhooks of a notification service: `X-Buildkite-Signature`, or the token in plain
//! (`X-Buildkite-Token`). The body may show a later state than the event.

use super::RUN_KEY;
use crate::ci::callback::{Callback, CallbackError, Mentioned, Scheme};
use crate::secret::Secret;

pub(super) fn read(
    secrets: &[Secret],
    callback: &Callback<'_>,
) -> Result<Vec<Mentioned>, CallbackError> {
    if secrets.is_empty() {
        return Err(CallbackError::Unexpected);
    }
    match callback.header("x-buildkite-signature") {
        Some(_) => Scheme::Buildkite.verify(secrets, callback)?,
        None => {
            let token = Scheme::Token { header: "X-Buildkite-Token".to_owned() };
            token.verify(secrets, callback)?;
        }
    }
    let body = callback.json();
    let run = body.pointer(&format!("/build/meta_data/{RUN_KEY}")).and_then(|it| it.as_str());
    let run = run.and_then(|text| text.parse().ok()).map(Mentioned::Run);
    let number = || body.pointer("/build/number")?.as_u64().map(|it| it.to_string());
    Ok(run.or_else(|| number().map(Mentioned::AtCi)).into_iter().collect())
}

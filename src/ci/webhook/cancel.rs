//! Tells the CI that a run has ended here, with one signed request to `cancel_url`.

use serde_json::json;

use super::Webhook;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

impl Webhook {
    pub(super) async fn cancel_run(&self, run: &Run, reason: &str) -> Result<Cancelled, Error> {
        let Some(url) = &self.options.cancel_url else { return Ok(Cancelled::Done) };
        let body = json!({ "type": "run.cancelled", "run": run.id, "reason": reason });
        let call = self.signed(url, run.id, &body, self.client.clock.now());
        let answer = self.client.send(call).await?;
        match answer.status.as_u16() {
            // It has ended, or is not known any more.
            200..=299 | 404 | 409 | 410 => Ok(Cancelled::Done),
            _ => Err(self.client.failure(&answer)),
        }
    }
}

//! Cancels a build. One that has ended cannot be cancelled: 422.

use reqwest::Method;

use super::Buildkite;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

impl Buildkite {
    pub(super) async fn cancel_build(&self, run: &Run) -> Result<Cancelled, Error> {
        let number = run.ci_id.as_deref().unwrap_or_default();
        let call = self.call(Method::PUT, &["builds", number, "cancel"], &[]);
        let answer = self.client.send(call).await?;
        match answer.status.as_u16() {
            200..=299 | 404 | 422 => Ok(Cancelled::Done),
            _ => Err(self.client.failure(&answer)),
        }
    }
}

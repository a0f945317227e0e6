//! Cancels a pipeline: `POST …/pipelines/{id}/cancel` → 200, also where nothing was left to cancel.
//! Source: docs/ci.md, "Kind `gitlab`".

use super::Gitlab;
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

impl Gitlab {
    pub(super) async fn cancel_pipeline(&self, run: &Run) -> Result<Cancelled, Error> {
        let Some(ci_id) = &run.ci_id else { return Ok(Cancelled::Done) };
        self.client.succeed(self.call(Call::post, &["pipelines", ci_id, "cancel"])).await?;
        Ok(Cancelled::Done)
    }
}

//! Cancels a build. What Azure DevOps answers about one that has ended is not documented: such a
//! build is read again.

use reqwest::Method;
use serde_json::json;

use super::{AzurePipelines, Permission};
use crate::ci::error::Error;
use crate::ci::system::Cancelled;
use crate::domain::run::Run;

impl AzurePipelines {
    pub(super) async fn cancel_build(&self, run: &Run) -> Result<Cancelled, Error> {
        let id = run.ci_id.as_deref().unwrap_or_default();
        let path = ["build", "builds", id];
        let body = Some(json!({ "status": "cancelling" }));
        let refused = match self.call(Permission::Execute, Method::PATCH, &path, &[], body).await {
            Ok(_) => return Ok(Cancelled::Done),
            Err(error @ Error::Refused { .. }) if !error.is_gone() => error,
            Err(error) => return Err(error),
        };
        let build = self.get(&path, &[]).await?;
        match build.get("status").is_some_and(|status| status == "completed") {
            true => Ok(Cancelled::Done),
            false => Err(refused),
        }
    }
}

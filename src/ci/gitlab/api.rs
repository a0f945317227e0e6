//! Calls to GitLab's REST API, version 4, and lists of pipelines.
//!
//! Errors are `{"message": "…"}`, `{"message": {"base": ["…"]}}` or `{"error": "…"}`.
//! Source: docs/ci.md, "Kind `gitlab`".

use std::time::Duration;

use serde_json::Value;

use super::Gitlab;
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::urls::below;
use crate::domain::time::Timestamp;

/// Pipelines of one page of a list, at most.
pub(super) const PAGE: usize = 100;
/// Clocks differ by so much at most.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

impl Gitlab {
    /// A call below the project, with the access token.
    pub(super) fn call(&self, method: fn(url::Url) -> Call, segments: &[&str]) -> Call {
        self.anonymous(method, segments).header("private-token", self.options.token.expose())
    }

    /// A call below the project, without a token.
    pub(super) fn anonymous(&self, method: fn(url::Url) -> Call, segments: &[&str]) -> Call {
        let project = ["api", "v4", "projects", &self.options.project];
        let segments = project.into_iter().chain(segments.iter().copied());
        method(below(&self.options.url, segments))
    }

    /// One page of the pipelines that were started as this kind starts them since then, newest
    /// first. `GET …/pipelines?source=…&updated_after=…&order_by=id&sort=desc&per_page=100` →
    /// `[{"id", "status", "name", "created_at", "web_url"}]`.
    ///
    /// # Errors
    /// See [`crate::ci::client::Client::succeed_with_json`].
    pub(super) async fn pipelines_since(
        &self,
        created_at: Timestamp,
        page: usize,
    ) -> Result<Vec<Value>, Error> {
        let since = created_at.minus(CLOCKS_DIFFER);
        let source = if self.options.trigger_token.is_some() { "trigger" } else { "api" };
        let mut call = self.call(Call::get, &["pipelines"]);
        call.url
            .query_pairs_mut()
            .append_pair("source", source)
            .append_pair("updated_after", &since.to_string())
            .append_pair("order_by", "id")
            .append_pair("sort", "desc")
            .append_pair("per_page", &PAGE.to_string())
            .append_pair("page", &page.to_string());
        match self.client.succeed_with_json(call).await? {
            Value::Array(pipelines) => Ok(pipelines),
            _ => Err(Error::ambiguous("GitLab's answer is no list of pipelines")),
        }
    }
}

/// Whether a pipeline was created so late that it may belong to a run of that age. One whose time
/// cannot be read may.
pub(super) fn may_be_of(pipeline: &Value, run_created_at: Timestamp) -> bool {
    let created_at = pipeline.get("created_at").and_then(Value::as_str).and_then(Timestamp::parse);
    created_at.is_none_or(|at| at >= run_created_at.minus(CLOCKS_DIFFER))
}

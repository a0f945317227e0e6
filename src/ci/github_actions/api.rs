//! Calls to GitHub's REST API, and lists of runs.
//!
//! Every call has `Accept`, `X-GitHub-Api-Version` and a bearer token. Errors are
//! `{"message", "documentation_url", "status"}`; 403 and 429 may be about the rate of calls.
//! Source: docs/ci.md, "Kind `github_actions`".

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderName, HeaderValue};
use serde_json::Value;

use super::GithubActions;
use crate::ci::client::{Answer, Call};
use crate::ci::error::Error;
use crate::ci::urls::below;
use crate::domain::time::Timestamp;

/// Runs of one page of a list, at most.
pub(super) const PAGE: usize = 100;
/// Clocks differ by so much at most.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// The call as GitHub wants it, but for the token.
pub(super) fn with_headers(mut call: Call) -> Call {
    call.headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    let version = HeaderName::from_static("x-github-api-version");
    call.headers.insert(version, HeaderValue::from_static("2022-11-28"));
    call
}

impl GithubActions {
    /// A GET below the repository.
    pub(super) fn get(&self, segments: &[&str]) -> Call {
        self.call(Call::get, segments)
    }

    /// A POST below the repository.
    pub(super) fn post(&self, segments: &[&str]) -> Call {
        self.call(Call::post, segments)
    }

    fn call(&self, method: fn(url::Url) -> Call, segments: &[&str]) -> Call {
        let repository = ["repos", &self.options.owner, &self.options.repository];
        let segments = repository.into_iter().chain(segments.iter().copied());
        with_headers(method(below(&self.options.url, segments)))
    }

    /// Sends a call. A token of an installation that is refused is replaced once: it may have been
    /// revoked.
    ///
    /// # Errors
    /// See [`crate::ci::client::Client::send`]; or there is no token.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Error> {
        let token = self.access.token(&self.client, &self.options).await?;
        let answer = self.client.send(call.clone().bearer(&token)).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.access.forget(&token).await {
            return Ok(answer);
        }
        let token = self.access.token(&self.client, &self.options).await?;
        self.client.send(call.bearer(&token)).await
    }

    /// The JSON of a success.
    ///
    /// # Errors
    /// See [`GithubActions::send`]; or it is no success.
    pub(super) async fn json(&self, call: Call) -> Result<Value, Error> {
        let answer = self.send(call).await?;
        let parsed = answer.status.is_success().then(|| serde_json::from_slice(&answer.body).ok());
        parsed.flatten().ok_or_else(|| self.client.failure(&answer))
    }

    /// One page of the workflow's dispatched runs since then, newest first.
    /// `GET …/actions/workflows/{workflow}/runs?event=workflow_dispatch&created=>=…&per_page=100`
    /// → `{"total_count", "workflow_runs": [run]}`.
    ///
    /// # Errors
    /// See [`GithubActions::json`].
    pub(super) async fn runs_since(
        &self,
        created_at: Timestamp,
        page: usize,
    ) -> Result<Vec<Value>, Error> {
        let mut call = self.get(&["actions", "workflows", &self.options.workflow, "runs"]);
        // The search knows whole seconds.
        let since_s = created_at.minus(CLOCKS_DIFFER).ms().div_euclid(1_000);
        let since = Timestamp::from_ms(since_s.saturating_mul(1_000));
        call.url
            .query_pairs_mut()
            .append_pair("event", "workflow_dispatch")
            .append_pair("created", &format!(">={since}"))
            .append_pair("per_page", &PAGE.to_string())
            .append_pair("page", &page.to_string());
        match self.json(call).await?.get_mut("workflow_runs").map(Value::take) {
            Some(Value::Array(runs)) => Ok(runs),
            _ => Err(Error::ambiguous("GitHub's answer is no list of runs")),
        }
    }
}

//! Pull-request and commit statuses, and the iterations that they are bound to.
//!
//! Statuses are appended, never edited; the newest per context counts. A policy that resets on new
//! changes accepts only a status that names the newest iteration (docs/azure-devops.md §5).

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Call;
use super::{Client, Credential, Error, MaySend};
use crate::domain::status::{Status, Target};
use crate::domain::time::Timestamp;

/// An iteration of a pull request: one push to its source branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iteration {
    /// From 1.
    pub id: i64,
    /// Head of the source branch.
    pub source_commit: Option<String>,
    pub made_at: Option<Timestamp>,
}

/// A status that Azure DevOps has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownStatus {
    pub iteration: Option<i64>,
    pub state: String,
    pub description: String,
    pub url: Option<String>,
}

/// The fields of a status that are compared. Statuses that others posted may lack any of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: Option<i64>,
    iteration_id: Option<i64>,
    state: Option<String>,
    description: Option<String>,
    target_url: Option<String>,
    context: Option<WireContext>,
}

#[derive(Deserialize)]
struct WireContext {
    genre: Option<String>,
    name: Option<String>,
}

impl Client {
    /// The iterations of a pull request, oldest first.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn iterations(
        &self,
        credential: Credential,
        (project, repository): (&str, &str),
        pull_request: i64,
    ) -> Result<Vec<Iteration>, Error> {
        let id = pull_request.to_string();
        let git = [project, "_apis", "git", "repositories", repository];
        let segments = [&git[..], &["pullRequests", &id, "iterations"]].concat();
        let call = Call::new(Method::GET, &segments);
        let answer = self.call(credential, call).await?;
        let mut iterations: Vec<Iteration> = list(&answer)
            .filter_map(|item| {
                let source_commit = item.pointer("/sourceRefCommit/commitId");
                Some(Iteration {
                    id: item.get("id")?.as_i64()?,
                    source_commit: source_commit.and_then(Value::as_str).map(str::to_lowercase),
                    made_at: made_at(item),
                })
            })
            .collect();
        iterations.sort_by_key(|iteration| iteration.id);
        Ok(iterations)
    }

    /// Posts a status, if it still may be posted when the request is written; for a pull request,
    /// on this iteration.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn post_status(
        &self,
        credential: Credential,
        status: &Status,
        iteration: Option<i64>,
        may_send: MaySend,
    ) -> Result<(), Error> {
        let (kind, id) = target_segments(&status.target);
        let segments = [&repository(status)[..], &[kind, &id, "statuses"]].concat();
        let mut body = json!({
            "state": status.state.as_str(),
            "description": status.description,
            "context": { "genre": status.context.genre, "name": status.context.name },
        });
        if let Some(fields) = body.as_object_mut() {
            fields.extend(status.url.iter().map(|url| ("targetUrl".into(), json!(url))));
            fields.extend(iteration.map(|id| ("iterationId".into(), json!(id))));
        }
        let (body, may_send) = (Some(body), Some(may_send));
        let call = Call { body, may_send, ..Call::new(Method::POST, &segments) };
        self.call(credential, call).await.map(drop)
    }

    /// The newest status that Azure DevOps has in the slot of `status`, on this iteration.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn shown_status(
        &self,
        credential: Credential,
        status: &Status,
        iteration: Option<i64>,
    ) -> Result<Option<ShownStatus>, Error> {
        let (kind, id) = target_segments(&status.target);
        let segments = [&repository(status)[..], &[kind, &id, "statuses"]].concat();
        let query: &[_] = match status.target {
            Target::Commit { .. } => &[("latestOnly", "true")],
            Target::PullRequest { .. } | Target::Comment { .. } => &[],
        };
        let call = Call { query, ..Call::new(Method::GET, &segments) };
        let answer = self.call(credential, call).await?;
        let newest = list(&answer)
            .filter_map(|item| Wire::deserialize(item).ok())
            .filter(|found| is_same_context(found, status) && found.iteration_id == iteration)
            .max_by_key(|found| found.id);
        Ok(newest.map(|found| ShownStatus {
            iteration: found.iteration_id,
            state: found.state.unwrap_or_default(),
            description: found.description.unwrap_or_default(),
            url: found.target_url,
        }))
    }
}

pub(super) fn repository(status: &Status) -> [&str; 5] {
    [&status.project, "_apis", "git", "repositories", &status.repository]
}

fn target_segments(target: &Target) -> (&'static str, String) {
    match target {
        Target::PullRequest { id, .. } => ("pullRequests", id.to_string()),
        Target::Commit { commit } => ("commits", commit.clone()),
        Target::Comment { pull_request, .. } => ("pullRequests", pull_request.to_string()),
    }
}

fn made_at(item: &Value) -> Option<Timestamp> {
    Timestamp::parse(item.get("createdDate")?.as_str()?)
}

fn list(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("value").and_then(Value::as_array).into_iter().flatten()
}

fn is_same_context(found: &Wire, status: &Status) -> bool {
    let Some(context) = &found.context else { return false };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    text(&context.genre) == status.context.genre && text(&context.name) == status.context.name
}

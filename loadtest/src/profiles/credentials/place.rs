//! Where statuses are shown: a commit, or a pull request. It must never know who posts them.

use anyhow::Context;
use serde_json::{Value, json};

use crate::fakes::{Fakes, ORGANIZATION, REPOSITORY};

/// See the module.
#[derive(Debug)]
pub(super) struct Place {
    commit: String,
    pull_request: Option<u64>,
}

impl Place {
    /// A fresh one.
    pub(super) async fn new(fakes: &Fakes, is_pull_request: bool) -> anyhow::Result<Self> {
        let branch = if is_pull_request { "topic" } else { "main" };
        let commit = fakes.push(branch).await?;
        let pull_request = if is_pull_request {
            let (project, repository) = REPOSITORY;
            let repository = format!("{project}/{repository}");
            let new = json!({"repository": repository, "source": branch});
            let opened = fakes.control.post("/_fake/pull-requests", &new).await?;
            let id = opened.get("pull_request").and_then(Value::as_u64);
            Some(id.context("no pull request was opened")?)
        } else {
            None
        };
        Ok(Self { commit, pull_request })
    }

    /// What is posted to `/v1/statuses`, each time in a context of its own: what is shown already
    /// would not be posted.
    pub(super) fn status(&self, number: u64) -> Value {
        let (project, repository) = REPOSITORY;
        json!({
            "organization": ORGANIZATION,
            "project": project,
            "repository": repository,
            "commit": self.commit,
            "pull_request": self.pull_request,
            "context": {"genre": "loadtest", "name": format!("check-{number}")},
            "state": "succeeded",
            "description": "Measured",
        })
    }

    /// How many statuses are there.
    pub(super) async fn shown(&self, fakes: &Fakes) -> anyhow::Result<usize> {
        let path = match self.pull_request {
            Some(id) => format!("/_fake/pull-requests/{id}/statuses"),
            None => format!("/_fake/commits/{}/statuses", self.commit),
        };
        let shown = fakes.control.get(&path).await?;
        Ok(shown.as_array().context("a list is needed")?.len())
    }
}

//! Finds the run that a dispatch may have started, by the run id in its title.
//!
//! GitHub does not tell the inputs of a run, so the workflow shows ours in `run-name`. A run is
//! listed some seconds after its dispatch. Source: docs/ci.md, "Kind `github_actions`".

use serde_json::Value;

use super::GithubActions;
use super::api::PAGE;
use crate::ci::error::Error;
use crate::ci::text::has_word;
use crate::ci::urls::{id, web_url};
use crate::domain::run::{Run, Started};

/// More pages are not looked at.
const PAGES_MAX: usize = 5;

impl GithubActions {
    pub(super) async fn find_run(&self, run: &Run) -> Result<Option<Started>, Error> {
        let our_id = run.id.to_string();
        for page in 1..=PAGES_MAX {
            let runs = self.runs_since(run.created_at, page).await?;
            let found = runs.iter().find(|one| {
                let title = one.get("display_title").and_then(Value::as_str);
                title.is_some_and(|title| has_word(title, &our_id))
            });
            if let Some((found, ci_id)) = found.and_then(|one| Some((one, id(one.get("id"))?))) {
                let url = web_url(found.get("html_url"));
                return Ok(Some(Started::Accepted { ci_id: Some(ci_id), url }));
            }
            if runs.len() < PAGE {
                break;
            }
        }
        Ok(None)
    }
}

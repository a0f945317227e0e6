//! Looks for a run by its cause: there is no filter for it, so the newest runs of the job are read.

use std::time::Duration;

use serde_json::Value;

use super::DbtCloud;
use super::trigger::{accepted, is_cause_of};
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::domain::run::{Run, Started};
use crate::domain::time::Timestamp;

/// Runs of one page: the most that dbt Cloud gives.
pub(super) const PAGE: usize = 100;
const PAGES_MAX: usize = 5;
/// Clocks differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

impl DbtCloud {
    pub(super) async fn find_run(&self, run: &Run) -> Result<Option<Started>, Error> {
        let since = run.created_at.minus(CLOCKS_DIFFER);
        for page in 0..PAGES_MAX {
            let runs = self.page_of_job(page).await.map_err(Error::of_all)?;
            let ours = |known: &&Value| {
                let cause = known.pointer("/trigger/cause").and_then(Value::as_str);
                cause.is_some_and(|cause| is_cause_of(cause, run.id))
            };
            if let Some(started) = runs.iter().find(ours).and_then(accepted) {
                return Ok(Some(started));
            }
            let is_older = runs.last().and_then(created_at).is_some_and(|at| at < since);
            if runs.len() < PAGE || is_older {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// A page of the job's runs, newest first.
    async fn page_of_job(&self, page: usize) -> Result<Vec<Value>, Error> {
        let mut url = self.url(&["runs"]);
        url.query_pairs_mut()
            .append_pair("job_definition_id", &self.options.job.to_string())
            .append_pair("order_by", "-id")
            .append_pair("include_related", "trigger")
            .append_pair("limit", &PAGE.to_string())
            .append_pair("offset", &page.saturating_mul(PAGE).to_string());
        self.list(url).await
    }

    /// The runs of a list.
    pub(super) async fn list(&self, url: url::Url) -> Result<Vec<Value>, Error> {
        match self.data(Call::get(url)).await? {
            Value::Array(runs) => Ok(runs),
            _ => Err(Error::ambiguous("its answer is no list of runs")),
        }
    }
}

/// When a run was created: with a T between date and time, or with a blank.
fn created_at(run: &Value) -> Option<Timestamp> {
    let text = run.get("created_at")?.as_str()?;
    Timestamp::parse(&text.replacen(' ', "T", 1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_times_are_read() {
        for text in ["2021-11-26 16:48:41.431645+00:00", "2021-11-26T16:48:41.431645Z"] {
            let at = created_at(&json!({ "created_at": text }));
            assert_eq!(at, Some(Timestamp::from_micros(1_637_945_321_431_645)), "{text}");
        }
        assert_eq!(created_at(&json!({ "created_at": null })), None);
    }
}

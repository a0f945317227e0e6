//! Finds the pipeline that an attempt may have started: by the run id in its name, else by its
//! variables, `GET …/pipelines/{id}/variables` → `[{"key", "value"}]`.
//!
//! GitLab shows variables to maintainers and to the account that started the pipeline. Where it
//! hides them and the name lacks the run id, the run ends as errored and is not started again.
//!
//! Source: docs/ci.md, "Kind `gitlab`".

use std::str::FromStr;

use serde_json::Value;

use super::api::{PAGE, may_be_of};
use super::{Gitlab, VARIABLE};
use crate::ci::client::Call;
use crate::ci::error::{Error, Refusal};
use crate::ci::text::has_word;
use crate::ci::urls::{id, web_url};
use crate::domain::id::RunId;
use crate::domain::run::{Run, Started};

/// More pages are not looked at.
const PAGES_MAX: usize = 3;
/// The variables of so many pipelines are looked at, the newest first.
const LOOKED_AT_MAX: usize = 50;

impl Gitlab {
    pub(super) async fn find_pipeline(&self, run: &Run) -> Result<Option<Started>, Error> {
        let our_id = run.id.to_string();
        let mut unnamed = Vec::new();
        for page in 1..=PAGES_MAX {
            let pipelines = self.pipelines_since(run.created_at, page).await?;
            let is_last = pipelines.len() < PAGE;
            for pipeline in pipelines.into_iter().filter(|one| may_be_of(one, run.created_at)) {
                match whose(&pipeline, &our_id) {
                    Whose::Ours => return Ok(started(&pipeline)),
                    Whose::Unknown => unnamed.push(pipeline),
                    Whose::OfAnother => {}
                }
            }
            if is_last {
                break;
            }
        }
        for pipeline in unnamed.iter().take(LOOKED_AT_MAX) {
            if self.carries(pipeline, &our_id).await? {
                return Ok(started(pipeline));
            }
        }
        Ok(None)
    }

    /// Whether the variables of a pipeline carry the run id.
    async fn carries(&self, pipeline: &Value, our_id: &str) -> Result<bool, Error> {
        let Some(number) = id(pipeline.get("id")) else { return Ok(false) };
        let call = self.call(Call::get, &["pipelines", &number, "variables"]);
        let answer = self.client.send(call).await?;
        match answer.status.as_u16() {
            200..=299 => {
                let variables = answer.json();
                let mut variables = variables.as_array().into_iter().flatten();
                Ok(variables.any(|one| {
                    let text = |name: &str| one.get(name).and_then(Value::as_str);
                    text("key") == Some(VARIABLE) && text("value") == Some(our_id)
                }))
            }
            // It was deleted meanwhile.
            404 => Ok(false),
            401 | 403 => match self.client.failure(&answer) {
                Error::Refused { reason, .. } => Err(Error::refused(
                    format!(
                        "the variables of pipeline {number} are hidden: {reason}; give the token \
                         the role Maintainer, or show ${VARIABLE} in workflow: name"
                    ),
                    Refusal::Credential,
                )),
                limited => Err(limited),
            },
            _ => Err(self.client.failure(&answer)),
        }
    }
}

/// Whose run a pipeline is by its name.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    OfAnother,
    Unknown,
}

fn whose(pipeline: &Value, our_id: &str) -> Whose {
    let name = pipeline.get("name").and_then(Value::as_str).unwrap_or_default();
    if has_word(name, our_id) {
        return Whose::Ours;
    }
    if name.split_whitespace().any(is_run_id) { Whose::OfAnother } else { Whose::Unknown }
}

/// Whether a word is an id as runs have them, and not just any UUID.
fn is_run_id(word: &str) -> bool {
    RunId::from_str(word).is_ok_and(|id| id.to_string() == word && id.0.get_version_num() == 7)
}

fn started(pipeline: &Value) -> Option<Started> {
    let ci_id = Some(id(pipeline.get("id"))?);
    Some(Started::Accepted { ci_id, url: web_url(pipeline.get("web_url")) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_tells_whose_run_it_is() {
        let ours = "0199a3c1-3b5e-7000-8000-000000000001";
        let other = "0199a3c1-3b5e-7000-8000-000000000002";
        for (name, expected) in [
            (json!(format!("Check {ours}")), Whose::Ours),
            (json!(format!("Check {other}")), Whose::OfAnother),
            (json!(format!("Check {ours}2")), Whose::Unknown),
            (json!("Nightly"), Whose::Unknown),
            (json!(null), Whose::Unknown),
        ] {
            assert_eq!(whose(&json!({ "name": name }), ours), expected, "{name}");
        }
    }
}

//! The merge commit of a pull request that was not merged yet when its run was planned.
//!
//! Azure DevOps tells a pull request before its trial merge is made, and the ref of the merge shows
//! an older one until then. So Azure DevOps is asked before anything is started
//! (docs/azure-devops.md §2.3).

use reqwest::Method;
use serde_json::Value;

use super::{AzurePipelines, Permission, Ref};
use crate::ci::error::{Error, unfit};
use crate::domain::run::Run;

impl AzurePipelines {
    /// The merge commit, where the merge is to be built and the run does not know it.
    pub(super) async fn merge_of(&self, run: &Run) -> Result<Option<String>, Error> {
        let of = run.pull_request.as_ref().filter(|_| self.options.git_ref == Ref::Merge);
        let Some(of) = of.filter(|of| of.merge_commit.is_none()) else { return Ok(None) };
        let id = of.id.to_string();
        let path = [run.repository.project_id.as_str(), "_apis", "git", "pullrequests", &id];
        let shown = self.call_below(Permission::Code, Method::GET, &path, &[], None).await;
        match shown {
            Ok(shown) => merge_commit(&shown, &run.commit).map(Some),
            // Nothing was started yet, so nothing is in doubt.
            Err(Error::Ambiguous { reason, retry_after }) => {
                Err(Error::Unavailable { reason, retry_after })
            }
            Err(error) => Err(error),
        }
    }
}

/// The merge of this commit, as the pull request shows it.
fn merge_commit(shown: &Value, commit: &str) -> Result<String, Error> {
    let text = |pointer: &str| shown.pointer(pointer).and_then(Value::as_str);
    let merge = text("/lastMergeCommit/commitId");
    let waits = |reason: &str| Error::Unavailable { reason: reason.to_owned(), retry_after: None };
    match (text("/mergeStatus").unwrap_or_default(), merge) {
        _ if text("/lastMergeSourceCommit/commitId").is_some_and(|source| source != commit) => {
            Err(unfit("the pull request has another commit by now, and only that one is merged"))
        }
        ("conflicts", _) => Err(unfit(
            "the pull request has conflicts with its target branch, so there is no merge to build",
        )),
        ("succeeded", Some(merge)) => Ok(merge.to_owned()),
        ("failure" | "rejectedByPolicy", _) => Err(unfit(
            "Azure DevOps could not merge the pull request, so there is nothing to build",
        )),
        _ => Err(waits("the trial merge of the pull request is not made yet")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_merge_of_the_commit_is_built() {
        let shown = |status: &str, source: &str, merge: Value| {
            merge_commit(
                &json!({
                    "mergeStatus": status,
                    "lastMergeSourceCommit": { "commitId": source },
                    "lastMergeCommit": merge,
                }),
                "a1",
            )
        };
        let merge = json!({ "commitId": "c3" });
        assert_eq!(shown("succeeded", "a1", merge.clone()), Ok("c3".to_owned()));
        for (status, source, merge, is_tried_again) in [
            ("succeeded", "b2", merge.clone(), false),
            ("conflicts", "a1", Value::Null, false),
            ("failure", "a1", Value::Null, false),
            ("rejectedByPolicy", "a1", Value::Null, false),
            // The old merge, until the new one is made.
            ("queued", "a1", merge, true),
            ("notSet", "a1", Value::Null, true),
        ] {
            let refused = shown(status, source, merge).unwrap_err();
            let is_unavailable = matches!(refused, Error::Unavailable { .. });
            assert_eq!(is_unavailable, is_tried_again, "{status} {source}");
        }
    }
}

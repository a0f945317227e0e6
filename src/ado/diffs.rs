//! The files that differ between two commits (docs/azure-devops.md §2.7).

use reqwest::Method;
use serde_json::Value;

use super::client::Call;
use super::{Client, Credential, Error};
use crate::domain::changed_files::{Base, Comparison};

/// Changes that are asked for at once. That of the list of changes of an iteration "cannot be
/// greater than 2000"; for this list no greatest number is documented.
pub const CHANGES_PER_PAGE: usize = 2_000;
/// A change has half a kilobyte.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One page of a list of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffPage {
    /// Of files, with a leading `/`; a file that was renamed has both.
    pub paths: Vec<String>,
    /// Changes on the page, folders included: the offset of the next page.
    pub listed: usize,
    pub is_last: bool,
    /// The commits that were compared: `base` and `head` as asked for, and their merge base.
    pub base: Option<String>,
    pub common: Option<String>,
    pub head: Option<String>,
}

impl Client {
    /// The changes between two commits, after the first `skip`.
    ///
    /// # Errors
    /// `NotFound` where a commit is not there any more; see [`Error`] for the rest.
    pub async fn diff(
        &self,
        credential: Credential,
        comparison: &Comparison,
        skip: usize,
    ) -> Result<DiffPage, Error> {
        let Comparison { project, repository, base, head, from_merge_base } = comparison;
        let (kind, base) = match base {
            Base::Commit(commit) => ("commit", commit),
            Base::Branch(name) => ("branch", name),
        };
        let (top, skip) = (CHANGES_PER_PAGE.to_string(), skip.to_string());
        let query = [
            ("baseVersionType", kind),
            ("baseVersion", base),
            ("targetVersionType", "commit"),
            ("targetVersion", head),
            ("diffCommonCommit", if *from_merge_base { "true" } else { "false" }),
            ("$top", &top),
            ("$skip", &skip),
        ];
        let segments = [project, "_apis", "git", "repositories", repository, "diffs", "commits"];
        let call = Call {
            query: &query,
            answer_bytes_max: PAGE_BYTES_MAX,
            ..Call::new(Method::GET, &segments)
        };
        let answer = self.call(credential, call).await?;
        read(&answer).ok_or_else(|| Error::Unavailable {
            reason: "the list of changes cannot be read".into(),
            doubtful: false,
            retry_after: None,
        })
    }
}

fn read(answer: &Value) -> Option<DiffPage> {
    let changes = answer.get("changes")?.as_array()?;
    let text = |key: &str| Some(answer.get(key)?.as_str()?.to_lowercase());
    let mut paths = Vec::new();
    for change in changes {
        let item = change.get("item")?;
        let path = item.get("path")?.as_str()?;
        let is_folder = item.get("isFolder").and_then(Value::as_bool) == Some(true)
            || item.get("gitObjectType").and_then(Value::as_str) == Some("tree");
        if is_folder {
            continue;
        }
        paths.push(path.to_owned());
        let former = ["sourceServerItem", "originalPath"].iter().filter_map(|key| change.get(key));
        paths.extend(former.filter_map(Value::as_str).map(str::to_owned));
    }
    let is_complete = answer.get("allChangesIncluded").and_then(Value::as_bool) == Some(true);
    Some(DiffPage {
        paths,
        listed: changes.len(),
        is_last: is_complete || changes.is_empty(),
        base: text("baseCommit"),
        common: text("commonCommit"),
        head: text("targetCommit"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_the_paths_of_files_and_both_of_a_renamed_one() {
        let page = json!({
            "allChangesIncluded": true,
            "changes": [
                { "item": { "path": "/src", "isFolder": true, "gitObjectType": "tree" },
                  "changeType": "edit" },
                { "item": { "path": "/src/new.rs", "gitObjectType": "blob" },
                  "changeType": "edit, rename", "sourceServerItem": "/src/old.rs" },
                { "item": { "path": "/vendor", "gitObjectType": "commit" }, "changeType": "edit" },
            ],
            "baseCommit": "A", "commonCommit": "b", "targetCommit": "c",
        });
        let page = read(&page).unwrap();
        assert_eq!(page.paths, ["/src/new.rs", "/src/old.rs", "/vendor"]);
        assert_eq!((page.listed, page.is_last, page.base.as_deref()), (3, true, Some("a")));
    }

    #[test]
    fn an_empty_page_is_the_last_and_a_list_without_paths_is_none() {
        let page = |changes: Value| read(&json!({ "changes": changes }));
        assert!(page(json!([])).unwrap().is_last);
        let one = json!([{ "item": { "path": "/a" } }]);
        assert!(!page(one).unwrap().is_last);
        for damaged in [json!(null), json!({}), json!([{}]), json!([{ "item": {} }])] {
            assert_eq!(page(damaged.clone()), None, "{damaged}");
        }
    }
}

//! What differs between two commits.
//!
//! A commit only knows which files it changes, so a difference has the files of all commits that
//! one side has and the other has not.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::ado::actions::merging::{ancestors, merge_base};
use crate::ado::model::Repository;
use crate::ado::model::ref_names::full_name;
use crate::ado::rest::query_parameters::{paging, switch};
use crate::ado::rest::refusal::{bad_request, commit_unknown};
use crate::ado::rest::render::put;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::world::World;
use crate::http::Response;

impl World {
    pub(super) fn commit_diffs(&self, call: &Call<'_>, repository: &Repository) -> Reply {
        let base = version(call, repository, "base")?;
        let target = version(call, repository, "target")?;
        let common = merge_base(repository, &target, &base);
        let (top, skip) = paging(call.request, 100)?;
        let top = top.min(self.options.changes_per_page);
        let is_from_common = switch(call.request, "diffCommonCommit")?;
        let mut renamed = BTreeMap::new();
        let mut paths = changed(repository, &target, &base, &mut renamed);
        if !is_from_common {
            paths.extend(changed(repository, &base, &target, &mut renamed));
        }
        let folders: BTreeSet<_> = paths.iter().flat_map(|path| folders_of(path)).collect();
        let mut items: Vec<_> = folders.into_iter().map(|path| (path, true)).collect();
        items.extend(paths.into_iter().map(|path| (path, false)));
        items.sort();
        let page = items.iter().skip(skip).take(top);
        let url = self.repository_url(repository);
        let change = |(path, is_folder): &(String, bool)| {
            let kind = if *is_folder { "tree" } else { "blob" };
            let url = format!("{url}/items{path}?versionType=Commit&version={target}");
            let mut item = json!({"gitObjectType": kind, "path": path, "url": url});
            put(&mut item, "commitId", json!(target));
            if *is_folder {
                put(&mut item, "isFolder", json!(true));
            }
            let mut value = json!({"item": item, "changeType": "edit"});
            if let Some(former) = renamed.get(path) {
                put(&mut value, "changeType", json!("edit, rename"));
                put(&mut value, "sourceServerItem", json!(former));
            }
            value
        };
        let changes: Vec<_> = page.map(change).collect();
        let of = |head: &str, other: &str| own(repository, head, other).len();
        let body = json!({
            "allChangesIncluded": skip + changes.len() >= items.len(),
            "changeCounts": {"Edit": items.len()},
            "changes": Value::Array(changes),
            "commonCommit": common,
            "baseCommit": base,
            "targetCommit": target,
            "aheadCount": of(&target, &base),
            "behindCount": of(&base, &target),
        });
        Ok(Response::json(200, &body))
    }
}

/// The commit that `baseVersion` or `targetVersion` names. The documentation does not say what a
/// version without a type is, so the type is demanded.
fn version(call: &Call<'_>, repository: &Repository, side: &str) -> Result<String, Response> {
    let given = |key: &str| call.request.query(&format!("{side}Version{key}"));
    let named = given("").unwrap_or_default();
    match given("Type") {
        Some("commit") if repository.commits.contains_key(named) => Ok(named.to_owned()),
        Some("branch") => {
            let head = repository.refs.get(&full_name(named));
            head.cloned().ok_or_else(|| commit_unknown(named))
        }
        Some("commit") => Err(commit_unknown(named)),
        _ => Err(bad_request(&format!("{side}VersionType must be commit or branch."))),
    }
}

/// The commits of `head` that `other` does not have.
fn own(repository: &Repository, head: &str, other: &str) -> Vec<String> {
    let shared: HashSet<_> = ancestors(repository, other).into_iter().collect();
    let all = ancestors(repository, head).into_iter();
    all.filter(|sha| !shared.contains(sha)).collect()
}

/// The files that the commits of `head` change that `other` does not have. Former paths are added
/// to `renamed`.
fn changed(
    repository: &Repository,
    head: &str,
    other: &str,
    renamed: &mut BTreeMap<String, String>,
) -> BTreeSet<String> {
    let commits = own(repository, head, other);
    let commits = commits.iter().filter_map(|sha| repository.commits.get(sha));
    commits
        .flat_map(|commit| {
            let renames = commit.renames.iter();
            renamed.extend(renames.clone().map(|(old, new)| (new.clone(), old.clone())));
            commit.paths.iter().cloned().chain(renames.map(|(_, new)| new.clone()))
        })
        .collect()
}

/// `/a` and `/a/b` of `/a/b/c`.
fn folders_of(path: &str) -> Vec<String> {
    let ends = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0);
    ends.filter_map(|at| path.get(..at)).map(str::to_owned).collect()
}

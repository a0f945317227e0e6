//! Repositories, refs, pushes and commits over REST.
//!
//! Read-only: code is changed through `actions`.

use serde_json::{Value, json};

use crate::ado::model::{Push, Repository};
use crate::ado::rest::query_parameters::{number, paging, switch, time_range};
use crate::ado::rest::refusal::{bad_request, commit_unknown, git_item_unknown};
use crate::ado::rest::render::{list, put};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::world::World;
use crate::http::Response;

impl World {
    pub(super) fn list_refs(&self, call: &Call<'_>, repository: &Repository) -> Reply {
        let request = call.request;
        let prefix = format!("refs/{}", request.query("filter").unwrap_or_default());
        let part = request.query("filterContains").unwrap_or_default();
        let peel = switch(request, "peelTags")?;
        let statuses = switch(request, "includeStatuses")?;
        let after = request.query("continuationToken").unwrap_or_default();
        let (top, _) = paging(request, usize::MAX)?;
        let mut found = repository.refs.iter().filter(|(name, _)| {
            name.starts_with(&prefix) && name.contains(part) && name.as_str() > after
        });
        let mut values = Vec::new();
        let mut last = String::new();
        for (name, id) in found.by_ref().take(top) {
            values.push(self.ref_json(repository, name, id, peel, statuses));
            name.clone_into(&mut last);
        }
        let response = Response::json(200, &list(values));
        Ok(match found.next() {
            Some(_) => response.with_header("x-ms-continuationtoken", &last),
            None => response,
        })
    }

    fn ref_json(
        &self,
        repository: &Repository,
        name: &str,
        id: &str,
        peel: bool,
        statuses: bool,
    ) -> Value {
        let short = name.strip_prefix("refs/").unwrap_or(name).replace('/', "%2F");
        let creator = repository.pushes.first().map_or(&self.actor, |push| &push.by);
        let mut value = json!({
            "name": name,
            "objectId": id,
            "creator": self.identity_json(creator, &repository.organization),
            "url": format!("{}/refs?filter={short}", self.repository_url(repository)),
        });
        let peeled = repository.tag_objects.get(id);
        if let Some(commit) = peeled.filter(|_| peel) {
            put(&mut value, "peeledObjectId", json!(commit));
        }
        let commit = repository.commits.get(peeled.map_or(id, String::as_str));
        if let Some(commit) = commit.filter(|commit| statuses && !commit.statuses.is_empty()) {
            let all = commit.statuses.iter().rev();
            let values = all.map(|one| self.commit_status_json(repository, &commit.id, one));
            put(&mut value, "statuses", values.collect());
        }
        value
    }

    pub(super) fn list_pushes(&self, call: &Call<'_>, repository: &Repository) -> Reply {
        let request = call.request;
        let (top, skip) = paging(request, 100)?;
        let include = switch(request, "searchCriteria.includeRefUpdates")?;
        let wanted = request.query("searchCriteria.refName");
        let (from, to) = time_range(request, "fromDate", "toDate")?;
        let newest_first = repository.pushes.iter().rev();
        let found = newest_first.filter(|push| {
            let moved = |name: &str| push.ref_updates.iter().any(|update| update.name == name);
            wanted.is_none_or(moved) && (from..=to).contains(&push.at_ms)
        });
        let values = found.skip(skip).take(top).map(|push| {
            let mut value = self.push_json(repository, push);
            put(&mut value, "repository", self.repository_json(repository));
            if include {
                put(&mut value, "refUpdates", ref_updates(repository, push, wanted));
            }
            value
        });
        Ok(Response::json(200, &list(values.collect())))
    }

    pub(super) fn get_push(&self, call: &Call<'_>, repository: &Repository, wanted: &str) -> Reply {
        let found = repository.pushes.iter().find(|push| push.id.to_string() == wanted);
        let push = found.ok_or_else(|| {
            let text = format!("TF401035: There is no push {wanted}.");
            git_item_unknown("GitPushNotFoundException", &text)
        })?;
        let mut value = self.push_json(repository, push);
        put(&mut value, "repository", self.repository_json(repository));
        let include_commits = number(call.request, "includeCommits")?.unwrap_or(0);
        let commits = push.commits.iter().take(include_commits);
        let commits = commits.filter_map(|sha| repository.commits.get(sha));
        let commits: Vec<_> = commits.map(|commit| self.commit_json(repository, commit)).collect();
        put(&mut value, "commits", Value::Array(commits));
        if switch(call.request, "includeRefUpdates")? {
            put(&mut value, "refUpdates", ref_updates(repository, push, None));
        }
        Ok(Response::json(200, &value))
    }

    pub(super) fn get_commit(&self, repository: &Repository, sha: &str) -> Reply {
        if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad_request(&format!("'{sha}' is not a commit id.")));
        }
        let commit = repository.commits.get(sha).ok_or_else(|| commit_unknown(sha))?;
        let mut value = self.commit_json(repository, commit);
        put(&mut value, "parents", json!(commit.parents));
        put(&mut value, "treeId", json!(sha.chars().rev().collect::<String>()));
        let brought = |push: &&Push| push.commits.contains(&commit.id);
        if let Some(push) = repository.pushes.iter().rev().find(brought) {
            put(&mut value, "push", self.push_json(repository, push));
        }
        Ok(Response::json(200, &value))
    }

    pub(super) fn commit_changes(&self, repository: &Repository, sha: &str) -> Reply {
        let commit = repository.commits.get(sha).ok_or_else(|| commit_unknown(sha))?;
        let changes: Vec<_> = commit.paths.iter().map(|path| change(path)).collect();
        let body = json!({"changeCounts": {"Edit": changes.len()}, "changes": changes});
        Ok(Response::json(200, &body))
    }
}

/// A changed file.
pub(super) fn change(path: &str) -> Value {
    json!({"item": {"path": path, "gitObjectType": "blob"}, "changeType": "edit"})
}

fn ref_updates(repository: &Repository, push: &Push, only: Option<&str>) -> Value {
    let wanted = push.ref_updates.iter().filter(|one| only.is_none_or(|name| one.name == name));
    let updates = wanted.map(|update| {
        json!({
            "repositoryId": repository.id,
            "name": update.name,
            "oldObjectId": update.old,
            "newObjectId": update.new,
        })
    });
    updates.collect()
}

//! Statuses of commits and of pull requests over REST (docs/azure-devops.md §5).
//!
//! A status is never edited; each post adds one, and all are listed. Statuses that a branch policy
//! does not permit are refused here. What a policy evaluates to is decided in `policy`.

use serde_json::Value;

use crate::ado::model::{Posted, PullRequestState, Status};
use crate::ado::rest::query_parameters::{paging, switch};
use crate::ado::rest::refusal::{
    bad_request, commit_unknown, git_item_unknown, method_not_allowed, page_not_found,
    permission_missing, status_forbidden,
};
use crate::ado::rest::render::list;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    pub(super) fn commit_statuses_call(&mut self, call: &Call<'_>, id: &str, sha: &str) -> Reply {
        let repository = self.repository(id);
        let commit = repository.commits.get(sha).ok_or_else(|| commit_unknown(sha))?;
        match call.method() {
            "GET" => {
                let (top, skip) = paging(call.request, 1_000)?;
                let latest_only = switch(call.request, "latestOnly")?;
                let mut shown: Vec<&Status> = Vec::new();
                for status in commit.statuses.iter().rev() {
                    if !latest_only || !shown.iter().any(|one| same_context(one, status)) {
                        shown.push(status);
                    }
                }
                let page = shown.into_iter().skip(skip).take(top);
                let values = page.map(|one| self.commit_status_json(repository, sha, one));
                Ok(Response::json(200, &list(values.collect())))
            }
            "POST" => {
                self.check_permission(call, Permission::GenericContribute, id)?;
                let number = commit.statuses.len() as u64 + 1;
                let status = self.status_of(call, &call.json()?, number)?;
                let answer = self.commit_status_json(repository, sha, &status);
                self.posted.push(posted(&status, None, Some(sha)));
                if let Some(commit) = self.repository_mut(id).commits.get_mut(sha) {
                    commit.statuses.push(status);
                }
                Ok(Response::json(201, &answer))
            }
            other => Err(method_not_allowed(other)),
        }
    }

    pub(super) fn pull_request_statuses_call(
        &mut self,
        call: &Call<'_>,
        id: u64,
        tail: &[&str],
    ) -> Reply {
        let (iteration, rest) = match tail {
            ["iterations", number, rest @ ..] => {
                let known = super::pull_requests::iteration(self.pull_request(id), number)?;
                (Some(known.id), rest)
            }
            rest => (None, rest),
        };
        match (call.method(), rest) {
            ("GET", ["statuses"]) => {
                let all = self.pull_request(id).statuses.iter();
                let here = all.filter(|one| iteration.is_none() || one.iteration == iteration);
                let values = here.map(|one| self.pull_request_status_json(id, one)).collect();
                Ok(Response::json(200, &list(values)))
            }
            ("GET", ["statuses", number]) => {
                let status = self.known_status(id, iteration, number)?;
                Ok(Response::json(200, &self.pull_request_status_json(id, status)))
            }
            ("POST", ["statuses"]) => self.post_status(call, id, iteration),
            ("DELETE", ["statuses", number]) => {
                self.check_may_change(call, id)?;
                let number = self.known_status(id, iteration, number)?.id;
                self.pull_request_mut(id).statuses.retain(|one| one.id != number);
                Ok(Response::empty(204))
            }
            ("PATCH", ["statuses"]) => self.remove_statuses(call, id, iteration),
            (method, ["statuses"] | ["statuses", _]) => Err(method_not_allowed(method)),
            _ => Err(page_not_found()),
        }
    }

    fn post_status(&mut self, call: &Call<'_>, id: u64, in_path: Option<u64>) -> Reply {
        self.check_may_change(call, id)?;
        let body = call.json()?;
        let pull_request = self.pull_request(id);
        let mut status = self.status_of(call, &body, pull_request.next_status)?;
        status.iteration = match body.get("iterationId") {
            None | Some(Value::Null) => in_path,
            Some(given) => {
                let number = given.as_u64().filter(|number| in_path.is_none_or(|n| n == *number));
                let known = number.filter(|number| {
                    pull_request.iterations.iter().any(|iteration| iteration.id == *number)
                });
                let number = known.ok_or_else(|| {
                    bad_request(&format!("The pull request has no iteration {given}."))
                })?;
                Some(number)
            }
        };
        if status.iteration.is_none() && self.policy_needs_iteration(id, &status) {
            let text = "A branch policy requires status to be posted on iteration.";
            let key = "GitPullRequestStatusRejectedByPolicyException";
            return Err(status_forbidden(key, text));
        }
        let answer = self.pull_request_status_json(id, &status);
        self.posted.push(posted(&status, Some(id), None));
        let pull_request = self.pull_request_mut(id);
        pull_request.next_status += 1;
        pull_request.statuses.push(status);
        Ok(Response::json(200, &answer))
    }

    /// Removes several statuses. `remove` is the only operation of ADO's patch.
    fn remove_statuses(&mut self, call: &Call<'_>, id: u64, iteration: Option<u64>) -> Reply {
        self.check_may_change(call, id)?;
        let body = call.json_as(&["application/json-patch+json"])?;
        let operations = body.as_array().ok_or_else(|| bad_request("A patch must be a list."))?;
        let mut numbers = Vec::new();
        for operation in operations {
            let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("op") != "remove" {
                return Err(bad_request("Only the operation remove is supported."));
            }
            let number = text("path").trim_start_matches('/').to_owned();
            numbers.push(self.known_status(id, iteration, &number)?.id);
        }
        self.pull_request_mut(id).statuses.retain(|one| !numbers.contains(&one.id));
        Ok(Response::empty(204))
    }

    fn check_may_change(&self, call: &Call<'_>, id: u64) -> Result<(), Response> {
        let pull_request = self.pull_request(id);
        let repository = &pull_request.repository;
        self.check_permission(call, Permission::PullRequestContribute, repository)?;
        if pull_request.state != PullRequestState::Active {
            let text = "The statuses of a pull request that is not active cannot be changed.";
            return Err(status_forbidden("GitPullRequestStatusNotEditableException", text));
        }
        Ok(())
    }

    pub(super) fn check_permission(
        &self,
        call: &Call<'_>,
        permission: Permission,
        repository: &str,
    ) -> Result<(), Response> {
        let identity = &call.caller.identity;
        if self.may(identity, permission, Some(repository)) {
            return Ok(());
        }
        Err(permission_missing(permission, &self.identity(identity).unique_name))
    }

    fn known_status(
        &self,
        id: u64,
        iteration: Option<u64>,
        number: &str,
    ) -> Result<&Status, Response> {
        let mut all = self.pull_request(id).statuses.iter();
        let found = all.find(|one| {
            one.id.to_string() == number && (iteration.is_none() || one.iteration == iteration)
        });
        found.ok_or_else(|| {
            let text = format!("There is no status {number}.");
            git_item_unknown("GitPullRequestStatusNotFoundException", &text)
        })
    }
}

fn same_context(one: &Status, other: &Status) -> bool {
    one.genre == other.genre && one.name == other.name
}

fn posted(status: &Status, pull_request: Option<u64>, commit: Option<&str>) -> Posted {
    Posted {
        pull_request,
        commit: commit.map(str::to_owned),
        iteration: status.iteration,
        state: status.state.clone(),
        at_ms: status.at_ms,
    }
}

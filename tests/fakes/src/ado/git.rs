//! Git over REST: repositories, refs, pushes, commits, pull requests, statuses.
//!
//! This file finds the repository and passes the call on. Paths are compared without case, as ADO
//! does (`pullrequests` and `pullRequests` are one).

/// What differs between two commits.
mod diffs;
/// Pull requests, iterations, threads.
mod pull_requests;
/// Repositories, refs, pushes and commits.
mod repositories;
/// Statuses as JSON.
mod status_json;
/// Statuses of commits and pull requests.
mod statuses;
/// Threads of comments.
mod threads;

use crate::ado::model::Repository;
use crate::ado::rest::refusal::{
    method_not_allowed, page_not_found, pull_request_unknown, repository_unknown,
};
use crate::ado::rest::render::list;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// Everything below `_apis/git`.
    pub(crate) fn git_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        if tail.contains(&"statuses") {
            match call.method() {
                "GET" => call.needs(&[Scope::Code, Scope::CodeStatus])?,
                _ => call.needs(&[Scope::CodeWrite, Scope::CodeStatus])?,
            }
        } else if tail.contains(&"threads") {
            match call.method() {
                "GET" => call.needs(&[Scope::Code, Scope::Threads])?,
                _ => call.needs(&[Scope::CodeWrite, Scope::Threads])?,
            }
        } else {
            call.needs(&[Scope::Code])?;
        }
        match tail {
            ["repositories"] => self.list_repositories(call),
            ["repositories", repository, rest @ ..] => {
                let id = self.readable_repository(call, repository)?.id.clone();
                self.repository_call(call, &id, rest)
            }
            ["pullrequests"] => self.list_pull_requests(call, None),
            ["pullrequests", id] => {
                let found = self.pull_requests.get(&id.parse().unwrap_or(0));
                let found = found.filter(|one| self.has_content(call, &one.repository));
                let pull_request = found.ok_or_else(|| pull_request_unknown(id))?;
                let repository = &pull_request.repository;
                self.readable_repository(call, repository)?;
                self.get_pull_request(call, pull_request)
            }
            ["policy", "configurations"] => self.policies_of_ref(call),
            _ => Err(page_not_found()),
        }
    }

    fn repository_call(&mut self, call: &Call<'_>, id: &str, tail: &[&str]) -> Reply {
        if self.repository(id).is_disabled && !tail.is_empty() {
            // The answer of ADO is not documented. Here the content of a disabled repository is not
            // found.
            return Err(repository_unknown(id));
        }
        match (call.method(), tail) {
            ("GET", []) => Ok(Response::json(200, &self.repository_json(self.repository(id)))),
            ("GET", ["refs"]) => self.list_refs(call, self.repository(id)),
            ("GET", ["pushes"]) => self.list_pushes(call, self.repository(id)),
            ("GET", ["pushes", push]) => self.get_push(call, self.repository(id), push),
            ("GET", ["commits", sha]) => self.get_commit(self.repository(id), sha),
            ("GET", ["commits", sha, "changes"]) => self.commit_changes(self.repository(id), sha),
            ("GET", ["diffs", "commits"]) => self.commit_diffs(call, self.repository(id)),
            (_, ["commits", sha, "statuses"]) => self.commit_statuses_call(call, id, sha),
            ("GET", ["pullrequests"]) => self.list_pull_requests(call, Some(id)),
            (_, ["pullrequests", number, rest @ ..]) => {
                let found = number.parse().ok().and_then(|id| self.pull_requests.get(&id));
                let found = found.filter(|one| one.repository == id).map(|one| one.id);
                let found = found.ok_or_else(|| pull_request_unknown(number))?;
                self.pull_request_call(call, found, rest)
            }
            (method, ["refs" | "pushes" | "commits" | "diffs" | "pullrequests", ..] | []) => {
                Err(method_not_allowed(method))
            }
            _ => Err(page_not_found()),
        }
    }

    fn list_repositories(&self, call: &Call<'_>) -> Reply {
        if call.method() != "GET" {
            return Err(method_not_allowed(call.method()));
        }
        let reader = &call.caller.identity;
        let found = self.repositories.values().filter(|one| {
            self.in_reach(call, &one.id) && self.may(reader, Permission::GenericRead, Some(&one.id))
        });
        Ok(Response::json(200, &list(found.map(|one| self.repository_json(one)).collect())))
    }

    /// Whether a repository lies in the organization and project of the path.
    fn in_reach(&self, call: &Call<'_>, repository: &str) -> bool {
        self.repositories.get(repository).is_some_and(|one| {
            let in_project = call.project.as_ref().is_none_or(|project| *project == one.project);
            one.organization == call.organization && in_project && !one.is_deleted
        })
    }

    /// Whether, besides, its content can be reached.
    fn has_content(&self, call: &Call<'_>, repository: &str) -> bool {
        let is_disabled = self.repositories.get(repository).is_none_or(|one| one.is_disabled);
        !is_disabled && self.in_reach(call, repository)
    }

    /// The repository of that name or GUID, if the caller may read it. A name needs a project in
    /// the path, as in ADO.
    fn readable_repository(&self, call: &Call<'_>, wanted: &str) -> Result<&Repository, Response> {
        let by_id = self.repositories.get(wanted);
        let by_name = || {
            let project = call.project.as_ref()?;
            let mut all = self.repositories.values().filter(|one| one.project == *project);
            all.find(|one| one.name.eq_ignore_ascii_case(wanted))
        };
        let found = by_id.or_else(by_name).filter(|one| self.in_reach(call, &one.id));
        let reader = &call.caller.identity;
        let readable = found.filter(|one| self.may(reader, Permission::GenericRead, Some(&one.id)));
        readable.ok_or_else(|| repository_unknown(wanted))
    }
}

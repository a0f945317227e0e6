//! Pull requests, iterations, labels and threads over REST.
//!
//! Read-only: pull requests are changed through `actions`.

use serde_json::{Value, json};

use crate::ado::actions::merging::ancestors;
use crate::ado::model::{Iteration, PullRequest};
use crate::ado::rest::query_parameters::{paging, time_range};
use crate::ado::rest::refusal::{
    bad_request, git_item_unknown, method_not_allowed, page_not_found,
};
use crate::ado::rest::render::{list, put};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::world::World;
use crate::http::{Request, Response};
use crate::timestamp::rfc3339;

impl World {
    pub(super) fn list_pull_requests(&self, call: &Call<'_>, repository: Option<&str>) -> Reply {
        let (top, skip) = paging(call.request, 101)?;
        let status = call.request.query("searchCriteria.status").unwrap_or("active");
        let status = status.to_ascii_lowercase();
        if !["active", "abandoned", "completed", "all", "notset"].contains(&status.as_str()) {
            return Err(bad_request(&format!("There is no status '{status}'.")));
        }
        let (from, to) = time_range(call.request, "minTime", "maxTime")?;
        let by_closing = call.request.query("searchCriteria.queryTimeRangeType") == Some("closed");
        let in_time = |one: &PullRequest| {
            let at_ms = if by_closing { one.closed_ms } else { Some(one.created_ms) };
            at_ms.is_some_and(|at_ms| (from..=to).contains(&at_ms))
        };
        let newest_first = self.pull_requests.values().rev();
        let found = newest_first.filter(|one| {
            repository.is_none_or(|id| one.repository == id)
                && self.has_content(call, &one.repository)
                && (status == "all" || one.state.name() == status.replace("notset", "active"))
                && in_time(one)
                && matches(call.request, one)
        });
        let values = found.skip(skip).take(top).map(|one| self.described(one));
        Ok(Response::json(200, &list(values.collect())))
    }

    pub(super) fn get_pull_request(&self, call: &Call<'_>, pull_request: &PullRequest) -> Reply {
        if call.method() != "GET" {
            return Err(method_not_allowed(call.method()));
        }
        Ok(Response::json(200, &self.described(pull_request)))
    }

    fn described(&self, pull_request: &PullRequest) -> Value {
        let mut value = self.pull_request_json(pull_request);
        if !pull_request.labels.is_empty() {
            put(&mut value, "labels", self.labels_json(pull_request));
        }
        value
    }

    pub(super) fn pull_request_call(&mut self, call: &Call<'_>, id: u64, tail: &[&str]) -> Reply {
        if tail.contains(&"statuses") {
            return self.pull_request_statuses_call(call, id, tail);
        }
        if let ["threads", thread, rest @ ..] = tail {
            return self.thread_call(call, id, thread, rest);
        }
        let one = self.pull_request(id);
        match (call.method(), tail) {
            ("GET", []) => self.get_pull_request(call, one),
            ("GET", ["labels"]) => {
                let labels = self.labels_json(one);
                let labels = labels.as_array().cloned().unwrap_or_default();
                Ok(Response::json(200, &list(labels)))
            }
            ("GET", ["iterations"]) => {
                let all = one.iterations.iter().map(|each| self.iteration_json(one, each));
                Ok(Response::json(200, &list(all.collect())))
            }
            ("GET", ["iterations", number]) => {
                let iteration = iteration(one, number)?;
                Ok(Response::json(200, &self.iteration_json(one, iteration)))
            }
            ("GET", ["iterations", number, "changes"]) => {
                Ok(self.iteration_changes(one, iteration(one, number)?))
            }
            ("GET", ["threads"]) => Ok(self.threads(one)),
            (method, ["labels" | "iterations" | "threads", ..] | []) => {
                Err(method_not_allowed(method))
            }
            _ => Err(page_not_found()),
        }
    }

    fn iteration_changes(&self, pull_request: &PullRequest, iteration: &Iteration) -> Response {
        let repository = self.repository(&pull_request.repository);
        let shared = ancestors(repository, &iteration.common);
        let own = ancestors(repository, &iteration.source)
            .into_iter()
            .filter(|sha| !shared.contains(sha));
        let commits = own.filter_map(|sha| repository.commits.get(&sha));
        let mut paths: Vec<_> = commits.flat_map(|commit| commit.paths.clone()).collect();
        paths.sort();
        paths.dedup();
        let entry = |(number, path): (usize, &String)| {
            let mut value = super::repositories::change(path);
            put(&mut value, "changeTrackingId", json!(number + 1));
            put(&mut value, "changeId", json!(number + 1));
            value
        };
        let entries: Vec<_> = paths.iter().enumerate().map(entry).collect();
        Response::json(200, &json!({"changeEntries": entries}))
    }

    fn threads(&self, pull_request: &PullRequest) -> Response {
        let values = pull_request.threads.iter().map(|thread| {
            let all = thread.comments.iter();
            let comments: Vec<_> =
                all.map(|comment| self.comment_json(pull_request, thread.id, comment)).collect();
            let first_ms = thread.comments.first().map_or(0, |comment| comment.published_ms);
            json!({
                "id": thread.id,
                "publishedDate": rfc3339(first_ms),
                "lastUpdatedDate": rfc3339(first_ms),
                "comments": comments,
                "status": "active",
                "isDeleted": false,
            })
        });
        Response::json(200, &list(values.collect()))
    }
}

/// The iteration of that number.
pub(super) fn iteration<'a>(
    pull_request: &'a PullRequest,
    number: &str,
) -> Result<&'a Iteration, Response> {
    let found = pull_request.iterations.iter().find(|iteration| iteration.id.to_string() == number);
    found.ok_or_else(|| {
        let text =
            format!("The iteration {number} of pull request {} does not exist.", pull_request.id);
        git_item_unknown("GitPullRequestIterationNotFoundException", &text)
    })
}

fn matches(request: &Request, pull_request: &PullRequest) -> bool {
    let equals = |name: &str, value: Option<&str>| {
        request.query(&format!("searchCriteria.{name}")).is_none_or(|wanted| Some(wanted) == value)
    };
    let source = pull_request.fork.as_ref().unwrap_or(&pull_request.repository);
    equals("sourceRefName", Some(&pull_request.source_ref))
        && equals("targetRefName", Some(&pull_request.target_ref))
        && equals("repositoryId", Some(&pull_request.repository))
        && equals("sourceRepositoryId", Some(source))
        && equals("creatorId", Some(&pull_request.by))
}

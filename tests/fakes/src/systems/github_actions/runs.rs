//! Runs as they are answered, alone and in lists.

use serde_json::{Map, Value, json};

use super::refusal::error;
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::Build;
use crate::timestamp::{parse_rfc3339, whole_seconds};

/// How many runs a filtered search finds at most.
const FOUND_MAX: usize = 1_000;
const DAY_MS: i64 = 86_400_000;

impl World {
    pub(super) fn run_url(&self, number: u64) -> String {
        format!("{}/repos/{}/actions/runs/{number}", self.base_url, self.repository)
    }

    pub(super) fn run_page(&self, number: u64) -> String {
        format!("{}/{}/actions/runs/{number}", self.base_url, self.repository)
    }

    /// `GET …/runs`: newest first, and not yet those that have just been started.
    pub(super) fn list(&self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let created = request.query("created");
        if created.is_some_and(|range| is_within(range, now_ms).is_none()) {
            return Err(error(422, "The created parameter is not a date range."));
        }
        let is_visible =
            |build: &&Build| !build.is_gone && now_ms - build.started_ms >= self.list_lag_ms;
        let newest = self.builds.all().iter().rev().filter(is_visible);
        let found: Vec<&Build> = newest.filter(|one| self.is_asked_for(request, one)).collect();
        let number = |name: &str, default: usize| {
            request.query(name).and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let (size, page) = (number("per_page", 30).clamp(1, 100), number("page", 1).max(1));
        let is_filtered =
            request.query.iter().any(|(name, _)| name != "per_page" && name != "page");
        let reachable = if is_filtered { found.len().min(FOUND_MAX) } else { found.len() };
        let shown = found.iter().take(reachable).skip((page - 1) * size).take(size);
        let runs: Vec<Value> = shown.filter_map(|build| self.rendered(build.number)).collect();
        let answer = json!({"total_count": found.len(), "workflow_runs": runs});
        let response = Response::json(200, &answer);
        if page * size >= reachable {
            return Ok(response);
        }
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let others = request.query.iter().filter(|(name, _)| name != "page");
        query.extend_pairs(others).append_pair("page", &(page + 1).to_string());
        let next = format!("<{}{}?{}>; rel=\"next\"", self.base_url, request.path, query.finish());
        Ok(response.with_header("link", &next))
    }

    /// Whether the filters of a list let a build through.
    fn is_asked_for(&self, request: &Request, build: &Build) -> bool {
        let Some(run) = self.runs.get(&build.number) else { return false };
        let (status, conclusion) = self.status(build.number);
        let holds = |name: &str, is: &dyn Fn(&str) -> bool| request.query(name).is_none_or(is);
        holds("created", &|range| is_within(range, build.started_ms) == Some(true))
            && holds("event", &|asked| asked == "workflow_dispatch")
            && holds("branch", &|asked| asked == run.branch)
            && holds("head_sha", &|asked| asked == run.head_sha)
            && holds("actor", &|asked| asked == "azdo-gateway")
            && holds("status", &|asked| asked == status || Some(asked) == conclusion.as_deref())
    }

    /// The run; none where it does not exist.
    pub(super) fn rendered(&self, number: u64) -> Option<Value> {
        let build = self.builds.get(number)?;
        let run = self.runs.get(&number)?;
        let (status, conclusion) = self.status(number);
        let at = whole_seconds(build.started_ms);
        let (url, page) = (self.run_url(number), self.run_page(number));
        let suite = number + 1_000;
        let previous = match run.attempt {
            1 => Value::Null,
            attempt => json!(format!("{url}/attempts/{}", attempt - 1)),
        };
        let person = json!({"name": "GitHub", "email": "noreply@github.com"});
        Some(json!({
            "id": number,
            "name": self.workflow.name,
            "node_id": format!("WFR_{number}"),
            "check_suite_id": suite,
            "check_suite_node_id": format!("CS_{suite}"),
            "head_branch": run.branch,
            "head_sha": run.head_sha,
            "path": self.workflow.path(),
            "display_title": run.title,
            "run_number": self.runs.keys().take_while(|one| **one <= number).count(),
            "run_attempt": run.attempt,
            "event": "workflow_dispatch",
            "status": status,
            "conclusion": conclusion,
            "workflow_id": self.workflow.id,
            "url": url,
            "html_url": page,
            "pull_requests": [],
            "created_at": at,
            "updated_at": at,
            "run_started_at": at,
            "actor": self.account("azdo-gateway"),
            "triggering_actor": self.account("azdo-gateway"),
            "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"),
            "check_suite_url":
                format!("{}/repos/{}/check-suites/{suite}", self.base_url, self.repository),
            "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"),
            "previous_attempt_url": previous,
            "workflow_url": self.workflow_url(),
            "referenced_workflows": [],
            "head_commit": {"id": run.head_sha, "tree_id": run.head_sha, "message": "Build",
                "timestamp": at, "author": person, "committer": person},
            "repository": self.rendered_repository(),
            "head_repository": self.rendered_repository(),
        }))
    }

    fn workflow_url(&self) -> String {
        let id = self.workflow.id;
        format!("{}/repos/{}/actions/workflows/{id}", self.base_url, self.repository)
    }

    /// The workflow.
    pub(super) fn rendered_workflow(&self) -> Value {
        let page = format!("{}/{}", self.base_url, self.repository);
        json!({
            "id": self.workflow.id,
            "node_id": format!("W_{}", self.workflow.id),
            "name": self.workflow.name,
            "path": self.workflow.path(),
            "state": self.workflow.state,
            "created_at": "2026-01-05T09:00:00.000Z",
            "updated_at": "2026-01-05T09:00:00.000Z",
            "url": self.workflow_url(),
            "html_url": format!("{page}/blob/{}/{}", self.default_branch, self.workflow.path()),
            "badge_url": format!("{page}/workflows/{}/badge.svg", self.workflow.name),
        })
    }

    fn account(&self, login: &str) -> Value {
        let url = format!("{}/users/{login}", self.base_url);
        let mut account = with_urls(
            &url,
            "events followers following gists organizations received_events repos starred \
             subscriptions",
        );
        let own = json!({
            "login": login, "id": 1, "node_id": "MDQ6VXNlcjE=", "type": "User", "gravatar_id": "",
            "site_admin": false, "url": url, "html_url": format!("{}/{login}", self.base_url),
            "avatar_url": format!("{}/avatars/{login}", self.base_url),
        });
        account.extend(own.as_object().cloned().unwrap_or_default());
        Value::Object(account)
    }

    /// The repository.
    pub(super) fn rendered_repository(&self) -> Value {
        let (owner, name) = self.repository.split_once('/').unwrap_or_default();
        let url = format!("{}/repos/{}", self.base_url, self.repository);
        let mut repository = with_urls(
            &url,
            "archive assignees blobs branches collaborators comments commits compare contents \
             contributors deployments downloads events forks git_commits git_refs git_tags hooks \
             issue_comment issue_events issues keys labels languages merges milestones \
             notifications pulls releases stargazers statuses subscribers subscription tags teams \
             trees",
        );
        let own = json!({
            "id": 1_296_269, "node_id": "MDEwOlJlcG9zaXRvcnkxMjk2MjY5", "name": name,
            "full_name": self.repository, "owner": self.account(owner), "private": true,
            "html_url": format!("{}/{}", self.base_url, self.repository), "description": null,
            "fork": false, "url": url,
        });
        repository.extend(own.as_object().cloned().unwrap_or_default());
        Value::Object(repository)
    }
}

/// `{name}_url` for each name.
fn with_urls(url: &str, names: &str) -> Map<String, Value> {
    let one = |name: &str| (format!("{name}_url"), json!(format!("{url}/{name}")));
    names.split_whitespace().map(one).collect()
}

/// Whether a time lies in a range as the search writes it: `>=A`, `>A`, `<=A`, `<A`, `A..B` with
/// `*` for an open end, or a day. Times of runs are whole seconds. None when it is no range.
fn is_within(range: &str, at_ms: i64) -> Option<bool> {
    let at_ms = at_ms.div_euclid(1_000) * 1_000;
    let moment =
        |text: &str| parse_rfc3339(text).or_else(|| parse_rfc3339(&format!("{text}T00:00:00Z")));
    if let Some((from, to)) = range.split_once("..") {
        let is_after = from == "*" || moment(from)? <= at_ms;
        return Some(is_after && (to == "*" || at_ms <= moment(to)?));
    }
    if let Some(from) = range.strip_prefix(">=") {
        return Some(at_ms >= moment(from)?);
    }
    if let Some(to) = range.strip_prefix("<=") {
        return Some(at_ms <= moment(to)?);
    }
    if let Some(from) = range.strip_prefix('>') {
        return Some(at_ms > moment(from)?);
    }
    if let Some(to) = range.strip_prefix('<') {
        return Some(at_ms < moment(to)?);
    }
    let from = moment(range)?;
    let until = if range.contains('T') { from + 1_000 } else { from + DAY_MS };
    Some((from..until).contains(&at_ms))
}

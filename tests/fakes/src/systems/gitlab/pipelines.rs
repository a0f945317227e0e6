//! Pipelines as they are answered, alone and in lists.

use serde_json::{Value, json};

use super::refusal::error;
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::Build;
use crate::timestamp::{parse_rfc3339, rfc3339};

/// Every status that a pipeline can have.
pub(super) const STATUSES: [&str; 13] = [
    "created",
    "waiting_for_resource",
    "preparing",
    "waiting_for_callback",
    "pending",
    "running",
    "success",
    "failed",
    "canceling",
    "canceled",
    "skipped",
    "manual",
    "scheduled",
];
/// How many a page can have.
const PAGE_MAX: usize = 100;
/// What a list does not show of a pipeline.
const NOT_LISTED: [&str; 11] = [
    "before_sha",
    "tag",
    "yaml_errors",
    "user",
    "started_at",
    "finished_at",
    "committed_at",
    "duration",
    "queued_duration",
    "coverage",
    "detailed_status",
];

impl World {
    /// `GET …/pipelines`.
    pub(super) fn list(&self, request: &Request) -> Result<Response, Response> {
        for (name, permitted) in [
            ("status", &STATUSES[..]),
            ("scope", &["running", "pending", "finished", "branches", "tags"]),
            ("order_by", &["id", "status", "ref", "updated_at", "user_id"]),
            ("sort", &["asc", "desc"]),
        ] {
            if request.query(name).is_some_and(|value| !permitted.contains(&value)) {
                return Err(error(400, &format!("{name} does not have a valid value")));
            }
        }
        let moment = |name: &str| match request.query(name) {
            None => Ok(None),
            Some(text) => parse_rfc3339(text)
                .map(Some)
                .ok_or_else(|| error(400, &format!("{name} is invalid"))),
        };
        let (after, before) = (moment("updated_after")?, moment("updated_before")?);
        let number = |name: &str, default: usize| match request.query(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) if number > 0 => Ok(number),
            _ => Err(error(400, &format!("{name} does not have a valid value"))),
        };
        let (size, page) = (number("per_page", 20)?.min(PAGE_MAX), number("page", 1)?);
        let mut found: Vec<&Build> = self
            .builds
            .all()
            .iter()
            .filter(|build| !build.is_gone && self.is_asked_for(request, build))
            .filter(|build| after.is_none_or(|after_ms| build.started_ms > after_ms))
            .filter(|build| before.is_none_or(|before_ms| build.started_ms < before_ms))
            .collect();
        if request.query("sort") != Some("asc") {
            found.reverse();
        }
        let shown = found.iter().skip((page - 1) * size).take(size);
        let pipelines: Vec<Value> = shown.filter_map(|build| self.listed(build.number)).collect();
        let pages = found.len().div_ceil(size);
        let next = if page < pages { (page + 1).to_string() } else { String::new() };
        Ok(Response::json(200, &json!(pipelines))
            .with_header("x-page", &page.to_string())
            .with_header("x-per-page", &size.to_string())
            .with_header("x-next-page", &next)
            .with_header("x-total", &found.len().to_string())
            .with_header("x-total-pages", &pages.to_string()))
    }

    fn is_asked_for(&self, request: &Request, build: &Build) -> bool {
        let Some(pipeline) = self.pipelines.get(&build.number) else { return false };
        let (status, _) = self.status(build.number);
        let is = |name: &str, value: &str| request.query(name).is_none_or(|asked| asked == value);
        let is_in_scope = match request.query("scope") {
            Some(scope @ ("running" | "pending")) => scope == status,
            Some("finished") => build.state.is_final(),
            Some("branches") => !pipeline.is_tag,
            Some("tags") => pipeline.is_tag,
            _ => true,
        };
        is_in_scope
            && is("ref", &build.git_ref)
            && is("sha", &pipeline.sha)
            && is("status", &status)
            && is("source", pipeline.source)
            && is("username", self.user_of(pipeline.is_own))
            && is("name", pipeline.name.as_deref().unwrap_or_default())
    }

    fn user_of(&self, is_own: bool) -> &'static str {
        if is_own { "project_278_bot" } else { "trigger-owner" }
    }

    fn listed(&self, number: u64) -> Option<Value> {
        let mut pipeline = self.rendered(number)?;
        if let Some(pipeline) = pipeline.as_object_mut() {
            pipeline.retain(|key, _| !NOT_LISTED.contains(&key.as_str()));
        }
        Some(pipeline)
    }

    /// The address of the page of a pipeline.
    pub(super) fn page(&self, number: u64) -> String {
        format!("{}/{}/-/pipelines/{number}", self.base_url, self.project)
    }

    /// The pipeline; none where it does not exist.
    pub(super) fn rendered(&self, number: u64) -> Option<Value> {
        let build = self.builds.get(number)?;
        let pipeline = self.pipelines.get(&number)?;
        let (status, yaml_errors) = self.status(number);
        let at = milliseconds(build.started_ms);
        let has_started = !matches!(status.as_str(), "created" | "pending" | "manual");
        let has_ended = build.state.is_final();
        let user = self.user_of(pipeline.is_own);
        Some(json!({
            "id": number,
            "iid": self.iid(number),
            "project_id": self.project_id,
            "sha": pipeline.sha,
            "ref": build.git_ref,
            "status": status,
            "source": pipeline.source,
            "created_at": at,
            "updated_at": at,
            "web_url": self.page(number),
            "name": pipeline.name,
            "before_sha": "0000000000000000000000000000000000000000",
            "tag": pipeline.is_tag,
            "yaml_errors": yaml_errors,
            "user": {"id": 71, "username": user, "name": user, "state": "active",
                "web_url": format!("{}/{user}", self.base_url)},
            "started_at": has_started.then_some(&at),
            "finished_at": has_ended.then_some(&at),
            "committed_at": null,
            "duration": has_ended.then_some(12),
            "queued_duration": has_started.then_some(1),
            "coverage": null,
            "detailed_status": {"icon": format!("status_{status}"), "text": status,
                "label": status, "group": status, "tooltip": status, "has_details": true,
                "details_path": format!("/{}/-/pipelines/{number}", self.project),
                "illustration": null, "favicon": "/assets/favicon.png"},
        }))
    }

    /// Its number in the project.
    pub(super) fn iid(&self, number: u64) -> usize {
        self.pipelines.keys().take_while(|one| **one <= number).count()
    }
}

/// `2026-11-23T09:14:16.123Z`.
fn milliseconds(at_ms: i64) -> String {
    format!("{}Z", rfc3339(at_ms).get(..23).unwrap_or_default())
}

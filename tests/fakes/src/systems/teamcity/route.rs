//! Which request goes where, and who may ask.

use serde_json::{Value, json};

use super::fields::only;
use super::locator::Locator;
use super::refusal::{error, not_found, unauthorized};
use super::start::object;
use super::world::{Access, World};
use crate::http::{Request, Response};
use crate::systems::strict_path::segments;
use crate::systems::{Build, State};

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let secret = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let access = secret.and_then(|(_, secret)| self.access_of(secret));
        let access = access.ok_or_else(unauthorized)?;
        let nowhere = || not_found("Not supported request. Please check the URL.");
        let path = segments(&request.path).ok_or_else(nowhere)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let ["app", "rest", rest @ ..] = parts.as_slice() else { return Err(nowhere()) };
        if request.method == "POST" && access == Access::View {
            let more = "You do not have enough permissions: Run build in project with id Proj";
            return Err(error(403, "Access denied. Check the user has enough permissions", more));
        }
        let fields = request.query("fields");
        match (request.method.as_str(), rest) {
            ("GET", ["server"]) => Ok(Response::json(200, &json!({"version": "2026.1"}))),
            _ if access == Access::None => Err(not_found("Nothing is found by the locator.")),
            ("POST", ["buildQueue"]) => {
                let number = self.start(request, now_ms)?;
                self.shown(number, fields)
            }
            ("GET", ["builds"]) => {
                let text = request.query("locator").unwrap_or_default();
                let found = self.found(&Locator::of_builds(text)?);
                let builds: Vec<Value> =
                    found.iter().filter_map(|number| self.rendered(*number)).collect();
                let short = "id,buildTypeId,number,status,state,branchName,href,webUrl";
                let usual = format!("count,href,build({short})");
                let all = json!({"count": builds.len(), "href": "/app/rest/builds",
                    "build": builds});
                Ok(Response::json(200, &only(&all, fields.unwrap_or(&usual))))
            }
            ("GET", ["buildTypes", of]) if of.strip_prefix("id:") == Some(&self.build_type) => {
                let page = format!("{}/buildConfiguration/{}", self.base_url, self.build_type);
                let all = json!({"id": self.build_type, "name": "Build", "projectId": "Proj",
                    "webUrl": page, "paused": false});
                Ok(Response::json(200, &only(&all, fields.unwrap_or("*"))))
            }
            (method, [place @ ("builds" | "buildQueue"), one]) => {
                let build = self.one(place, one)?;
                match method {
                    "GET" => self.shown(build.number, fields),
                    "POST" => self.cancel(request, place, &build, fields),
                    _ => Err(error(405, "Method Not Allowed", "Not supported here.")),
                }
            }
            _ => Err(nowhere()),
        }
    }

    fn shown(&self, number: u64, fields: Option<&str>) -> Result<Response, Response> {
        let build = self.rendered(number).ok_or_else(|| not_found("No build is found."))?;
        Ok(Response::json(200, &only(&build, fields.unwrap_or("*"))))
    }

    /// The build that a locator in the path names. Through the queue, one that has left it is found
    /// still.
    fn one(&self, place: &str, text: &str) -> Result<Build, Response> {
        let locator = Locator::of_builds(text)?;
        let number = locator.get("id").and_then(|id| id.parse().ok());
        let found = number.and_then(|number| self.builds.get(number)).cloned();
        let kind = if place == "builds" { "build" } else { "queued build" };
        found.ok_or_else(|| not_found(&format!("No {kind} found by locator '{text}'.")))
    }

    fn cancel(
        &mut self,
        request: &Request,
        place: &str,
        build: &Build,
        fields: Option<&str>,
    ) -> Result<Response, Response> {
        let body = object(request, &["comment", "readdIntoQueue"])?;
        let is_queued = build.state == State::Queued;
        if place == "buildQueue" {
            if body.get("readdIntoQueue") == Some(&json!(true)) {
                let more = "Restore in queue is not supported for queued builds.";
                return Err(error(400, "Bad Request", more));
            }
            if !is_queued {
                let more = format!("No queued build found by locator 'id:{}'.", build.number);
                return Err(not_found(&more));
            }
        } else if build.state.is_final() || (is_queued && !self.cancels_queued_as_builds) {
            return Err(error(400, "Bad Request", "Cannot cancel not running build."));
        }
        self.builds.cancel(build.number);
        if body.get("readdIntoQueue") == Some(&json!(true)) {
            let again = self.builds.add(Build { cancels: 0, ..build.clone() });
            let branch = self.branches.get(&build.number).cloned();
            self.branches.extend(branch.map(|branch| (again.number, branch)));
        }
        self.shown(build.number, fields)
    }
}

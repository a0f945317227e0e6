//! Which request goes where, and who may ask.

use serde_json::json;

use super::world::{Access, World};
use crate::http::{Request, Response};
use crate::systems::State;
use crate::systems::strict_path::segments;

impl World {
    /// The answer to a request, or the refusal, which has no body as a rule.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let not_found = || Response::empty(404);
        let path = segments(&request.path).ok_or_else(not_found)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        let rest = match parts.as_slice() {
            ["api", rest @ ..] => rest,
            // The pages are one program, which is served for any other path.
            _ if method == "GET" => {
                return Ok(Response::html(200, "<!DOCTYPE html><title>Woodpecker</title>"));
            }
            _ => return Err(not_found()),
        };
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let secret = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let access = secret.and_then(|(_, secret)| self.access_of(secret));
        let access = access.ok_or_else(|| Response::text(401, "User not authorized"))?;
        let rest = match rest {
            ["user"] if method == "GET" => {
                return Ok(Response::json(200, &json!({"id": 1, "login": "gateway"})));
            }
            ["repos", "lookup", name @ ..] if method == "GET" => {
                let is_own = name.join("/") == self.repository && access != Access::None;
                return match is_own {
                    true => Ok(Response::json(200, &self.rendered_repository())),
                    false => Err(not_found()),
                };
            }
            ["repos", id, rest @ ..] => {
                let id: u64 = id.parse().map_err(|_| Response::empty(400))?;
                if id != self.repository_id || access == Access::None {
                    return Err(not_found());
                }
                rest
            }
            _ => return Err(not_found()),
        };
        // Who may only read is told that there is nothing.
        if method != "GET" && access != Access::Push {
            return Err(not_found());
        }
        match (method, rest) {
            ("GET", []) => Ok(Response::json(200, &self.rendered_repository())),
            ("GET", ["pipelines"]) => self.list(request),
            ("POST", ["pipelines"]) => {
                let number = self.start(request, now_ms)?;
                let pipeline = self.rendered(number).ok_or_else(not_found)?;
                Ok(Response::json(200, &pipeline))
            }
            ("GET", ["pipelines", number]) => {
                let latest = || self.builds.all().iter().rev().find(|build| !build.is_gone);
                let number = match *number {
                    "latest" => latest().map(|build| build.number).ok_or_else(not_found)?,
                    number => number.parse().map_err(|_| Response::empty(400))?,
                };
                let pipeline = self.rendered(number).ok_or_else(not_found)?;
                Ok(Response::json(200, &pipeline))
            }
            ("POST", ["pipelines", number, "cancel"]) => self.cancel(number),
            _ => Err(not_found()),
        }
    }

    fn cancel(&mut self, number: &str) -> Result<Response, Response> {
        let number = number.parse().map_err(|_| Response::empty(404))?;
        let build = self.builds.get(number).cloned().ok_or_else(|| Response::empty(404))?;
        let status = self.status(number);
        if !["running", "pending", "blocked"].contains(&status.as_str()) {
            let text = "Cannot cancel a non-running or non-pending or non-blocked pipeline";
            return Err(Response::text(400, text));
        }
        let after = self.builds.cancel(number);
        if let Some(pipeline) = self.pipelines.get_mut(&number) {
            pipeline.never_ran |= build.state == State::Queued;
            if after.is_some_and(|build| build.state.is_final()) {
                pipeline.shown = None;
            }
        }
        Ok(Response::empty(204))
    }
}

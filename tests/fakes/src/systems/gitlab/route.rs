//! Which request goes where, and who may ask.

use serde_json::{Value, json};

use super::refusal::{error, insufficient_scope, message, not_found, unauthorized};
use super::world::{Scope, World};
use crate::http::{Request, Response};
use crate::systems::strict_path::segments;

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let nowhere = || error(404, "404 Not Found");
        let path = segments(&request.path).ok_or_else(nowhere)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let ["api", "v4", "projects", project, rest @ ..] = parts.as_slice() else {
            return Err(nowhere());
        };
        if let ["trigger", "pipeline"] = rest {
            return match request.method.as_str() {
                "POST" => self.trigger(request, project, now_ms),
                _ => Err(error(405, "405 Not Allowed")),
            };
        }
        let allowed = match rest {
            [] | ["pipelines"] | ["pipelines", _] | ["pipelines", _, "variables"] => "GET",
            ["pipeline"] | ["pipelines", _, "cancel"] => "POST",
            _ => return Err(nowhere()),
        };
        if request.method != allowed {
            return Err(error(405, "405 Not Allowed"));
        }
        let scope = self.scope(request)?;
        if !self.is_called(project) || scope == Scope::Outside {
            return Err(not_found("Project "));
        }
        if allowed == "POST" && scope != Scope::Api {
            return Err(insufficient_scope());
        }
        match rest {
            [] => Ok(Response::json(200, &self.rendered_project())),
            ["pipeline"] => self.create(request, now_ms),
            ["pipelines"] => self.list(request),
            ["pipelines", number, rest @ ..] => self.one(number, rest, scope),
            _ => Err(nowhere()),
        }
    }

    /// A call about one pipeline.
    fn one(&mut self, number: &str, rest: &[&str], scope: Scope) -> Result<Response, Response> {
        let number = number.parse().map_err(|_| error(400, "pipeline_id is invalid"))?;
        let pipeline = self.rendered(number).ok_or_else(|| not_found(""))?;
        match rest {
            ["variables"] => {
                let known = self.pipelines.get(&number);
                let is_own = known.is_some_and(|known| known.is_own) && scope == Scope::Api;
                if !self.is_maintainer && !is_own {
                    return Err(message(403, "403 Forbidden"));
                }
                let variables = known.map(|known| &known.variables).into_iter().flatten();
                let shown: Vec<Value> = variables
                    .map(|(key, value)| {
                        json!({"key": key, "value": value, "variable_type": "env_var",
                            "raw": false})
                    })
                    .collect();
                Ok(Response::json(200, &json!(shown)))
            }
            ["cancel"] => {
                self.builds.cancel(number);
                let ends = self.builds.get(number).is_some_and(|build| build.state.is_final());
                if let Some(known) = self.pipelines.get_mut(&number).filter(|_| ends) {
                    known.shown = None;
                }
                // It is 200 also where nothing was left to cancel.
                Ok(Response::json(200, &self.rendered(number).unwrap_or(pipeline)))
            }
            _ => Ok(Response::json(200, &pipeline)),
        }
    }

    /// Whether a path means the project: its id, or its whole path as one segment.
    pub(super) fn is_called(&self, name: &str) -> bool {
        name == self.project_id.to_string() || name.eq_ignore_ascii_case(&self.project)
    }

    fn scope(&self, request: &Request) -> Result<Scope, Response> {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let secret = request.header("private-token").or(bearer.map(|(_, secret)| secret));
        // A private project is hidden from who has no token at all.
        let secret = secret.ok_or_else(|| match request.method.as_str() {
            "GET" => not_found("Project "),
            _ => unauthorized(),
        })?;
        self.scope_of(secret).ok_or_else(unauthorized)
    }

    fn rendered_project(&self) -> Value {
        let (namespace, name) = self.project.split_once('/').unwrap_or_default();
        let mut project = json!({
            "id": self.project_id,
            "name": name,
            "path": name,
            "path_with_namespace": self.project,
            "name_with_namespace": format!("{namespace} / {name}"),
            "default_branch": "main",
            "visibility": "private",
            "archived": false,
            "web_url": format!("{}/{}", self.base_url, self.project),
        });
        // Settings of CI are shown to maintainers only.
        if let Some(project) = project.as_object_mut().filter(|_| self.is_maintainer) {
            let role = if self.permits_variables { "developer" } else { "no_one_allowed" };
            project.insert("ci_pipeline_variables_minimum_override_role".to_owned(), json!(role));
            project.insert("jobs_enabled".to_owned(), json!(true));
        }
        project
    }
}

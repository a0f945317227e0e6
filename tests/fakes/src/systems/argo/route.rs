//! Which request goes where, and who may ask.

use serde_json::json;

use super::world::World;
use crate::http::{Request, Response};
use crate::systems::service_accounts::Access;
use crate::systems::strict_path::segments;

/// An error, with the code of gRPC that the status stands for.
pub(super) fn error(status: u16, message: &str) -> Response {
    let code = match status {
        400 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        _ => 13,
    };
    Response::json(status, &json!({"code": code, "message": message}))
}

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let path = segments(&request.path).ok_or_else(|| error(404, "Not Found"))?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        let ["api", "v1", "workflows", namespace, rest @ ..] = parts.as_slice() else {
            // The pages are one program, which is served for any other path.
            return Ok(Response::html(200, "<!doctype html><title>Argo</title>"));
        };
        let access = self.accounts.access_of(request);
        let access = access.ok_or_else(|| error(401, "token not valid"))?;
        if *namespace != self.namespace || (access == Access::View && method != "GET") {
            let verb = if method == "POST" { "create" } else { "update" };
            let message = format!(
                "workflows.argoproj.io is forbidden: User \"system:serviceaccount:ci:gateway\" \
                 cannot {verb} resource \"workflows\" in API group \"argoproj.io\" in the \
                 namespace \"{namespace}\""
            );
            return Err(error(403, &message));
        }
        let (name, is_stop) = match (method, rest) {
            ("POST", ["submit"]) => return self.submit(request, now_ms),
            ("GET", [name]) => (*name, false),
            ("PUT", [name, "stop" | "terminate"]) => (*name, true),
            ("POST", [_]) | ("PUT", [_]) => return Err(error(405, "Method Not Allowed")),
            _ => return Err(error(404, "Not Found")),
        };
        let unknown = || error(404, &format!("workflows.argoproj.io \"{name}\" not found"));
        let build = self.run(name).ok_or_else(unknown)?;
        match is_stop {
            true => self.stop(request, &build, rest.last() == Some(&"terminate")),
            false => Ok(self.shown(request, &build)),
        }
    }
}

//! Which request goes where, and who may ask.

use super::refusal::{not_found, status};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::service_accounts::Access;
use crate::systems::strict_path::segments;

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let nowhere = || Response::text(404, "404 page not found\n");
        if matches!(request.path.as_str(), "" | "/") {
            return self.hear(request, now_ms);
        }
        let path = segments(&request.path).ok_or_else(nowhere)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let access = self.accounts.access_of(request);
        let access = access.ok_or_else(|| status(401, "Unauthorized", "Unauthorized"))?;
        let ["apis", "tekton.dev", "v1", "namespaces", namespace, "pipelineruns", name @ ..] =
            parts.as_slice()
        else {
            return Err(nowhere());
        };
        let method = request.method.as_str();
        let verb = match (method, name) {
            ("POST", []) => "create",
            ("GET", []) => "list",
            ("GET", [_]) => "get",
            ("PATCH", [_]) => "patch",
            _ => {
                let message = "the server does not allow this method on the requested resource";
                return Err(status(405, "MethodNotAllowed", message));
            }
        };
        if *namespace != self.namespace || (access == Access::View && method != "GET") {
            let message = format!(
                "pipelineruns.tekton.dev is forbidden: User \"system:serviceaccount:ci:gateway\" \
                 cannot {verb} resource \"pipelineruns\" in API group \"tekton.dev\" in the \
                 namespace \"{namespace}\""
            );
            return Err(status(403, "Forbidden", &message));
        }
        let [name] = name else {
            return match verb {
                "create" => self.create(request, now_ms),
                _ => Ok(self.list()),
            };
        };
        let unknown = || not_found(&format!("pipelineruns.tekton.dev \"{name}\""));
        let build = self.run(name).ok_or_else(unknown)?;
        match verb {
            "get" => Ok(Response::json(200, &self.rendered(&build))),
            _ => self.patch(request, &build),
        }
    }
}

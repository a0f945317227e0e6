//! What concerns a whole organization: who am I, which projects, may I.
//!
//! These calls need no scope or almost none (facts §4.3), which makes them the cheapest probes of a
//! token.

use serde_json::{Value, json};

use super::access::{Permission, Scope};
use super::refusal::{bad_request, page_not_found};
use super::render::list;
use super::route::{Call, Reply};
use super::world::World;
use crate::http::Response;

impl World {
    /// `GET _apis/connectionData`: who the token belongs to (facts §7).
    pub(super) fn connection_data(&self, call: &Call<'_>) -> Reply {
        call.is_preview()?;
        let identity = self.identity(&call.caller.identity);
        let user = json!({
            "id": identity.id,
            "descriptor": format!(
                "Microsoft.IdentityModel.Claims.ClaimsIdentity;fakes\\{}", identity.unique_name,
            ),
            "subjectDescriptor": format!("aad.{}", identity.id.replace('-', "")),
            "providerDisplayName": identity.display_name,
            "isActive": true,
            "properties": {"Account": {"$type": "System.String", "$value": identity.unique_name}},
        });
        let organization = self.organization(&call.organization);
        let body = json!({
            "authenticatedUser": user,
            "authorizedUser": user,
            "instanceId": organization.id,
            "deploymentId": organization.collection_id,
            "deploymentType": "hosted",
            "locationServiceData": {"serviceOwner": "00025394-6065-48ca-87d9-7f5672854ef7"},
        });
        Ok(Response::json(200, &body))
    }

    /// `GET _apis/projects[/{project}]`.
    pub(super) fn projects_call(&self, call: &Call<'_>, tail: &[&str]) -> Reply {
        call.needs(&[Scope::Project, Scope::Code, Scope::Build])?;
        let own = self.projects.iter().filter(|one| one.organization == call.organization);
        match (call.method(), tail) {
            ("GET", []) => {
                let values = own.map(|project| self.project_json(&project.id)).collect();
                Ok(Response::json(200, &list(values)))
            }
            ("GET", [wanted]) => {
                let mut own = own;
                let found =
                    own.find(|one| one.id == *wanted || one.name.eq_ignore_ascii_case(wanted));
                let project = found.ok_or_else(|| super::refusal::project_unknown(wanted))?;
                Ok(Response::json(200, &self.project_json(&project.id)))
            }
            _ => Err(page_not_found()),
        }
    }

    /// `GET _apis/permissions/{namespace}/{bits}?tokens=`: what the caller may (facts §7).
    pub(super) fn permissions(&self, call: &Call<'_>, namespace: &str, bits: &str) -> Reply {
        let bits = bits.parse().map_err(|_| bad_request("The permissions must be a number."))?;
        let tokens = call.request.query("tokens").unwrap_or_default();
        let delimiter = call.request.query("delimiter").unwrap_or(",");
        let answers: Vec<_> = tokens
            .split(delimiter)
            .map(|token| self.has_bits(&call.caller.identity, namespace, bits, token))
            .collect();
        Ok(Response::json(200, &json!({"count": answers.len(), "value": answers})))
    }

    /// `POST _apis/security/permissionevaluationbatch`: the same for several at once.
    pub(super) fn permission_batch(&self, call: &Call<'_>) -> Reply {
        let mut body = call.json()?;
        let evaluations = body.get_mut("evaluations").and_then(Value::as_array_mut);
        let evaluations = evaluations.ok_or_else(|| bad_request("evaluations is missing."))?;
        for one in evaluations {
            let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
            let bits = one.get("permissions").and_then(Value::as_u64).unwrap_or(0) as u32;
            let namespace = text("securityNamespaceId").to_ascii_lowercase();
            let has = self.has_bits(&call.caller.identity, &namespace, bits, text("token"));
            super::render::put(one, "value", json!(has));
        }
        Ok(Response::json(200, &body))
    }

    fn has_bits(&self, identity: &str, namespace: &str, bits: u32, token: &str) -> bool {
        let parts: Vec<_> = token.split('/').collect();
        let repository = match parts.as_slice() {
            [_, _, repository, ..] => Some(*repository),
            _ => None,
        };
        Permission::ALL.into_iter().all(|permission| {
            let (own_namespace, bit) = permission.bit();
            own_namespace != namespace
                || bits & bit == 0
                || self.may(identity, permission, repository)
        })
    }
}

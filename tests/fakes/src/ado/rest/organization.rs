//! Calls about a whole organization: who am I, which projects.
//!
//! They need no scope or nearly any (docs/azure-devops.md §4.3), so callers test tokens with them.

use serde_json::json;

use crate::ado::rest::query_parameters::{number, paging};
use crate::ado::rest::refusal::page_not_found;
use crate::ado::rest::render::{list, subject_descriptor};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// `GET _apis/connectionData`: the identity that the token belongs to
    /// (docs/azure-devops.md §7).
    pub(super) fn connection_data(&self, call: &Call<'_>) -> Reply {
        call.is_preview()?;
        let identity = self.identity(&call.caller.identity);
        let user = json!({
            "id": identity.id,
            "descriptor": self.descriptor(identity),
            "subjectDescriptor": subject_descriptor(identity),
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

    /// `GET _apis/projects[/{project}]`. A project that the caller may not see does not exist for
    /// it.
    pub(super) fn projects_call(&self, call: &Call<'_>, tail: &[&str]) -> Reply {
        call.needs(&[Scope::Project, Scope::Code, Scope::Build])?;
        match (call.method(), tail) {
            ("GET", []) => self.list_projects(call),
            ("GET", [wanted]) => {
                let caller = &call.caller.identity;
                let project = self.project_called(&call.organization, wanted, caller)?;
                Ok(Response::json(200, &self.project_json(&project)))
            }
            _ => Err(page_not_found()),
        }
    }

    fn list_projects(&self, call: &Call<'_>) -> Reply {
        let (top, skip) = paging(call.request, 100)?;
        let skip = number(call.request, "continuationToken")?.unwrap_or(skip);
        let caller = &call.caller.identity;
        let own = self.projects.iter().filter(|one| {
            one.organization == call.organization
                && !one.is_deleted
                && self.may_in_project(caller, Permission::ReadProject, &one.id)
        });
        let mut rest = own.skip(skip);
        let page = rest.by_ref().take(top).map(|project| self.project_json(&project.id));
        let response = Response::json(200, &list(page.collect()));
        Ok(match rest.next() {
            Some(_) => response.with_header("x-ms-continuationtoken", &(skip + top).to_string()),
            None => response,
        })
    }
}

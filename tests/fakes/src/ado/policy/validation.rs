//! Whether a policy may be configured as asked (docs/azure-devops.md §5).
//!
//! Only what the status policy needs is checked, and strictly where the rules of ADO are unknown.

use serde_json::{Value, json};

use crate::ado::rest::refusal::{bad_request, refuse_unless};
use crate::ado::rest::render::put;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// Checks the scopes, of which there must be one. The kinds of match are stored capitalised, as
    /// ADO's examples show them.
    pub(super) fn check_scopes(&self, project: &str, settings: &mut Value) -> Result<(), Response> {
        let scopes = settings.get_mut("scope").and_then(Value::as_array_mut);
        let scopes = scopes.filter(|scopes| !scopes.is_empty());
        for scope in scopes.ok_or_else(|| bad_request("settings.scope must not be empty."))? {
            let text = |key: &str| scope.get(key).and_then(Value::as_str);
            let repository = text("repositoryId").map(str::to_ascii_lowercase);
            let found = repository.as_ref().is_none_or(|id| {
                let known = self.repositories.get(id);
                known.is_some_and(|one| one.project == project && !one.is_deleted)
            });
            refuse_unless(found, "settings.scope names a repository that does not exist.")?;
            let kind = text("matchKind").unwrap_or("exact");
            let canonical = ["Exact", "Prefix", "DefaultBranch"];
            let known = canonical.iter().find(|name| name.eq_ignore_ascii_case(kind));
            let known =
                known.ok_or_else(|| bad_request(&format!("There is no matchKind {kind}.")))?;
            let branch = text("refName");
            let is_named = branch.is_some_and(|name| name.starts_with("refs/heads/"));
            let named = if *known == "DefaultBranch" { branch.is_none() } else { is_named };
            refuse_unless(named, "settings.scope.refName does not fit its matchKind.")?;
            put(scope, "matchKind", json!(known));
        }
        Ok(())
    }

    pub(super) fn check_status_settings(&self, settings: &mut Value) -> Result<(), Response> {
        let name = settings.get("statusName").and_then(Value::as_str).unwrap_or_default();
        refuse_unless(!name.trim().is_empty(), "settings.statusName must be given.")?;
        let author = settings.get("authorId").filter(|id| !id.is_null());
        let known = author.is_none_or(|id| {
            let id = id.as_str().map(str::to_ascii_lowercase);
            id.is_some_and(|id| self.identities.contains_key(&id))
        });
        refuse_unless(known, "settings.authorId must be an identity.")?;
        let applicability = settings.get("policyApplicability").unwrap_or(&Value::Null);
        let legal = applicability.is_null() || [json!(0), json!(1)].contains(applicability);
        refuse_unless(legal, "settings.policyApplicability must be null, 0 or 1.")?;
        let resets = settings.get("invalidateOnSourceUpdate").unwrap_or(&Value::Null);
        let legal = resets.is_null() || resets.is_boolean();
        refuse_unless(legal, "settings.invalidateOnSourceUpdate must be true or false.")?;
        let defaults = json!({
            "statusGenre": "",
            "authorId": null,
            "invalidateOnSourceUpdate": false,
            "defaultDisplayName": null,
            "policyApplicability": null,
            "filenamePatterns": [],
        });
        for (key, value) in defaults.as_object().into_iter().flatten() {
            if settings.get(key).is_none() {
                put(settings, key, value.clone());
            }
        }
        Ok(())
    }
}

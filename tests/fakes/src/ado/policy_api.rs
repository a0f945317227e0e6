//! Branch policies over REST (facts §5).
//!
//! Configurations are checked as far as the status policy needs it; the rest is stored as given.

use serde_json::{Value, json};

use super::permission::Permission;
use super::policy::{Policy, STATUS_POLICY, Verdict};
use super::refusal::{
    bad_request, method_not_allowed, not_found, page_not_found, permission_missing,
    pull_request_unknown,
};
use super::render::{list, put};
use super::route::{Call, Reply};
use super::scope::Scope;
use super::world::World;
use crate::http::Response;
use crate::moment::written;

impl World {
    /// Everything below `_apis/policy`.
    pub(crate) fn policy_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        let scope = if call.method() == "GET" { Scope::Code } else { Scope::CodeWrite };
        call.needs(&[scope])?;
        let project = call.project.clone().ok_or_else(page_not_found)?;
        if call.method() != "GET"
            && !self.may_in_project(&call.caller.identity, Permission::EditPolicies, &project)
        {
            let name = &self.identity(&call.caller.identity).unique_name;
            return Err(permission_missing(Permission::EditPolicies, name));
        }
        match (call.method(), tail) {
            ("GET", ["configurations"]) => self.list_policies(call, &project),
            ("POST", ["configurations"]) => self.create_policy(call, &project),
            ("GET", ["configurations", id]) => {
                let policy = self.known_policy(&project, id)?;
                Ok(Response::json(200, &self.policy_json(policy)))
            }
            ("PUT", ["configurations", id]) => self.replace_policy(call, &project, id),
            ("DELETE", ["configurations", id]) => {
                let id = self.known_policy(&project, id)?.id;
                self.policies.remove(&id);
                Ok(Response::empty(204))
            }
            ("GET", ["evaluations"]) => self.list_evaluations(call, &project),
            (method, ["configurations"] | ["configurations", _] | ["evaluations"]) => {
                Err(method_not_allowed(method))
            }
            _ => Err(page_not_found()),
        }
    }

    fn list_policies(&self, call: &Call<'_>, project: &str) -> Reply {
        let wanted = call.request.query("policyType").map(str::to_ascii_lowercase);
        let top = call.request.query("$top").and_then(|text| text.parse().ok());
        let after = call.request.query("continuationToken").and_then(|text| text.parse().ok());
        let mut found = self.policies.values().filter(|policy| {
            policy.project == project
                && policy.id > after.unwrap_or(0)
                && wanted.as_ref().is_none_or(|wanted| *wanted == policy.policy_type)
        });
        let page: Vec<_> = found.by_ref().take(top.unwrap_or(usize::MAX)).collect();
        let last = page.last().map(|policy| policy.id.to_string());
        let values = page.into_iter().map(|policy| self.policy_json(policy)).collect();
        let response = Response::json(200, &list(values));
        Ok(match (found.next(), last) {
            (Some(_), Some(last)) => response.with_header("x-ms-continuationtoken", &last),
            _ => response,
        })
    }

    /// `GET _apis/git/policy/configurations?repositoryId=&refName=`: what covers a branch.
    pub(crate) fn policies_of_ref(&self, call: &Call<'_>) -> Reply {
        let project = call.project.as_ref().ok_or_else(page_not_found)?;
        let repository = call.request.query("repositoryId").unwrap_or_default();
        let branch = call.request.query("refName");
        let default =
            self.repositories.get(repository).and_then(|one| one.default_branch.as_deref());
        let found = self.policies.values().filter(|policy| {
            policy.project == *project
                && branch.is_none_or(|branch| policy.covers(repository, branch, default))
        });
        Ok(Response::json(200, &list(found.map(|policy| self.policy_json(policy)).collect())))
    }

    fn create_policy(&mut self, call: &Call<'_>, project: &str) -> Reply {
        let id = self.last_policy + 1;
        let policy = self.policy_of(call, project, id)?;
        self.last_policy = id;
        let answer = self.policy_json(&policy);
        self.policies.insert(id, policy);
        Ok(Response::json(200, &answer))
    }

    fn replace_policy(&mut self, call: &Call<'_>, project: &str, id: &str) -> Reply {
        let old = self.known_policy(project, id)?;
        let (id, revision) = (old.id, old.revision + 1);
        let (created_by, created_ms) = (old.created_by.clone(), old.created_ms);
        let given = self.policy_of(call, project, id)?;
        let policy = Policy { revision, created_by, created_ms, ..given };
        let answer = self.policy_json(&policy);
        self.policies.insert(id, policy);
        Ok(Response::json(200, &answer))
    }

    fn known_policy(&self, project: &str, id: &str) -> Result<&Policy, Response> {
        let found = id.parse().ok().and_then(|id: u64| self.policies.get(&id));
        found.filter(|policy| policy.project == project).ok_or_else(|| {
            let text = format!("TF402463: There is no policy {id}.");
            not_found("PolicyConfigurationNotFoundException", &text)
        })
    }

    fn policy_of(&self, call: &Call<'_>, project: &str, id: u64) -> Result<Policy, Response> {
        let body = call.json()?;
        let flag = |key: &str| {
            let found = body.get(key).and_then(Value::as_bool);
            found.ok_or_else(|| bad_request(&format!("{key} must be true or false.")))
        };
        let policy_type = body.pointer("/type/id").and_then(Value::as_str);
        let policy_type = policy_type.ok_or_else(|| bad_request("type.id is missing."))?;
        let mut settings = body.get("settings").cloned().unwrap_or(Value::Null);
        check_scopes(&mut settings)?;
        if policy_type.eq_ignore_ascii_case(STATUS_POLICY) {
            check_status_settings(&mut settings)?;
        }
        Ok(Policy {
            id,
            project: project.to_owned(),
            revision: 1,
            policy_type: policy_type.to_ascii_lowercase(),
            is_enabled: flag("isEnabled")?,
            is_blocking: flag("isBlocking")?,
            settings,
            created_by: call.caller.identity.clone(),
            created_ms: self.now_ms,
        })
    }

    fn list_evaluations(&self, call: &Call<'_>, project: &str) -> Reply {
        call.is_preview()?;
        let artifact = call.request.query("artifactId").unwrap_or_default();
        let tail = artifact.strip_prefix("vstfs:///CodeReview/CodeReviewId/");
        let (of_project, number) = tail
            .and_then(|tail| tail.split_once('/'))
            .ok_or_else(|| bad_request("artifactId does not name a code review."))?;
        let known = number.parse().ok().filter(|id| self.pull_requests.contains_key(id));
        let id = known.ok_or_else(|| pull_request_unknown(number))?;
        let in_project = self.repository(&self.pull_request(id).repository).project == project;
        if !in_project || !of_project.eq_ignore_ascii_case(project) {
            return Err(pull_request_unknown(number));
        }
        let all = call.request.query("includeNotApplicable") == Some("true");
        let values = self
            .evaluations(id)
            .into_iter()
            .filter(|(_, verdict)| all || *verdict != Verdict::NotApplicable)
            .map(|(policy, verdict)| self.evaluation_json(id, artifact, policy, verdict));
        Ok(Response::json(200, &list(values.collect())))
    }

    fn evaluation_json(&self, id: u64, artifact: &str, of: &Policy, verdict: Verdict) -> Value {
        let mut value = json!({
            "configuration": self.policy_json(of),
            "artifactId": artifact,
            // Made from both numbers, so that it stays the same whenever it is asked for.
            "evaluationId": format!("{:08x}-0000-4000-a000-{id:012x}", of.id),
            "startedDate": written(self.pull_request(id).created_ms),
            "status": verdict.name(),
        });
        if matches!(verdict, Verdict::Approved | Verdict::Rejected) {
            put(&mut value, "completedDate", json!(written(self.now_ms)));
        }
        value
    }

    fn policy_json(&self, policy: &Policy) -> Value {
        let project = self.project(&policy.project);
        let base = self.organization_url(&project.organization);
        let policies = format!("{base}/{}/_apis/policy", policy.project);
        let url = format!("{policies}/configurations/{}", policy.id);
        let type_url = format!("{policies}/types/{}", policy.policy_type);
        let name = if policy.policy_type == STATUS_POLICY { "Status" } else { "Other" };
        json!({
            "createdBy": self.identity_json(&policy.created_by, &project.organization),
            "createdDate": written(policy.created_ms),
            "isEnabled": policy.is_enabled,
            "isBlocking": policy.is_blocking,
            "isDeleted": false,
            "settings": policy.settings,
            "isEnterpriseManaged": false,
            "_links": {"self": {"href": url}, "policyType": {"href": type_url}},
            "revision": policy.revision,
            "id": policy.id,
            "url": url,
            "type": {"id": policy.policy_type, "url": type_url, "displayName": name},
        })
    }
}

/// Every policy covers something; kinds come back capitalised, as ADO's examples show.
fn check_scopes(settings: &mut Value) -> Result<(), Response> {
    let scopes = settings.get_mut("scope").and_then(Value::as_array_mut);
    let scopes = scopes.filter(|scopes| !scopes.is_empty());
    for scope in scopes.ok_or_else(|| bad_request("settings.scope must not be empty."))? {
        let kind = scope.get("matchKind").and_then(Value::as_str).unwrap_or("exact");
        let canonical = ["Exact", "Prefix", "DefaultBranch"];
        let known = canonical.iter().find(|name| name.eq_ignore_ascii_case(kind));
        let known = known.ok_or_else(|| bad_request(&format!("There is no matchKind {kind}.")))?;
        put(scope, "matchKind", json!(known));
    }
    Ok(())
}

fn check_status_settings(settings: &mut Value) -> Result<(), Response> {
    let name = settings.get("statusName").and_then(Value::as_str).unwrap_or_default();
    if name.trim().is_empty() {
        return Err(bad_request("settings.statusName must be given."));
    }
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

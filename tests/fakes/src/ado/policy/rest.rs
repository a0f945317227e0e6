//! Branch policies over REST (docs/azure-devops.md §5).

use serde_json::{Value, json};

use crate::ado::policy::configuration::{EvaluationStatus, Policy, STATUS_POLICY, repository_of};
use crate::ado::rest::query_parameters::number;
use crate::ado::rest::refusal::{
    bad_request, method_not_allowed, not_found, page_not_found, permission_missing,
    pull_request_unknown, repository_unknown,
};
use crate::ado::rest::render::{list, put};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::Response;
use crate::timestamp::rfc3339;

impl World {
    /// Everything below `_apis/policy`.
    pub(crate) fn policy_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        let scope = if call.method() == "GET" { Scope::Code } else { Scope::CodeWrite };
        call.needs(&[scope])?;
        let project = call.project.clone().ok_or_else(page_not_found)?;
        match (call.method(), tail) {
            ("GET", ["configurations"]) => self.list_policies(call, &project),
            ("POST", ["configurations"]) => self.create_policy(call, &project),
            ("GET", ["configurations", id]) => {
                let policy = self.known_policy(&project, id)?;
                Ok(Response::json(200, &self.policy_json(policy)))
            }
            ("PUT", ["configurations", id]) => self.replace_policy(call, &project, id),
            ("DELETE", ["configurations", id]) => {
                let policy = self.known_policy(&project, id)?;
                let id = policy.id;
                self.check_may_edit(call, policy)?;
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
        self.policies_page(call, |policy| policy.project == project)
    }

    /// `GET _apis/git/policy/configurations?repositoryId=&refName=`: the policies of a branch, of a
    /// repository, or, without a repository, of the whole project (policy-7.1, its description).
    pub(crate) fn policies_of_ref(&self, call: &Call<'_>) -> Reply {
        if call.method() != "GET" {
            return Err(method_not_allowed(call.method()));
        }
        let project = call.project.as_ref().ok_or_else(page_not_found)?;
        let given = |name: &str| call.request.query(name).filter(|text| !text.is_empty());
        let repository = given("repositoryId").map(str::to_ascii_lowercase);
        let repository = repository.as_deref();
        let known = repository.and_then(|id| self.repositories.get(id));
        let known = known.filter(|one| one.project == *project && !one.is_deleted);
        if let Some(id) = repository.filter(|_| known.is_none()) {
            return Err(repository_unknown(id));
        }
        let default = known.and_then(|one| one.default_branch.as_deref());
        self.policies_page(call, |policy| {
            policy.project == *project
                && match (repository, given("refName")) {
                    (Some(id), Some(branch)) => policy.covers(id, branch, default),
                    // Policies of the project are those for all repositories, whatever their
                    // branch.
                    (repository, _) => policy.is_about_repository(repository),
                }
        })
    }

    /// A page of the policies for which `fits` is true and that have the requested type.
    fn policies_page(&self, call: &Call<'_>, fits: impl Fn(&Policy) -> bool) -> Reply {
        let wanted = call.request.query("policyType").map(str::to_ascii_lowercase);
        let top: Option<usize> = number(call.request, "$top")?;
        let after = number(call.request, "continuationToken")?.unwrap_or(0);
        let mut found = self.policies.values().filter(|policy| {
            policy.id > after
                && wanted.as_ref().is_none_or(|wanted| *wanted == policy.policy_type)
                && fits(policy)
        });
        let largest = self.options.policies_per_page;
        let page: Vec<_> = found.by_ref().take(top.unwrap_or(largest).min(largest)).collect();
        let last = page.last().map(|policy| policy.id.to_string());
        let values = page.into_iter().map(|policy| self.policy_json(policy)).collect();
        let response = Response::json(200, &list(values));
        Ok(match (found.next(), last) {
            (Some(_), Some(last)) => response.with_header("x-ms-continuationtoken", &last),
            _ => response,
        })
    }

    /// Changing a policy needs the permission for all its scopes: for each repository that a scope
    /// names, and for the whole project where a scope names none (docs/azure-devops.md §7).
    fn check_may_edit(&self, call: &Call<'_>, policy: &Policy) -> Result<(), Response> {
        let (by, edit) = (&call.caller.identity, Permission::EditPolicies);
        let may = policy.scopes().all(|scope| match repository_of(scope) {
            Some(id) => self.may(by, edit, Some(&id.to_ascii_lowercase())),
            None => self.may_in_project(by, edit, &policy.project),
        });
        if may { Ok(()) } else { Err(permission_missing(edit, &self.identity(by).unique_name)) }
    }

    fn create_policy(&mut self, call: &Call<'_>, project: &str) -> Reply {
        let id = self.last_policy + 1;
        let policy = self.policy_of(call, project, id)?;
        self.check_may_edit(call, &policy)?;
        self.last_policy = id;
        let answer = self.policy_json(&policy);
        self.policies.insert(id, policy);
        Ok(Response::json(200, &answer))
    }

    fn replace_policy(&mut self, call: &Call<'_>, project: &str, id: &str) -> Reply {
        let old = self.known_policy(project, id)?;
        let (id, revision) = (old.id, old.revision + 1);
        let (created_by, created_ms) = (old.created_by.clone(), old.created_ms);
        let was = old.policy_type.clone();
        self.check_may_edit(call, old)?;
        let given = self.policy_of(call, project, id)?;
        self.check_may_edit(call, &given)?;
        if given.policy_type != was {
            return Err(bad_request("The type of a policy cannot be changed."));
        }
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
        self.check_scopes(project, &mut settings)?;
        if policy_type.eq_ignore_ascii_case(STATUS_POLICY) {
            self.check_status_settings(&mut settings)?;
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
        let repository = self.repository(&self.pull_request(id).repository);
        let in_project = repository.project == project && !repository.is_deleted;
        if !in_project || !of_project.eq_ignore_ascii_case(project) {
            return Err(pull_request_unknown(number));
        }
        let all = call.request.query("includeNotApplicable") == Some("true");
        let values = self
            .evaluations(id)
            .into_iter()
            .filter(|(_, evaluated)| all || *evaluated != EvaluationStatus::NotApplicable)
            .map(|(policy, evaluated)| self.evaluation_json(id, artifact, policy, evaluated));
        Ok(Response::json(200, &list(values.collect())))
    }

    fn evaluation_json(
        &self,
        id: u64,
        artifact: &str,
        policy: &Policy,
        evaluated: EvaluationStatus,
    ) -> Value {
        let mut value = json!({
            "configuration": self.policy_json(policy),
            "artifactId": artifact,
            // Made from both numbers, so that the id of an evaluation stays the same.
            "evaluationId": format!("{:08x}-0000-4000-a000-{id:012x}", policy.id),
            "startedDate": rfc3339(self.pull_request(id).created_ms),
            "status": evaluated.name(),
        });
        if matches!(evaluated, EvaluationStatus::Approved | EvaluationStatus::Rejected) {
            put(&mut value, "completedDate", json!(rfc3339(self.now_ms)));
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
            "createdDate": rfc3339(policy.created_ms),
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

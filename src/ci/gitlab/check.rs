//! What `azdo-gateway ci check` asks: `GET …` (the project) → `{"archived", "jobs_enabled"?,
//! "ci_pipeline_variables_minimum_override_role"?}`, of which maintainers see the settings, and
//! `GET /api/v4/personal_access_tokens/self` → `{"scopes"}`.
//! Source: docs/ci.md, "Kind `gitlab`".

use serde_json::Value;

use super::{Gitlab, VARIABLE};
use crate::ci::client::Call;
use crate::ci::error::{Error, Refusal};
use crate::ci::system::Finding;
use crate::ci::urls::below;

/// The setting that says who may set variables when a pipeline is started.
const WHO_SETS_VARIABLES: &str = "ci_pipeline_variables_minimum_override_role";

impl Gitlab {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let project = match self.client.succeed_with_json(self.call(Call::get, &[])).await {
            Ok(project) => project,
            Err(error) => return vec![self.not_seen(&error)],
        };
        let mut findings = self.of_project(&project);
        findings.push(self.of_token().await);
        if self.options.trigger_token.is_some() {
            let what = "a trigger token can only be tried by starting a pipeline: it was not";
            findings.push(Finding::note(what));
        }
        findings
    }

    fn of_project(&self, project: &Value) -> Vec<Finding> {
        let name = &self.options.project;
        let mut findings = vec![Finding::note(format!("the token sees the project {name}"))];
        let is = |key: &str, value: bool| project.get(key).and_then(Value::as_bool) == Some(value);
        if is("archived", true) {
            let what = format!("the project {name} is archived: it starts no pipeline");
            findings.push(Finding::problem(what, "unarchive it, or name another project"));
        }
        if is("jobs_enabled", false) {
            let what = format!("CI/CD is switched off in the project {name}");
            findings.push(Finding::problem(what, "switch it on in the project's general settings"));
        }
        findings.push(match project.get(WHO_SETS_VARIABLES).and_then(Value::as_str) {
            Some("no_one_allowed") => Finding::problem(
                format!(
                    "nobody may set variables when a pipeline is started, and {VARIABLE} carries \
                     the run"
                ),
                "set \"Minimum role to use pipeline variables\" in the project's CI/CD settings to \
                 Developer",
            ),
            Some(role) => Finding::note(format!("variables may be set from the role {role} on")),
            None => Finding::note(
                "the token does not see the project's CI/CD settings nor the variables of others, \
                 which needs the role Maintainer",
            ),
        });
        findings
    }

    /// What the access token may.
    async fn of_token(&self) -> Finding {
        let url = below(&self.options.url, ["api", "v4", "personal_access_tokens", "self"]);
        let call = Call::get(url).header("private-token", self.options.token.expose());
        let answer = self.client.succeed_with_json(call).await;
        let scopes = answer.ok().and_then(|token| token.get("scopes")?.as_array().cloned());
        match scopes {
            Some(scopes) if scopes.iter().any(|scope| scope == "api") => {
                Finding::note("the token has the scope api")
            }
            Some(_) => Finding::problem(
                "the token has not the scope api, which cancelling and starting need",
                "replace it by a project access token with the scope api and the role Developer",
            ),
            None => Finding::note("GitLab does not tell which scopes the token has"),
        }
    }

    fn not_seen(&self, error: &Error) -> Finding {
        let help = match error {
            Error::Refused { refusal: Refusal::Credential, .. } => {
                "replace token by a project access token with the scope api and the role Developer"
            }
            Error::Refused { refusal: Refusal::Gone, .. } => {
                "write the project's id or its whole path, and use a token of that project"
            }
            Error::Refused { .. } => "correct url and project",
            _ => "try again",
        };
        let project = &self.options.project;
        Finding::problem(format!("the project {project} cannot be looked at: {error}"), help)
    }
}

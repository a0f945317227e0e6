//! What `azdo-gateway ci check` asks: `GET …/actions/workflows/{workflow}` → `{"name", "path",
//! "state"}`, and the workflow file, where the token may read it.
//! Source: docs/ci.md, "Kind `github_actions`".

use reqwest::header::{ACCEPT, HeaderValue};
use serde_json::Value;

use super::workflow_file::{self, WorkflowFile};
use super::{Credential, GithubActions};
use crate::ci::error::{Error, Refusal};
use crate::ci::system::Finding;

/// The permission that a token needs.
const PERMISSION: &str = "the repository permission Actions: read and write";

impl GithubActions {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let mut findings = self.of_app().await;
        match self.json(self.get(&["actions", "workflows", &self.options.workflow])).await {
            Ok(workflow) => {
                findings.push(self.of_workflow(&workflow));
                findings.extend(self.of_file(&workflow).await);
            }
            Err(error) => findings.push(self.not_seen(&error)),
        }
        if matches!(self.options.credential, Credential::Token(_)) {
            let what = format!("GitHub does not tell whether the token has {PERMISSION}");
            findings.push(Finding::note(what));
        }
        findings
    }

    /// What the installation of the App may.
    async fn of_app(&self) -> Vec<Finding> {
        let Some(issued) = self.access.issue(&self.client, &self.options).await else {
            return Vec::new();
        };
        vec![match issued {
            Ok(issued) if issued.actions.as_deref() == Some("write") => {
                Finding::note("the App is installed and may start workflows")
            }
            Ok(issued) => {
                let held = issued.actions.unwrap_or_else(|| "none".to_owned());
                let what = format!("the installation has the permission Actions: {held}");
                let help =
                    format!("give the App {PERMISSION}, and accept it where it is installed");
                Finding::problem(what, help)
            }
            Err(error @ Error::Refused { .. }) => {
                let super::Options { owner, repository, .. } = &self.options;
                let help = format!(
                    "compare app.id, app.installation and app.private_key with the settings of the \
                     App, and install it for {owner}/{repository}"
                );
                Finding::problem(error.to_string(), help)
            }
            Err(error) => Finding::problem(error.to_string(), "try again"),
        }]
    }

    fn of_workflow(&self, workflow: &Value) -> Finding {
        let text = |name: &str| workflow.get(name).and_then(Value::as_str).unwrap_or_default();
        let file = &self.options.workflow;
        match text("state") {
            "active" => Finding::note(format!("the workflow {file} exists and is active")),
            state => Finding::problem(
                format!("the workflow {file} is not active: {state}"),
                "enable it on its page below Actions",
            ),
        }
    }

    fn not_seen(&self, error: &Error) -> Finding {
        let help = match error {
            Error::Refused { refusal: Refusal::Gone, .. } => {
                let what = format!("{}: {error}", self.unseen());
                let help =
                    format!("correct repository or workflow, or give the token {PERMISSION} there");
                return Finding::problem(what, help);
            }
            Error::Refused { refusal: Refusal::Credential, .. } => {
                format!("replace the token by one with {PERMISSION}")
            }
            Error::Refused { .. } => "correct url, repository and workflow".to_owned(),
            _ => "try again".to_owned(),
        };
        Finding::problem(format!("the workflow cannot be looked at: {error}"), help)
    }

    /// What the workflow file says, on the ref that is used where that is always the same one.
    async fn of_file(&self, workflow: &Value) -> Vec<Finding> {
        let path = workflow.get("path").and_then(Value::as_str).unwrap_or_default();
        let segments: Vec<&str> = ["contents"].into_iter().chain(path.split('/')).collect();
        let mut call = self.get(&segments);
        call.headers.insert(ACCEPT, HeaderValue::from_static("application/vnd.github.raw+json"));
        let git_ref = self.options.git_ref.text();
        let is_fixed = !git_ref.contains(['{', '}']);
        if is_fixed {
            call.url.query_pairs_mut().append_pair("ref", git_ref);
        }
        let answer = match self.send(call).await {
            Ok(answer) if answer.status.is_success() => answer,
            Ok(answer) => {
                let error = self.client.failure(&answer);
                return vec![Finding::note(format!(
                    "{path} could not be looked at, which needs the permission Contents: read, and \
                     the file on the ref: {error}"
                ))];
            }
            Err(error) => {
                return vec![Finding::note(format!("{path} could not be looked at: {error}"))];
            }
        };
        let mut findings = Vec::new();
        if !is_fixed {
            let what = format!("ref is a template: {path} of the default branch was looked at");
            findings.push(Finding::note(what));
        }
        let input = self.options.input.as_deref();
        let text = String::from_utf8_lossy(&answer.body);
        findings.extend(of_text(&workflow_file::read(&text, input.unwrap_or_default()), input));
        findings
    }
}

fn of_text(file: &WorkflowFile, input: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !file.is_dispatchable {
        findings.push(Finding::problem(
            "the workflow cannot be dispatched",
            "add the trigger workflow_dispatch below on: in its file",
        ));
    }
    let Some(input) = input else {
        findings.push(Finding::note(
            "input is \"\": a run that GitHub may have started cannot be found, and is started \
             again",
        ));
        return findings;
    };
    if !file.declares_input {
        findings.push(Finding::problem(
            format!("the workflow does not declare the input {input}"),
            format!("add {input}: below on.workflow_dispatch.inputs in its file"),
        ));
    }
    if !file.shows_input {
        findings.push(Finding::problem(
            format!(
                "run-name does not show the input {input}: a run that GitHub may have started \
                 cannot be found, and is started again"
            ),
            format!("add run-name: Check ${{{{ inputs.{input} }}}} to its file"),
        ));
    }
    findings
}

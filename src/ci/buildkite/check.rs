//! Whether the token has its scopes and the pipeline exists.

use reqwest::Method;
use serde_json::Value;

use super::Buildkite;
use crate::ci::client::Call;
use crate::ci::system::Finding;
use crate::ci::urls::below_with;

/// What to do where Buildkite refuses the token, and where it does not know the pipeline.
const TOKEN: &str = "give token an API access token of this organization";
const SLUGS: &str = "write the slugs of the organization and of the pipeline, as in its address";
/// What builds are started, read and cancelled with.
const SCOPES: [&str; 2] = ["read_builds", "write_builds"];

impl Buildkite {
    pub(super) async fn check_settings(&self) -> Vec<Finding> {
        let url = below_with(&self.options.url, &["v2", "access-token"], &[]);
        let call = Call::new(Method::GET, url).bearer(&self.options.token);
        let token = match self.client.succeed(call).await {
            Ok(answer) => answer.json(),
            Err(error) => return vec![Finding::unanswered(&error, TOKEN, SLUGS)],
        };
        let scopes = token.get("scopes").and_then(Value::as_array).cloned().unwrap_or_default();
        let missing = SCOPES.iter().filter(|scope| !scopes.contains(&Value::from(**scope)));
        let mut findings: Vec<Finding> = missing
            .map(|scope| {
                let what = format!("the token lacks the scope {scope}");
                Finding::problem(what, "create an API access token with read_builds, write_builds")
            })
            .collect();
        let pipeline = &self.options.pipeline;
        match self.client.succeed(self.list(&[])).await {
            Ok(_) => findings.push(Finding::note(format!("the pipeline {pipeline} exists"))),
            Err(error) => findings.push(Finding::unanswered(&error, TOKEN, SLUGS)),
        }
        findings
    }
}

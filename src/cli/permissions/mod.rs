//! `azdo-gateway permissions`: checks whether the gateway's identity has the permissions that the
//! checks need, and grants them.

mod check;
mod grant;

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use serde_json::Value;

use super::Common;
use super::gateway::Gateway;

#[derive(Debug, Subcommand)]
pub(super) enum Permissions {
    /// Show the gateway's identity, what it sees, and which permissions are missing.
    #[command(after_help = "\
Examples:
  azdo-gateway permissions check
  azdo-gateway permissions check my-devops-org")]
    Check(check::Check),
    /// Grant missing permissions with an administrator's personal access token.
    #[command(after_help = "\
Examples:
  azdo-gateway permissions grant my-devops-org --pat-env ADMINISTRATOR
  azdo-gateway permissions grant my-devops-org --pat-file /run/administrator")]
    Grant(grant::Grant),
}

impl Permissions {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        match self {
            Permissions::Check(check) => check.run(common).await,
            Permissions::Grant(grant) => grant.run(common).await,
        }
    }
}

/// The answers of the gateway about one organization.
struct Survey {
    /// `/v1/organizations/{name}`: its identity and what the identity sees.
    organization: Value,
    /// `/v1/permissions`.
    permissions: Value,
}

impl Survey {
    async fn ask(gateway: &Gateway, name: &str) -> anyhow::Result<Self> {
        let mut path = url::Url::parse("http://gateway/v1/organizations")?;
        path.path_segments_mut().ok().context("it has a path")?.push(name);
        let organization = gateway.get(path.path()).await?;
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("organization", name);
        let permissions = gateway.get(&format!("/v1/permissions?{}", query.finish())).await?;
        Ok(Self { organization, permissions })
    }

    fn rows(&self) -> impl Iterator<Item = &Value> {
        list(&self.permissions, "items")
    }

    fn missing(&self) -> impl Iterator<Item = &Value> {
        let is = |row: &Value, field: &str| row.get(field) == Some(&Value::Bool(true));
        self.rows().filter(move |row| !is(row, "has") && !is(row, "optional"))
    }

    fn probes(&self) -> impl Iterator<Item = &Value> {
        list(&self.permissions, "probes")
    }

    /// The policies of the required checks.
    fn policies(&self) -> impl Iterator<Item = &Value> {
        list(&self.permissions, "policies")
    }

    /// What could not be read at Azure DevOps, so that permissions may be missing unseen.
    fn problems(&self) -> impl Iterator<Item = &str> {
        let name = self.organization.get("name").and_then(Value::as_str).unwrap_or_default();
        list(&self.permissions, "problems").filter_map(Value::as_str).map(move |problem| {
            problem.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(problem)
        })
    }

    fn is_fine(&self) -> bool {
        let refused = |probe: &Value| probe.get("allowed") != Some(&Value::Bool(true));
        let is_wrong = |policy: &Value| policy.get("problem").is_some_and(Value::is_string);
        let has_permissions = self.missing().next().is_none() && !self.probes().any(refused);
        has_permissions && self.problems().next().is_none() && !self.policies().any(is_wrong)
    }
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

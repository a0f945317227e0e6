//! `azdo-gateway permissions grant`: grants the missing permissions with the personal access token
//! of an administrator, and checks again. The token stays in this process. Only what the gateway
//! reports as missing is granted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::Survey;
use super::check::{exit_code, print};
use crate::ado::{self, Client, Credential, Throttle};
use crate::cli::gateway::Gateway;
use crate::cli::output::say;
use crate::cli::progress::while_waiting;
use crate::cli::table::text;
use crate::cli::{Common, usage};
use crate::clock::Clock;
use crate::config::{Environment, Process};
use crate::domain::permission;
use crate::secret::Secret;

const REMEDY: &str = "granting needs the personal access token of an administrator of the \
    projects, with the scopes \"Security (Manage)\" and \"Identity (Read)\": name the environment \
    variable that holds it with --pat-env, or its file with --pat-file";

#[derive(Debug, Args)]
pub(in crate::cli) struct Grant {
    /// The organization.
    organization: String,
    /// The environment variable with the administrator's personal access token.
    #[arg(long, value_name = "NAME")]
    pat_env: Option<String>,
    /// The file with the administrator's personal access token.
    #[arg(long, value_name = "FILE", conflicts_with = "pat_env")]
    pat_file: Option<PathBuf>,
}

impl Grant {
    pub(super) async fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        let pat = match self.pat() {
            Ok(pat) => pat,
            Err(reason) => return Ok(usage(&reason)),
        };
        let config = common.load()?;
        let mut known = config.organizations.iter().map(|organization| &organization.ado);
        let wanted = |ado: &&ado::Options| ado.name.eq_ignore_ascii_case(&self.organization);
        let Some(options) = known.find(wanted).cloned() else {
            let name = &self.organization;
            return Ok(usage(&format!("there is no organization {name} in the configuration")));
        };
        let name = options.name.clone();
        let (throttle, clock) = (Arc::new(Throttle::default()), Clock::system());
        let client = Client::new(ado::http_client()?, options, throttle, clock);
        let administrator = Administrator { client, pat };
        let grant = async |gateway: &Gateway| {
            administrator.grant_missing(gateway, &name, common.json).await
        };
        Gateway::with(common, grant).await
    }

    fn pat(&self) -> Result<Secret, String> {
        let text = match (&self.pat_env, &self.pat_file) {
            (Some(name), _) => Process
                .variable(name)
                .ok_or_else(|| format!("the environment variable {name} is not set; {REMEDY}"))?,
            (None, Some(path)) => Process
                .file(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))?,
            (None, None) => return Err(REMEDY.to_owned()),
        };
        let pat = Secret::new(text.trim().to_owned());
        if pat.expose().is_empty() {
            return Err(format!("the personal access token is empty; {REMEDY}"));
        }
        Ok(pat)
    }
}

struct Administrator {
    client: Client,
    pat: Secret,
}

impl Administrator {
    async fn grant_missing(
        &self,
        gateway: &Gateway,
        name: &str,
        as_json: bool,
    ) -> anyhow::Result<ExitCode> {
        let mut granted = Vec::new();
        let mut after = Survey::ask(gateway, name).await?;
        loop {
            let mut grants = grants(&after)?;
            grants.retain(|grant| !granted.contains(grant));
            if grants.is_empty() {
                break;
            }
            let descriptor = self.descriptor(&after.organization).await?;
            for grant in &grants {
                self.set(&self.with_id(grant).await?, &descriptor, as_json).await?;
            }
            granted.extend(grants);
            // In a project that the identity sees for the first time more may be missing.
            after = Survey::ask(gateway, name).await?;
        }
        if as_json {
            say!("{:#}", after.permissions);
        } else {
            print(&after);
        }
        if !granted.is_empty() && after.missing().next().is_some() {
            eprintln!(
                "error: permissions are still missing: Azure DevOps may apply a grant only after a \
                 minute; if they stay missing, an explicit denial overrides the grant"
            );
        }
        Ok(exit_code(after.is_fine()))
    }

    /// The descriptor of the gateway's identity, as Azure DevOps reported it to the gateway.
    /// Without that, the identity is searched by the name of its account.
    async fn descriptor(&self, shown: &Value) -> anyhow::Result<String> {
        let identity = shown.get("identity").cloned().unwrap_or_default();
        if let Some(descriptor) = identity.get("descriptor").and_then(Value::as_str) {
            return Ok(descriptor.to_owned());
        }
        let Some(account) = identity.get("account").and_then(Value::as_str) else {
            bail!("Azure DevOps does not say who the gateway is, so nothing can be granted to it");
        };
        let found = self.client.descriptor_of(Credential::from_pat(&self.pat), account);
        let found = while_waiting("searching the identity", found).await;
        let found = found.context("the administrator may not search identities")?;
        found.with_context(|| {
            format!("Azure DevOps has none, or several, with the account name {account}")
        })
    }

    /// The grant with the id of its project. The gateway knows no id where it sees no project.
    async fn with_id(&self, grant: &permission::Grant) -> anyhow::Result<permission::Grant> {
        let Some((before, project)) = permission::project_named_in(&grant.token) else {
            return Ok(grant.clone());
        };
        let id = self.client.project_id(Credential::from_pat(&self.pat), project);
        let id = while_waiting("looking up the project", id).await;
        let id = id.with_context(|| {
            format!(
                "cannot read the id of the project {project}; for that the token needs the scope \
                 \"Project and Team (Read)\", too; {REMEDY}"
            )
        })?;
        Ok(permission::Grant { token: format!("{before}{id}"), ..grant.clone() })
    }

    async fn set(
        &self,
        grant: &permission::Grant,
        descriptor: &str,
        as_json: bool,
    ) -> anyhow::Result<()> {
        let permission::Grant { namespace, token, bits } = grant;
        let what = format!("namespace {namespace}, bits {bits}, token {token}");
        let done = self.client.allow(Credential::from_pat(&self.pat), grant, descriptor);
        let done = while_waiting("granting", done).await;
        done.with_context(|| format!("cannot grant {what}; {REMEDY}"))?;
        if !as_json {
            say!("granted       {what}");
        }
        Ok(())
    }
}

/// The missing permissions, joined by namespace and token.
fn grants(survey: &Survey) -> anyhow::Result<Vec<permission::Grant>> {
    let mut grants = Vec::new();
    for row in survey.missing() {
        let bit = row.get("bit").and_then(Value::as_u64).and_then(|bit| u32::try_from(bit).ok());
        let bit = bit.context("the gateway does not say which bit is missing")?;
        let (namespace, token) = (text(row, "namespace"), text(row, "token"));
        permission::Grant::add(&mut grants, &namespace, &token, bit);
    }
    let problems: Vec<&str> = survey.problems().collect();
    if survey.rows().next().is_none() && !problems.is_empty() {
        bail!("the missing permissions are unknown:\n  {}", problems.join("\n  "));
    }
    Ok(grants)
}

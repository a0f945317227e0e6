//! `azdo-gateway keygen`: prints a new secret, or the URL and the password of a hook that is
//! created by hand.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{Common, usage};
use crate::ci::webhook::SigningSecret;
use crate::cli::output::say;
use crate::domain::subscription::PasswordScope;
use crate::secret::RootKey;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway keygen
  azdo-gateway keygen --webhook
  azdo-gateway keygen --hook my-devops-org/pushes --project Fabrikam")]
pub(super) struct Keygen {
    /// Print a secret for a CI of kind "webhook" instead of a root key.
    #[arg(long, conflicts_with = "hook")]
    webhook: bool,
    /// Print the URL, user and password of this hook instead.
    #[arg(long, value_name = "ORGANIZATION/NAME")]
    hook: Option<String>,
    /// The project, by its name or its GUID, that deliveries to the hook may be about.
    #[arg(long, requires = "hook", conflicts_with = "any_project")]
    project: Option<String>,
    /// Let deliveries to the hook be about every project of the organization.
    #[arg(long, requires = "hook")]
    any_project: bool,
}

impl Keygen {
    pub(super) fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        if let Some(hook) = &self.hook {
            return self.print_hook(common, hook);
        }
        let secret = if self.webhook {
            SigningSecret::generate().context("no random numbers are available")?
        } else {
            RootKey::generate().context("no random numbers are available")?.to_base64()
        };
        if common.json {
            say!("{}", json!({ "secret": secret.expose() }));
        } else {
            say!("{}", secret.expose());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print_hook(&self, common: &Common, hook: &str) -> anyhow::Result<ExitCode> {
        let config = common.load()?;
        let Some((organization, name)) = hook.split_once('/').filter(|(_, name)| is_segment(name))
        else {
            return Ok(usage("give the hook as ORGANIZATION/NAME, NAME of letters, digits, . _ -"));
        };
        let same = |known: &&str| known.eq_ignore_ascii_case(organization);
        let mut names = config.organizations.iter().map(|known| known.ado.name.as_str());
        let Some(organization) = names.find(same) else {
            let why = format!("there is no organization {organization} in the configuration");
            return Ok(usage(&why));
        };
        let is_bound = PasswordScope::of(name) != PasswordScope::AnyProject;
        let password = match &self.project {
            Some(_) if is_bound => {
                return Ok(usage("the name of this hook names its project: leave --project out"));
            }
            Some(project) if project.trim().is_empty() => {
                return Ok(usage("give --project the name or the GUID of a project"));
            }
            Some(project) => {
                config.secrets.hook_password_of_project(organization, name, project.trim())
            }
            None if self.any_project || is_bound => {
                config.secrets.hook_password(organization, name)
            }
            None => return Ok(usage(&without_project(organization))),
        };
        let public_url = config.server.public_url.as_str().trim_end_matches('/');
        let url = format!("{public_url}/hooks/azure-devops/{organization}/{name}");
        if common.json {
            let user = "azure-devops";
            say!("{}", json!({ "url": url, "user": user, "password": password.expose() }));
        } else {
            say!("url       {url}\nuser      azure-devops\npassword  {}", password.expose());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn without_project(organization: &str) -> String {
    format!(
        "add --project NAME. A password without a project can report pull requests and pushes of \
         every project of {organization}: that cancels runs, starts runs on any commit, and can \
         let a pull request be merged unchecked. Add --any-project to accept that"
    )
}

fn is_segment(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.chars().all(allowed)
}

//! `azdo-gateway keygen`: prints a new secret, or the URL and the password of a hook that is
//! created by hand.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::{Common, usage};
use crate::ci::webhook::SigningSecret;
use crate::cli::output::say;
use crate::secret::RootKey;

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Print a secret for a CI of kind "webhook" instead of a root key.
    #[arg(long, conflicts_with = "hook")]
    webhook: bool,
    /// Print the URL, user and password of this hook instead.
    #[arg(long, value_name = "ORGANIZATION/NAME")]
    hook: Option<String>,
}

impl Keygen {
    pub(super) fn run(&self, common: &Common) -> anyhow::Result<ExitCode> {
        if let Some(hook) = &self.hook {
            return print_hook(common, hook);
        }
        let secret = if self.webhook {
            SigningSecret::generate().context("no random numbers are available")?
        } else {
            RootKey::generate().context("no random numbers are available")?.to_base64()
        };
        say!("{}", secret.expose());
        Ok(ExitCode::SUCCESS)
    }
}

fn print_hook(common: &Common, hook: &str) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    let Some((organization, name)) = hook.split_once('/').filter(|(_, name)| is_segment(name))
    else {
        return Ok(usage("give the hook as ORGANIZATION/NAME, NAME of letters, digits, . _ -"));
    };
    let same = |known: &&str| known.eq_ignore_ascii_case(organization);
    let mut names = config.organizations.iter().map(|known| known.ado.name.as_str());
    let Some(organization) = names.find(same) else {
        return Ok(usage(&format!("there is no organization {organization} in the configuration")));
    };
    let public_url = config.server.public_url.as_str().trim_end_matches('/');
    let url = format!("{public_url}/hooks/azure-devops/{organization}/{name}");
    let password = config.secrets.hook_password(organization, name);
    if common.json {
        let user = "azure-devops";
        say!("{}", json!({ "url": url, "user": user, "password": password.expose() }));
    } else {
        say!("url       {url}\nuser      azure-devops\npassword  {}", password.expose());
    }
    Ok(ExitCode::SUCCESS)
}

fn is_segment(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.chars().all(allowed)
}
